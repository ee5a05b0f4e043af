"""Settings of weighted examples: weights within classes, of three classes, and differences of weighted versions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from performance.metrics.engines.base import Row
from performance.metrics.paired.matrices import RightAlone, accuracy_difference, gradients_of_both, matrix_differences
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.estimates import Estimate
from performance.metrics.statistics.intervals import WeightedCount
from tests.benchmarks.coverage_grid import rivals
from tests.benchmarks.coverage_grid.classification import Binary
from tests.benchmarks.coverage_grid.paired import BINARY, METRICS, Versions
from tests.benchmarks.coverage_grid.tally import Ends, Numbers, Tallies, Tally

SEED = 20260313
AT_A_TIME = 1_000_000  # examples


@dataclass(frozen=True)
class Weights:
    """Weights that do not depend on whether an example is right.

    A share of the examples is `heavy`, and weighs `times` as much. Besides, the weights are lognormal with this
    `spread`, and positives weigh `of_positives` times as much.
    """

    heavy: float = 0.0
    times: float = 1.0
    spread: float = 0.0
    of_positives: float = 1.0

    def __str__(self) -> str:
        parts = [
            f"{self.heavy:.0%} of weight {self.times:g}" if self.heavy else "",
            f"lognormal({self.spread:g})" if self.spread else "",
            f"positives × {self.of_positives:g}" if self.of_positives != 1 else "",
        ]
        return ", ".join(filter(None, parts))

    def draw(self, random: np.random.Generator, positive: npt.NDArray[np.int64]) -> Numbers:
        """Return the weights of examples that are positive (1) or not (0)."""
        drawn = np.where(random.random(positive.shape) < self.heavy, self.times, 1.0)
        return np.asarray(
            drawn
            * np.exp(self.spread * random.normal(size=positive.shape))
            * np.where(positive > 0, self.of_positives, 1.0)
        )

    def sums(
        self, random: np.random.Generator, shares: Numbers, samples: int, size: int
    ) -> tuple[Numbers, Numbers, Numbers]:
        """Return the counts, the weights and the squared weights of the cells, `[sample][actual]…`."""
        found = []
        for start in range(0, samples, max(1, AT_A_TIME // size)):
            times = min(max(1, AT_A_TIME // size), samples - start)
            cell = random.choice(shares.size, (times, size), p=shares.ravel())
            weight = self.draw(random, cell // (shares.size // 2))
            at = (cell + shares.size * np.arange(times)[:, None]).ravel()
            found.append(
                [
                    np.bincount(at, each.ravel(), times * shares.size).reshape(times, *shares.shape)
                    for each in (np.ones_like(weight), weight, weight**2)
                ]
            )
        counts, weights, squares = (np.concatenate(each) for each in zip(*found, strict=True))
        return counts, weights, squares

    def truth(self, shares: Numbers) -> Numbers:
        """Return the shares of the cells in the weight of all there are."""
        weights = shares * np.reshape([1.0, self.of_positives], (2, *[1] * (shares.ndim - 1)))
        return np.asarray(weights / weights.sum())


FEW_HEAVY, SOME_HEAVY, LOGNORMAL = Weights(0.05, 20.0), Weights(0.3, 3.0), Weights(spread=1.0)
WITHIN_CLASSES = [
    (Binary(100, 0.5, 0.9, 0.9), FEW_HEAVY),
    (Binary(600, 0.5, 0.97, 0.97), FEW_HEAVY),
    (Binary(1000, 0.1, 0.8, 0.95), FEW_HEAVY),
    (Binary(600, 0.5, 0.97, 0.97), SOME_HEAVY),
    (Binary(200, 0.3, 0.95, 0.99), LOGNORMAL),
    (Binary(400, 0.5, 0.9, 0.9), LOGNORMAL),
    (Binary(100, 0.3, 0.9, 0.95), Weights(spread=0.5)),
    (Binary(400, 0.1, 0.8, 0.95), Weights(spread=0.5, of_positives=9.0)),
]
WITHIN_CLASSES_HELD_OUT = [
    (Binary(500, 0.3, 0.9, 0.97), Weights(0.1, 10.0)),
    (Binary(150, 0.4, 0.85, 0.93), Weights(spread=0.7)),
    (Binary(800, 0.2, 0.95, 0.9), Weights(0.02, 30.0, of_positives=4.0)),
]
Measure = Callable[[ConfusionMatrix], Estimate]
SHARES: Mapping[str, Measure] = {
    "precision": lambda matrix: matrix.precision("1"),
    "recall": lambda matrix: matrix.recall("1"),
    "specificity": lambda matrix: matrix.specificity("1"),
}
OF_CELLS: Mapping[str, Measure] = {
    "accuracy": lambda matrix: matrix.accuracy,
    "F1": lambda matrix: matrix.f1_score("1"),
    "balanced_accuracy": lambda matrix: matrix.balanced_accuracy,
    "matthews_correlation": lambda matrix: matrix.matthews_correlation,
    "cohen_kappa": lambda matrix: matrix.cohen_kappa,
    "macro precision": lambda matrix: matrix.averaged("precision", "macro"),
    "macro F1": lambda matrix: matrix.averaged("f1_score", "macro"),
    "macro specificity": lambda matrix: matrix.averaged("specificity", "macro"),
    "weighted precision": lambda matrix: matrix.averaged("precision", "weighted"),
    "weighted F1": lambda matrix: matrix.averaged("f1_score", "weighted"),
    "weighted specificity": lambda matrix: matrix.averaged("specificity", "weighted"),
}
CELLS = {"precision": ((1, 1), (0, 1)), "recall": ((1, 1), (1, 0)), "specificity": ((0, 0), (0, 1))}


def shares(settings: list[tuple[Binary, Weights]], samples: int) -> Tallies:
    """Yield the tallies of precision, recall and specificity. The rival is Wilson's interval of Kish's size."""
    for binary, weights in settings:
        found = _tallies(binary, weights, SHARES)
        _, sums, squares = weights.sums(np.random.default_rng(SEED), binary.shares, samples, binary.size)
        for measure, tally in found:
            for each in zip(sums.tolist(), squares.tolist(), strict=True):
                tally.add(measure(ConfusionMatrix(["0", "1"], *each)).interval)
            right, wrong = CELLS[tally.metric]
            total, of_squares = (each[:, *right] + each[:, *wrong] for each in (sums, squares))
            with np.errstate(divide="ignore", invalid="ignore"):
                tally.add_rival("Wilson, Kish's size", rivals.wilson(sums[:, *right] / total, total**2 / of_squares))
        yield from (tally for _, tally in found)


def several_cells(settings: list[tuple[Binary, Weights]], samples: int) -> Tallies:
    """Yield the tallies of metrics of several cells."""
    for binary, weights in settings:
        found = _tallies(binary, weights, OF_CELLS)
        _, sums, squares = weights.sums(np.random.default_rng(SEED), binary.shares, samples, binary.size)
        for each in zip(sums.tolist(), squares.tolist(), strict=True):
            matrix = ConfusionMatrix(["0", "1"], *each)
            for measure, tally in found:
                tally.add(measure(matrix).interval)
        yield from (tally for _, tally in found)


@dataclass(frozen=True)
class ThreeClasses:
    """Three classes with their shares, weights and recall. Errors are predicted as the others by their shares."""

    size: int
    priors: tuple[float, ...]
    weights: tuple[float, ...]
    recall: tuple[float, ...]

    def __str__(self) -> str:
        weights = " : ".join(f"{each:g}" for each in self.weights)
        return f"{self.size:,} · {' / '.join(f'{each:.0%}' for each in self.priors)}, weights {weights}"

    @property
    def shares(self) -> Numbers:
        """The probabilities of the cells, `[actual][predicted]`."""
        priors, recall = np.array(self.priors), np.array(self.recall)
        others = np.where(np.eye(3) > 0, 0.0, priors)
        wrong = (priors * (1 - recall))[:, None] * others / others.sum(1, keepdims=True)
        return np.asarray(wrong + np.diag(priors * recall))


OF_THREE = [
    ThreeClasses(300, (0.8, 0.15, 0.05), (1.25, 6.67, 20.0), (0.95, 0.9, 0.9)),
    ThreeClasses(1000, (0.8, 0.15, 0.05), (1.25, 6.67, 20.0), (0.95, 0.9, 0.9)),
    ThreeClasses(1000, (0.69, 0.3, 0.01), (1.0, 1.0, 99.0), (0.95, 0.9, 0.9)),
    ThreeClasses(1000, (0.67, 0.3, 0.03), (1.0, 1.0, 20.0), (0.97, 0.97, 0.9)),
]
OF_THREE_HELD_OUT = [
    ThreeClasses(600, (0.5, 0.4, 0.1), (2.0, 2.5, 10.0), (0.9, 0.95, 0.8)),
    ThreeClasses(200, (0.6, 0.3, 0.1), (1.0, 3.0, 9.0), (0.9, 0.9, 0.95)),
]


def three_classes(settings: list[ThreeClasses], samples: int) -> Tallies:
    """Yield the tallies of precision, recall and specificity of each class. Samples that lack a class are left out."""
    for setting in settings:
        units = np.array(setting.weights)[:, None]
        truth = _matrix(setting.shares * units, setting.shares * units)
        draws = np.random.default_rng(SEED).multinomial(setting.size, setting.shares.ravel(), size=samples)
        counts = draws.reshape(-1, 3, 3)
        matrices = [_matrix(each * units, each * units**2) for each in counts[(counts.sum(2) > 0).all(1)]]
        for name in ("precision", "recall", "specificity"):
            for label in truth.labels:
                value = float(getattr(truth, name)(label).value)
                tally = Tally(f"{setting}, class {label}", name, setting.size, value)
                for matrix in matrices:
                    tally.add(getattr(matrix, name)(label).interval)
                yield tally


def _matrix(weights: Numbers, squares: Numbers) -> ConfusionMatrix:
    return ConfusionMatrix(["0", "1", "2"], weights.tolist(), squares.tolist())


def _tallies(binary: Binary, weights: Weights, measures: Mapping[str, Measure]) -> list[tuple[Measure, Tally]]:
    truth = ConfusionMatrix(["0", "1"], weights.truth(binary.shares).tolist())
    return [
        (measure, Tally(f"{binary}, {weights}", name, binary.size, float(measure(truth).value or 0.0)))
        for name, measure in measures.items()
    ]


VERSIONS = [
    (Versions(1000, 0.1, 0.6, 0.99, 0.5, 1.2), Weights(of_positives=9.0)),
    (Versions(1000, 0.1, 0.7, 0.95, 0.9, 1.3), Weights(of_positives=9.0)),
    (Versions(3000, 0.02, 0.7, 0.99, 0.5, 1.2), Weights(of_positives=49.0)),
    (Versions(1000, 0.01, 0.8, 0.95, 0.0, 1.5), Weights(of_positives=99.0)),
    (Versions(200, 0.1, 0.9, 0.98, 0.5, 1.5), Weights(of_positives=9.0)),
    (Versions(600, 0.5, 0.97, 0.97, 0.5, 1.3), FEW_HEAVY),
    (Versions(1000, 0.1, 0.6, 0.99, 0.5, 1.2), Weights(0.05, 20.0, of_positives=9.0)),
    (Versions(400, 0.5, 0.9, 0.9, 0.5, 1.3), LOGNORMAL),
]
VERSIONS_HELD_OUT = [
    (Versions(500, 0.2, 0.8, 0.98, 0.7, 1.2), Weights(of_positives=4.0)),
    (Versions(800, 0.05, 0.75, 0.97, 0.3, 1.4), Weights(of_positives=19.0)),
    (Versions(300, 0.3, 0.9, 0.9, 0.7, 1.3), Weights(0.1, 10.0)),
]


def differences(settings: list[tuple[Versions, Weights]], samples: int) -> Tallies:
    """Yield the tallies of the differences of metrics of the confusion matrix.

    Samples in which all predictions are equal, or that lack a class, are left out.
    """
    for versions, weights in settings:
        truth = weights.truth(versions.shares)
        true = {
            name: now.value - before.value for name, (now, before) in gradients_of_both(_cells(truth), BINARY).items()
        }
        right = [truth.sum(axis)[[0, 1], [0, 1]].sum() for axis in (2, 1)]
        true["accuracy"] = float(right[0] - right[1])
        found = {
            name: Tally(f"{versions}, {weights}", f"{name} difference", versions.size, true[name]) for name in METRICS
        }
        drawn = weights.sums(np.random.default_rng(SEED), versions.shares, samples, versions.size)
        is_counted = (drawn[0][:, :, 0, 1] + drawn[0][:, :, 1, 0]).sum(1) > 0
        is_counted &= (drawn[0].sum((2, 3)) > 0).all(1)
        sums, squares = (each[is_counted] for each in drawn[1:])
        for table, of_squares in zip(sums, squares, strict=True):
            intervals = matrix_differences(_cells(table, of_squares), BINARY)
            counts = zip(right_alone(table), right_alone(of_squares), strict=True)
            intervals["accuracy"] = accuracy_difference(RightAlone(*(WeightedCount(*each) for each in counts)))
            for name, tally in found.items():
                tally.add(intervals.get(name))
        found["accuracy"].add_rival("paired z", _paired_z(sums, squares))
        yield from found.values()


def right_alone(table: Numbers) -> tuple[float, float, float]:
    """Return the sum of a table `[actual][newer][older]`, and those that each version alone is right about."""
    newer, older = table[1, 1, 0] + table[0, 0, 1], table[1, 0, 1] + table[0, 1, 0]
    return float(table.sum()), float(newer), float(older)


def _paired_z(sums: Numbers, squares: Numbers) -> Ends:
    """Return the normal intervals of the accuracy's difference, from joint tables of weights and squared weights."""
    actual, newer, older = np.indices((2, 2, 2))
    score = (actual == newer).astype(float) - (actual == older)
    total = sums.sum((1, 2, 3))
    value = (sums * score).sum((1, 2, 3)) / total
    deviations = score - value[:, None, None, None]
    return rivals.around(value, rivals.NORMAL * np.sqrt((squares * deviations**2).sum((1, 2, 3))) / total)


def _cells(table: Numbers, squares: Numbers | None = None) -> list[Row]:
    """Return the cells of a joint table that have examples, as the paired methods take them."""
    return [
        (*(str(each) for each in at), float(weight), float(square))
        for at, weight, square in zip(
            np.ndindex(table.shape), table.ravel(), (table if squares is None else squares).ravel(), strict=True
        )
        if weight > 0
    ]


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "weights within classes": lambda samples: shares(WITHIN_CLASSES, samples),
    "weights within classes, several cells": lambda samples: several_cells(WITHIN_CLASSES, samples),
    "weights of three classes": lambda samples: three_classes(OF_THREE, samples),
    "differences of weighted classes": lambda samples: differences(VERSIONS, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "weights within classes": lambda samples: shares(WITHIN_CLASSES_HELD_OUT, samples),
    "weights within classes, several cells": lambda samples: several_cells(WITHIN_CLASSES_HELD_OUT, samples),
    "weights of three classes": lambda samples: three_classes(OF_THREE_HELD_OUT, samples),
    "differences of weighted classes": lambda samples: differences(VERSIONS_HELD_OUT, samples),
}
