"""Compute metrics of a confusion matrix, with intervals from the multinomial distribution of its cells.

All these metrics are functions of three vectors: the diagonal and the sums of the rows (actual) and of the columns
(predicted). So the derivative by a cell is the derivative by its row, plus that by its column, plus that by the
diagonal if the cell is on it. The variance follows by the delta method: Agresti (2013), Categorical Data Analysis, 3rd
edition, section 16.1.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from performance.metrics.statistics.estimates import Estimate
from performance.metrics.statistics.intervals import effective_sample_size, logit, normal, wilson


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
class ClassGradient:
    """A metric of one class, with its derivatives by three shares of that class.

    They are the shares on the diagonal, of its row and of its column.
    """

    value: float
    diagonal: float = 0.0
    row: float = 0.0
    column: float = 0.0


class ConfusionMatrix:
    """The weight of the examples by actual class (row) and predicted class (column).

    Args:
        labels: the classes.
        weights: the sums of the weights, `weights[actual][predicted]`.
        squared_weight: the sum of the squared weights; without weights it is the number of examples.
    """

    def __init__(self, labels: Sequence[str], weights: Sequence[Sequence[float]], squared_weight: float) -> None:
        self.labels = tuple(labels)
        self.weights = weights
        self.total = math.fsum(map(math.fsum, weights))
        self.size = effective_sample_size(self.total, squared_weight)
        self.diagonal = [row[index] for index, row in enumerate(weights)]
        self.rows = [math.fsum(row) for row in weights]
        self.columns = [math.fsum(column) for column in zip(*weights, strict=True)]

    @cached_property
    def accuracy(self) -> Estimate:
        """The share of correctly predicted examples, from 0 to 1, with a Wilson interval."""
        share = math.fsum(self.diagonal) / self.total
        return Estimate(share, wilson(share, self.size))

    def precision(self, label: str) -> Estimate:
        """Return the share of the examples predicted as the class that belong to it; 0 if there are none.

        See `sklearn.metrics.precision_score` with `zero_division=0`. The interval is Wilson's.
        """
        return self._proportion(label, self.columns)

    def recall(self, label: str) -> Estimate:
        """Return the share of the class's examples that are predicted as the class; 0 if there are none.

        See `sklearn.metrics.recall_score` with `zero_division=0`. The interval is Wilson's.
        """
        return self._proportion(label, self.rows)

    def f1_score(self, label: str) -> Estimate:
        """Return the harmonic mean of precision and recall of a class; 0 if both are 0."""
        index = self.labels.index(label)
        slope = self._f1(index)
        return self._with_interval(slope.value, self._variance_of_class(index, slope))

    def specificity(self, label: str) -> Estimate:
        """Return the share of the other classes' examples that are not predicted as the class; 0 if there are none."""
        index = self.labels.index(label)
        others = self.total - self.rows[index]
        share = (others - self.columns[index] + self.diagonal[index]) / others if others > 0 else 0.0
        return Estimate(share, wilson(share, others / self.total * self.size))

    def support(self, label: str) -> float:
        """Return the sum of the weights of the class's examples."""
        return self.rows[self.labels.index(label)]

    def averaged(self, metric: str, averaging: str) -> Estimate:
        """Return `precision`, `recall`, `f1_score` or `specificity`, averaged over the classes as scikit-learn does.

        `macro` weighs all classes equally, `weighted` by their examples, and `micro` pools the decisions on all
        classes.
        """
        return self._micro(metric) if averaging == "micro" else self._fraction(self.gradient(metric, averaging))

    def gradient(self, metric: str, averaging: str, label: str | None = None) -> Gradient:
        """Return such a metric with its derivatives.

        With a `label`, it is that of one class, else the `macro` or `weighted` average over all classes.
        """
        class_gradient: Callable[[int], ClassGradient] = getattr(self, _ONE_CLASS[metric])
        if label is not None:
            index = self.labels.index(label)
            return self._sum({index: 1.0}, {index: class_gradient(index)})
        slopes = {index: class_gradient(index) for index in range(len(self.labels))}
        if averaging == "macro":
            return self._sum(dict.fromkeys(slopes, 1 / len(slopes)), slopes)
        return self._weighted(slopes)

    @cached_property
    def balanced_accuracy(self) -> Estimate:
        """The mean recall of the classes that have examples, from 0 to 1."""
        return self._fraction(self._balanced_accuracy())

    @cached_property
    def matthews_correlation(self) -> Estimate:
        """Matthews' correlation coefficient, from -1 to 1; 0 if all examples are of one class or predicted as one."""
        gradient = self._matthews_correlation()
        return self._agreement(gradient) if gradient else Estimate(0.0)

    @cached_property
    def cohen_kappa(self) -> Estimate:
        """Cohen's kappa, from -1 to 1; undefined if all examples are of one class and predicted as that class."""
        gradient = self._cohen_kappa()
        return self._agreement(gradient) if gradient else Estimate(None)

    def multiclass_gradient(self, metric: str) -> Gradient | None:
        """Return a metric of all classes with its derivatives; `None` if it has none."""
        return _MULTICLASS_GRADIENTS[metric](self)

    def _balanced_accuracy(self) -> Gradient:
        present = [index for index, row in enumerate(self.rows) if row > 0]
        slopes = {index: self._recall(index) for index in present}
        return self._sum(dict.fromkeys(present, 1 / len(present)), slopes)

    def _matthews_correlation(self) -> Gradient | None:
        agreement = math.fsum(self.diagonal) / self.total
        rows, columns = self._shares(self.rows), self._shares(self.columns)
        covariance = agreement - _dot(rows, columns)
        row_spread, column_spread = 1 - _dot(rows, rows), 1 - _dot(columns, columns)
        if row_spread <= _TOLERANCE or column_spread <= _TOLERANCE:
            return None
        scale = math.sqrt(row_spread * column_spread)
        value = covariance / scale
        return Gradient(
            value,
            [1 / scale] * len(rows),
            [-column / scale + value * row / row_spread for row, column in zip(rows, columns, strict=True)],
            [-row / scale + value * column / column_spread for row, column in zip(rows, columns, strict=True)],
        )

    def _cohen_kappa(self) -> Gradient | None:
        agreement = math.fsum(self.diagonal) / self.total
        rows, columns = self._shares(self.rows), self._shares(self.columns)
        by_chance = _dot(rows, columns)
        if 1 - by_chance <= _TOLERANCE:
            return None
        value = (agreement - by_chance) / (1 - by_chance)
        slope = (agreement - 1) / (1 - by_chance) ** 2
        return Gradient(
            value,
            [1 / (1 - by_chance)] * len(rows),
            [slope * column for column in columns],
            [slope * row for row in rows],
        )

    # Metrics of one class, as functions of its shares on the diagonal, of its row and of its column

    def _precision(self, index: int) -> ClassGradient:
        diagonal, _, column = self._shares_at(index)
        if column <= 0:
            return ClassGradient(0.0)
        return ClassGradient(diagonal / column, diagonal=1 / column, column=-diagonal / column**2)

    def _recall(self, index: int) -> ClassGradient:
        diagonal, row, _ = self._shares_at(index)
        if row <= 0:
            return ClassGradient(0.0)
        return ClassGradient(diagonal / row, diagonal=1 / row, row=-diagonal / row**2)

    def _f1(self, index: int) -> ClassGradient:
        diagonal, row, column = self._shares_at(index)
        both = row + column
        if both <= 0:
            return ClassGradient(0.0)
        slope = -2 * diagonal / both**2
        return ClassGradient(2 * diagonal / both, diagonal=2 / both, row=slope, column=slope)

    def _specificity(self, index: int) -> ClassGradient:
        diagonal, row, column = self._shares_at(index)
        others = 1 - row
        if others <= _TOLERANCE:
            return ClassGradient(0.0)
        right = others - column + diagonal
        return ClassGradient(right / others, diagonal=1 / others, row=(right - others) / others**2, column=-1 / others)

    # Metrics of several classes

    def _sum(self, scales: Mapping[int, float], slopes: Mapping[int, ClassGradient]) -> Gradient:
        def spread(part: Callable[[ClassGradient], float]) -> list[float]:
            return [scales[at] * part(slopes[at]) if at in slopes else 0.0 for at in range(len(self.labels))]

        return Gradient(
            math.fsum(scales[index] * slope.value for index, slope in slopes.items()),
            spread(lambda slope: slope.diagonal),
            spread(lambda slope: slope.row),
            spread(lambda slope: slope.column),
        )

    def _weighted(self, slopes: Mapping[int, ClassGradient]) -> Gradient:
        """Return the sum of the metrics times the classes' shares.

        The shares are those of rows, so they have derivatives too.
        """
        combined = self._sum(dict(enumerate(self._shares(self.rows))), slopes)
        rows = [slope + slopes[index].value for index, slope in enumerate(combined.rows)]
        return Gradient(combined.value, combined.diagonal, rows, combined.columns)

    def _micro(self, metric: str) -> Estimate:
        if metric != "specificity":
            return self.accuracy
        wrong = 1 - math.fsum(self.diagonal) / self.total
        others = len(self.labels) - 1
        share = (others - wrong) / others if others else 0.0
        return Estimate(share, wilson(share, self.size * max(others, 1)))

    def _shares_at(self, index: int) -> tuple[float, float, float]:
        return self.diagonal[index] / self.total, self.rows[index] / self.total, self.columns[index] / self.total

    def _shares(self, weights: Sequence[float]) -> list[float]:
        return [weight / self.total for weight in weights]

    def _proportion(self, label: str, totals: Sequence[float]) -> Estimate:
        index = self.labels.index(label)
        share = self.diagonal[index] / totals[index] if totals[index] > 0 else 0.0
        return Estimate(share, wilson(share, totals[index] / self.total * self.size))

    def _fraction(self, gradient: Gradient) -> Estimate:
        return self._with_interval(gradient.value, self._variance(gradient))

    def _with_interval(self, value: float, variance: float) -> Estimate:
        return Estimate(value, logit(value, variance, self.size, "multinomial") if self.size else None)

    def _agreement(self, gradient: Gradient) -> Estimate:
        value = gradient.value
        return Estimate(value, normal(value, self._variance(gradient), "multinomial", -1, 1))

    def _variance(self, gradient: Gradient) -> float:
        """Return the variance of a metric's estimate, from the variance of its gradient over the cells."""
        first = second = 0.0
        for index, row in enumerate(self.weights):
            for position, weight in enumerate(row):
                if weight:
                    slope = gradient.by_cell(index, position)
                    first += weight * slope
                    second += weight * slope * slope
        return self._variance_of_mean(first, second)

    def _variance_of_class(self, index: int, slope: ClassGradient) -> float:
        """Return the variance of a metric of one class. Its gradient is 0 outside of the class's row and column."""
        diagonal = self.diagonal[index]
        parts = (
            (diagonal, slope.diagonal + slope.row + slope.column),
            (self.rows[index] - diagonal, slope.row),
            (self.columns[index] - diagonal, slope.column),
        )
        first = math.fsum(weight * gradient for weight, gradient in parts)
        return self._variance_of_mean(first, math.fsum(weight * gradient * gradient for weight, gradient in parts))

    def _variance_of_mean(self, first: float, second: float) -> float:
        """Return the variance from the sums of weight × derivative and of weight × derivative²."""
        if not self.size:  # the weights are so small that their squares are 0
            return math.nan
        mean = first / self.total
        return max(second / self.total - mean * mean, 0.0) / self.size


_ONE_CLASS: Mapping[str, str] = {
    "precision": "_precision",
    "recall": "_recall",
    "f1_score": "_f1",
    "specificity": "_specificity",
}
_MULTICLASS_GRADIENTS: Mapping[str, Callable[[ConfusionMatrix], Gradient | None]] = {
    "balanced_accuracy": ConfusionMatrix._balanced_accuracy,
    "matthews_correlation": ConfusionMatrix._matthews_correlation,
    "cohen_kappa": ConfusionMatrix._cohen_kappa,
}
_TOLERANCE = 1e-15


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return math.fsum(one * other for one, other in zip(left, right, strict=True))
