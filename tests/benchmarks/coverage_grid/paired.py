"""Settings of the differences of two classifiers on the same examples."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from performance.metrics.paired import matrices as paired
from performance.metrics.paired.paired_join import Choices
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.margins import AVERAGED
from performance.metrics.statistics.scores import EXAMPLES
from tests.benchmarks.coverage_grid import joint_tables, rivals
from tests.benchmarks.coverage_grid.area_ends import average_precision_difference_ends, roc_auc_difference_ends
from tests.benchmarks.coverage_grid.areas import AT_A_TIME, Areas
from tests.benchmarks.coverage_grid.classification import LOSS_FUNCTIONS
from tests.benchmarks.coverage_grid.joint_tables import differ
from tests.benchmarks.coverage_grid.numeric_scores import scores_of
from tests.benchmarks.coverage_grid.ranked import Influences, Numbers, ranked_influences
from tests.benchmarks.coverage_grid.tally import Ends, Tallies, Tally

SEED = 20260313
CORRELATIONS = (0.0, 0.5, 0.9)
METRICS = ("accuracy", *AVERAGED, *paired.LARGEST_DIFFERENCE)
BINARY = Choices("1", "binary")


@dataclass(frozen=True)
class Versions:
    """Two versions of a classifier of two classes.

    `recall` and `specificity` are those of the older one. The newer one has `worse` times as many errors, which
    correlate with those of the older one as much as their shares allow, up to `correlation`.
    """

    size: int
    prevalence: float
    recall: float
    specificity: float
    correlation: float
    worse: float = 1.5

    def __str__(self) -> str:
        shares = f"{self.recall:g}/{self.specificity:g}"
        return f"{self.size:,} · {self.prevalence:.0%} · {shares} · correlation {self.correlation:g}"

    @property
    def shares(self) -> Numbers:
        """The probabilities of the cells, `[actual][newer][older]`."""
        cells = np.zeros((2, 2, 2))
        for actual, share, right in ((1, self.prevalence, self.recall), (0, 1 - self.prevalence, self.specificity)):
            newer = 1 - self.worse * (1 - right)
            both = newer * right + self.correlation * np.sqrt(newer * (1 - newer) * right * (1 - right))
            both = min(both, newer, right)
            cells[actual, actual, actual] = both
            cells[actual, actual, 1 - actual] = newer - both
            cells[actual, 1 - actual, actual] = right - both
            cells[actual, 1 - actual, 1 - actual] = 1 - newer - right + both
            cells[actual] *= share
        return cells

    def draw_classes(self, random: np.random.Generator, examples: int, shape: tuple[int, int]) -> npt.NDArray[np.int64]:
        """Return how many of so many examples are of each class, `[class][…shape]`."""
        positives = random.binomial(examples, self.prevalence, shape)
        return np.stack((examples - positives, positives))


PAIRS = (
    (1000, 0.01, 0.9, 0.999),
    (5000, 0.01, 0.9, 0.999),
    (50, 0.5, 0.98, 0.98),
    (100, 0.5, 0.99, 0.99),
    (200, 0.2, 0.9, 0.95),
    (300, 0.5, 0.7, 0.7),
    (1000, 0.1, 0.8, 0.95),
)
VERSIONS = [Versions(*each, correlation) for each in PAIRS for correlation in CORRELATIONS]
HELD_OUT = [
    Versions(*each, correlation, worse)
    for each, worse in (((150, 0.3, 0.85, 0.9), 1.2), ((400, 0.05, 0.8, 0.98), 2.0), ((80, 0.4, 0.95, 0.97), 1.3))
    for correlation in (0.2, 0.7)
]


def versions(settings: list[Versions], samples: int) -> Tallies:
    """Yield the tallies of the differences of metrics of the confusion matrix.

    Samples in which all predictions are equal are left out: such versions count as the same.
    """
    for setting in settings:
        newer, older = (_matrix(setting.shares.sum(axis) * 1e9) for axis in (2, 1))
        found = {
            name: Tally(str(setting), f"{name} difference", setting.size, _value(newer, name) - _value(older, name))
            for name in METRICS
        }
        draws = np.random.default_rng(SEED).multinomial(setting.size, setting.shares.ravel(), size=samples)
        tables = draws.reshape(-1, 2, 2, 2)
        tables = tables[differ(tables.astype(float))]
        for name, ends in differences(tables).items():
            found[name].add_all(*ends)
            if name != "accuracy":
                counts = tables.astype(float)
                for rival, added in (("delta method", 0.0), ("delta method, ½ more in each cell", 0.5)):
                    found[name].add_rival(rival, joint_tables.delta_ends(counts + added, name, "binary"))
        found["accuracy"].add_rivals(accuracy_rivals(tables))
        yield from found.values()


def accuracy_rivals(tables: npt.NDArray[np.int64]) -> dict[str, Ends]:
    """Return other intervals of the accuracy's difference, from joint tables `[sample][actual][newer][older]`."""
    newer, older = joint_tables.right_alone(tables).T
    both = tables[:, 0, 0, 0] + tables[:, 1, 1, 1]
    return rivals.paired_shares(newer, older, both, int(tables[0].sum()))


