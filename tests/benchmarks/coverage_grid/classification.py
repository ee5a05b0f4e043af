"""Settings of classification.

Samples are drawn as counts of a confusion matrix, as scores or as losses, and go through the functions that evaluate
predictions. The simulation of `melding` is repeated with NumPy, and `tests.performance.metrics.test_coverage` compares
both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import stats
from sklearn import metrics as sk

from performance.metrics.statistics import losses, melding
from performance.metrics.statistics.clusters import Clusters, GroupSums
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.means import Mean
from performance.metrics.statistics.roc import OneVsRest, RankedScores, cells_statement
from tests.benchmarks.coverage_grid.tally import Tallies, Tally

Numbers = npt.NDArray[np.float64]
SEED = 20260313


# Proportions and F1: two classes


@dataclass(frozen=True)
class Binary:
    """Two classes: the number of examples, and the shares of positives and of right predictions of each class."""

    size: int
    prevalence: float
    recall: float
    specificity: float
    positive_weight: float = 1.0

    def __str__(self) -> str:
        weight = f", weight {self.positive_weight:g}" if self.positive_weight != 1 else ""
        return f"{self.size:,} · {self.prevalence:.0%} · {self.recall:g}/{self.specificity:g}{weight}"

    @property
    def shares(self) -> Numbers:
        """The probabilities of the cells, `[actual][predicted]`."""
        positive, negative = self.prevalence, 1 - self.prevalence
        return np.array(
            [
                [negative * self.specificity, negative * (1 - self.specificity)],
                [positive * (1 - self.recall), positive * self.recall],
            ]
        )


PROPORTIONS = [
    Binary(size, prevalence, share, share)
    for share in (0.5, 0.9, 0.95, 0.99, 0.999)
    for size in (30, 100, 1000)
    for prevalence in (0.01, 0.1)
    if size * prevalence >= 1
]
PAIRS = [
    Binary(1000, 0.01, 0.9, 0.999),
    Binary(1000, 0.01, 0.95, 0.9999),
    Binary(5000, 0.01, 0.9, 0.999),
    Binary(5000, 0.01, 0.95, 0.9999),
    Binary(50, 0.5, 0.99, 0.99),
    Binary(100, 0.5, 0.99, 0.99),
    Binary(200, 0.2, 0.9, 0.95),
]
WEIGHTED = [Binary(1000, 0.01, share, other, 99.0) for share, other in ((0.9, 0.99), (0.95, 0.999), (0.99, 0.99))]
PROPORTION_METRICS = ("precision", "recall", "specificity")


def proportions(settings: list[Binary], samples: int) -> Tallies:
    """Yield the tallies of accuracy, precision, recall, specificity and F1."""
    for setting in settings:
        shares, weights = setting.shares, np.array([[1.0], [setting.positive_weight]])
        truth = _matrix(shares * 1e9 * weights, shares * 1e9 * weights**2)
        found = {name: Tally(str(setting), name, setting.size, _value(truth, name)) for name in _BINARY}
        draws = np.random.default_rng(SEED).multinomial(setting.size, shares.ravel(), size=samples).reshape(-1, 2, 2)
        cells, times = np.unique(draws, axis=0, return_counts=True)
        for counts, count in zip(cells, times, strict=True):
            matrix = _matrix(counts * weights, counts * weights**2)
            for name in _BINARY if setting.positive_weight == 1 else PROPORTION_METRICS:
                interval = _estimate(matrix, name).interval
                for _ in range(count):
                    found[name].add(interval)
        yield from (tally for tally in found.values() if tally.samples)


_BINARY = ("accuracy", *PROPORTION_METRICS, "f1_score")


def _matrix(weights: Any, squares: Any) -> ConfusionMatrix:
    return ConfusionMatrix([str(at) for at in range(len(weights))], weights.tolist(), squares.tolist())


def _estimate(matrix: ConfusionMatrix, name: str) -> Any:
    return matrix.accuracy if name == "accuracy" else getattr(matrix, name)("1")


def _value(matrix: ConfusionMatrix, name: str) -> float:
    return float(_estimate(matrix, name).value)


# Metrics of several cells


@dataclass(frozen=True)
class Classes:
    """Several classes, the last of which is rare: the number of examples, and the recall of each class."""

    size: int
    classes: int
    rare: float
    recall: float

    def __str__(self) -> str:
        return f"{self.size:,} · {self.classes} classes, one {self.rare:.0%} · {self.recall:g}"

    @property
    def shares(self) -> Numbers:
        """The probabilities of the cells, `[actual][predicted]`."""
        prior = np.full(self.classes, (1 - self.rare) / (self.classes - 1))
        prior[-1] = self.rare
        cells = np.zeros((self.classes, self.classes))
        for at in range(self.classes):
            others = np.where(np.arange(self.classes) == at, 0.0, prior)
            cells[at] = prior[at] * (1 - self.recall) * others / others.sum()
            cells[at, at] = prior[at] * self.recall
        return cells


SEVERAL = [
    Classes(size, classes, 0.01, recall) for classes in (3, 10) for size in (200, 1000) for recall in (0.9, 0.99)
]
DRAWS = 400

MarginsOfAll = tuple[Numbers, Numbers, Numbers]


def _agreement(diagonal: Numbers, rows: Numbers, columns: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    total = rows.sum(0)
    return diagonal.sum(0) / total, (rows * columns).sum(0) / total**2, total


def _matthews(diagonal: Numbers, rows: Numbers, columns: Numbers) -> Numbers:
    right, chance, total = _agreement(diagonal, rows, columns)
    spread = (1 - (rows**2).sum(0) / total**2) * (1 - (columns**2).sum(0) / total**2)
    return np.where(spread > 1e-15, (right - chance) / np.sqrt(np.maximum(spread, 1e-15)), 0.0)


def _kappa(diagonal: Numbers, rows: Numbers, columns: Numbers) -> Numbers:
    right, chance, _ = _agreement(diagonal, rows, columns)
    return np.where(chance < 1 - 1e-15, (right - chance) / np.maximum(1 - chance, 1e-15), 0.0)


def _of_classes(name: str, diagonal: Numbers, rows: Numbers, columns: Numbers) -> Numbers:
    total = rows.sum(0)
    above, below = {
        "precision": (diagonal, columns),
        "recall": (diagonal, rows),
        "f1_score": (2 * diagonal, rows + columns),
        "specificity": (total - rows - columns + diagonal, total - rows),
    }[name]
    return np.where(below > 0, above / np.where(below > 0, below, 1), 0.0)


def _averaged(name: str, averaging: str) -> Callable[[Numbers, Numbers, Numbers], Numbers]:
    def average(diagonal: Numbers, rows: Numbers, columns: Numbers) -> Numbers:
        values = _of_classes(name, diagonal, rows, columns)
        return np.asarray(values.mean(0) if averaging == "macro" else (rows * values).sum(0) / rows.sum(0))

    return average


# Each with whether there is an error more in each class
MELDED: Mapping[str, tuple[Callable[[Numbers, Numbers, Numbers], Numbers], bool]] = {
    "matthews_correlation": (_matthews, False),
    "cohen_kappa": (_kappa, False),
    "accuracy, weighted": (lambda *margins: _agreement(*margins)[0], True),
    "F1 of one class, weighted": (lambda *margins: _of_classes("f1_score", *margins)[-1], True),
    "balanced_accuracy": (_averaged("recall", "macro"), True),
    "macro precision": (_averaged("precision", "macro"), True),
    "macro F1": (_averaged("f1_score", "macro"), True),
    "macro specificity": (_averaged("specificity", "macro"), True),
    "weighted precision": (_averaged("precision", "weighted"), True),
    "weighted F1": (_averaged("f1_score", "weighted"), False),
    "weighted specificity": (_averaged("specificity", "weighted"), False),
}


def melded_ends(counts: Numbers, units: Numbers, random: np.random.Generator, draws: int) -> Mapping[str, Any]:
    """Return the ends of the melded intervals of many confusion matrices, by metric.

    Args:
        counts: the effective numbers of examples, `counts[sample][actual][predicted]`.
        units: the weight of an effective example of each class.
        random: draws the cells.
        draws: how often.
    """
    samples, classes, _ = counts.shape
    cells = np.moveaxis(counts, 0, -1)[..., None]
    base = random.standard_gamma(np.broadcast_to(cells, (classes, classes, samples, draws)))
    base = base * units[:, None, None, None]
    diagonal, rows, columns = np.stack([base[at, at] for at in range(classes)]), base.sum(1), base.sum(0)
    shape, weights = (classes, samples, draws), units[:, None, None]
    right = random.standard_gamma(melding.EXTRA, shape) * weights
    in_all = 1 / classes
    few = random.standard_gamma(in_all, shape) * weights
    more = random.standard_gamma(max(melding.EXTRA - in_all, 1e-12), shape) * weights
    wrong_as = (np.arange(classes)[:, None, None] + random.integers(1, classes, shape)) % classes

    def with_errors(errors: Numbers) -> MarginsOfAll:
        predicted = np.stack([np.where(wrong_as == at, errors, 0.0).sum(0) for at in range(classes)])
        return diagonal, rows + errors, columns + predicted

    pessimistic = with_errors(few), with_errors(few + more)
    optimistic = diagonal + right, rows + right, columns + right
    weighted = np.moveaxis(counts * units[:, None], 0, -1)
    margins = np.stack([weighted[at, at] for at in range(classes)]), weighted.sum(1), weighted.sum(0)
    ends = {}
    for name, (metric, by_class) in MELDED.items():
        value = metric(*margins)
        lower = np.quantile(metric(*pessimistic[by_class]), 0.025, axis=-1)
        upper = np.quantile(metric(*optimistic), 0.975, axis=-1)
        ends[name] = np.minimum(lower, value), np.maximum(upper, value)
    return ends


def composites(settings: list[Binary] | list[Classes], samples: int) -> Tallies:
    """Yield the tallies of MCC, kappa and averages over classes, of samples with examples of all classes."""
    for setting in settings:
        random, shares = np.random.default_rng(SEED), setting.shares
        units = np.ones(len(shares))
        units[-1] = getattr(setting, "positive_weight", 1.0)
        true = shares * units[:, None]
        of_truth = np.diag(true)[:, None], true.sum(1)[:, None], true.sum(0)[:, None]
        found = {
            name: Tally(str(setting), name, setting.size, float(metric(*of_truth)[0]))
            for name, (metric, _) in MELDED.items()
        }
        draws = random.multinomial(setting.size, shares.ravel(), size=samples).reshape(-1, *shares.shape)
        draws = draws[(draws.sum(2) > 0).all(1)]
        chunk = max(1, 4_000_000 // (shares.size * DRAWS))
        for start in range(0, len(draws), chunk):
            ends = melded_ends(draws[start : start + chunk].astype(float), units, random, DRAWS)
            for name, each in ends.items():
                found[name].add_all(*each)
        yield from found.values()


# Areas


@dataclass(frozen=True)
class Areas:
    """Normal scores of two classes: the true area, the numbers of examples, and whether there are ten levels."""

    area: float
    positives: int
    negatives: int
    ties: bool = False

    def __str__(self) -> str:
        return f"{self.area:g} · {self.positives}/{self.negatives}{' · ties' if self.ties else ''}"

    def draw(self, random: np.random.Generator, times: int) -> tuple[Numbers, Numbers]:
        """Return the scores of the positives and of the negatives of many samples."""
        apart = np.sqrt(2) * stats.norm.ppf(self.area)
        positives = random.normal(apart, 1, (times, self.positives))
        negatives = random.normal(0, 1, (times, self.negatives))
        if self.ties:
            positives, negatives = (
                np.clip(np.floor((each + 1) / (apart + 2) * 8) + 1, 0, 9) for each in (positives, negatives)
            )
        return positives, negatives


SIZES = ((5, 95), (10, 90), (10, 490), (30, 30), (50, 50), (100, 900))
AREAS = [Areas(area, *sizes, ties) for ties in (False, True) for area in (0.8, 0.9, 0.97, 0.99) for sizes in SIZES]


def areas(settings: list[Areas], samples: int) -> Tallies:
    """Yield the tallies of ROC AUC and average precision."""
    with duckdb.connect(config={"threads": 1}) as connection:
        for setting in settings:
            random = np.random.default_rng(SEED)
            size = setting.positives + setting.negatives
            many = setting.draw(random, 500_000 // size)
            truth = _true_areas(*many)
            found = {name: Tally(str(setting), name, size, value) for name, value in truth.items()}
            for ranked in ranked_scores(connection, *setting.draw(random, samples)):
                for name, tally in found.items():
                    tally.add(getattr(ranked, name).interval)
            yield from found.values()


def _true_areas(positives: Numbers, negatives: Numbers) -> dict[str, float]:
    actual = np.concatenate([np.ones(positives.size), np.zeros(negatives.size)])
    score = np.concatenate([positives.ravel(), negatives.ravel()])
    return {
        "roc_auc": float(sk.roc_auc_score(actual, score)),
        "average_precision": float(sk.average_precision_score(actual, score)),
    }


def ranked_scores(connection: duckdb.DuckDBPyConnection, positives: Numbers, negatives: Numbers) -> list[RankedScores]:
    """Return the ranked scores of many samples at once, each as a class of its own."""
    samples = len(positives)
    found: list[RankedScores] = []
    for at in range(samples):
        score = np.concatenate([positives[at], negatives[at]])
        actual = np.repeat(["1", "0"], [positives.shape[1], negatives.shape[1]])
        connection.register("predictions", pa.table({"actual": actual, "score": score}))
        problem = OneVsRest("1", "score", float(positives.shape[1]), float(negatives.shape[1]))
        rows = connection.execute(cells_statement([problem], actual="actual")).fetchall()
        found.append(RankedScores.from_rows(problem, [row[1:] for row in rows]))
    return found


# Losses


@dataclass(frozen=True)
class Probabilities:
    """Log odds, normally distributed; `sharpness` multiplies the predicted ones, and labels are flipped at times."""

    name: str
    size: int
    mean: float
    spread: float
    sharpness: float = 1.0
    flipped: float = 0.0

    def __str__(self) -> str:
        return f"{self.name} · {self.size:,}"

    def draw(self, random: np.random.Generator, shape: Any) -> Numbers:
        """Return the predicted probabilities of the actual classes."""
        odds = random.normal(self.mean, self.spread, shape)
        positive = (random.random(shape) < 1 / (1 + np.exp(-odds))) ^ (random.random(shape) < self.flipped)
        return np.asarray(1 / (1 + np.exp(-self.sharpness * np.where(positive, odds, -odds))))


LOSSES = [
    Probabilities(name, size, *shape)
    for name, shape in {
        "unsure": (0.0, 1.0),
        "calibrated": (0.0, 2.0),
        "sharp": (0.0, 4.0),
        "overconfident": (0.0, 2.0, 2.0),
        "rare": (-4.0, 1.5),
        "wrong labels": (0.0, 6.0, 0.7, 0.02),
    }.items()
    for size in (30, 100, 1000)
]


def probability_losses(settings: list[Probabilities], samples: int) -> Tallies:
    """Yield the tallies of log loss and Brier score."""
    for setting in settings:
        random = np.random.default_rng(SEED)
        population = setting.draw(random, 3_000_000)
        for name, loss in _LOSSES.items():
            tally = Tally(str(setting), name, setting.size, float(loss(population).mean()), is_loss=True)
            values = loss(setting.draw(random, (samples, setting.size)))
            for total, squares in zip(values.sum(1), (values**2).sum(1), strict=True):
                mean = Mean(setting.size, setting.size, total, total, squares)
                found = losses.Losses(mean, mean, 1.0, ())
                tally.add(getattr(found, name)().interval)
            yield tally


_LOSSES: Mapping[str, Callable[[Numbers], Numbers]] = {
    "log_loss": lambda truth: -np.log(np.clip(truth, losses.EPSILON, 1)),
    "brier_score": lambda truth: (1 - truth) ** 2,
}


# Groups


@dataclass(frozen=True)
class Groups:
    """Groups of examples that are right with a probability of their own (beta), which correlates them."""

    groups: int
    examples: int
    correlation: float
    share: float

    def __str__(self) -> str:
        return f"{self.groups} groups of {self.examples} · ICC {self.correlation:g} · {self.share:g}"

    def draw(self, random: np.random.Generator, samples: int) -> npt.NDArray[np.int64]:
        """Return the number of right examples of each group of each sample."""
        scale = (1 - self.correlation) / self.correlation
        right = random.beta(self.share * scale, (1 - self.share) * scale, (samples, self.groups))
        return random.binomial(self.examples, right)


GROUPED = [
    Groups(groups, examples, correlation, share)
    for groups, examples in ((50, 20), (20, 20), (12, 10))
    for correlation in (0.05, 0.2, 0.5)
    for share in (0.5, 0.9, 0.95, 0.99)
]


def grouped(settings: list[Groups], samples: int) -> Tallies:
    """Yield the tallies of the accuracy of grouped examples."""
    for setting in settings:
        size = setting.groups * setting.examples
        tally = Tally(str(setting), "accuracy", size, setting.share)
        clusters = Clusters(setting.groups, float(setting.examples))
        for right in setting.draw(np.random.default_rng(SEED), samples):
            share = right.sum() / size
            influence = right - setting.examples * share
            sums = GroupSums(float((influence**2).sum()), float((influence**4).sum()), size * share * (1 - share))
            matrix = ConfusionMatrix(["0", "1"], [[float(right.sum()), float(size - right.sum())], [0.0, 0.0]])
            tally.add(matrix.with_design_effect(clusters.interval_effect(sums)).accuracy.interval)
        yield tally


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "proportions": lambda samples: proportions([*PROPORTIONS, *PAIRS], samples),
    "class weights": lambda samples: proportions(WEIGHTED, samples),
    "two classes": lambda samples: composites(PAIRS, samples),
    "two classes, weighted": lambda samples: composites(WEIGHTED, samples),
    "several classes": lambda samples: composites(SEVERAL, samples),
    "areas": lambda samples: areas(AREAS, samples),
    "losses": lambda samples: probability_losses(LOSSES, samples),
    "groups": lambda samples: grouped(GROUPED, samples),
}
