"""Compute the derivatives of metrics by the cells of a confusion matrix.

All these metrics are functions of three vectors: the diagonal and the sums of the rows (actual) and of the columns
(predicted). So the derivative by a cell is the derivative by its row, plus that by its column, plus that by the
diagonal if the cell is on it. The variance follows by the delta method: Agresti (2013), Categorical Data Analysis, 3rd
edition, section 16.1.

The functions take the shares of all examples, so that the sum of the rows is 1.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from performance.metrics.statistics.margins import NEGLIGIBLE, Margins


@dataclass(frozen=True, slots=True)
class Gradient:
    """The value of a metric and its derivatives by the diagonal, the rows and the columns, one for each class."""

    value: float
    diagonal: Sequence[float]
    rows: Sequence[float]
    columns: Sequence[float]

    def by_cell(self, row: int, column: int) -> float:
        """Return the derivative by the cell of an actual class (`row`) and a predicted class (`column`)."""
        return self.rows[row] + self.columns[column] + (self.diagonal[row] if row == column else 0.0)


@dataclass(frozen=True, slots=True)
class _ClassGradient:
    """A metric of one class, with its derivatives by the shares on the diagonal, of its row and of its column."""

    value: float
    diagonal: float = 0.0
    row: float = 0.0
    column: float = 0.0


def accuracy(shares: Margins) -> Gradient:
    """Return the accuracy with its derivatives."""
    nothing = [0.0] * len(shares.rows)
    return Gradient(math.fsum(shares.diagonal), [1.0] * len(shares.rows), nothing, nothing)


def class_metric(name: str, index: int, shares: Margins) -> Gradient:
    """Return `precision`, `recall`, `f1_score` or `specificity` of one class with its derivatives."""
    return _combine({index: 1.0}, {index: _class_gradient(name, index, shares)}, len(shares.rows))


def averaged_metric(name: str, averaging: str, shares: Margins) -> Gradient:
    """Return such a metric with its derivatives, averaged over the classes: `macro` or `weighted`."""
    slopes = {index: _class_gradient(name, index, shares) for index in range(len(shares.rows))}
    if averaging == "macro":
        return _combine(dict.fromkeys(slopes, 1 / len(slopes)), slopes, len(shares.rows))
    return _weighted(slopes, shares)


def balanced_accuracy(shares: Margins) -> Gradient:
    """Return the mean recall of the classes that have examples, with its derivatives."""
    present = [index for index, row in enumerate(shares.rows) if row > 0]
    slopes = {index: _class_gradient("recall", index, shares) for index in present}
    return _combine(dict.fromkeys(present, 1 / len(present)), slopes, len(shares.rows))


def matthews_correlation(shares: Margins) -> Gradient | None:
    """Return Matthews' correlation coefficient with its derivatives; `None` if it has none, with only one class."""
    rows, columns = shares.rows, shares.columns
    covariance = math.fsum(shares.diagonal) - _dot(rows, columns)
    row_spread, column_spread = 1 - _dot(rows, rows), 1 - _dot(columns, columns)
    if row_spread <= NEGLIGIBLE or column_spread <= NEGLIGIBLE:
        return None
    scale = math.sqrt(row_spread * column_spread)
    value = covariance / scale
    return Gradient(
        value,
        [1 / scale] * len(rows),
        [-column / scale + value * row / row_spread for row, column in zip(rows, columns, strict=True)],
        [-row / scale + value * column / column_spread for row, column in zip(rows, columns, strict=True)],
    )


def cohen_kappa(shares: Margins) -> Gradient | None:
    """Return Cohen's kappa with its derivatives; `None` if it is undefined, with only one class."""
    agreement, by_chance = math.fsum(shares.diagonal), _dot(shares.rows, shares.columns)
    if 1 - by_chance <= NEGLIGIBLE:
        return None
    slope = (agreement - 1) / (1 - by_chance) ** 2
    return Gradient(
        (agreement - by_chance) / (1 - by_chance),
        [1 / (1 - by_chance)] * len(shares.rows),
        [slope * column for column in shares.columns],
        [slope * row for row in shares.rows],
    )


MULTICLASS_GRADIENTS: Mapping[str, Callable[[Margins], Gradient | None]] = {
    "balanced_accuracy": balanced_accuracy,
    "matthews_correlation": matthews_correlation,
    "cohen_kappa": cohen_kappa,
}


def _class_gradient(name: str, index: int, shares: Margins) -> _ClassGradient:
    return _CLASS_GRADIENTS[name](shares.diagonal[index], shares.rows[index], shares.columns[index])


def _precision(diagonal: float, row: float, column: float) -> _ClassGradient:
    if column <= 0:
        return _ClassGradient(0.0)
    return _ClassGradient(diagonal / column, diagonal=1 / column, column=-diagonal / column**2)


def _recall(diagonal: float, row: float, column: float) -> _ClassGradient:
    if row <= 0:
        return _ClassGradient(0.0)
    return _ClassGradient(diagonal / row, diagonal=1 / row, row=-diagonal / row**2)


def _f1_score(diagonal: float, row: float, column: float) -> _ClassGradient:
    both = row + column
    if both <= 0:
        return _ClassGradient(0.0)
    slope = -2 * diagonal / both**2
    return _ClassGradient(2 * diagonal / both, diagonal=2 / both, row=slope, column=slope)


def _specificity(diagonal: float, row: float, column: float) -> _ClassGradient:
    others = 1 - row
    if others <= NEGLIGIBLE:
        return _ClassGradient(0.0)
    right = others - column + diagonal
    return _ClassGradient(right / others, diagonal=1 / others, row=(right - others) / others**2, column=-1 / others)


_CLASS_GRADIENTS: Mapping[str, Callable[[float, float, float], _ClassGradient]] = {
    "precision": _precision,
    "recall": _recall,
    "f1_score": _f1_score,
    "specificity": _specificity,
}


def _combine(scales: Mapping[int, float], slopes: Mapping[int, _ClassGradient], classes: int) -> Gradient:
    """Return the sum of the metrics of some classes, times constant scales."""

    def spread(part: Callable[[_ClassGradient], float]) -> list[float]:
        return [scales[at] * part(slopes[at]) if at in slopes else 0.0 for at in range(classes)]

    return Gradient(
        math.fsum(scales[index] * slope.value for index, slope in slopes.items()),
        spread(lambda slope: slope.diagonal),
        spread(lambda slope: slope.row),
        spread(lambda slope: slope.column),
    )


def _weighted(slopes: Mapping[int, _ClassGradient], shares: Margins) -> Gradient:
    """Return the sum of the metrics times the classes' shares.

    The shares are those of rows, so they have derivatives too.
    """
    combined = _combine(dict(enumerate(shares.rows)), slopes, len(shares.rows))
    rows = [slope + slopes[index].value for index, slope in enumerate(combined.rows)]
    return Gradient(combined.value, combined.diagonal, rows, combined.columns)


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return math.fsum(one * other for one, other in zip(left, right, strict=True))