def differences(tables: npt.NDArray[np.int64]) -> dict[str, Ends]:
    """Return the ends of the product's intervals by metric, from joint tables `[sample][actual][newer][older]`."""
    pairs, at = np.unique(joint_tables.right_alone(tables), axis=0, return_inverse=True)
    size = float(tables[0].sum())
    counts = [paired.RightAlone.of_equal_weights(size, *pair) for pair in pairs.tolist()]
    ends = np.array([ends_of(paired.accuracy_difference(each)) for each in counts])[at]
    found = joint_tables.intervals(tables.astype(float), "binary")
    known = {name: (tables.sum((2, 3)) > 0).all(1) for name in found}  # examples of both classes
    known["precision"] &= (tables[:, :, 1].sum((1, 2)) > 0) & (tables[..., 1].sum((1, 2)) > 0)
    return {
        "accuracy": (ends[:, 0], ends[:, 1]),
        **{name: (_where(known[name], lower), _where(known[name], upper)) for name, (lower, upper) in found.items()},
    }


def _where(known: npt.NDArray[np.bool_], ends: Numbers) -> Numbers:
    return np.where(known, ends, np.nan)


def ends_of(interval: Interval | None) -> tuple[float, float]:
    """Return the ends of an interval, NaN if there is none."""
    return (interval.lower, interval.upper) if interval else (np.nan, np.nan)


def _matrix(counts: Numbers) -> ConfusionMatrix:
    return ConfusionMatrix(["0", "1"], counts.tolist())


def _value(matrix: ConfusionMatrix, name: str) -> float:
    if name in AVERAGED:
        return float(getattr(matrix, name)("1").value)
    return float(getattr(matrix, name).value)


# Areas


@dataclass(frozen=True)
class PairedAreas:
    """Two versions whose normal scores correlate within each class. The newer one's area is `newer`."""

    older: Areas
    newer: float
    correlation: float

    def __str__(self) -> str:
        return f"{self.older}, against {self.newer:g} · correlation {self.correlation:g}"

    @property
    def versions(self) -> tuple[Areas, Areas]:
        """The newer and the older version."""
        return replace(self.older, area=self.newer), self.older

    def draw(self, random: np.random.Generator, times: int) -> list[Numbers]:
        """Return the scores of both versions, the newer one first."""
        one, other = random.normal(size=(2, times, self.older.size))
        noise = self.correlation * one + np.sqrt(1 - self.correlation**2) * other
        return [
            version.levels(version.apart * version.positive(times) + each)
            for version, each in zip(self.versions, (noise, one), strict=True)
        ]


PAIRED_AREAS = [
    PairedAreas(Areas(older, *sizes, ties), newer, correlation)
    for ties in (False, True)
    for older, newer in ((0.8, 0.75), (0.97, 0.95), (0.99, 0.97))
    for sizes in ((10, 90), (30, 30), (10, 490))
    for correlation in CORRELATIONS
]
PAIRED_AREAS_HELD_OUT = [
    PairedAreas(Areas(older, *sizes), newer, correlation)
    for older, newer in ((0.9, 0.9), (0.95, 0.9))
    for sizes in ((20, 180), (50, 50))
    for correlation in (0.3, 0.7)
]


