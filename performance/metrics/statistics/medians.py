"""Compute the exact median of the absolute error without storing or sorting all errors."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from performance.metrics.engines.base import Engine, Row
from performance.metrics.inputs.numeric_predictions import NumericPredictions
from performance.metrics.inputs.sql import number_literal
from performance.metrics.statistics.cluster_sums import Influence, sums_by_group
from performance.metrics.statistics.clusters import Clusters, GroupSums
from performance.metrics.statistics.estimates import Estimate
from performance.metrics.statistics.intervals import Interval, effective_sample_size, median_interval_rank

BINS = 4096  # a quarter of them are below the mean error
MIN_EXAMPLES = 8  # examples, from which on an interval has both ends
_ROUNDING = 1e-9  # errors that differ by less may be equal but for rounding
EQUAL_ERRORS = "The middle errors are all alike, so they do not tell how much others may differ."


def median_absolute_error(engine: Engine, predictions: NumericPredictions, mean_error: float) -> Estimate:
    """Return the weighted median of the absolute error as `sklearn.metrics.median_absolute_error` does.

    It is the mean of the two middle errors if there are two. The ends of the interval are errors as well, so it makes
    no assumption on their distribution: see `median_interval_rank`. Examples in groups count as so many independent
    ones as the share of errors below the median is worth: Woodruff (1952) has it for samples of clusters.
    """
    size = effective_sample_size(predictions.total_weight, predictions.squared_weight)
    bins, half = _count_bins(engine, predictions, mean_error), predictions.total_weight / 2
    middle = f">= {number_literal(half)}", f"> {number_literal(half)}"
    if predictions.group:
        value = _mean_of_middle(*_smallest(engine, predictions, bins, half, middle))
        clusters, sums = _sums_by_group(engine, predictions, value)
        if clusters.reason:
            return Estimate(value, reason=clusters.reason)
        size /= clusters.interval_effect(sums)
        tail = _tail(predictions, size)
        low, high = _smallest(engine, predictions, bins, tail, _ends(predictions, tail))
    else:
        tail = _tail(predictions, size)
        lower, upper, low, high = _smallest(engine, predictions, bins, tail, (*middle, *_ends(predictions, tail)))
        value = _mean_of_middle(lower, upper)
    if median_interval_rank(size) is None or high is None:
        kind = " (effective)" if predictions.group else ""
        return Estimate(value, reason=f"An interval needs at least {MIN_EXAMPLES} examples, not {size:,.0f}{kind}.")
    if math.isclose(low, high, rel_tol=_ROUNDING):
        return Estimate(value, reason=EQUAL_ERRORS)
    return Estimate(value, Interval(low, high, "woodruff"))


@dataclass(frozen=True, slots=True)
class Bins:
    """The SQL of the bin of an error, and the weight up to the end of each bin that has errors, by its number.

    With weights, there is one bin of all errors: summing weights in another order gives another rounding error.
    """

    sql: str
    up_to: Mapping[int, float]

    def around(self, tail: float, total: float) -> tuple[int, int, float]:
        """Return the first and the last bin with the ends of an interval, and the weight below them."""
        numbers, up_to = list(self.up_to), list(self.up_to.values())
        first = bisect_left(up_to, tail)
        last = min(bisect_right(up_to, total - tail), len(numbers) - 1)
        return numbers[first], numbers[last], up_to[first - 1] if first else 0.0


def _count_bins(engine: Engine, predictions: NumericPredictions, mean_error: float) -> Bins:
    if predictions.is_weighted:
        return Bins("0", {0: predictions.total_weight})
    sql = f"floor(least(error / {number_literal(mean_error * 4 / BINS or 1.0)}, {BINS}))"
    rows = engine.rows(f"SELECT {sql} AS bin, sum(w) FROM ({_errors(predictions)}) GROUP BY {sql} ORDER BY bin")
    up_to = accumulate(float(weight) for _, weight in rows)
    return Bins(sql, {int(number): weight for (number, _), weight in zip(rows, up_to, strict=True)})


def _mean_of_middle(lower: float, upper: float | None) -> float:
    """Return the mean of the two middle errors, or the first if it is the largest."""
    return (lower + (lower if upper is None else upper)) / 2


def _tail(predictions: NumericPredictions, size: float) -> float:
    """Return the weight beyond each end of the interval of so many examples, half of all if there is none."""
    rank = median_interval_rank(size)
    return predictions.total_weight * rank / size if rank else predictions.total_weight / 2


def _ends(predictions: NumericPredictions, tail: float) -> tuple[str, str]:
    return f">= {number_literal(tail)}", f"> {number_literal(predictions.total_weight - tail)}"


def _smallest(
    engine: Engine, predictions: NumericPredictions, bins: Bins, tail: float, conditions: Sequence[str]
) -> Row:
    """Return the smallest error up to which the weight meets each condition, such as `>= 3`; `None` if none does.

    All are among those that have a weight of at least `tail` on both sides.
    """
    first, last, below = bins.around(tail, predictions.total_weight)
    smallest = ", ".join(f"min(error) FILTER (WHERE up_to {each})" for each in conditions)
    [row] = engine.rows(f"""
        SELECT {smallest}
        FROM (
            SELECT error, {number_literal(below)} + sum(w) OVER (ORDER BY error) AS up_to FROM ({_errors(predictions)})
            WHERE {bins.sql} BETWEEN {first} AND {last}
        )
    """)
    return row


def _sums_by_group(engine: Engine, predictions: NumericPredictions, median: float) -> tuple[Clusters, GroupSums]:
    """Return the groups, and the sums by group of whether errors are above (1) or below (-1) the median."""
    side = f"sign(error - {number_literal(median)})"
    examples = f"SELECT *, w * w AS squares FROM ({_errors(predictions, predictions.group)})"
    clusters, sums = sums_by_group(engine, {"side": Influence(side)}, examples)
    return clusters, sums["side"]


def _errors(predictions: NumericPredictions, group: str | None = None) -> str:
    return f"""
        SELECT abs({predictions.predicted} - {predictions.actual}) AS error, {predictions.weight} AS w
            {f", {group} AS g" if group else ""}
        FROM predictions WHERE {predictions.scored}
    """
