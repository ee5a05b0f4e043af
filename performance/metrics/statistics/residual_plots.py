"""Return the points of plots for predicted numbers: the histogram of residuals, and predicted against actual values.

They count examples without weights. The width of a bin is a power of two, and its lower edge a multiple of it, so that
rounding never decides which bin a number falls into. The lower edge belongs to the bin, the upper edge does not.
"""

import math

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.numeric_predictions import NumericPredictions
from performance.metrics.inputs.sql import number_literal
from performance.metrics.result import CurvesDocument

MAX_BINS = 200  # also the most points of a plot


def curves(engine: Engine, predictions: NumericPredictions) -> CurvesDocument:
    """Return the histogram of the residuals, and the mean predicted by actual values."""
    return {
        "residual_histogram": residual_histogram(engine, predictions),
        "predicted_versus_actual": predicted_versus_actual(engine, predictions),
    }


def residual_histogram(engine: Engine, predictions: NumericPredictions) -> list[dict[str, float]]:
    """Return the bins of predicted - actual, in the target's unit, in ascending order.

    Empty bins between others are included. The width is the power of two nearest to that of Scott (1979), On optimal
    and data-based histograms, doi:10.1093/biomet/66.3.605. If all residuals are equal, that value is both edges of the
    only bin.
    """
    residual = f"({predictions.predicted} - {predictions.actual})"
    low, high, deviation = _range(engine, predictions, residual)
    if low == high:
        return [{"lower": low, "upper": low, "count": predictions.examples}]
    width = _width(low, high, deviation * (24 * math.sqrt(math.pi) / predictions.examples) ** (1 / 3))
    bin_of_residual = _bin(residual, width)
    counts: dict[int, int] = dict(
        engine.rows(f"SELECT {bin_of_residual}, count(*) FROM predictions WHERE {predictions.scored} GROUP BY 1")
    )
    return [
        {"lower": place * width, "upper": (place + 1) * width, "count": counts.get(place, 0)}
        for place in range(min(counts), max(counts) + 1)
    ]


def predicted_versus_actual(engine: Engine, predictions: NumericPredictions) -> list[dict[str, float]]:
    """Return the mean actual and mean predicted value of groups of examples, by ascending actual value.

    A group has one actual value if there are at most 200 distinct ones, else a range of actual values; the ranges have
    equal widths, and empty ones are left out.
    """
    if _has_few_values(engine, predictions):
        group, mean = predictions.actual, f"min({predictions.actual})"
    else:
        low, high, _ = _range(engine, predictions, predictions.actual)
        group, mean = _bin(predictions.actual, _width(low, high)), f"avg({predictions.actual})"
    rows = engine.rows(f"""
        SELECT {mean}, avg({predictions.predicted}), count(*) FROM predictions WHERE {predictions.scored}
        GROUP BY {group} ORDER BY 1
    """)
    return [{"actual": actual, "predicted": predicted, "count": count} for actual, predicted, count in rows]


def _has_few_values(engine: Engine, predictions: NumericPredictions) -> bool:
    """Return whether there are so few actual values that each gets its own point."""
    [[count]] = engine.rows(f"""
        SELECT count(*) FROM (
            SELECT DISTINCT {predictions.actual} AS actual FROM predictions WHERE {predictions.scored}
            LIMIT {MAX_BINS + 1}
        )
    """)
    return bool(count <= MAX_BINS)


def _range(engine: Engine, predictions: NumericPredictions, sql: str) -> tuple[float, float, float]:
    """Return the minimum, the maximum and the standard deviation of an expression."""
    [[low, high, deviation]] = engine.rows(
        f"SELECT min({sql}), max({sql}), stddev_pop({sql}) FROM predictions WHERE {predictions.scored}"
    )
    return float(low), float(high), float(deviation)


def _width(low: float, high: float, wanted: float = 0.0) -> float:
    """Return the power of two that is nearest to the wanted width.

    It is wide enough for at most `MAX_BINS` bins, and not finer than the precision of the numbers.
    """
    least = max((high - low) / (MAX_BINS - 2), math.ulp(max(abs(low), abs(high))))
    nearest = 2.0 ** round(math.log2(wanted)) if wanted > 0 else 0.0
    return max(nearest, 2.0 ** math.ceil(math.log2(least)))


def _bin(sql: str, width: float) -> str:
    """Return the number of the bin that an expression falls into.

    A negative number is never in bin 0, however small it is.
    """
    rounded = f"{sql} / {number_literal(width)}"
    return f"CAST(CASE WHEN {sql} < 0 AND {rounded} = 0 THEN -1 ELSE floor({rounded}) END AS BIGINT)"
