"""Compute confidence intervals of the difference of two measurements of a metric."""

import math

from performance.metrics.statistics.intervals import Interval

IDENTICAL = Interval(0.0, 0.0, "identical")  # of the differences of identical predictions


def independent_interval(
    value: float, interval: Interval | None, baseline: float, baseline_interval: Interval | None
) -> Interval | None:
    """Return the interval of `value - baseline` for independent samples.

    It follows from the intervals of both: Zou & Donner (2008), Construction of confidence intervals about effect
    measures: a general approach, doi:10.1002/sim.3095. For two models on the same examples it is conservative, as
    examples that are hard for one model are mostly hard for the other. Returns `None` unless both have intervals of one
    level.
    """
    if interval and baseline_interval and interval.level != baseline_interval.level:
        return None
    return correlated_interval(value, interval, baseline, baseline_interval, correlation=0.0, method="independent")


def correlated_interval(
    value: float,
    interval: Interval | None,
    baseline: float,
    baseline_interval: Interval | None,
    *,
    correlation: float,
    method: str,
) -> Interval | None:
    """Return the interval of `value - baseline` for a known correlation; `None` if one has none, or it is not finite.

    Zou & Donner (2008), section 2. The greater the correlation, the narrower the interval.
    """
    if interval is None or baseline_interval is None:
        return None
    difference = value - baseline
    down = _margin(value - interval.lower, baseline_interval.upper - baseline, correlation)
    up = _margin(interval.upper - value, baseline - baseline_interval.lower, correlation)
    lower, upper = difference - down, difference + up
    return Interval(lower, upper, method, interval.level) if math.isfinite(lower) and math.isfinite(upper) else None


def _margin(one: float, other: float, correlation: float) -> float:
    """Return the root of one² - 2·correlation·one·other + other², without cancellation."""
    return math.hypot(one - correlation * other, math.sqrt(max(1 - correlation**2, 0.0)) * other)
