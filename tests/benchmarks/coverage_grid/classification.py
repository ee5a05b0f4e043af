"""Settings of classification.

Samples are drawn as counts of a confusion matrix, as scores or as losses, and go through the functions that evaluate
predictions. The simulation of `melding` is repeated with NumPy, and `tests.performance.metrics.test_coverage` compares
both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from performance.metrics.statistics import losses, melding
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.means import Mean
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
BINARY_HELD_OUT = [
    Binary(size, prevalence, recall, specificity)
    for size in (60, 250, 2000)
    for prevalence, recall, specificity in ((0.05, 0.85, 0.97), (0.3, 0.7, 0.8), (0.2, 0.98, 0.995))
]
WEIGHTED_HELD_OUT = [Binary(600, 0.05, 0.92, 0.97, 19.0), Binary(300, 0.1, 0.8, 0.9, 9.0)]
PROPORTION_METRICS = ("precision", "recall", "specificity")


def proportions(settings: list[Binary], samples: int) -> Tallies:
    """Yield the tallies of accuracy, precision, recall, specificity and F1."""
    for setting in settings:
        shares, weights = setting.shares, np.array([[1.0], [setting.positive_weight]])
        truth = _matrix(shares * 1e9 * weights, shares * 1e9 * weights**2)
        found = {name: Tally(str(setting), name, setting.size, _value(truth, name)) for name in _BINARY}
        draws = np.random.default_rng(SEED).multinomial(setting.size, shares.ravel(), size=samples).reshape(-1, 2, 2)
        cells, times = np.unique(draws, axis=0, return_counts=True)
        if setting.positive_weight == 1:
            _add_rivals(found, cells, times)
        for counts, count in zip(cells, times, strict=True):
            matrix = _matrix(counts * weights, counts * weights**2)
            for name in _BINARY if setting.positive_weight == 1 else PROPORTION_METRICS:
                found[name].add(_estimate(matrix, name).interval, int(count))
        yield from (tally for tally in found.values() if tally.samples)


_BINARY = ("accuracy", *PROPORTION_METRICS, "f1_score")


def _add_rivals(found: Mapping[str, Tally], cells: npt.NDArray[np.int64], times: npt.NDArray[np.int64]) -> None:
    """Count the intervals of Jeffreys and of Clopper & Pearson, which F1 follows from as it does from Wilson's."""
    (right_negatives, false), (missed, right) = np.moveaxis(cells, 0, -1)
    for name, (successes, failures) in {
        "accuracy": (right + right_negatives, missed + false),
        "precision": (right, false),
        "recall": (right, missed),
        "specificity": (right_negatives, false),
        "f1_score": (right, missed + false),
    }.items():
        given = successes + failures > 0
        one, other = successes[given], failures[given]
        for rival, added in (("Jeffreys", (0.5, 0.5)), ("Clopper & Pearson", (0.0, 1.0))):
            lower = stats.beta.ppf(0.025, np.maximum(one + added[0], 1e-9), other + added[1])
            upper = stats.beta.ppf(0.975, one + added[1], np.maximum(other + added[0], 1e-9))
            ends = np.where(one > 0, lower, 0.0), np.where(other > 0, upper, 1.0)
            if name == "f1_score":
                ends = ends[0] * 2 / (1 + ends[0]), ends[1] * 2 / (1 + ends[1])
            found[name].add_rival(rival, (np.repeat(ends[0], times[given]), np.repeat(ends[1], times[given])))


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
SEVERAL_HELD_OUT = [
    Classes(size, classes, 0.04, recall) for classes in (4, 6) for size in (150, 600) for recall in (0.8, 0.97)
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


def dirichlet_ends(
    counts: Numbers, units: Numbers, random: np.random.Generator, draws: int
) -> Mapping[str, tuple[Numbers, Numbers]]:
    """Return the quantiles of a Dirichlet posterior, by metric. The arguments are those of `melded_ends`."""
    cells = np.moveaxis(counts, 0, -1)[..., None]
    base = random.standard_gamma(np.broadcast_to(cells, (*cells.shape[:-1], draws))) * units[:, None, None, None]
    margins = np.stack([base[at, at] for at in range(len(units))]), base.sum(1), base.sum(0)
    ends = {name: np.quantile(metric(*margins), [0.025, 0.975], axis=-1) for name, (metric, _) in MELDED.items()}
    return {name: (lower, upper) for name, (lower, upper) in ends.items()}


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
            for added in (0.25, 0.5):
                posterior = dirichlet_ends(draws[start : start + chunk] + added, units, random, DRAWS)
                for name, each in posterior.items():
                    found[name].add_rival(f"Dirichlet, {added:g} more", each)
        yield from found.values()


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

LOSSES_HELD_OUT = [
    Probabilities(name, size, *shape)
    for name, shape in {
        "underconfident": (1.0, 3.0, 0.5),
        "overconfident": (-1.0, 2.5, 1.6),
        "noisy": (-2.0, 3.0, 1.0, 0.05),
    }.items()
    for size in (60, 300)
]


def probability_losses(settings: list[Probabilities], samples: int) -> Tallies:
    """Yield the tallies of log loss and Brier score."""
    for setting in settings:
        random = np.random.default_rng(SEED)
        population = setting.draw(random, 1_000_000)
        for name, loss in LOSS_FUNCTIONS.items():
            tally = Tally(str(setting), name, setting.size, float(loss(population).mean()), is_loss=True)
            values = loss(setting.draw(random, (samples, setting.size)))
            tally.add_rival("Student's t", _student_ends(values))
            tally.add_rival("Student's t of logarithms", _student_ends(values, on_logarithms=True))
            for total, squares in zip(values.sum(1), (values**2).sum(1), strict=True):
                mean = Mean(setting.size, setting.size, total, total, squares)
                found = losses.Losses(mean, mean, 1.0, ())
                tally.add(getattr(found, name)().interval)
            yield tally


def _student_ends(values: Numbers, *, on_logarithms: bool = False) -> tuple[Numbers, Numbers]:
    """Return Student's intervals of means over rows, or of their logarithms."""
    means, count = values.mean(1), values.shape[1]
    margins = stats.t.ppf(0.975, count - 1) * values.std(1, ddof=1) / np.sqrt(count)
    if on_logarithms:
        return means * np.exp(-margins / means), means * np.exp(margins / means)
    return means - margins, means + margins


LOSS_FUNCTIONS: Mapping[str, Callable[[Numbers], Numbers]] = {
    "log_loss": lambda truth: -np.log(np.clip(truth, losses.EPSILON, 1)),
    "brier_score": lambda truth: (1 - truth) ** 2,
}


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "proportions": lambda samples: proportions([*PROPORTIONS, *PAIRS], samples),
    "class weights": lambda samples: proportions(WEIGHTED, samples),
    "two classes": lambda samples: composites(PAIRS, samples),
    "two classes, weighted": lambda samples: composites(WEIGHTED, samples),
    "several classes": lambda samples: composites(SEVERAL, samples),
    "losses": lambda samples: probability_losses(LOSSES, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "proportions": lambda samples: proportions(BINARY_HELD_OUT, samples),
    "class weights": lambda samples: proportions(WEIGHTED_HELD_OUT, samples),
    "two classes": lambda samples: composites(BINARY_HELD_OUT, samples),
    "two classes, weighted": lambda samples: composites(WEIGHTED_HELD_OUT, samples),
    "several classes": lambda samples: composites(SEVERAL_HELD_OUT, samples),
    "losses": lambda samples: probability_losses(LOSSES_HELD_OUT, samples),
}
