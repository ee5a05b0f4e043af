"""Compute metrics from the diagonal, the rows and the columns of a confusion matrix.

The definitions are those of `sklearn.metrics`, with `zero_division=0`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import mul

CLASS_METRICS = ("precision", "recall", "f1_score")  # the metrics that are reported of each class
AVERAGED = (*CLASS_METRICS, "specificity")  # the metrics of one class that have averages over classes
NEGLIGIBLE = 1e-15  # a share of all weights that may be rounding


@dataclass(frozen=True, slots=True)
class Margins:
    """The weights on the diagonal, and the sums of the rows (actual) and columns (predicted), one for each class."""

    diagonal: Sequence[float]
    rows: Sequence[float]
    columns: Sequence[float]

    @property
    def total(self) -> float:
        """The sum of all weights."""
        return sum(self.rows)


MarginMetric = Callable[[Margins], float]


def class_shares(weights: Mapping[str, float], averaging: str) -> dict[str, float]:
    """Return the shares of classes in an average: by the weights of their examples (`weighted`), or else equal ones."""
    if averaging != "weighted":
        return dict.fromkeys(weights, 1 / len(weights))
    total = math.fsum(weights.values())
    return {label: weight / total for label, weight in weights.items()}


def accuracy(margins: Margins) -> float:
    """Return the share of correctly predicted examples, from 0 to 1."""
    return sum(margins.diagonal) / margins.total


def class_metric(name: str, index: int) -> MarginMetric:
    """Return `precision`, `recall`, `f1_score` or `specificity` of one class, from 0 to 1."""
    function = _DEFINITIONS[name]
    return lambda margins: function(margins.diagonal[index], margins.rows[index], margins.columns[index], margins.total)


def averaged_metric(name: str, averaging: str) -> MarginMetric:
    """Return such a metric, averaged over the classes: equally (`macro`), or by their examples (`weighted`)."""
    function = _DEFINITIONS[name]

    def average(margins: Margins) -> float:
        total = margins.total
        values = map(function, margins.diagonal, margins.rows, margins.columns, repeat(total))
        if averaging == "macro":
            return sum(values) / len(margins.rows)
        return _dot(margins.rows, values) / total

    return average


def balanced_accuracy(margins: Margins) -> float:
    """Return the mean recall of the classes that have examples, from 0 to 1."""
    recalls = [each / row for each, row in zip(margins.diagonal, margins.rows, strict=True) if row > 0]
    return sum(recalls) / len(recalls)


def matthews_correlation(margins: Margins) -> float:
    """Return Matthews' correlation coefficient, from -1 to 1; 0 if all examples are, or are predicted as, one class."""
    total, by_chance = margins.total, _dot(margins.rows, margins.columns)
    row_spread = total * total - _dot(margins.rows, margins.rows)
    column_spread = total * total - _dot(margins.columns, margins.columns)
    if min(row_spread, column_spread) <= NEGLIGIBLE * total * total:
        return 0.0
    return (sum(margins.diagonal) * total - by_chance) / math.sqrt(row_spread * column_spread)


def cohen_kappa(margins: Margins) -> float:
    """Return Cohen's kappa, from -1 to 1; 0 if all examples are of one class and predicted as that class."""
    total, by_chance = margins.total, _dot(margins.rows, margins.columns)
    above_chance = total * total - by_chance
    if above_chance <= NEGLIGIBLE * total * total:
        return 0.0
    return (sum(margins.diagonal) * total - by_chance) / above_chance


def _dot(left: Iterable[float], right: Iterable[float]) -> float:
    products: Iterator[float] = map(mul, left, right)
    return sum(products)


def _precision(diagonal: float, row: float, column: float, total: float) -> float:
    return diagonal / column if column > 0 else 0.0


def _recall(diagonal: float, row: float, column: float, total: float) -> float:
    return diagonal / row if row > 0 else 0.0


def _f1_score(diagonal: float, row: float, column: float, total: float) -> float:
    return 2 * diagonal / (row + column) if row + column > 0 else 0.0


def _specificity(diagonal: float, row: float, column: float, total: float) -> float:
    others = total - row
    return max(others - column + diagonal, 0.0) / others if others > NEGLIGIBLE * total else 0.0


_DEFINITIONS: Mapping[str, Callable[[float, float, float, float], float]] = {
    "precision": _precision,
    "recall": _recall,
    "f1_score": _f1_score,
    "specificity": _specificity,
}
