"""How far two measurements of a metric may truly be apart."""

import math

from performance.metrics.statistics.intervals import Interval


def independent(
    value: float, interval: Interval | None, baseline: float, baseline_interval: Interval | None
) -> Interval | None:
    """Return the interval of `value - baseline` for measurements on samples that have nothing to do with each other.

    It follows from the intervals of both: Zou & Donner (2008), Construction of confidence intervals about effect
    measures: a general approach, doi:10.1002/sim.3095. For two models on the same examples it is too wide rather than
    too narrow, as what is hard for one is mostly hard for the other. `None` without both, or at different levels.
    """
    if interval is None or baseline_interval is None or interval.level != baseline_interval.level:
        return None
    return correlated(value, interval, baseline, baseline_interval, correlation=0.0, method="independent")


def correlated(
    value: float, interval: Interval, baseline: float, baseline_interval: Interval, *, correlation: float, method: str
) -> Interval | None:
    """Return the interval of `value - baseline` for measurements of a known correlation, `None` for no finite one.

    Zou & Donner (2008), section 2, as `independent`; the ends move towards the difference as the correlation grows.
    """
    difference = value - baseline
    down = _apart(value - interval.lower, baseline_interval.upper - baseline, correlation)
    up = _apart(interval.upper - value, baseline - baseline_interval.lower, correlation)
    if not all(map(math.isfinite, (difference, down, up))):
        return None
    return Interval(difference - down, difference + up, method, interval.level)


def _apart(one: float, other: float, correlation: float) -> float:
    """Return the root of one² - 2·correlation·one·other + other², in a form that nothing cancels in."""
    return math.hypot(one - correlation * other, math.sqrt(max(1 - correlation**2, 0.0)) * other)
