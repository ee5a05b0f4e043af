"""Compute 95% confidence intervals from sufficient statistics, without resampling.

A weighted sample counts as one of its effective size, (sum of weights)² / (sum of squared weights): Kish (1965), Survey
Sampling, section 8.2.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist
from typing import TypedDict

from performance.metrics.statistics.confidence import CONFIDENCE_LEVEL
from performance.metrics.statistics.student_t import student_t_quantile

_ROUNDING = 1e-9
_BISECTIONS = 50


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a metric. Both ends belong to it."""

    lower: float
    upper: float
    method: str
    level: float = CONFIDENCE_LEVEL

    def transform(self, increasing: Callable[[float], float]) -> "Interval":
        """Return the interval of an increasing function of the metric."""
        return replace(self, lower=increasing(self.lower), upper=increasing(self.upper))

    def as_document(self) -> "IntervalDocument":
        """Return the interval as JSON. `dataclasses.asdict` takes ten times as long."""
        return {"lower": self.lower, "upper": self.upper, "level": self.level, "method": self.method}


class IntervalDocument(TypedDict):
    """An interval as JSON."""

    lower: float
    upper: float
    level: float
    method: str


def stored_intervals(documents: Mapping[str, IntervalDocument]) -> dict[str, Interval]:
    """Return the intervals from their documents."""
    return {name: Interval(**each) for name, each in documents.items()}


def wilson(share: float, size: float, level: float = CONFIDENCE_LEVEL) -> Interval | None:
    """Return the interval of a proportion (`share`, from 0 to 1) of `size` examples, `None` without a sample.

    It is the score interval. The end near 0 or 1 is moved outwards if there are few successes or failures: Brown, Cai &
    DasGupta (2001), Interval estimation for a binomial proportion, section 4.1.1, doi:10.1214/ss/1009213286, who do so
    for 1 to 3. Of 4 successes among 15 examples, the score interval alone excludes a share of 0.1 too often.
    """
    interval = score_interval(share, size, level)
    return interval and replace(
        interval,
        lower=min(interval.lower, _bound_of_few(share * size, size, level)),
        upper=max(interval.upper, 1 - _bound_of_few((1 - share) * size, size, level)),
    )


def score_interval(share: float, size: float, level: float = CONFIDENCE_LEVEL) -> Interval | None:
    """Return the interval of a fraction (`share`, from 0 to 1) of `size` examples, `None` without a sample.

    Wilson (1927), Probable inference, the law of succession, and statistical inference,
    doi:10.1080/01621459.1927.10502953
    """
    if size <= 0:
        return None
    z = normal_quantile(level)
    spread = z * math.sqrt(share * (1 - share) / size + z**2 / (4 * size**2))
    centre, scale = share + z**2 / (2 * size), 1 + z**2 / size
    return Interval(max((centre - spread) / scale, 0.0), min((centre + spread) / scale, 1.0), "wilson", level)


@lru_cache
def normal_quantile(level: float) -> float:
    """Return how many standard deviations an interval of the level reaches to each side, if the estimate is normal."""
    return NormalDist().inv_cdf((1 + level) / 2)


def _bound_of_few(count: float, size: float, level: float) -> float:
    """Return the largest lower end for the proportion of so few successes, 1 if they are not few.

    One and two are always few, three and four if they are at most a third of the examples.
    """
    whole = math.floor(count + _ROUNDING)
    return _mean_of_few(whole, 1 - level) / size if whole <= max(2, min(4, size / 3)) else 1.0


@lru_cache
def _mean_of_few(count: int, tail: float) -> float:
    """Return the mean of the Poisson distribution that reaches the count with the probability `tail`."""

    def is_rarer(mean: float) -> bool:
        return 1 - math.exp(-mean) * sum(mean**each / math.factorial(each) for each in range(count)) < tail

    return last_likely(is_rarer, 0.0, float(count))


@dataclass(frozen=True, slots=True)
class WeightedCount:
    """Some examples, as the sum of their weights and of their squared weights."""

    weight: float
    squared_weight: float

    @property
    def size(self) -> float:
        """The effective number of examples."""
        return effective_sample_size(self.weight, self.squared_weight)

    @property
    def unit(self) -> float:
        """The weight of one effective example; 0 without examples."""
        return self.squared_weight / self.weight if self.weight > 0 else 0.0

    def __add__(self, other: "WeightedCount") -> "WeightedCount":
        return WeightedCount(self.weight + other.weight, self.squared_weight + other.squared_weight)

    def __sub__(self, other: "WeightedCount") -> "WeightedCount":
        """Return the rest of the examples. A difference that may be rounding is none."""
        rest = WeightedCount(self.weight - other.weight, self.squared_weight - other.squared_weight)
        return rest if rest.weight > 1e-13 * self.weight else NO_EXAMPLES


