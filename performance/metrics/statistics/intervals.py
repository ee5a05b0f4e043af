"""95% confidence intervals from sufficient statistics, without resampling.

A weighted sample counts as one of its effective size: (sum of weights)² / (sum of squared weights), after Kish (1965),
Survey Sampling, section 8.2.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

LEVEL = 0.95
_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a metric may lie, considering that only a sample was seen; both ends belong to it."""

    lower: float
    upper: float
    method: str
    level: float = LEVEL

    def mapped(self, increasing: Callable[[float], float]) -> "Interval":
        """Return the interval of what follows from the metric by an increasing function."""
        return replace(self, lower=increasing(self.lower), upper=increasing(self.upper))


def stored_intervals(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, Interval]:
    """Return the intervals that `dataclasses.asdict` made documents of."""
    return {name: Interval(**each) for name, each in documents.items()}


def wilson(share: float, size: float) -> Interval | None:
    """Return the interval of a proportion, `None` without a sample.

    Wilson (1927), Probable inference, the law of succession, and statistical inference,
    doi:10.1080/01621459.1927.10502953
    """
    if size <= 0:
        return None
    spread = _Z * math.sqrt(share * (1 - share) / size + _Z**2 / (4 * size**2))
    centre, scale = share + _Z**2 / (2 * size), 1 + _Z**2 / size
    return _within((centre - spread) / scale, (centre + spread) / scale, "wilson", 0, 1)


def normal(
    value: float,
    variance: float,
    method: str,
    lower: float = -math.inf,
    upper: float = math.inf,
    degrees: float = math.inf,
) -> Interval | None:
    """Return the interval of an estimate with this variance, cut at the metric's bounds; `None` for no finite one.

    The variance may be an estimate of few `degrees` of freedom.
    """
    if not (math.isfinite(value) and math.isfinite(variance) and variance >= 0):
        return None
    spread = quantile(degrees) * math.sqrt(variance)
    return _within(value - spread, value + spread, method, lower, upper)


def logit(share: float, variance: float, size: float, method: str, degrees: float = math.inf) -> Interval | None:
    """Return the interval of a fraction from the variance of its estimate, made on the scale of its log odds.

    There it is nearly normal also near 0 and 1. At 0 and 1 themselves, and where the sample does not vary, it is that
    of Wilson for `size` examples. The variance may be an estimate of few `degrees` of freedom.
    """
    if not 0 < share < 1 or variance <= 0:
        return wilson(min(max(share, 0.0), 1.0), size)
    spread = quantile(degrees) * math.sqrt(variance) / (share * (1 - share))
    odds = math.log(share / (1 - share))
    return _within(_fraction(odds - spread), _fraction(odds + spread), method, 0, 1)


def quantile(degrees: float) -> float:
    """Return how many deviations an interval reaches, of as many degrees of freedom: the quantile of Student's t.

    The expansion of Abramowitz & Stegun (1964), Handbook of Mathematical Functions, 26.7.5: from 2 degrees up it is
    less than a hundredth off, from 5 less than a thousandth. It is infinite for none.
    """
    if degrees <= 0:
        return math.inf
    terms = (
        (_Z**3 + _Z) / 4,
        (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96,
        (3 * _Z**7 + 19 * _Z**5 + 17 * _Z**3 - 15 * _Z) / 384,
        (79 * _Z**9 + 776 * _Z**7 + 1482 * _Z**5 - 1920 * _Z**3 - 945 * _Z) / 92160,
    )
    return _Z + sum(term / degrees**power for power, term in enumerate(terms, 1))


def rank_below_median(size: float) -> int | None:
    """Return which of `size` ordered values is the lower end of their median's interval; its mirror is the upper end.

    `None` for a sample so small that even its smallest and largest value may both be on one side of the median.
    Woodruff (1952), Confidence intervals for medians and other position measures,
    doi:10.1080/01621459.1952.10483443
    """
    rank = math.floor((size - _Z * math.sqrt(size)) / 2)
    return rank if rank >= 1 else None


def effective_size(weight: float, squared_weight: float) -> float:
    """Return how many unweighted examples tell as much as the weighted ones, from the sums of weights and squares."""
    return weight**2 / squared_weight if squared_weight > 0 else 0.0


def _fraction(odds: float) -> float:
    return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0


def _within(low: float, high: float, method: str, lower: float, upper: float) -> Interval:
    return Interval(min(max(low, lower), upper), min(max(high, lower), upper), method)
