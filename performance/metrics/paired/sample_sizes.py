"""Invert the paired interval of the accuracy for the number of examples. Pure Python."""

import math
from collections.abc import Callable

from performance.metrics.paired.matrices import RightAlone, accuracy_difference

_MOST_EXAMPLES = 1e15
_BISECTIONS = 35
_ROUNDING = 1e-9


def size_for_limit(better: float, worse: float, limit: float) -> float:
    """Return how many examples put the lower end of the interval onto the limit on regression.

    It is infinite if no number of examples would do.

    Args:
        better: the share of the examples that the newer version alone is right about.
        worse: the same for the older version.
        limit: by how much the accuracy may be less, above 0.
    """

    def is_enough(size: float) -> bool:
        return _lower_end(better, worse, size) >= -limit

    if not is_enough(_MOST_EXAMPLES):
        return math.inf
    size = 1.0
    while not is_enough(size):
        size *= 2
    return _first(is_enough, size / 2, size)


def needed_ratio_for_limit(difference: float, end: float, limit: float, size: float) -> float | None:
    """Return how many times as many examples put the lower end of the interval of a difference onto the limit.

    The share of the examples that only one version is right about follows from the interval. Returns `None` if no
    number of examples would do, or if the interval is not that of so many examples.

    Args:
        difference: the accuracy of the newer version minus that of the older one.
        end: the lower end of its interval, below `-limit`.
        limit: by how much the accuracy may be less, above 0.
        size: the (effective) number of examples.
    """
    least, most = max(-difference, 0.0), (1 - difference) / 2

    def is_as_wide(worse: float) -> bool:
        return _lower_end(difference + worse, worse, size) <= end

    if _lower_end(difference + least, least, size) < end - _ROUNDING or not is_as_wide(most):
        return None
    worse = _first(is_as_wide, least, most)
    # The interval jumps from one small whole number of examples to the next, so that several shares may fit.
    whole = round(worse * size) / size
    if abs(_lower_end(difference + whole, whole, size) - end) < _ROUNDING:
        worse = whole
    needed = size_for_limit(difference + worse, worse, limit)
    return needed / size if needed < math.inf else None


def _lower_end(better: float, worse: float, size: float) -> float:
    interval = accuracy_difference(RightAlone.of_equal_weights(size, better * size, worse * size))
    return interval.lower if interval else -math.inf


def _first(is_enough: Callable[[float], bool], start: float, end: float) -> float:
    """Return the least number between `start` and `end` that is enough, by bisection."""
    for _ in range(_BISECTIONS):
        midpoint = (start + end) / 2
        start, end = (start, midpoint) if is_enough(midpoint) else (midpoint, end)
    return end