NO_EXAMPLES = WeightedCount(0.0, 0.0)


def weighted_wilson(
    right: WeightedCount, wrong: WeightedCount, *, right_unit: float, wrong_unit: float
) -> Interval | None:
    """Return the interval of the weighted share of right examples, `None` without a sample.

    It is Wilson's interval for the effective examples. Each side has the weight of its own ones, but at least
    `right_unit` and `wrong_unit`, which are known from more examples: a few errors may be light by chance. If neither
    is known of one side, it is that of the other. Without weights it is Wilson's, and with equal units Wilson's of
    Kish's effective size.
    """
    of_right, of_wrong = max(right.unit, right_unit), max(wrong.unit, wrong_unit)
    right_unit, wrong_unit = of_right or of_wrong, of_wrong or of_right
    if right_unit <= 0:
        return None
    successes, failures = right.weight / right_unit, wrong.weight / wrong_unit
    size, odds = successes + failures, wrong_unit / right_unit
    interval = wilson(successes / size, size) if size > 0 else None
    return interval and interval.transform(lambda share: share / (share + odds * (1 - share)))


def last_likely(is_likely: Callable[[float], bool], start: float, end: float) -> float:
    """Return the last likely value from `start` towards `end`, by bisection."""
    for _ in range(_BISECTIONS):
        midpoint = (start + end) / 2
        start, end = (midpoint, end) if is_likely(midpoint) else (start, midpoint)
    return start


def normal(
    value: float,
    variance: float,
    method: str,
    lower: float = -math.inf,
    upper: float = math.inf,
    degrees: float = math.inf,
) -> Interval | None:
    """Return the interval of a normally distributed estimate, `None` if it is not finite.

    Args:
        value: the estimate.
        variance: the variance of the estimate.
        method: names the method in the result.
        lower: the lower bound of the metric. The interval is clipped to the bounds.
        upper: the upper bound of the metric.
        degrees: the degrees of freedom of the variance.
    """
    if not (math.isfinite(value) and math.isfinite(variance) and variance >= 0):
        return None
    spread = student_t_quantile(degrees) * math.sqrt(variance)
    return _clipped(value - spread, value + spread, method, lower, upper)


def logit(share: float, variance: float, size: float, method: str, degrees: float = math.inf) -> Interval | None:
    """Return the interval of a fraction, computed on the scale of its log odds.

    There the estimate is nearly normal even close to 0 and 1. At 0 or 1, or without variance, it is the Wilson interval
    for `size` examples.

    Args:
        share: the fraction, from 0 to 1.
        variance: the variance of its estimate.
        size: the effective number of examples.
        method: names the method in the result.
        degrees: the degrees of freedom of the variance.
    """
    if not 0 < share < 1 or variance <= 0:
        return wilson(min(max(share, 0.0), 1.0), size)
    spread = student_t_quantile(degrees) * math.sqrt(variance) / (share * (1 - share))
    odds = log_odds(share)
    return _clipped(from_log_odds(odds - spread), from_log_odds(odds + spread), method, 0, 1)


def median_interval_rank(size: float) -> int | None:
    """Return the rank, from 1, of the lower end of the median's interval among `size` sorted values.

    The upper end is its mirror image. Returns `None` if the sample is too small for an interval. Woodruff (1952),
    Confidence intervals for medians and other position measures, doi:10.1080/01621459.1952.10483443
    """
    rank = math.floor((size - normal_quantile(CONFIDENCE_LEVEL) * math.sqrt(size)) / 2)
    return rank if rank >= 1 else None


def effective_sample_size(weight: float, squared_weight: float) -> float:
    """Return how many unweighted examples are as informative, from the sums of the weights and of their squares."""
    return weight**2 / squared_weight if squared_weight > 0 else 0.0


def log_odds(share: float) -> float:
    """Return the log odds of a fraction, infinite for 0 and 1."""
    if share <= 0:
        return -math.inf
    return math.inf if share >= 1 else math.log(share / (1 - share))


def from_log_odds(odds: float) -> float:
    """Return the fraction that has such log odds."""
    return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0


def _clipped(low: float, high: float, method: str, lower: float, upper: float) -> Interval:
    return Interval(min(max(low, lower), upper), min(max(high, lower), upper), method)
