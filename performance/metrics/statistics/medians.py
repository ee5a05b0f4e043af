"""The median of the absolute error, exactly, without keeping or sorting all errors."""

from bisect import bisect_left, bisect_right
from itertools import accumulate

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.numeric_predictions import Numbers
from performance.metrics.inputs.sql import number
from performance.metrics.statistics.confusion import Estimate
from performance.metrics.statistics.intervals import Interval, effective_size, rank_below_median

BINS = 4096  # of which a quarter is below the mean error


def median_error(engine: Engine, numbers: Numbers, mean_error: float) -> Estimate:
    """Return the weighted median of the absolute error, as scikit-learn has it: of two middle ones the mean.

    Its interval reaches from one of the errors to another, whatever their distribution: see `rank_below_median`.
    """
    size = effective_size(numbers.total, numbers.squares)
    rank = rank_below_median(size)
    half = numbers.total / 2
    tail = numbers.total * rank / size if rank else half
    bin_of_error = f"floor(least(error / {number(mean_error * 4 / BINS or 1.0)}, {BINS}))"
    first, last, below = _bins(engine, numbers, bin_of_error, tail)
    [[lower, upper, low, high]] = engine.rows(f"""
        SELECT min(error) FILTER (WHERE up_to >= {number(half)}), min(error) FILTER (WHERE up_to > {number(half)}),
            min(error) FILTER (WHERE up_to >= {number(tail)}),
            min(error) FILTER (WHERE up_to > {number(numbers.total - tail)})
        FROM (
            SELECT error, {number(below)} + sum(w) OVER (ORDER BY error) AS up_to FROM ({_errors(numbers)})
            WHERE {bin_of_error} BETWEEN {first} AND {last}
        )
    """)
    value = (lower + (lower if upper is None else upper)) / 2
    return Estimate(value, Interval(low, high, "woodruff") if rank and high is not None else None)


def _bins(engine: Engine, numbers: Numbers, bin_of_error: str, tail: float) -> tuple[int, int, float]:
    """Return the first and the last bin that need be sorted, and the weight below.

    With weights these are all: the sum of weights in another order rounds to something else.
    """
    if numbers.is_weighted:
        return 0, BINS, 0.0
    found = engine.rows(f"""
        SELECT {bin_of_error} AS bin, sum(w) FROM ({_errors(numbers)}) GROUP BY {bin_of_error} ORDER BY bin
    """)
    up_to = list(accumulate(weight for _, weight in found))
    first = bisect_left(up_to, tail)
    last = min(bisect_right(up_to, numbers.total - tail), len(found) - 1)
    return int(found[first][0]), int(found[last][0]), float(up_to[first - 1]) if first else 0.0


def _errors(numbers: Numbers) -> str:
    return f"""
        SELECT abs({numbers.predicted} - {numbers.actual}) AS error, {numbers.weight} AS w
        FROM predictions WHERE {numbers.scored} AND {numbers.weight} > 0
    """
