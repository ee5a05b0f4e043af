"""How far two measurements of a metric may truly be apart."""

import math

from performance.evaluation.intervals import Interval


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
    difference = value - baseline
    down = math.hypot(value - interval.lower, baseline_interval.upper - baseline)
    up = math.hypot(interval.upper - value, baseline - baseline_interval.lower)
    if not all(map(math.isfinite, (difference, down, up))):
        return None
    return Interval(difference - down, difference + up, "independent", interval.level)
