"""Settings of ROC AUC averaged over several classes, of one version and of the difference of two."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import softmax

from performance.metrics.paired.areas import MIN_EXAMPLES
from tests.benchmarks.coverage_grid.area_ends import (
    at_least_independent,
    correlation,
    difference_ends,
    mean_area_difference_ends,
    mean_area_ends,
    micro_area_ends,
    roc_auc_ends,
)
from tests.benchmarks.coverage_grid.areas import influences_on_log_odds
from tests.benchmarks.coverage_grid.paired import CORRELATIONS, area_rivals, area_variances
from tests.benchmarks.coverage_grid.ranked import Influences, Numbers, ranked_influences
from tests.benchmarks.coverage_grid.rivals import around, quantile_of_t
from tests.benchmarks.coverage_grid.tally import Ends, Tallies, Tally

SEED = 20260313
MANY = 300_000  # examples that stand for all there are
AT_A_TIME = 20_000  # scores
AVERAGINGS = ("macro", "weighted", "micro")

Classes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SeveralAreas:
    """Normal scores of several classes of given shares; the score of an example's own class is `apart` higher.

    If they are probabilities, the scores are their log odds, so that all classes err together. The last class is
    `hardness` times as far apart as the others.
    """

    size: int
    shares: tuple[float, ...]
    apart: float
    are_probabilities: bool = False
    hardness: float = 1.0

    def __str__(self) -> str:
        kind = " · probabilities" if self.are_probabilities else ""
        last = f" · the last {self.hardness:g} times" if self.hardness != 1 else ""
        return f"{self.size:,} · {len(self.shares)} classes · {self.apart:g}{kind}{last}"

    @property
    def truth(self) -> dict[str, float]:
        """The area by averaging; that of probabilities from many examples."""
        if (
            not self.are_probabilities and self.hardness == 1
        ):  # that of each class, and so that of their means and of all decisions
            return dict.fromkeys(AVERAGINGS, float(stats.norm.cdf(self.apart / np.sqrt(2))))
        random = np.random.default_rng(SEED)
        actual = random.choice(len(self.shares), (1, MANY), p=self.shares)
        scores = self.scores(actual, random.normal(size=(1, MANY, len(self.shares))))
        return {name: float(area.values[0]) for name, area in mean_areas(actual, scores).items()}

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
        apart = np.append(np.full(len(self.shares) - 1, self.apart), self.apart * self.hardness)
        scores = np.diag(apart)[actual] + noise
        return softmax(scores, axis=2) if self.are_probabilities else scores

    def counts(self, actual: Classes) -> Numbers:
        """Return the number of examples of each class `[sample][class]`."""
        return class_counts(actual, len(self.shares))


def _occur(actual: Classes, classes: int) -> npt.NDArray[np.bool_]:
    return np.stack([(actual == at).any(1) for at in range(classes)], 1)


SHARES = ((0.5, 0.3, 0.2), (0.6, 0.3, 0.1), (0.2, 0.2, 0.2, 0.15, 0.15, 0.1))
SEVERAL = [
    SeveralAreas(size, shares, apart, are_probabilities)
    for shares in SHARES
    for size in (100, 300)
    for apart in (1.0, 2.5)
    for are_probabilities in (False, True)
]
HARD = [
    SeveralAreas(200, (0.2, 0.2, 0.2, 0.2, 0.15, 0.05), 3.0, hardness=0.2),
    SeveralAreas(300, (0.6, 0.37, 0.03), 3.5, hardness=0.4),
    SeveralAreas(1000, (0.6, 0.39, 0.01), 3.5, hardness=0.2),
    SeveralAreas(300, (0.6, 0.3, 0.1), 2.5, are_probabilities=True, hardness=0.3),
]
SEVERAL_HELD_OUT = [
    SeveralAreas(150, (0.7, 0.2, 0.1), apart, are_probabilities)
    for apart in (0.5, 2.0)
    for are_probabilities in (False, True)
]


def several(settings: list[SeveralAreas], samples: int) -> Tallies:
    """Yield the tallies of ROC AUC, averaged over the classes."""
    for setting in settings:
        random, truth = np.random.default_rng(SEED), setting.truth
        found = {name: Tally(str(setting), f"{name} roc_auc", setting.size, truth[name]) for name in AVERAGINGS}
        for times in setting.batches(samples):
            actual = setting.classes(random, times)
            counts = setting.counts(actual)
            noise = random.normal(size=(*actual.shape, len(setting.shares)))
            scores = setting.scores(actual, noise)
            of_classes = class_areas(actual, scores)
            for name, area in mean_areas(actual, scores).items():
                found[name].add_all(*area_ends(name, counts, area, of_classes))
                found[name].add_rivals(_rivals(area, counts.min(1)))
        yield from found.values()


def _rivals(area: Influences, fewest: Numbers) -> dict[str, Ends]:
    margins = quantile_of_t(fewest - 1) * np.sqrt(area.variances)
    return {
        "influences, t": around(area.values, margins),
        "influences, on log odds": influences_on_log_odds(area, fewest),
    }


def class_areas(actual: Classes, scores: Numbers) -> list[Influences]:
    """Return ROC AUC of each class, from the classes `[sample][example]` and the scores `[sample][example][class]`."""
    return [ranked_influences(actual == at, scores[:, :, at])[0] for at in range(scores.shape[2])]


def mean_areas(actual: Classes, scores: Numbers) -> dict[str, Influences]:
    """Return ROC AUC by averaging, from the same."""
    size, classes = scores.shape[1:]
    ranked = class_areas(actual, scores)
    values = np.stack([each.values for each in ranked], 1)
    of_examples = np.stack([each.of_examples for each in ranked], 2)
    shares = class_counts(actual, classes) / size
    mean = (shares * values).sum(1)
    of_shares = (np.take_along_axis(values, actual, 1) - mean[:, None]) / size
    return {
        "macro": _area(values.mean(1), of_examples.mean(2)),
        "weighted": _area(mean, np.einsum("snc,sc->sn", of_examples, shares) + of_shares),
        "micro": _pooled(actual, scores),
    }


def _pooled(actual: Classes, scores: Numbers) -> Influences:
    """Return the areas of the decisions on all classes, whose influences are summed by example."""
    samples, _, classes = scores.shape
    is_own = actual[..., None] == np.arange(classes)
    area, _ = ranked_influences(is_own.reshape(samples, -1), scores.reshape(samples, -1))
    return _area(area.values, area.of_examples.reshape(scores.shape).sum(2))


def _area(values: Numbers, of_examples: Numbers) -> Influences:
    size = of_examples.shape[1]
    return Influences(values, of_examples, of_examples * np.sqrt(size / (size - 1)))


def class_counts(actual: Classes, classes: int) -> Numbers:
    """Return the number of examples of each class `[sample][class]`."""
    return np.stack([(actual == at).sum(1) for at in range(classes)], 1).astype(float)


def area_ends(
    averaging: str,
    counts: Numbers,
    area: Influences,
    of_classes: Sequence[Influences],
    effects: Numbers | float = 1.0,
    class_effects: Numbers | float = 1.0,
) -> Ends:
    """Return the ends of the product's intervals of the mean areas of classes with so many examples.

    `effects` are the design effects of the means, and `class_effects` those of the classes' areas `[sample][class]`.
    """
    if averaging == "micro":
        return micro_area_ends(area.values, area.variances * effects, counts.sum(1) / effects)
    shares = class_shares(averaging, counts)
    ends = mean_area_ends(area.values, area.variances, shares, counts, effects)
    areas, variances = (np.stack(each, 1) for each in zip(*((e.values, e.variances) for e in of_classes), strict=True))
    single = roc_auc_ends(areas, variances, (counts, counts.sum(1, keepdims=True) - counts), class_effects)
    return at_least_independent(area.values, ends, areas, single, shares)


def class_shares(averaging: str, counts: Numbers) -> Numbers:
    """Return the shares of the classes in a mean `[sample][class]`."""
    if averaging == "weighted":
        return np.asarray(counts / counts.sum(1, keepdims=True))
    return np.full_like(counts, 1 / counts.shape[1])


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


PAIRS = [
    SeveralPairs(older, 0.8 * older.apart, correlation) for older in [*SEVERAL, *HARD] for correlation in CORRELATIONS
]
PAIRS_HELD_OUT = [SeveralPairs(older, 0.9 * older.apart, 0.7) for older in SEVERAL_HELD_OUT]


def differences(settings: list[SeveralPairs], samples: int) -> Tallies:
    """Yield the tallies of the differences of averages."""
    for setting in settings:
        random, size = np.random.default_rng(SEED), setting.older.size
        newer, older = (version.truth for version in setting.versions)
        found = {
            name: Tally(str(setting), f"{name} roc_auc difference", size, newer[name] - older[name])
            for name in AVERAGINGS
        }
        for times in setting.older.batches(samples):
            actual, scores = setting.draw(random, times)
            counts = setting.older.counts(actual)
            of_newer, of_older = (mean_areas(actual, each) for each in scores)
            of_classes = [class_areas(actual, each) for each in scores]
            for name, tally in found.items():
                both = of_newer[name], of_older[name]
                single = [area_ends(name, counts, *each) for each in zip(both, of_classes, strict=True)]
                tally.add_all(*compared_ends(name, counts, both, single))
                tally.add_rivals(area_rivals(counts.min(1), *both))
        yield from found.values()


def compared_ends(
    averaging: str,
    counts: Numbers,
    both: Sequence[Influences],
    single: Sequence[Ends],
    effects: Sequence[Numbers | float] = (1.0, 1.0, 1.0),
) -> Ends:
    """Return the ends of a comparison: paired or, with few examples of a class, from those of both versions."""
    paired = area_difference_ends(averaging, counts, both, effects)
    apart = difference_ends([each.values for each in both], (single[0], single[1]))
    is_paired = (averaging == "micro") | (counts.min(1) >= MIN_EXAMPLES)
    return np.where(is_paired, paired[0], apart[0]), np.where(is_paired, paired[1], apart[1])


def area_difference_ends(
    averaging: str, counts: Numbers, both: Sequence[Influences], effects: Sequence[Numbers | float] = (1.0, 1.0, 1.0)
) -> Ends:
    """Return the ends of the product's intervals of the difference of the newer and the older version.

    `effects` are the design effects of both versions' areas, and of their difference.
    """
    values, variances = [each.values for each in both], area_variances(*both)
    if averaging == "micro":
        ends = [
            micro_area_ends(each.values, each.variances * effect, counts.sum(1) / effect)
            for each, effect in zip(both, effects, strict=False)
        ]
        return difference_ends(values, (ends[0], ends[1]), correlation(variances, effects))
    return mean_area_difference_ends(values, variances, class_shares(averaging, counts), counts, effects)


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "areas of several classes": lambda samples: several(SEVERAL + HARD, samples),
    "differences of areas of several classes": lambda samples: differences(PAIRS, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "areas of several classes": lambda samples: several(SEVERAL_HELD_OUT, samples),
    "differences of areas of several classes": lambda samples: differences(PAIRS_HELD_OUT, samples),
}
