"""Settings of ROC AUC of several classes, of examples that are correlated within groups."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from performance.metrics.statistics.clusters import Clusters
from tests.benchmarks.coverage_grid.areas_of_classes import (
    AVERAGINGS,
    Classes,
    SeveralAreas,
    SeveralPairs,
    area_ends,
    class_areas,
    class_counts,
    class_shares,
    compared_ends,
    mean_areas,
)
from tests.benchmarks.coverage_grid.group_effects import equal_groups, informative_groups, interval_effects
from tests.benchmarks.coverage_grid.groups import area_effects
from tests.benchmarks.coverage_grid.paired_groups import (
    ALL_SHAPES,
    HELD_OUT_SHAPES,
    Shape,
    difference_effects,
    sums_of_groups,
)
from tests.benchmarks.coverage_grid.ranked import Influences, Numbers
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


def _pairs(shape: Shape, shares: tuple[float, ...], apart: float, worse: float, correlation: float) -> SeveralPairs:
    older = SeveralAreas(shape.size, shares, apart, are_probabilities=correlation > 0)
    return SeveralPairs(older, worse * apart, correlation)


GROUPED = [
    GroupedPairs(shape, _pairs(shape, (0.5, 0.3, 0.2), apart, 0.8, correlation), one_class)
    for shape in ALL_SHAPES
    for apart in (1.0, 2.5)
    for one_class in (False, True)
    for correlation in (0.0, 0.9)
]
GROUPED_HELD_OUT = [
    GroupedPairs(shape, _pairs(shape, (0.6, 0.25, 0.15), 1.7, 0.9, 0.6), one_class)
    for shape in HELD_OUT_SHAPES
    for one_class in (False, True)
]


def grouped(settings: list[GroupedPairs], samples: int) -> Tallies:
    """Yield the tallies of the older version's areas, and of the differences."""
    for setting in settings:
        random, older, size = np.random.default_rng(SEED), setting.pair.older, setting.shape.size
        better, worse, title = older.truth, setting.pair.versions[0].truth, str(setting)
        single = {name: Tally(title, f"{name} roc_auc, grouped", size, better[name]) for name in AVERAGINGS}
        paired = {
            name: Tally(title, f"{name} roc_auc difference, grouped", size, worse[name] - better[name])
            for name in AVERAGINGS
        }
        clusters = equal_groups(setting.shape.groups, float(setting.shape.examples))
        for times in older.batches(samples):
            actual, scores = setting.draw(random, times)
            counts = older.counts(actual)
            of_newer, of_older = (mean_areas(actual, each) for each in scores)
            of_classes = [class_areas(actual, each) for each in scores]
            class_effects = [effects_of_classes(clusters, actual, each) for each in of_classes]
            for name in AVERAGINGS:
                both = of_newer[name], of_older[name]
                most = groups_of_areas(name, actual, clusters.groups, len(older.shares))
                ends = [
                    area_ends(name, counts, area, each, area_effect(clusters, area, most), effects)
                    for area, each, effects in zip(both, of_classes, class_effects, strict=True)
                ]
                single[name].add_all(*ends[1])
                single[name].add_rivals(area_rivals(both[1], clusters.groups))
                paired[name].add_all(*compared_ends(name, counts, both, ends, difference_effects(clusters, both, most)))
                paired[name].add_rivals(area_difference_rivals(*both, clusters.groups))
        yield from (*single.values(), *paired.values())


def groups_of_areas(averaging: str, actual: Classes, groups: int, classes: int) -> Numbers | float:
    """Return how many groups inform of the areas of each sample."""
    if averaging == "micro":
        return np.inf
    of_groups = actual.reshape(len(actual), groups, -1)
    found = np.stack([(of_groups == at).sum(2).astype(float) for at in range(classes)], 1)
    of_classes = found.sum(2) ** 2 / (found**2).sum(2)
    return informative_groups(class_shares(averaging, class_counts(actual, classes)), of_classes)


def area_effect(clusters: Clusters, area: Influences, groups: Numbers | float) -> Numbers:
    """Return the design effects of areas, of which at most so many groups inform. Groups follow each other."""
    independent = (area.of_examples**2).sum(1)
    return interval_effects(clusters, sums_of_groups(clusters, area.of_examples), independent, groups)


def effects_of_classes(clusters: Clusters, actual: Classes, of_classes: Sequence[Influences]) -> Numbers:
    """Return the design effects of the areas of the classes `[sample][class]`."""
    return np.stack(
        [area_effects("roc_auc", clusters, actual == at, each) for at, each in enumerate(of_classes)], axis=1
    )


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "areas of several classes in groups": lambda samples: grouped(GROUPED, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "areas of several classes in groups": lambda samples: grouped(GROUPED_HELD_OUT, samples),
}
