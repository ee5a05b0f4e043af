"""Derive from intervals those at other levels, that of the worst metric, and the examples that a margin needs."""

import math
from collections.abc import Sequence

from performance.metrics.statistics.confidence import CONFIDENCE_LEVEL
from performance.metrics.statistics.intervals import (
    Interval,
    from_log_odds,
    log_odds,
    normal_quantile,
    wilson,
)
from performance.metrics.statistics.means import AUGMENTED_T

_MIN_MARGIN = 1e-6  # of the width: for less, no number of examples is realistic


def at_level(value: float, interval: Interval, level: float, lower: float, upper: float) -> Interval:
    """Return the interval of a metric at another confidence level.

    Wilson's interval is inverted for the effective number of examples, and computed for it again. The interval of
    another fraction is scaled as log odds, and that of any other metric as if its estimate were normally distributed.
    A fraction of exactly 0 or 1 has no log odds, so Wilson's method serves there too, which widens faster.

    An interval does not say how many degrees of freedom it was computed with. With few, Student's t grows faster with
    the level than the normal quantile does, so the result is too narrow: from 95% to 99%, by 2% with 30 degrees of
    freedom, and by 8% with 10.

    Args:
        value: the estimate, within the interval.
        interval: its interval.
        level: the level of the result, between 0 and 1.
        lower: the lower bound of the metric, or minus infinity.
        upper: the upper bound of the metric, or infinity.
    """
    if level == interval.level:
        return interval
    ratio = normal_quantile(level) / normal_quantile(interval.level)
    if (lower, upper) == (0, 1):
        if interval.method == "wilson" or value in (lower, upper):
            return _rescored(value, interval, level)
        odds = log_odds(value)
        low, high = (from_log_odds(odds + ratio * (log_odds(end) - odds)) for end in (interval.lower, interval.upper))
        return Interval(low, high, interval.method, level)
    low, high = (value + ratio * (end - value) for end in (interval.lower, interval.upper))
    return Interval(max(low, lower), min(high, upper), interval.method, level)


def worst_interval(
    estimates: Sequence[tuple[float, Interval]], *, is_greatest: bool, lower: float, upper: float
) -> tuple[Interval, int]:
    """Return the interval of the least of several metrics, or of the greatest, and which metric decides its end.

    Its end on the side of the worst is the farthest bound that all metrics keep by Holm's procedure: of `n` metrics,
    the one that is closest to the bound keeps it at the level itself, the next at half the probability of error, and
    the last at a fraction of 1 / n. The metrics may depend on each other in any way. The other end follows from
    Bonferroni's correction. Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal
    of Statistics 6, 65-70.

    Args:
        estimates: the value and the interval of each metric, at least one.
        is_greatest: whether the worst is the greatest value.
        lower: the lower bound of the metrics, or minus infinity.
        upper: the upper bound of the metrics, or infinity.
    """
    levels = [1 - (1 - CONFIDENCE_LEVEL) / rank for rank in range(1, len(estimates) + 1)]
    by_level = [[at_level(*each, level, lower, upper) for each in estimates] for level in levels]
    if is_greatest:
        ends = (sorted(((each.upper, at) for at, each in enumerate(row)), reverse=True) for row in by_level)
        end, decisive = max(row[rank] for rank, row in enumerate(ends))
        return Interval(max(each.lower for each in by_level[-1]), end, "holm"), decisive
    ends = (sorted((each.lower, at) for at, each in enumerate(row)) for row in by_level)
    end, decisive = min(row[rank] for rank, row in enumerate(ends))
    return Interval(end, min(each.upper for each in by_level[-1]), "holm"), decisive


def needed_ratio(value: float, end: float, bound: float, *, is_score: bool = False) -> float | None:
    """Return how many times as many examples put the end of an interval onto a bound.

    The width of an interval is proportional to 1 / sqrt(examples). For Wilson's interval the number of examples follows
    exactly from its definition, and nearly so for others that `follows_score` names. Returns `None` if no number of
    examples would do, because the value is not beyond the bound, or if it is beyond all reason.

    Args:
        value: the estimate.
        end: the end of its interval.
        bound: where the end has to be; between `value` and `end`.
        is_score: whether it `follows_score`.
    """
    margin = (bound - value) / (end - value) if end != value else 0.0
    if not _MIN_MARGIN <= margin <= 1:
        return None
    ratio = margin**-2
    return ratio * bound * (1 - bound) / (end * (1 - end)) if is_score and 0 < end < 1 else ratio


def follows_score(interval: Interval, lower: float, upper: float) -> bool:
    """Return whether an interval of a metric with such bounds narrows as Wilson's does with more examples.

    So does that of a mean of values within 0 and 1 with an example added at each bound: Agresti & Coull (1998),
    doi:10.1080/00031305.1998.10480550
    """
    return interval.method == "wilson" or (interval.method == AUGMENTED_T and (lower, upper) == (0, 1))


def needed_ratio_of_all(
    estimates: Sequence[tuple[float, Interval]], bound: float, *, is_least: bool, lower: float, upper: float
) -> tuple[float, int] | None:
    """Return how many times as many examples let all metrics keep a bound by Holm's procedure, and which needs them.

    Returns `None` as `needed_ratio` does.

    Args:
        estimates: the value and the interval of each metric.
        bound: what all metrics must keep.
        is_least: whether it is a lower bound.
        lower: the lower bound of the metrics, or minus infinity.
        upper: the upper bound of the metrics, or infinity.
    """

    def end_of(interval: Interval) -> float:
        return interval.lower if is_least else interval.upper

    def closeness(at: int) -> float:
        value, end = estimates[at][0], end_of(estimates[at][1])
        return abs(value - bound) / abs(value - end) if value != end else math.inf

    by_closeness = sorted(range(len(estimates)), key=closeness)
    ratios = [(1.0, by_closeness[0])]
    for rank, at in enumerate(by_closeness, start=1):
        value, interval = estimates[at]
        end = end_of(at_level(value, interval, 1 - (1 - CONFIDENCE_LEVEL) / rank, lower, upper))
        if end < bound if is_least else end > bound:
            ratio = needed_ratio(value, end, bound, is_score=follows_score(interval, lower, upper))
            if ratio is None:
                return None
            ratios.append((ratio, at))
    return max(ratios)


def _rescored(value: float, interval: Interval, level: float) -> Interval:
    """Return Wilson's interval at another level, for the number of examples that follows from the given interval."""
    end = min((interval.lower, interval.upper), key=lambda each: -abs(each - value))
    size = 0.0 if end == value else normal_quantile(interval.level) ** 2 * end * (1 - end) / (value - end) ** 2
    other = wilson(value, size, level) or interval
    # Of a handful of examples, both ends are moved outwards, and the number that follows from them is too small.
    choose_lower, choose_upper = (min, max) if level > interval.level else (max, min)
    lower, upper = choose_lower(other.lower, interval.lower), choose_upper(other.upper, interval.upper)
    return Interval(min(lower, value), max(upper, value), interval.method, level)
