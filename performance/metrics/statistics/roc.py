"""Compute ROC AUC and average precision of scores, exactly and with ties.

One statement sorts the scores: see `roc_sql`. For each example it knows the weight of the examples above it and
of those tied with it. The areas and their variances follow from these: DeLong, DeLong & Clarke-Pearson (1988),
Comparing the areas under two or more correlated receiver operating characteristic curves: a nonparametric approach,
doi:10.2307/2531595. The intervals are score intervals, for as many examples as that variance is worth. The statement
also groups examples that lie close together on both curves into cells, a few thousand at most, which the curves are
drawn from.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from performance.metrics.engines.base import Row
from performance.metrics.statistics.areas import RankedClass, area_interval, area_variance, fewest_examples
from performance.metrics.statistics.estimates import TINY_WEIGHTS, Estimate
from performance.metrics.statistics.intervals import Interval, effective_sample_size, score_interval
from performance.metrics.statistics.means import Mean
from performance.metrics.statistics.roc_sql import OneVsRest
from performance.metrics.statistics.student_t import student_t_quantile

MIN_POSITIVES = 5
RARE, MIN_RARE_POSITIVES = 0.02, 100  # a share of the examples, and how many positives are needed below it
FEW_RARE_POSITIVES = (
    "The positive class has less than {0:.0%} of the examples, and fewer than {1}, counted by their weight. "
    "{1} are enough."
)
FEW_POSITIVES = "There are fewer than {0} examples of the positive class, counted by their weight. {0} are enough."
PRIOR_SIZE = 20.0  # examples
_ROUNDING = 1e-9


def fraction_interval(value: float, variance: float, size: float, degrees: float, method: str) -> Interval | None:
    """Return the Wilson interval of a fraction for as many examples as its variance is worth, `None` without a sample.

    Dean & Pagano (2015), Evaluating confidence interval methods for binomial proportions in clustered surveys,
    doi:10.1093/jssam/smv024

    Args:
        value: the fraction, from 0 to 1.
        variance: the variance of its estimate.
        size: the effective number of examples.
        degrees: the degrees of freedom of the variance.
        method: names the method in the result.
    """
    worth = _worth(value, variance, size, degrees)
    interval = score_interval(min(max(value, 0.0), 1.0), worth) if worth is not None else None
    return interval and replace(interval, method=method)


def _worth(value: float, variance: float, size: float, degrees: float) -> float | None:
    """Return how many examples of a proportion the variance of a fraction is worth, `None` if it is unknown."""
    if size <= 1 or not math.isfinite(variance):
        return None
    ratio = _shrunk_ratio(variance, value * (1 - value) / size, size)
    if size < PRIOR_SIZE:  # so few may look alike by chance
        ratio = max(ratio, 1.0)
    return size / ratio * (student_t_quantile(math.inf) / student_t_quantile(degrees)) ** 2


def _shrunk_ratio(variance: float, expected: float, size: float) -> float:
    """Return how many times a variance is the expected one, as if `PRIOR_SIZE` more examples agreed with the latter.

    The variance of a few examples is uncertain, above all if the metric is near 1.
    """
    ratio = variance / expected if expected > 0 else 1.0
    return (size * ratio + PRIOR_SIZE) / (size + PRIOR_SIZE)


@dataclass(frozen=True, slots=True)
class Cell:
    """Positive or negative examples that lie close together on both curves.

    `placement`, `squared_placement` and `sum_w2x2` are the sums of w·x, w²·x and w²·x² for the placements x, and
    `precision` is that of w·x for the precisions. `true_from` and `false_from` are the weights of the positives and the
    negatives from the cell's lowest score upwards.
    """

    positive: bool
    weight: float
    squared_weight: float
    placement: float
    squared_placement: float
    sum_w2x2: float
    precision: float
    true_from: float
    false_from: float
    score: float


@dataclass(frozen=True)
class RankedScores:
    """The cells of a problem, from the highest score downwards."""

    problem: OneVsRest
    cells: Sequence[Cell]
    design_effect: float = 1.0  # how many examples are worth one, if they are correlated

    @classmethod
    def from_rows(cls, problem: OneVsRest, rows: Iterable[Row]) -> Self:
        """Return the cells from the rows of `cells_statement`, without their label."""
        cells = [Cell(bool(positive), *map(float, sums)) for positive, *sums in rows]
        return cls(problem, sorted(cells, key=lambda cell: (-cell.score, cell.positive)))

    @cached_property
    def roc_auc(self) -> Estimate:
        """The area under the ROC curve, from 0 to 1, with its interval: see `roc_auc_estimate`."""
        area = min(max(self._sum("placement", positive=True) / self.problem.positives, 0.0), 1.0)
        return roc_auc_estimate(area, self._variance(area), [RankedClass(1.0, *self.sizes)], self.design_effect)

    @cached_property
    def average_precision(self) -> Estimate:
        """The mean over the positives of the precision at their scores, as `sklearn.metrics.average_precision_score`.

        Its interval is that of `average_precision_estimate`.
        """
        value = min(self._sum("precision", positive=True) / self.problem.positives, 1.0)
        variance = self._variance_of_precision(value)
        share = self.problem.positives / (self.problem.positives + self.problem.negatives)
        return average_precision_estimate(value, variance, self.sizes[0], share, self.design_effect)

    @cached_property
    def sizes(self) -> tuple[float, float]:
        """The effective numbers of positives and of negatives."""
        return (
            effective_sample_size(self.problem.positives, self._sum("squared_weight", positive=True)),
            effective_sample_size(self.problem.negatives, self._sum("squared_weight", positive=False)),
        )

    def with_design_effect(self, design_effect: float) -> Self:
        """Return the scores of as many effective examples as there are, divided by the design effect."""
        return replace(self, design_effect=design_effect)

    def variances(self) -> tuple[float, float]:
        """Return the variances of ROC AUC and average precision if the examples are independent."""
        return self._variance(self.roc_auc.value or 0.0), self._variance_of_precision(
            self.average_precision.value or 0.0
        )

    def _variance(self, area: float) -> float:
        return sum(
            (
                self._sum("sum_w2x2", positive)
                - 2 * area * self._sum("squared_placement", positive)
                + area**2 * self._sum("squared_weight", positive)
            )
            / weight
            / weight
            * _unbiased(weight, self._sum("squared_weight", positive))
            for positive, weight in ((True, self.problem.positives), (False, self.problem.negatives))
        )

    def _variance_of_precision(self, value: float) -> float:
        """Return the variance of the average precision: the sum of w²·influence² over the examples.

        The influence of an example is the derivative of the metric by its weight: Hampel (1974), The influence curve
        and its role in robust estimation, doi:10.1080/01621459.1974.10482962. A positive adds its own precision and
        raises that of each positive below it; a negative lowers it.
        """
        raised = lowered = total = 0.0
        for cell in reversed(self.cells):
            everything = cell.true_from + cell.false_from
            if cell.positive:
                raised += cell.weight * cell.false_from / everything / everything
                lowered += cell.weight * cell.true_from / everything / everything
                total += cell.squared_weight * (cell.precision / cell.weight - value + raised) ** 2
            else:
                total += cell.squared_weight * lowered**2
        positives = self.problem.positives
        return total / positives / positives * _unbiased(positives, self._sum("squared_weight", positive=True))

    def _sum(self, name: str, positive: bool) -> float:
        return math.fsum(getattr(cell, name) for cell in self.cells if cell.positive == positive)


def roc_auc_estimate(
    area: float, variance: float, classes: Sequence[RankedClass], design_effect: float = 1.0
) -> Estimate:
    """Return the area under the ROC curve with Newcombe's interval.

    The variance of Hanley & McNeil holds for exponentially distributed scores. So the interval is for as many examples
    as the estimated variance is worth. That of several classes is not less than estimated, as they may err together.

    Args:
        area: the estimate, from 0 to 1; of several classes, the mean of their areas.
        variance: its variance for independent examples.
        classes: the positive class, or the several ones.
        design_effect: how many examples are worth one.
    """
    fewest = fewest_examples(classes)
    if fewest <= 0:
        return Estimate(area, reason=TINY_WEIGHTS)
    expected = area_variance(area, classes)
    ratio = _shrunk_ratio(variance, expected, fewest)
    if len(classes) > 1 and expected > 0:
        ratio = max(ratio, variance / expected)
    ratio *= design_effect
    worth = [RankedClass(share, positives / ratio, negatives / ratio) for share, positives, negatives in classes]
    found = area_interval(area, worth)
    return Estimate(area, found and replace(found, method="newcombe_5" if len(classes) == 1 else "newcombe_5_mean"))


def mean_area(
    variance: float,
    areas: Mapping[str, Estimate],
    classes: Mapping[str, RankedClass],
    design_effect: float = 1.0,
) -> Estimate:
    """Return the mean of the classes' areas with its interval.

    It is that of `roc_auc_estimate`, which allows for areas that err together, but takes them for equal. If the area of
    a class with few examples is lower, they tell too little of its variance. So the interval is at least as wide as
    that of independent areas, each with its own interval: Zou & Donner (2008), Construction of confidence intervals
    about effect measures: a general approach, doi:10.1002/sim.3095

    Args:
        variance: that of the mean for independent examples.
        areas: the areas by class.
        classes: the shares and the sizes of the classes.
        design_effect: how many examples are worth one in the mean.
    """
    value = math.fsum(each.share * (areas[label].value or 0.0) for label, each in classes.items())
    intervals = {label: each.interval for label, each in areas.items() if each.interval is not None}
    if len(intervals) < len(areas):
        return Estimate(value, reason=next(each.reason for each in areas.values() if each.interval is None))
    found = roc_auc_estimate(value, variance, [*classes.values()], design_effect)
    if found.interval is None:
        return found
    down = math.hypot(*(classes[at].share * ((areas[at].value or 0.0) - each.lower) for at, each in intervals.items()))
    up = math.hypot(*(classes[at].share * (each.upper - (areas[at].value or 0.0)) for at, each in intervals.items()))
    lower, upper = min(found.interval.lower, value - down), max(found.interval.upper, value + up)
    return replace(found, interval=replace(found.interval, lower=max(lower, 0.0), upper=min(upper, 1.0)))


def pooled_estimate(pseudovalues: Mean, design_effect: float = 1.0) -> Estimate:
    """Return the area under the ROC curve of the pooled decisions on all classes, with its interval.

    Args:
        pseudovalues: their mean, which is twice the area: see `pseudovalues`.
        design_effect: how many examples are worth one.
    """
    value = min(max(pseudovalues.value / 2, 0.0), 1.0)
    if pseudovalues.size <= 0:
        return Estimate(value, reason=TINY_WEIGHTS)
    variance, size = pseudovalues.variance * design_effect, pseudovalues.size / design_effect
    return Estimate(value, fraction_interval(value, variance, size, math.inf, "wilson_pooled"))


def average_precision_estimate(
    value: float, variance: float, positives: float, share: float, design_effect: float = 1.0
) -> Estimate:
    """Return the average precision with its interval.

    The interval is Wilson's over the positives: Boyd, Eng & Page (2013), Area under the precision-recall curve: point
    estimates and confidence intervals, doi:10.1007/978-3-642-40994-3_29, on their logit scale. It is for as many
    positives as the variance of the influences is worth, with as many degrees of freedom as a mean over the positives
    has. A positive counts in the precision at its own score, so few of them give too high an estimate. So the lower end
    is that of one positive more, which ranks last, as Agresti & Coull (1998), doi:10.1080/00031305.1998.10480550, add
    failures to a proportion. The precision of the last example is the share of the positives. If positives are rare,
    this is too little: a few that rank high by chance decide the value.

    Args:
        value: the estimate, from 0 to 1.
        variance: its variance for independent examples.
        positives: the effective number of positives.
        share: the share of the positives, by weight.
        design_effect: how many examples are worth one.
    """
    if positives < MIN_POSITIVES - _ROUNDING:
        return Estimate(value, reason=FEW_POSITIVES.format(MIN_POSITIVES))
    if share < RARE - _ROUNDING and positives < MIN_RARE_POSITIVES - _ROUNDING:
        return Estimate(value, reason=FEW_RARE_POSITIVES.format(RARE, MIN_RARE_POSITIVES))
    size = positives / design_effect
    worth = _worth(value, variance * design_effect, size, size - 1)
    if worth is None or (found := score_interval(value, worth)) is None:
        return Estimate(value, reason=FEW_POSITIVES.format(MIN_POSITIVES))
    pessimistic = score_interval((value * size + min(share, value)) / (size + 1), worth) or found
    return Estimate(value, Interval(pessimistic.lower, found.upper, "wilson_influence"))


def _unbiased(weight: float, squared_weight: float) -> float:
    size = effective_sample_size(weight, squared_weight)
    return size / (size - 1) if size > 1 else 1.0