def areas(settings: list[PairedAreas], samples: int) -> Tallies:
    """Yield the tallies of the differences of ROC AUC and average precision."""
    for setting in settings:
        found, older = area_tallies(str(setting), setting), setting.older
        random, batch = np.random.default_rng(SEED), max(1, AT_A_TIME // older.size)
        for start in range(0, samples, batch):
            times = min(batch, samples - start)
            for name, both in ranked_versions(older.positive(times), setting.draw(random, times)).items():
                found[name].add_all(*area_difference_ends(name, older, both))
                found[name].add_rivals(area_rivals(min(older.positives, older.negatives), *both))
        yield from found.values()


def area_rivals(fewest: Numbers | float, newer: Influences, older: Influences) -> dict[str, Ends]:
    """Return DeLong's intervals of the difference of areas, and the same of other metrics of ranks.

    `fewest` is the number of examples of the class that has fewest.
    """
    value, error = newer.values - older.values, np.sqrt(area_variances(newer, older)[2])
    return {
        "paired influences, z": rivals.around(value, rivals.NORMAL * error),
        "paired influences, t": rivals.around(value, rivals.quantile_of_t(fewest - 1) * error),
    }


def area_tallies(title: str, setting: PairedAreas) -> dict[str, Tally]:
    """Return the tallies of the differences of both areas, with the true ones."""
    newer, older = (version.truth for version in setting.versions)
    return {name: Tally(title, f"{name} difference", setting.older.size, newer[name] - older[name]) for name in newer}


def ranked_versions(positive: npt.NDArray[np.bool_], scores: Sequence[Numbers]) -> dict[str, Sequence[Influences]]:
    """Return both versions' ROC AUC and average precision of samples, one in each row."""
    ranked = [ranked_influences(positive, each) for each in scores]
    return dict(zip(("roc_auc", "average_precision"), zip(*ranked, strict=True), strict=True))


def area_variances(newer: Influences, older: Influences) -> list[Numbers]:
    """Return the variances of independent examples: those of both versions' areas, and of their difference."""
    return [newer.variances, older.variances, ((newer.corrected - older.corrected) ** 2).sum(axis=1)]


def area_difference_ends(
    name: str, setting: Areas, both: Sequence[Influences], effects: Sequence[Numbers] | None = None
) -> Ends:
    """Return the ends of the product's intervals of the difference.

    `effects` are the design effects of both versions' areas, and of their difference.
    """
    values, variances = [each.values for each in both], area_variances(*both)
    effects = effects or [np.ones_like(each) for each in variances]
    ends = roc_auc_difference_ends if name == "roc_auc" else average_precision_difference_ends
    return ends(values, variances, (setting.positives, setting.negatives), effects)


# Losses


@dataclass(frozen=True)
class PairedLosses:
    """Two versions that predict the log odds with normal errors of different sizes, which correlate."""

    name: str
    size: int
    mean: float
    spread: float
    correlation: float
    sharpness: float = 1.0

    def __str__(self) -> str:
        return f"{self.name} · {self.size:,} · correlation {self.correlation:g}"

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> tuple[Numbers, Numbers]:
        """Return the probabilities of the actual classes that the newer and the older version predict."""
        odds, one, other = (
            random.normal(self.mean, self.spread, shape),
            random.normal(size=shape),
            random.normal(size=shape),
        )
        sign = np.where(random.random(shape) < 1 / (1 + np.exp(-odds)), 1.0, -1.0)
        noise = self.correlation * one + np.sqrt(1 - self.correlation**2) * other
        newer, older = odds + NEWER_ERROR * noise, odds + OLDER_ERROR * one
        newer, older = (1 / (1 + np.exp(-self.sharpness * sign * each)) for each in (newer, older))
        return newer, older


NEWER_ERROR, OLDER_ERROR = 1.0, 0.7
PAIRED_LOSSES = [
    PairedLosses(name, size, mean, spread, correlation, sharpness)
    for name, (mean, spread, sharpness) in {
        "unsure": (0.0, 1.0, 1.0),
        "sharp": (0.0, 4.0, 1.0),
        "overconfident": (0.0, 2.0, 2.0),
        "rare": (-4.0, 1.5, 1.0),
    }.items()
    for size in (30, 100, 1000)
    for correlation in CORRELATIONS
]
PAIRED_LOSSES_HELD_OUT = [PairedLosses("biased", size, -2.0, 2.5, 0.6, 1.3) for size in (50, 400)]


def losses(settings: list[PairedLosses], samples: int) -> Tallies:
    """Yield the tallies of the differences of log loss and Brier score."""
    for setting in settings:
        random = np.random.default_rng(SEED)
        population = setting.draw(random, (500_000,))
        draws = setting.draw(random, (samples, setting.size))
        for name, loss in LOSS_FUNCTIONS.items():
            truth = float((loss(population[0]) - loss(population[1])).mean())
            tally = Tally(str(setting), f"{name} difference", setting.size, truth, is_loss=True)
            for newer, older in zip(*(loss(each) for each in draws), strict=True):
                tally.add(loss_difference(newer, older))
            newer, older = (loss(each) for each in draws)
            tally.add_rivals(rivals.means_of(newer - older))
            yield tally


def loss_difference(newer: Numbers, older: Numbers) -> Interval | None:
    """Return the product's interval of the difference of mean losses."""
    score = newer - older
    value, scale = float(score.mean()), float(newer.mean() + older.mean())
    scores = scores_of(EXAMPLES, {"": (score - value) / scale})[""]
    return scores.difference_interval(value, scale)


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "differences of classes": lambda samples: versions(VERSIONS, samples),
    "differences of areas": lambda samples: areas(PAIRED_AREAS, samples),
    "differences of losses": lambda samples: losses(PAIRED_LOSSES, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "differences of classes": lambda samples: versions(HELD_OUT, samples),
    "differences of areas": lambda samples: areas(PAIRED_AREAS_HELD_OUT, samples),
    "differences of losses": lambda samples: losses(PAIRED_LOSSES_HELD_OUT, samples),
}
