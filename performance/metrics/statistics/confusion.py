"""Compute metrics of a confusion matrix, with confidence intervals.

The intervals of proportions are Wilson's, and so is that of F1. Metrics of more cells have simulated intervals
(`melding`), or, if there are too many cells, those of the delta method.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from heapq import nlargest

from performance.metrics.statistics import gradients, margins
from performance.metrics.statistics.biases import OF_AVERAGES
from performance.metrics.statistics.estimates import TINY_WEIGHTS, Estimate
from performance.metrics.statistics.gradients import MULTICLASS_GRADIENTS, Gradient
from performance.metrics.statistics.intervals import (
    NO_EXAMPLES,
    Interval,
    WeightedCount,
    effective_sample_size,
    logit,
    normal,
    weighted_wilson,
    wilson,
)
from performance.metrics.statistics.margins import NEGLIGIBLE, MarginMetric, Margins
from performance.metrics.statistics.melding import EffectiveCell, Melding

ONE_CLASS = "All examples are of one class. There must be examples of at least two."
TOO_FEW = "There are many classes, and fewer than {0} right or {0} wrong predictions. {0} of each are enough."
ENOUGH = 30  # right and wrong predictions, for the delta method
_NO_VARIANCE, _ROUNDING = 1e-13, 1e-9  # of a variance, and of units of weight


class ConfusionMatrix:
    """The weight of the examples by actual class (row) and predicted class (column).

    Args:
        labels: the classes.
        weights: the sums of the weights, `weights[actual][predicted]`.
        squared_weights: the sums of the squared weights, likewise; by default the weights are counts.
        design_effect: how many examples are worth one, if they are correlated.
    """

    def __init__(
        self,
        labels: Sequence[str],
        weights: Sequence[Sequence[float]],
        squared_weights: Sequence[Sequence[float]] | None = None,
        design_effect: float = 1.0,
    ) -> None:
        self.labels = tuple(labels)
        self.weights = weights
        self.squared_weights = weights if squared_weights is None else squared_weights
        self.design_effect = design_effect
        self.total = math.fsum(map(math.fsum, weights))
        self.size = effective_sample_size(self.total, math.fsum(map(math.fsum, self.squared_weights)) * design_effect)
        self.diagonal = [row[index] for index, row in enumerate(weights)]
        self.rows = [math.fsum(row) for row in weights]
        self.columns = [math.fsum(column) for column in zip(*weights, strict=True)]

    def with_design_effect(self, design_effect: float) -> "ConfusionMatrix":
        """Return the matrix of as many effective examples as there are, divided by the design effect."""
        return ConfusionMatrix(self.labels, self.weights, self.squared_weights, design_effect)

    @cached_property
    def accuracy(self) -> Estimate:
        """The share of correctly predicted examples, from 0 to 1.

        The interval is Wilson's. If weights differ, errors of the classes have different weights, so it is simulated.
        """
        if self._has_equal_weights or sum(row > 0 for row in self.rows) < 2:
            everything, right = sum(self._by_row, NO_EXAMPLES), sum(self._right, NO_EXAMPLES)
            return self._share(right, everything - right, everything.unit, math.fsum(self.diagonal) / self.total)
        return self._simulated(margins.accuracy, self.accuracy_gradient(), errors_by_class=True)

    def precision(self, label: str) -> Estimate:
        """Return the share of the examples predicted as the class that belong to it; 0 if there are none.

        See `sklearn.metrics.precision_score` with `zero_division=0`. The interval is Wilson's.
        """
        index = self.labels.index(label)
        if self.columns[index] <= 0:
            return Estimate(0.0, reason=f"No example is predicted as {label!r}.")
        right, wrong = self._right[index], self._by_column[index] - self._right[index]
        value = self.diagonal[index] / self.columns[index]
        ratio = self._ratio_of_column(index)
        of_class, of_others = self._by_row[index].unit * ratio, self._unit_of_others(index, wrong) * ratio
        return self._share(right, wrong, of_class, value, wrong_unit=of_others)

    def recall(self, label: str) -> Estimate:
        """Return the share of the class's examples that are predicted as the class; 0 if there are none.

        See `sklearn.metrics.recall_score` with `zero_division=0`. The interval is Wilson's.
        """
        index = self.labels.index(label)
        if self.rows[index] <= 0:
            return Estimate(0.0, reason=_absent(label))
        right, wrong = self._right[index], self._by_row[index] - self._right[index]
        return self._share(right, wrong, self._by_row[index].unit, self.diagonal[index] / self.rows[index])

    def f1_score(self, label: str) -> Estimate:
        """Return the harmonic mean of precision and recall of a class; 0 if both are 0.

        It is 2J / (1 + J) for J = TP / (TP + FP + FN), a proportion with a Wilson interval. If weights differ, errors
        of both kinds have different weights, so the interval is simulated.
        """
        index = self.labels.index(label)
        metric = margins.class_metric("f1_score", index)
        if self.rows[index] <= 0:
            return Estimate(metric(self.margins), reason=_absent(label))
        if not self._has_equal_weights:
            return self._simulated(metric, errors_by_class=True)
        either = self.rows[index] + self.columns[index] - self.diagonal[index]
        jaccard = wilson(self.diagonal[index] / either, either / self.total * self.size)
        return self._estimate(
            metric(self.margins), jaccard and jaccard.transform(lambda share: 2 * share / (1 + share))
        )

    def specificity(self, label: str) -> Estimate:
        """Return the share of the other classes' examples that are not predicted as the class; 0 if there are none."""
        index = self.labels.index(label)
        if self.total - self.rows[index] <= NEGLIGIBLE * self.total:
            return Estimate(0.0, reason=ONE_CLASS)
        others, wrong = self._others(index), self._by_column[index] - self._right[index]
        value = margins.class_metric("specificity", index)(self.margins)
        return self._share(others - wrong, wrong, others.unit, value, wrong_unit=self._unit_of_others(index, wrong))

    def support(self, label: str) -> float:
        """Return the sum of the weights of the class's examples."""
        return self.rows[self.labels.index(label)]

    def averaged(self, metric: str, averaging: str) -> Estimate:
        """Return `precision`, `recall`, `f1_score` or `specificity`, averaged over the classes as scikit-learn does.

        `macro` weighs all classes equally, `weighted` by their examples, and `micro` pools the decisions on all
        classes.
        """
        if averaging == "micro":
            return self._micro(metric)
        if metric == "recall" and averaging == "weighted":
            return self.accuracy
        function = margins.averaged_metric(metric, averaging)
        absent = [label for label, row in zip(self.labels, self.rows, strict=True) if row <= 0]
        if absent and averaging == "macro":
            return Estimate(function(self.margins), reason=_absent(absent[0]))
        by_class = averaging == "macro" or metric == "precision"
        found = self._simulated(function, self.gradient(metric, averaging), errors_by_class=by_class)
        return self._unbiased(found, OF_AVERAGES.get((metric, averaging)))

    def gradient(self, metric: str, averaging: str, label: str | None = None) -> Gradient:
        """Return such a metric with its derivatives.

        With a `label`, it is that of one class, else the `macro` or `weighted` average over all classes.
        """
        if label is not None:
            return gradients.class_metric(metric, self.labels.index(label), self.shares)
        return gradients.averaged_metric(metric, averaging, self.shares)

    @cached_property
    def balanced_accuracy(self) -> Estimate:
        """The mean recall of the classes that have examples, from 0 to 1.

        If a class has none, the mean over all classes is unknown, so there is no interval.
        """
        absent = [label for label, row in zip(self.labels, self.rows, strict=True) if row <= 0]
        if len(absent) < len(self.labels) - 1 and absent:
            return Estimate(margins.balanced_accuracy(self.margins), reason=_absent(absent[0]))
        return self._simulated(
            margins.balanced_accuracy, gradients.balanced_accuracy(self.shares), errors_by_class=True
        )

    @cached_property
    def matthews_correlation(self) -> Estimate:
        """Matthews' correlation coefficient, from -1 to 1; 0 if all examples are of one class or predicted as one."""
        return self._simulated(
            margins.matthews_correlation, gradients.matthews_correlation(self.shares), errors_by_class=False, lowest=-1
        )

    @cached_property
    def cohen_kappa(self) -> Estimate:
        """Cohen's kappa, from -1 to 1; undefined if all examples are of one class and predicted as that class."""
        gradient = gradients.cohen_kappa(self.shares)
        if gradient is None:
            return Estimate(None, reason=ONE_CLASS)
        return self._simulated(margins.cohen_kappa, gradient, errors_by_class=False, lowest=-1)

    def delta_interval(self, gradient: Gradient, lowest: float) -> Interval | None:
        """Return the interval of the delta method for a metric from `lowest` to 1, `None` if it varies by nothing.

        It is about as wide as that of resampled examples, too narrow if few of them decide.
        """
        variance = self._variance(gradient)
        if variance * self.size <= _NO_VARIANCE:
            return None
        return normal(gradient.value, variance, "multinomial", lowest, 1)

    @cached_property
    def margins(self) -> Margins:
        """The diagonal, the rows and the columns, divided by a power of two, so that their squares are finite.

        That is exact, so 207 of 225 is 0.92, as a threshold is written.
        """
        _, exponent = math.frexp(self.total)
        return self._margins(lambda weight: math.ldexp(weight, -exponent))

    @cached_property
    def shares(self) -> Margins:
        """The shares on the diagonal, of the rows and of the columns in the sum of all weights."""
        return self._margins(lambda weight: weight / self.total)

    def accuracy_gradient(self) -> Gradient:
        """Return the accuracy with its derivatives."""
        return gradients.accuracy(self.shares)

    def multiclass_gradient(self, metric: str) -> Gradient | None:
        """Return a metric of all classes with its derivatives; `None` if it has none."""
        return MULTICLASS_GRADIENTS[metric](self.shares)

    def _micro(self, metric: str) -> Estimate:
        if metric != "specificity":
            return self.accuracy
        others = max(len(self.labels) - 1, 1)
        share = math.fsum(self.diagonal) / self.total
        interval = self.accuracy.interval
        if len(self.labels) < 2:
            return Estimate(0.0, reason=ONE_CLASS)
        specificity = interval and interval.transform(lambda accuracy: 1 - (1 - accuracy) / others)
        return Estimate(1 - (1 - share) / others, specificity, self.accuracy.reason)

    def _margins(self, scaled: Callable[[float], float]) -> Margins:
        return Margins(*([scaled(weight) for weight in each] for each in (self.diagonal, self.rows, self.columns)))

    # Intervals

    def _share(
        self, right: WeightedCount, wrong: WeightedCount, unit: float, value: float, *, wrong_unit: float | None = None
    ) -> Estimate:
        """Return a share with the interval of `weighted_wilson`. By default, both sides have the same least unit."""
        least = unit if wrong_unit is None else wrong_unit
        return self._estimate(value, weighted_wilson(right, wrong, right_unit=unit, wrong_unit=least))

    def _estimate(self, value: float, interval: Interval | None) -> Estimate:
        return Estimate(value, interval, None if interval else TINY_WEIGHTS)

    def _simulated(
        self, metric: MarginMetric, gradient: Gradient | None = None, *, errors_by_class: bool, lowest: float = 0.0
    ) -> Estimate:
        """Return a metric with the interval of `melding`, or that of the delta method if there are too many cells."""
        value = metric(self.margins)
        if sum(row > 0 for row in self.rows) < 2:
            return Estimate(value, reason=ONE_CLASS)
        if not self.size:
            return Estimate(value, reason=TINY_WEIGHTS)
        if self._melding.is_feasible:
            return Estimate(value, self._melding.interval(metric, value, errors_by_class=errors_by_class))
        right = math.fsum(self.diagonal) / self.total * self.size
        if gradient is None or min(right, self.size - right) < ENOUGH:
            return Estimate(value, reason=TOO_FEW.format(ENOUGH))
        variance = self._variance(gradient)
        if lowest < 0:
            return Estimate(value, normal(value, variance, "multinomial", lowest, 1))
        return Estimate(value, logit(value, variance, self.size, "multinomial"))

    def _unbiased(self, found: Estimate, bias: Callable[[Margins, float], float] | None) -> Estimate:
        """Return the estimate with the end of its interval moved outwards that the bias is at."""
        if bias is None or found.interval is None:
            return found
        excess = bias(self.margins, self.size)
        lower, upper = found.interval.lower - max(excess, 0.0), found.interval.upper - min(excess, 0.0)
        return replace(found, interval=replace(found.interval, lower=max(lower, 0.0), upper=min(upper, 1.0)))

    @cached_property
    def _melding(self) -> Melding:
        cells = [
            EffectiveCell(row, column, count.size, count.unit / self.total)
            for row, weights in enumerate(self.weights)
            for column, weight in enumerate(weights)
            if weight > 0 and (count := self._as_heavy_as_class(row, column)).size > 0
        ]
        return Melding(cells, [each.unit / self.total for each in self._by_row])

    def _count(self, row: int, column: int) -> WeightedCount:
        return WeightedCount(self.weights[row][column], self.squared_weights[row][column] * self.design_effect)

    def _as_heavy_as_class(self, row: int, column: int) -> WeightedCount:
        """Return the examples of a cell with at least the unit of their class: a few errors may be light by chance."""
        count, unit = self._count(row, column), self._by_row[row].unit
        return WeightedCount(count.weight, count.weight * unit) if unit > count.unit * (1 + _ROUNDING) else count

    @cached_property
    def _right(self) -> list[WeightedCount]:
        return [self._count(index, index) for index in range(len(self.labels))]

    @cached_property
    def _by_row(self) -> list[WeightedCount]:
        squares = [math.fsum(row) * self.design_effect for row in self.squared_weights]
        return [WeightedCount(*each) for each in zip(self.rows, squares, strict=True)]

    @cached_property
    def _by_column(self) -> list[WeightedCount]:
        squares = [math.fsum(column) * self.design_effect for column in zip(*self.squared_weights, strict=True)]
        return [WeightedCount(*each) for each in zip(self.columns, squares, strict=True)]

    def _others(self, index: int) -> WeightedCount:
        """Return the examples of all other classes."""
        return sum((each for at, each in enumerate(self._by_row) if at != index), NO_EXAMPLES)

    def _unit_of_others(self, index: int, wrong: WeightedCount) -> float:
        """Return the least weight of an effective example of other classes that is predicted as the class.

        Without such examples, it is that of the class whose effective examples have the greatest weight.
        """
        if wrong.weight > 0:
            return self._others(index).unit
        return next((self._by_row[at].unit for at in self._heaviest if at != index), 0.0)

    def _ratio_of_column(self, index: int) -> float:
        """Return how heavy effective examples predicted as a class are, relative to those of the same actual classes.

        It is 1 if weights depend on the actual class alone, and else if the predicted class plays a part.
        """
        expected = math.fsum(row[index] * each.unit for row, each in zip(self.weights, self._by_row, strict=True))
        return self._by_column[index].squared_weight / expected if expected > 0 else 0.0

    @cached_property
    def _heaviest(self) -> list[int]:
        """The two classes whose effective examples have the greatest weights, the greatest first."""
        return nlargest(2, range(len(self.labels)), key=lambda at: self._by_row[at].unit)

    @cached_property
    def _has_equal_weights(self) -> bool:
        units = [each.unit for each in self._by_row + self._by_column if each.weight > 0]
        return max(units) - min(units) <= 1e-9 * max(units)

    def _variance(self, gradient: Gradient) -> float:
        """Return the variance of a metric's estimate, from the influences of the examples of each cell."""
        cells = [
            (self._as_heavy_as_class(index, position), gradient.by_cell(index, position))
            for index, row in enumerate(self.weights)
            for position, weight in enumerate(row)
            if weight
        ]
        mean = math.fsum(count.weight * slope for count, slope in cells) / self.total
        return math.fsum(count.squared_weight * (slope - mean) ** 2 for count, slope in cells) / self.total**2


def _absent(label: str) -> str:
    return f"No example is of the class {label!r}, so nothing is known about its recall."
