"""Settings of classification.

Samples are drawn as counts of a confusion matrix or as losses, and go through the functions that evaluate predictions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from performance.metrics.statistics import losses
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.means import Mean
from tests.benchmarks.coverage_grid.numeric_scores import mean_of
from tests.benchmarks.coverage_grid.tally import Ends, Tallies, Tally

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
        is_given = successes + failures > 0
        for rival, added in (("Jeffreys", (0.5, 0.5)), ("Clopper & Pearson", (0.0, 1.0))):
            lower = stats.beta.ppf(0.025, np.maximum(successes + added[0], 1e-9), failures + added[1])
            upper = stats.beta.ppf(0.975, successes + added[1], np.maximum(failures + added[0], 1e-9))
            ends = [np.where(successes > 0, lower, 0.0), np.where(failures > 0, upper, 1.0)]
            if name == "f1_score":
                ends = [each * 2 / (1 + each) for each in ends]
            low, high = (np.repeat(np.where(is_given, each, np.nan), times) for each in ends)
            found[name].add_rival(rival, (low, high))


def _matrix(weights: Any, squares: Any) -> ConfusionMatrix:
    return ConfusionMatrix([str(at) for at in range(len(weights))], weights.tolist(), squares.tolist())


def _estimate(matrix: ConfusionMatrix, name: str) -> Any:
    return matrix.accuracy if name == "accuracy" else getattr(matrix, name)("1")


def _value(matrix: ConfusionMatrix, name: str) -> float:
    return float(_estimate(matrix, name).value)


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


@dataclass(frozen=True)
class Sure:
    """Predictions with one confidence, of which a share is right. Only some may be so sure, the others are unsure."""

    size: int
    right: float
    confidence: float
    of_examples: float = 1.0

    def __str__(self) -> str:
        some = "" if self.of_examples == 1 else f" for {self.of_examples:.0%}"
        return f"confidence of {self.confidence:g}{some}, {self.right:.4g} right · {self.size:,}"

    def draw(self, random: np.random.Generator, shape: Any) -> Numbers:
        """Return the predicted probabilities of the actual classes."""
        is_right = random.random(shape) < self.right
        sure = np.where(is_right, self.confidence, 1 - self.confidence)
        unsure = Probabilities("", self.size, 0.0, 1.0).draw(random, shape)
        return np.where(random.random(shape) < self.of_examples, sure, unsure)


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
RARE_LOSSES: list[Probabilities | Sure] = [
    *(
        Sure(*each)
        for each in (
            (60, 0.95, 0.99),
            (80, 0.98, 0.999),
            (100, 0.97, 1.0),
            (100, 0.99, 1.0),
            (160, 0.99, 0.999),
            (130, 0.99, 0.9999),
            (300, 0.99, 0.999),
            (380, 0.99, 0.9999),
            (3500, 0.999, 0.9999),
            (250, 0.99, 0.99),
            (340, 0.99, 0.99),
            (400, 0.995, 0.995),
            (1500, 0.999, 0.999),
            (100, 0.8, 0.9999, 0.05),
            (330, 0.8, 0.9999, 0.05),
            (300, 0.9, 1.0, 0.1),
            (3000, 0.9, 1.0, 0.01),
        )
    ),
    Probabilities("rarer", 600, -6.0, 1.0),
    Probabilities("rarer", 400, -5.0, 1.0),
    Probabilities("very overconfident", 100, 0.0, 6.0, 3.0),
    Probabilities("very overconfident", 300, 0.0, 6.0, 3.0),
    Probabilities("sharp, 1% wrong labels", 200, 0.0, 10.0, 1.0, 0.01),
    Probabilities("sharp, 0.5% wrong labels", 600, 0.0, 8.0, 1.0, 0.005),
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
RARE_LOSSES_HELD_OUT: list[Probabilities | Sure] = [
    Sure(200, 0.985, 0.997),
    Sure(700, 0.995, 0.9995),
    Sure(450, 0.993, 0.993),
    Sure(250, 0.85, 0.9995, 0.1),
    Probabilities("rarer", 800, -5.5, 0.7),
    Probabilities("sharp, 2% wrong labels", 150, 0.0, 8.0, 1.0, 0.02),
]


def probability_losses(settings: Sequence[Probabilities | Sure], samples: int) -> Tallies:
    """Yield the tallies of log loss and Brier score."""
    for setting in settings:
        random = np.random.default_rng(SEED)
        population = setting.draw(random, 1_000_000)
        for name, loss in LOSS_FUNCTIONS.items():
            tally = Tally(str(setting), name, setting.size, float(loss(population).mean()), is_loss=True)
            drawn = setting.draw(random, (samples, setting.size))
            values = loss(drawn)
            tally.add_rival("Student's t", _student_ends(values))
            tally.add_rival("Student's t of logarithms", _student_ends(values, on_logarithms=True))
            for truth, total, squares in zip(drawn, values.sum(1), (values**2).sum(1), strict=True):
                mean = Mean(setting.size, setting.size, total, total, squares)
                tally.add(getattr(losses_of(mean, truth), name)().interval)
            yield tally


def losses_of(mean: Mean, truth: Numbers, heaviest: float = 1.0) -> losses.Losses:
    """Return losses of one mean, from the predicted probabilities of the actual classes, of two."""
    least = max(float(np.minimum(truth, 1 - truth).min()), losses.EPSILON)
    return losses.Losses(mean, mean, -np.log(least), 1.0, heaviest, ())


@dataclass(frozen=True)
class WeightedSure:
    """Two classes, of which the positive one weighs more. Predictions have one confidence; a share is right."""

    size: int
    prevalence: float
    positive_weight: float
    right: float
    confidence: float

    def __str__(self) -> str:
        shares = f"{self.prevalence:.0%}, weight {self.positive_weight:g} · {self.right:g} right"
        return f"{self.size:,} · {shares}, confidence of {self.confidence:g}"

    @property
    def sure(self) -> Sure:
        """The predictions without their weights."""
        return Sure(self.size, self.right, self.confidence)

    def truth(self, loss: Callable[[Numbers], Numbers]) -> float:
        """Return the mean loss, which is the same for both classes."""
        right, wrong = loss(np.array([self.confidence, 1 - self.confidence])).tolist()
        return float(self.right * right + (1 - self.right) * wrong)


WEIGHTED_LOSSES = [
    WeightedSure(1000, 0.01, 99.0, 0.95, 0.99),
    WeightedSure(1000, 0.01, 99.0, 0.9, 0.999),
    WeightedSure(1000, 0.05, 19.0, 0.95, 0.99),
    WeightedSure(1000, 0.1, 9.0, 0.97, 0.99),
    WeightedSure(600, 0.1, 9.0, 0.97, 0.999),
]
WEIGHTED_LOSSES_HELD_OUT = [WeightedSure(400, 0.1, 9.0, 0.93, 0.97), WeightedSure(800, 0.03, 30.0, 0.96, 0.998)]


def weighted_losses(settings: list[WeightedSure], samples: int) -> Tallies:
    """Yield the tallies of log loss and Brier score of classes with unequal weights, of samples that have both."""
    for setting in settings:
        random = np.random.default_rng(SEED)
        drawn = setting.sure.draw(random, (samples, setting.size))
        positive = random.random(drawn.shape) < setting.prevalence
        weight = np.where(positive, setting.positive_weight, 1.0)
        for name, loss in LOSS_FUNCTIONS.items():
            tally = Tally(str(setting), f"{name}, weighted", setting.size, setting.truth(loss), is_loss=True)
            for truth, w in zip(drawn[positive.any(1)], weight[positive.any(1)], strict=True):
                found = losses_of(mean_of(loss(truth), w), truth, setting.positive_weight)
                tally.add(getattr(found, name)().interval)
            yield tally


def _student_ends(values: Numbers, *, on_logarithms: bool = False) -> Ends:
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
    "losses": lambda samples: probability_losses([*LOSSES, *RARE_LOSSES], samples),
    "weighted losses": lambda samples: weighted_losses(WEIGHTED_LOSSES, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "proportions": lambda samples: proportions(BINARY_HELD_OUT, samples),
    "class weights": lambda samples: proportions(WEIGHTED_HELD_OUT, samples),
    "losses": lambda samples: probability_losses([*LOSSES_HELD_OUT, *RARE_LOSSES_HELD_OUT], samples),
    "weighted losses": lambda samples: weighted_losses(WEIGHTED_LOSSES_HELD_OUT, samples),
}
