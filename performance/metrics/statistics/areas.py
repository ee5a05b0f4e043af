"""Compute intervals of areas under ROC curves, from their classes alone."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from performance.metrics.statistics.confidence import CONFIDENCE_LEVEL
from performance.metrics.statistics.intervals import Interval, last_likely, normal, normal_quantile


class RankedClass(NamedTuple):
    """A class of an area under the ROC curve: its share in a mean, and the effective numbers of its and other examples.

    An area of two classes is the mean of one.
    """

    share: float
    positives: float
    negatives: float


def fewest_examples(classes: Iterable[RankedClass]) -> float:
    """Return the effective number of examples of the smallest class, or of all others if these are fewer."""
    return min(min(each.positives, each.negatives) for each in classes)


def area_interval(area: float, classes: Sequence[RankedClass]) -> Interval | None:
    """Return the interval of a mean of areas under ROC curves, from 0 to 1; `None` without a sample.

    Its ends are the areas from which the estimate is as far as the quantile of the normal distribution says. The
    variance is that of `area_variance`: method 5 of Newcombe (2006), Confidence intervals for an effect size measure
    based on the Mann-Whitney statistic, part 2, doi:10.1002/sim.2324
    """
    if fewest_examples(classes) <= 0:
        return None

    def is_likely(other: float) -> bool:
        return abs(area - other) <= normal_quantile(CONFIDENCE_LEVEL) * math.sqrt(area_variance(other, classes))

    return Interval(last_likely(is_likely, area, 0.0), last_likely(is_likely, area, 1.0), "newcombe_5")


def area_variance(area: float, classes: Sequence[RankedClass]) -> float:
    """Return the variance of a mean of areas under ROC curves of exponentially distributed scores.

    It is that of Hanley & McNeil (1982), doi:10.1148/radiology.143.1.7063747, with both classes of mean size. All areas
    count as equal to their mean, and as independent of each other.
    """
    total = 0.0
    for share, positives, negatives in classes:
        pairs = max((positives + negatives) / 2 - 1, 0.0)
        spread = 1 + pairs * (1 - area) / (2 - area) + pairs * area / (1 + area)
        total += share * share * area * (1 - area) * spread / (positives * negatives)
    return total


def narrowest_area_interval(area: float, size: float, rounding: float = 0.0) -> Interval | None:
    """Return the narrowest interval of an area under the ROC curve of `size` examples, at least one.

    Half of the examples are of each class, and the scores are such that the area varies least: the ROC curve cuts off a
    triangle. Birnbaum & Klose (1957), Bounds for the variance of the Mann-Whitney statistic, Annals of Mathematical
    Statistics 28: 933-945. With classes of other sizes, the variance of an area around one half may be a fifth less.
    All that says nothing where there is no error. Then the interval is that of `area_interval`, unless the area may
    have been rounded by more than the least error, half of a pair.
    """
    least_error = 2 / size**2
    error = min(area, 1 - area)
    if error <= 0 and rounding < least_error:
        return area_interval(area, [RankedClass(1.0, size / 2, size / 2)])
    error = error if error > 0 else least_error
    variance = 4 * error * (2 / 3 * math.sqrt(2 * error) - error) / size
    return normal(area, variance, "least_variance", 0, 1)
