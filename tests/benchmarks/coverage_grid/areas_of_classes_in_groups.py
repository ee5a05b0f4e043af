"""Settings of ROC AUC of several classes, of examples that are correlated within groups."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from performance.metrics.statistics.clusters import Clusters
from tests.benchmarks.coverage_grid.area_ends import difference_ends
from tests.benchmarks.coverage_grid.areas_of_classes import AVERAGINGS, Classes, SeveralAreas, SeveralPairs, mean_areas
from tests.benchmarks.coverage_grid.paired_groups import ALL_SHAPES, HELD_OUT_SHAPES, Shape
from tests.benchmarks.coverage_grid.ranked import Numbers
from tests.benchmarks.coverage_grid.rivals_of_groups import area_difference_rivals, area_rivals
from tests.benchmarks.coverage_grid.tally import Tallies, Tally

SEED = 20260313


@dataclass(frozen=True)
class GroupedPairs:
    """Two versions whose scores correlate within groups, each of which has examples of one class if `apart`."""

    shape: Shape
    pair: SeveralPairs
    apart: bool

    def __str__(self) -> str:
        return f"{self.shape}, {'one class each' if self.apart else 'mixed'} · {self.pair}"

    def draw(self, random: np.random.Generator, times: int) -> tuple[Classes, list[Numbers]]:
        """Return the actual classes, and the scores of the newer and the older version."""
        actual, older = self._classes(random, times), self.pair.older
        noise = [self.shape.noise(random, times, self.pair.correlation) for _ in older.shares]
        return actual, [
            version.scores(actual, np.stack([each[at].reshape(actual.shape) for each in noise], 2))
            for at, version in enumerate(self.pair.versions)
        ]

    def _classes(self, random: np.random.Generator, times: int) -> Classes:
        if not self.apart:
            return self.pair.older.classes(random, times)
        of_groups = replace(self.pair.older, size=self.shape.groups).classes(random, times)
        return np.repeat(of_groups, self.shape.examples, axis=1)


def _pairs(shape: Shape, shares: tuple[float, ...], apart: float, worse: float) -> SeveralPairs:
    return SeveralPairs(SeveralAreas(shape.size, shares, apart), worse * apart, 0.0)


GROUPED = [
    GroupedPairs(shape, _pairs(shape, (0.5, 0.3, 0.2), apart, 0.8), one_class)
    for shape in ALL_SHAPES
    for apart in (1.0, 2.5)
    for one_class in (False, True)
]
GROUPED_HELD_OUT = [
    GroupedPairs(shape, _pairs(shape, (0.6, 0.25, 0.15), 1.7, 0.9), one_class)
    for shape in HELD_OUT_SHAPES
    for one_class in (False, True)
]


def grouped(settings: list[GroupedPairs], samples: int) -> Tallies:
    """Yield the tallies of the older version's areas, and of the differences, which follow from both intervals."""
    for setting in settings:
        random, older, size = np.random.default_rng(SEED), setting.pair.older, setting.shape.size
        worse = setting.pair.versions[0].truth - older.truth
        title, clusters = str(setting), Clusters(setting.shape.groups, float(setting.shape.examples))
        single = {name: Tally(title, f"{name} roc_auc, grouped", size, older.truth) for name in AVERAGINGS}
        paired = {name: Tally(title, f"{name} roc_auc difference, grouped", size, worse) for name in AVERAGINGS}
        for times in older.batches(samples):
            actual, scores = setting.draw(random, times)
            of_newer, of_older = (mean_areas(actual, each, clusters) for each in scores)
            for name in AVERAGINGS:
                (area, ends), (baseline, baseline_ends) = of_newer[name], of_older[name]
                single[name].add_all(*baseline_ends)
                single[name].add_rivals(area_rivals(baseline, clusters.groups))
                paired[name].add_all(*difference_ends((area.values, baseline.values), (ends, baseline_ends)))
                paired[name].add_rivals(area_difference_rivals(area, baseline, clusters.groups))
        yield from (*single.values(), *paired.values())


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "areas of several classes in groups": lambda samples: grouped(GROUPED, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "areas of several classes in groups": lambda samples: grouped(GROUPED_HELD_OUT, samples),
}
