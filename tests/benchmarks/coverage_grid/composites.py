"""Settings of metrics of several cells of a confusion matrix: MCC, kappa and averages over classes.

The simulation of `melding` is repeated with NumPy, and `tests.performance.metrics.test_coverage` compares both.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from performance.metrics.statistics import melding
from performance.metrics.statistics.confusion import ConfusionMatrix
from tests.benchmarks.coverage_grid.classification import BINARY_HELD_OUT, PAIRS, WEIGHTED, WEIGHTED_HELD_OUT, Binary
from tests.benchmarks.coverage_grid.tally import Ends, Numbers, Tallies, Tally

SEED = 20260313


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


def margins_of(cells: Numbers) -> MarginsOfAll:
    """Return the diagonal, the rows and the columns of confusion matrices `[actual][predicted]…`."""
    return np.stack([cells[at, at] for at in range(len(cells))]), cells.sum(1), cells.sum(0)


def melded_ends(
    counts: Numbers, units: Numbers, random: np.random.Generator, draws: int, names: Iterable[str] = ()
) -> Mapping[str, Ends]:
    """Return the ends of the melded intervals of many confusion matrices, by metric.

    Args:
        counts: the effective numbers of examples, `counts[sample][actual][predicted]`.
        units: the weight of an effective example of each class.
        random: draws the cells.
        draws: how often.
        names: the metrics, by default all.
    """
    samples, classes, _ = counts.shape
    shape, in_all = (classes, samples, draws), 1 / classes
    diagonal, rows, columns = margins_of(_drawn_cells(counts, units, random, draws))
    right = _gammas(random, melding.EXTRA, shape, units)
    few = _gammas(random, in_all, shape, units)
    many = few + _gammas(random, melding.EXTRA - in_all, shape, units) if in_all < melding.EXTRA else few
    wrong_as = (np.arange(classes)[:, None, None] + random.integers(1, classes, shape)) % classes

    def with_errors(errors: Numbers) -> MarginsOfAll:
        predicted = np.stack([np.where(wrong_as == at, errors, 0.0).sum(0) for at in range(classes)])
        return diagonal, rows + errors, columns + predicted

    chosen = {name: MELDED[name] for name in names or MELDED}
    pessimistic = {by_class: with_errors(many if by_class else few) for _, by_class in chosen.values()}
    optimistic = diagonal + right, rows + right, columns + right
    margins = margins_of(np.moveaxis(counts * units[:, None], 0, -1))
    ends = {}
    for name, (metric, by_class) in chosen.items():
        value, (lower, _) = metric(*margins), _middle(metric(*pessimistic[by_class]))
        _, upper = _middle(metric(*optimistic))
        excess = _excess(name, margins, (counts.sum(2) @ units) ** 2 / (counts.sum(2) @ units**2))
        ends[name] = np.minimum(lower, value) - np.maximum(excess, 0), np.maximum(upper, value) - np.minimum(excess, 0)
    return ends


def _excess(name: str, margins: MarginsOfAll, size: Numbers) -> Numbers:
    """Return how much a metric is too high on average, of `size` examples; 0 if it is hardly."""
    diagonal, rows, columns = (each * size / margins[1].sum(0) for each in margins)
    if name == "weighted precision":
        share, others = diagonal / np.maximum(columns, 1e-9), np.maximum(columns - 1, 1e-9)
        return np.asarray(np.where(columns > 1, share * (1 - share) * columns / others, 0.0).sum(0) / size)
    if name == "macro F1":
        both = np.maximum(rows + columns, 1e-9)
        return np.asarray(-2 * (diagonal * (both - 2 * diagonal) / both**3).mean(0))
    return np.zeros(len(size))


def _drawn_cells(counts: Numbers, units: Numbers, random: np.random.Generator, draws: int) -> Numbers:
    """Return draws of the weights of the cells, `[actual][predicted][sample][draw]`."""
    samples, classes, _ = counts.shape
    return _gammas(random, np.moveaxis(counts, 0, -1)[..., None], (classes, classes, samples, draws), units)


def _gammas(random: np.random.Generator, shape: Numbers | float, size: tuple[int, ...], units: Numbers) -> Numbers:
    """Return weights with gamma distributions, by class in the first axis. Single precision is enough, and faster."""
    drawn = random.standard_gamma(np.broadcast_to(shape, size), dtype=np.float32)
    return cast("Numbers", drawn * units.astype(np.float32).reshape(-1, *[1] * (len(size) - 1)))


def _middle(drawn: Numbers) -> Ends:
    """Return the ends of the middle 95% of what was drawn, in the last axis, as `melding` does."""
    rank = math.floor(0.025 * drawn.shape[-1])
    ordered = np.partition(drawn, (rank, -1 - rank), axis=-1)
    return ordered[..., rank], ordered[..., -1 - rank]


def dirichlet_ends(counts: Numbers, units: Numbers, random: np.random.Generator, draws: int) -> Mapping[str, Ends]:
    """Return the quantiles of a Dirichlet posterior, by metric. The arguments are those of `melded_ends`."""
    margins = margins_of(_drawn_cells(counts, units, random, draws))
    return {name: _middle(metric(*margins)) for name, (metric, _) in MELDED.items()}


def composites(settings: list[Binary] | list[Classes], samples: int) -> Tallies:
    """Yield the tallies of MCC, kappa and averages over classes, of samples with examples of all classes."""
    for setting in settings:
        random, shares = np.random.default_rng(SEED), setting.shares
        units = np.ones(len(shares))
        units[-1] = getattr(setting, "positive_weight", 1.0)
        of_truth = margins_of((shares * units[:, None])[..., None])
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


@dataclass(frozen=True)
class ManyClasses:
    """So many classes that the delta method is used. Their sizes are equal, or fall as one over their rank."""

    size: int
    classes: int
    recall: float
    equal: bool = True

    def __str__(self) -> str:
        return f"{self.size:,} · {self.classes} {'equal' if self.equal else 'unequal'} classes · {self.recall:g}"

    @property
    def shares(self) -> Numbers:
        """The probabilities of the cells, `[actual][predicted]`. All errors of a class are equally likely."""
        prior = np.ones(self.classes) if self.equal else 1 / np.arange(1, self.classes + 1)
        wrong = np.full((self.classes, self.classes), (1 - self.recall) / (self.classes - 1))
        np.fill_diagonal(wrong, self.recall)
        return np.asarray(wrong * (prior / prior.sum())[:, None])


MANY = [
    ManyClasses(3000, 100, 0.85),
    ManyClasses(1500, 100, 0.8),
    ManyClasses(3000, 60, 0.7),
    ManyClasses(3000, 30, 0.5),
    ManyClasses(4000, 60, 0.7, equal=False),
]
MANY_HELD_OUT = [ManyClasses(2000, 50, 0.6), ManyClasses(4000, 80, 0.75, equal=False)]


def many_classes(settings: list[ManyClasses], samples: int) -> Tallies:
    """Yield the tallies of averages over many classes, of samples with examples of all classes."""
    for setting in settings:
        shares = setting.shares
        labels, of_truth = [str(at) for at in range(len(shares))], margins_of(shares[..., None])
        names = {
            f"{averaging} {metric}": (metric, averaging)
            for metric in ("precision", "f1_score")
            for averaging in ("macro", "weighted")
        }
        found = {
            name: Tally(str(setting), f"{name}, many classes", setting.size, float(_averaged(*each)(*of_truth)[0]))
            for name, each in names.items()
        }
        draws = np.random.default_rng(SEED).multinomial(setting.size, shares.ravel(), size=samples)
        for counts in draws.reshape(-1, *shares.shape):
            if counts.sum(1).all():
                matrix = ConfusionMatrix(labels, counts.astype(float).tolist())
                for name, each in names.items():
                    found[name].add(matrix.averaged(*each).interval)
        yield from found.values()


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "two classes": lambda samples: composites(PAIRS, samples),
    "two classes, weighted": lambda samples: composites(WEIGHTED, samples),
    "several classes": lambda samples: composites(SEVERAL, samples),
    "many classes": lambda samples: many_classes(MANY, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "two classes": lambda samples: composites(BINARY_HELD_OUT, samples),
    "two classes, weighted": lambda samples: composites(WEIGHTED_HELD_OUT, samples),
    "several classes": lambda samples: composites(SEVERAL_HELD_OUT, samples),
    "many classes": lambda samples: many_classes(MANY_HELD_OUT, samples),
}
