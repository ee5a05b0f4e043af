"""Settings of ROC AUC averaged over several classes, of one version and of the difference of two."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from performance.metrics.statistics.clusters import Clusters
from tests.benchmarks.coverage_grid.area_ends import difference_ends, mean_area_ends, micro_area_ends, roc_auc_ends
from tests.benchmarks.coverage_grid.areas import influences_on_log_odds
from tests.benchmarks.coverage_grid.group_effects import interval_effects
from tests.benchmarks.coverage_grid.groups import area_effects
from tests.benchmarks.coverage_grid.paired import CORRELATIONS, area_rivals
from tests.benchmarks.coverage_grid.ranked import Influences, Numbers, ranked_influences
from tests.benchmarks.coverage_grid.rivals import around, quantile_of_t
from tests.benchmarks.coverage_grid.tally import Ends, Tallies, Tally

SEED = 20260313
AT_A_TIME = 20_000  # scores
AVERAGINGS = ("macro", "weighted", "micro")

Classes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SeveralAreas:
    """Normal scores of several classes of given shares; the score of an example's own class is `apart` higher."""

    size: int
    shares: tuple[float, ...]
    apart: float

    def __str__(self) -> str:
        return f"{self.size:,} · {len(self.shares)} classes · {self.apart:g}"

    @property
    def truth(self) -> float:
        """The area of each class, and so that of their averages and of the decisions on all classes."""
        return float(stats.norm.cdf(self.apart / np.sqrt(2)))

    def batches(self, samples: int) -> Iterator[int]:
        """Yield how many samples to draw together."""
        batch = max(1, AT_A_TIME // self.size // len(self.shares))
        return (min(batch, samples - start) for start in range(0, samples, batch))

    def classes(self, random: np.random.Generator, times: int) -> Classes:
        """Return the actual classes `[sample][example]`. All classes occur in each sample."""
        actual = random.choice(len(self.shares), (times, self.size), p=self.shares)
        while (lacking := ~_occur(actual, len(self.shares)).all(1)).any():
            actual[lacking] = random.choice(len(self.shares), (lacking.sum(), self.size), p=self.shares)
        return actual

    def scores(self, actual: Classes, noise: Numbers) -> Numbers:
        """Return the scores `[sample][example][class]`."""
        return np.asarray(self.apart * np.eye(len(self.shares))[actual] + noise)


def _occur(actual: Classes, classes: int) -> npt.NDArray[np.bool_]:
    return np.stack([(actual == at).any(1) for at in range(classes)], 1)


SHARES = ((0.5, 0.3, 0.2), (0.6, 0.3, 0.1), (0.2, 0.2, 0.2, 0.15, 0.15, 0.1))
SEVERAL = [SeveralAreas(size, shares, apart) for shares in SHARES for size in (100, 300) for apart in (1.0, 2.5)]
SEVERAL_HELD_OUT = [SeveralAreas(150, (0.7, 0.2, 0.1), apart) for apart in (0.5, 2.0)]


def several(settings: list[SeveralAreas], samples: int) -> Tallies:
    """Yield the tallies of ROC AUC, averaged over the classes."""
    for setting in settings:
        random = np.random.default_rng(SEED)
        found = {name: Tally(str(setting), f"{name} roc_auc", setting.size, setting.truth) for name in AVERAGINGS}
        for times in setting.batches(samples):
            actual = setting.classes(random, times)
            noise = random.normal(size=(*actual.shape, len(setting.shares)))
            fewest = _fewest(actual, len(setting.shares))
            for name, (area, ends) in mean_areas(actual, setting.scores(actual, noise)).items():
                found[name].add_all(*ends)
                found[name].add_rivals(_rivals(area, fewest))
        yield from found.values()


def _fewest(actual: Classes, classes: int) -> Numbers:
    """Return the number of examples of the rarest class of each sample."""
    return np.asarray(np.min([(actual == at).sum(1) for at in range(classes)], axis=0).astype(float))


def _rivals(area: Influences, fewest: Numbers) -> dict[str, Ends]:
    margins = quantile_of_t(fewest - 1) * np.sqrt(area.variances)
    return {
        "influences, t": around(area.values, margins),
        "influences, on log odds": influences_on_log_odds(area, fewest),
    }


def mean_areas(
    actual: Classes, scores: Numbers, clusters: Clusters | None = None
) -> dict[str, tuple[Influences, Ends]]:
    """Return the means of the classes' areas by averaging, with the ends of the product's intervals.

    Args:
        actual: the classes `[sample][example]`.
        scores: those of each class.
        clusters: the groups of examples, which follow each other, if there are some.
    """
    size, classes = scores.shape[1:]
    counts = np.stack([(actual == at).sum(1) for at in range(classes)], 1).astype(float)
    ranked = [ranked_influences(actual == at, scores[:, :, at])[0] for at in range(classes)]
    values, variances = np.stack([each.values for each in ranked], 1), np.stack([each.variances for each in ranked], 1)
    effects = _effects(actual, ranked, clusters) if clusters else 1.0
    ends = roc_auc_ends(values, variances, (counts, size - counts), effects)
    found = {}
    for name, shares, of in (("macro", np.full_like(counts, 1 / classes), np.inf), ("weighted", counts / size, size)):
        found[name] = _mean(actual, ranked, shares, of), mean_area_ends(values, ends, shares, of)
    return found | {"micro": _pooled(actual, scores, clusters)}


def _mean(actual: Classes, ranked: Sequence[Influences], shares: Numbers, size: float) -> Influences:
    """Return the mean of the classes' areas, whose shares `[sample][class]` are known, or those of `size` examples."""
    values = np.stack([each.values for each in ranked], 1)
    mean = (shares * values).sum(1)
    of_shares = (np.take_along_axis(values, actual, 1) - mean[:, None]) / size
    of_areas, corrected = (
        sum(share[:, None] * influence for share, influence in zip(shares.T, influences, strict=True))
        for influences in ([each.of_examples for each in ranked], [each.corrected for each in ranked])
    )
    return Influences(mean, of_areas + of_shares, corrected + of_shares)


def _effects(actual: Classes, ranked: Sequence[Influences], clusters: Clusters) -> Numbers:
    """Return the design effects of the areas `[sample][class]`."""
    return np.stack([area_effects("roc_auc", clusters, actual == at, each) for at, each in enumerate(ranked)], 1)


def _pooled(actual: Classes, scores: Numbers, clusters: Clusters | None) -> tuple[Influences, Ends]:
    """Return the areas of the decisions on all classes, whose influences are summed by example."""
    samples, size, classes = scores.shape
    is_own = actual[..., None] == np.arange(classes)
    area, _ = ranked_influences(is_own.reshape(samples, -1), scores.reshape(samples, -1))
    influences = area.of_examples.reshape(scores.shape).sum(2)
    variances, sizes = (influences**2).sum(1), np.full(samples, float(size))
    found = Influences(area.values, influences, influences * np.sqrt(size / (size - 1)))
    if clusters:
        effects = interval_effects(clusters, influences.reshape(samples, clusters.groups, -1).sum(2), variances)
        return found, micro_area_ends(area.values, variances * effects * size / (size - 1), sizes / effects)
    return found, micro_area_ends(area.values, found.variances, sizes)


# Differences


@dataclass(frozen=True)
class SeveralPairs:
    """Two versions whose scores correlate. Those of the newer one are less far `apart`."""

    older: SeveralAreas
    apart: float
    correlation: float

    def __str__(self) -> str:
        return f"{self.older}, against {self.apart:g} · correlation {self.correlation:g}"

    @property
    def versions(self) -> tuple[SeveralAreas, SeveralAreas]:
        """The newer and the older version."""
        return replace(self.older, apart=self.apart), self.older

    def draw(self, random: np.random.Generator, times: int) -> tuple[Classes, list[Numbers]]:
        """Return the actual classes, and the scores of the newer and the older version."""
        actual = self.older.classes(random, times)
        one, other = random.normal(size=(2, *actual.shape, len(self.older.shares)))
        noise = self.correlation * one + np.sqrt(1 - self.correlation**2) * other
        return actual, [version.scores(actual, each) for version, each in zip(self.versions, (noise, one), strict=True)]


PAIRS = [SeveralPairs(older, 0.8 * older.apart, correlation) for older in SEVERAL for correlation in CORRELATIONS]
PAIRS_HELD_OUT = [SeveralPairs(older, 0.9 * older.apart, 0.7) for older in SEVERAL_HELD_OUT]


def differences(settings: list[SeveralPairs], samples: int) -> Tallies:
    """Yield the tallies of the differences of averages, which follow from both versions' intervals."""
    for setting in settings:
        random, size = np.random.default_rng(SEED), setting.older.size
        newer, older = (version.truth for version in setting.versions)
        found = {name: Tally(str(setting), f"{name} roc_auc difference", size, newer - older) for name in AVERAGINGS}
        for times in setting.older.batches(samples):
            actual, scores = setting.draw(random, times)
            of_newer, of_older = (mean_areas(actual, each) for each in scores)
            for name, tally in found.items():
                (area, ends), (baseline, baseline_ends) = of_newer[name], of_older[name]
                tally.add_all(*difference_ends((area.values, baseline.values), (ends, baseline_ends)))
                tally.add_rivals(area_rivals(_fewest(actual, len(setting.older.shares)), area, baseline))
        yield from found.values()


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "areas of several classes": lambda samples: several(SEVERAL, samples),
    "differences of areas of several classes": lambda samples: differences(PAIRS, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "areas of several classes": lambda samples: several(SEVERAL_HELD_OUT, samples),
    "differences of areas of several classes": lambda samples: differences(PAIRS_HELD_OUT, samples),
}
