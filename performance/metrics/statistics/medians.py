"""Compute the exact median of the absolute error without keeping or sorting all errors."""

from bisect import bisect_left, bisect_right
from itertools import accumulate

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.numeric_predictions import NumericPredictions
from performance.metrics.inputs.sql import number_literal
from performance.metrics.statistics.estimates import Estimate
from performance.metrics.statistics.intervals import Interval, effective_sample_size, median_interval_rank

BINS = 4096  # a quarter of them are below the mean error
LEAST = 8  # examples, from which on an interval has both ends
GROUPED = "No interval of a median is known here for examples in groups."
ALIKE = "The middle errors are as large as the largest, so they do not tell how much others may differ."


def median_absolute_error(
    engine: Engine, predictions: NumericPredictions, mean_error: float, largest: float
) -> Estimate:
    """Return the weighted median of the absolute error as `sklearn.metrics.median_absolute_error` does.

    It is the mean of the two middle errors if there are two. The ends of the interval are errors as well, so it makes
    no assumption on their distribution: see `median_interval_rank`. Examples in groups have no interval.
    """
    size = effective_sample_size(predictions.total_weight, predictions.squared_weight)
    rank = median_interval_rank(size)
    half = predictions.total_weight / 2
    tail = predictions.total_weight * rank / size if rank else half
    bin_of_error = f"floor(least(error / {number_literal(mean_error * 4 / BINS or 1.0)}, {BINS}))"
    first, last, below = _bins(engine, predictions, bin_of_error, tail)
    [[lower, upper, low, high]] = engine.rows(f"""
        SELECT min(error) FILTER (WHERE up_to >= {number_literal(half)}),
            min(error) FILTER (WHERE up_to > {number_literal(half)}),
            min(error) FILTER (WHERE up_to >= {number_literal(tail)}),
            min(error) FILTER (WHERE up_to > {number_literal(predictions.total_weight - tail)})
        FROM (
            SELECT error, {number_literal(below)} + sum(w) OVER (ORDER BY error) AS up_to FROM ({_errors(predictions)})
            WHERE {bin_of_error} BETWEEN {first} AND {last}
        )
    """)
    value = (lower + (lower if upper is None else upper)) / 2
    if predictions.group:
        return Estimate(value, reason=GROUPED)
    if not rank or high is None:
        return Estimate(value, reason=f"An interval needs at least {LEAST} examples, not {size:,.0f}.")
    if low == high == largest:
        return Estimate(value, reason=ALIKE)
    return Estimate(value, Interval(low, high, "woodruff"))


def _bins(engine: Engine, predictions: NumericPredictions, bin_of_error: str, tail: float) -> tuple[int, int, float]:
    """Return the first and the last bin that must be sorted, and the weight below them.

    With weights, these are all bins: summing weights in another order gives another rounding error.
    """
    if predictions.is_weighted:
        return 0, BINS, 0.0
    rows = engine.rows(f"""
        SELECT {bin_of_error} AS bin, sum(w) FROM ({_errors(predictions)}) GROUP BY {bin_of_error} ORDER BY bin
    """)
    up_to = list(accumulate(weight for _, weight in rows))
    first = bisect_left(up_to, tail)
    last = min(bisect_right(up_to, predictions.total_weight - tail), len(rows) - 1)
    return int(rows[first][0]), int(rows[last][0]), float(up_to[first - 1]) if first else 0.0


def _errors(predictions: NumericPredictions) -> str:
    return f"""
        SELECT abs({predictions.predicted} - {predictions.actual}) AS error, {predictions.weight} AS w
        FROM predictions WHERE {predictions.scored}
    """
