"""Metrics of a confusion matrix, with intervals from the multinomial distribution of its cells.

All these metrics are functions of three vectors: the diagonal and the sums of rows (actual) and of columns (predicted).
So the gradient by a cell is that by its row plus that by its column, plus that by the diagonal if it is on it, and the
variance follows by the delta method: Agresti (2013), Categorical Data Analysis, 3rd edition, section 16.1.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from performance.metrics.statistics.intervals import Interval, effective_size, logit, normal, wilson


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric's value, `None` where it is not defined, and its interval, `None` where none is known."""

    value: float | None
    interval: Interval | None = None


def intervals_of(estimates: Mapping[str, Estimate]) -> dict[str, Interval]:
    """Return the intervals of those estimates that have one."""
    return {name: each.interval for name, each in estimates.items() if each.interval is not None}


@dataclass(frozen=True, slots=True)
class Gradient:
    """A metric and its derivatives by the diagonal, the rows and the columns, class by class."""

    value: float
    diagonal: Sequence[float]
    rows: Sequence[float]
    columns: Sequence[float]

    def by_cell(self, row: int, column: int) -> float:
        """Return the derivative by the cell of an actual and a predicted class."""
        return self.rows[row] + self.columns[column] + (self.diagonal[row] if row == column else 0.0)


@dataclass(frozen=True, slots=True)
class Slope:
    """A metric of one class, and its derivatives by the class's share on the diagonal, of its row and its column."""

    value: float
    diagonal: float = 0.0
    row: float = 0.0
    column: float = 0.0


class ConfusionMatrix:
    """How much weight the examples of each class have that were predicted as each class.

    `squared_weight` is the sum of the squared weights; without weights it is the number of examples.
    """

    def __init__(self, labels: Sequence[str], weights: Sequence[Sequence[float]], squared_weight: float) -> None:
        self.labels = tuple(labels)
        self.weights = weights
        self.total = math.fsum(map(math.fsum, weights))
        self.size = effective_size(self.total, squared_weight)
        self.diagonal = [row[index] for index, row in enumerate(weights)]
        self.rows = [math.fsum(row) for row in weights]
        self.columns = [math.fsum(column) for column in zip(*weights, strict=True)]

    @cached_property
    def accuracy(self) -> Estimate:
        """The share of examples that were predicted as they are."""
        share = math.fsum(self.diagonal) / self.total
        return Estimate(share, wilson(share, self.size))

    def precision(self, label: str) -> Estimate:
        """The share of what was predicted as a class that is of it; 0 where nothing was."""
        return self._proportion(label, self.columns)

    def recall(self, label: str) -> Estimate:
        """The share of what is of a class that was predicted so; 0 where nothing is."""
        return self._proportion(label, self.rows)

    def f1_score(self, label: str) -> Estimate:
        """The harmonic mean of precision and recall of a class; 0 where there is neither."""
        index = self.labels.index(label)
        slope = self._f1(index)
        return self._with_interval(slope.value, self._variance_of_class(index, slope))

    def specificity(self, label: str) -> Estimate:
        """The share of what is not of a class that was not predicted so; 0 where everything is of it."""
        index = self.labels.index(label)
        others = self.total - self.rows[index]
        share = (others - self.columns[index] + self.diagonal[index]) / others if others > 0 else 0.0
        return Estimate(share, wilson(share, others / self.total * self.size))

    def support(self, label: str) -> float:
        """The weight of what is of a class."""
        return self.rows[self.labels.index(label)]

    def averaged(self, metric: str, averaging: str) -> Estimate:
        """Return `precision`, `recall`, `f1_score` or `specificity`, averaged over the classes.

        `macro` gives each class the same weight, `weighted` that of its examples; `micro` counts all classes' decisions
        together.
        """
        return self._micro(metric) if averaging == "micro" else self._fraction(self.gradient(metric, averaging))

    def gradient(self, metric: str, averaging: str, label: str | None = None) -> Gradient:
        """Return such a metric with its derivatives: of one class, or the `macro` or `weighted` average of all."""
        slope_of: Callable[[int], Slope] = getattr(self, _ONE_CLASS[metric])
        if label is not None:
            index = self.labels.index(label)
            return self._sum({index: 1.0}, {index: slope_of(index)})
        slopes = {index: slope_of(index) for index in range(len(self.labels))}
        if averaging == "macro":
            return self._sum(dict.fromkeys(slopes, 1 / len(slopes)), slopes)
        return self._weighted(slopes)

    @cached_property
    def balanced_accuracy(self) -> Estimate:
        """The mean of the recall of the classes that there are."""
        return self._fraction(self._balanced_accuracy())

    @cached_property
    def matthews_correlation(self) -> Estimate:
        """Matthews' correlation coefficient, from -1 to 1; 0 where all is of one class or predicted as one."""
        gradient = self._matthews_correlation()
        return self._agreement(gradient) if gradient else Estimate(0.0)

    @cached_property
    def cohen_kappa(self) -> Estimate:
        """Cohen's kappa, from -1 to 1; not defined where all is of one class and predicted so."""
        gradient = self._cohen_kappa()
        return self._agreement(gradient) if gradient else Estimate(None)

    def gradient_of_all(self, metric: str) -> Gradient | None:
        """Return such a metric of all classes with its derivatives; `None` where it has none."""
        return _OF_ALL[metric](self)

    def _balanced_accuracy(self) -> Gradient:
        present = [index for index, row in enumerate(self.rows) if row > 0]
        slopes = {index: self._recall(index) for index in present}
        return self._sum(dict.fromkeys(present, 1 / len(present)), slopes)

    def _matthews_correlation(self) -> Gradient | None:
        agreed = math.fsum(self.diagonal) / self.total
        rows, columns = self._shares(self.rows), self._shares(self.columns)
        covariance = agreed - _dot(rows, columns)
        of_rows, of_columns = 1 - _dot(rows, rows), 1 - _dot(columns, columns)
        if of_rows <= _NOTHING or of_columns <= _NOTHING:
            return None
        scale = math.sqrt(of_rows * of_columns)
        value = covariance / scale
        return Gradient(
            value,
            [1 / scale] * len(rows),
            [-column / scale + value * row / of_rows for row, column in zip(rows, columns, strict=True)],
            [-row / scale + value * column / of_columns for row, column in zip(rows, columns, strict=True)],
        )

    def _cohen_kappa(self) -> Gradient | None:
        agreed = math.fsum(self.diagonal) / self.total
        rows, columns = self._shares(self.rows), self._shares(self.columns)
        by_chance = _dot(rows, columns)
        if 1 - by_chance <= _NOTHING:
            return None
        value = (agreed - by_chance) / (1 - by_chance)
        slope = (agreed - 1) / (1 - by_chance) ** 2
        return Gradient(
            value,
            [1 / (1 - by_chance)] * len(rows),
            [slope * column for column in columns],
            [slope * row for row in rows],
        )

    # One class, as a function of its shares on the diagonal, of its row and of its column

    def _precision(self, index: int) -> Slope:
        diagonal, _, column = self._at(index)
        if column <= 0:
            return Slope(0.0)
        return Slope(diagonal / column, diagonal=1 / column, column=-diagonal / column**2)

    def _recall(self, index: int) -> Slope:
        diagonal, row, _ = self._at(index)
        if row <= 0:
            return Slope(0.0)
        return Slope(diagonal / row, diagonal=1 / row, row=-diagonal / row**2)

    def _f1(self, index: int) -> Slope:
        diagonal, row, column = self._at(index)
        both = row + column
        if both <= 0:
            return Slope(0.0)
        slope = -2 * diagonal / both**2
        return Slope(2 * diagonal / both, diagonal=2 / both, row=slope, column=slope)

    def _specificity(self, index: int) -> Slope:
        diagonal, row, column = self._at(index)
        others = 1 - row
        if others <= _NOTHING:
            return Slope(0.0)
        right = others - column + diagonal
        return Slope(right / others, diagonal=1 / others, row=(right - others) / others**2, column=-1 / others)

    # Combining classes

    def _sum(self, scales: Mapping[int, float], slopes: Mapping[int, Slope]) -> Gradient:
        def over(part: Callable[[Slope], float]) -> list[float]:
            return [scales[at] * part(slopes[at]) if at in slopes else 0.0 for at in range(len(self.labels))]

        return Gradient(
            math.fsum(scales[index] * slope.value for index, slope in slopes.items()),
            over(lambda slope: slope.diagonal),
            over(lambda slope: slope.row),
            over(lambda slope: slope.column),
        )

    def _weighted(self, slopes: Mapping[int, Slope]) -> Gradient:
        """Return the sum by the classes' shares, which are shares of rows, and so have a slope of their own."""
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

    def _at(self, index: int) -> tuple[float, float, float]:
        return self.diagonal[index] / self.total, self.rows[index] / self.total, self.columns[index] / self.total

    def _shares(self, weights: Sequence[float]) -> list[float]:
        return [weight / self.total for weight in weights]

    def _proportion(self, label: str, of: Sequence[float]) -> Estimate:
        index = self.labels.index(label)
        share = self.diagonal[index] / of[index] if of[index] > 0 else 0.0
        return Estimate(share, wilson(share, of[index] / self.total * self.size))

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

    def _variance_of_class(self, index: int, slope: Slope) -> float:
        """Return the variance of a metric of one class, whose gradient is 0 outside of the class's row and column."""
        diagonal = self.diagonal[index]
        parts = (
            (diagonal, slope.diagonal + slope.row + slope.column),
            (self.rows[index] - diagonal, slope.row),
            (self.columns[index] - diagonal, slope.column),
        )
        first = math.fsum(weight * gradient for weight, gradient in parts)
        return self._variance_of_mean(first, math.fsum(weight * gradient * gradient for weight, gradient in parts))

    def _variance_of_mean(self, first: float, second: float) -> float:
        """Return the variance from the sums of weight × slope and of weight × slope²."""
        if not self.size:  # so small are the weights that their squares are none
            return math.nan
        mean = first / self.total
        return max(second / self.total - mean * mean, 0.0) / self.size


_ONE_CLASS: Mapping[str, str] = {
    "precision": "_precision",
    "recall": "_recall",
    "f1_score": "_f1",
    "specificity": "_specificity",
}
_OF_ALL: Mapping[str, Callable[[ConfusionMatrix], Gradient | None]] = {
    "balanced_accuracy": ConfusionMatrix._balanced_accuracy,
    "matthews_correlation": ConfusionMatrix._matthews_correlation,
    "cohen_kappa": ConfusionMatrix._cohen_kappa,
}
_NOTHING = 1e-15


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return math.fsum(one * other for one, other in zip(left, right, strict=True))
