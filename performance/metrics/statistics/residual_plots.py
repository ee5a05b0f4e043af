"""Points to draw of numbers that were predicted: how errors are distributed, and what is predicted of which value.

They count examples, whatever they weigh. The bins are a power of two wide and begin at a multiple of it, as then no
rounding decides which bin a number falls into: it is at least the bin's lower edge and less than the upper one.
"""

import math
from typing import Any

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.numeric_predictions import Numbers
from performance.metrics.inputs.sql import number

MOST = 200  # bins, and points, at most


def curves(engine: Engine, numbers: Numbers) -> dict[str, Any]:
    """Return the histogram of the residuals, and the predicted values by the actual ones."""
    return {
        "residual_histogram": residual_histogram(engine, numbers),
        "predicted_versus_actual": predicted_versus_actual(engine, numbers),
    }


def residual_histogram(engine: Engine, numbers: Numbers) -> list[dict[str, float]]:
    """Return the bins of predicted - actual, in the target's unit, from the lowest to the highest, empty ones as well.

    They are about as wide as Scott (1979), On optimal and data-based histograms, doi:10.1093/biomet/66.3.605, has it:
    the nearest power of two. Where all residuals are the same, both edges of the only bin are that residual.
    """
    residual = f"({numbers.predicted} - {numbers.actual})"
    low, high, deviation = _range(engine, numbers, residual)
    if low == high:
        return [{"lower": low, "upper": low, "count": numbers.examples}]
    width = _width(low, high, deviation * (24 * math.sqrt(math.pi) / numbers.examples) ** (1 / 3))
    bin_of_residual = _bin(residual, width)
    counts: dict[int, int] = dict(
        engine.rows(f"SELECT {bin_of_residual}, count(*) FROM predictions WHERE {numbers.scored} GROUP BY 1")
    )
    return [
        {"lower": place * width, "upper": (place + 1) * width, "count": counts.get(place, 0)}
        for place in range(min(counts), max(counts) + 1)
    ]


def predicted_versus_actual(engine: Engine, numbers: Numbers) -> list[dict[str, float]]:
    """Return the mean actual and the mean predicted value of examples with like actual values, which rise.

    Alike are the examples of one actual value where there are 200 of them or fewer, and else those of one of equal
    ranges; ranges without an example are left out.
    """
    if _are_few(engine, numbers):
        group, mean = numbers.actual, f"min({numbers.actual})"
    else:
        low, high, _ = _range(engine, numbers, numbers.actual)
        group, mean = _bin(numbers.actual, _width(low, high)), f"avg({numbers.actual})"
    rows = engine.rows(f"""
        SELECT {mean}, avg({numbers.predicted}), count(*) FROM predictions WHERE {numbers.scored}
        GROUP BY {group} ORDER BY 1
    """)
    return [{"actual": actual, "predicted": predicted, "count": count} for actual, predicted, count in rows]


def _are_few(engine: Engine, numbers: Numbers) -> bool:
    """Say whether there are so few actual values that each has a point of its own."""
    distinct = f"SELECT DISTINCT {numbers.actual} AS actual FROM predictions WHERE {numbers.scored} LIMIT {MOST + 1}"
    [[found]] = engine.rows(f"SELECT count(*) FROM ({distinct})")
    return bool(found <= MOST)


def _range(engine: Engine, numbers: Numbers, sql: str) -> tuple[float, float, float]:
    """Return the least and the greatest value of an expression, and its standard deviation."""
    [[low, high, deviation]] = engine.rows(
        f"SELECT min({sql}), max({sql}), stddev_pop({sql}) FROM predictions WHERE {numbers.scored}"
    )
    return float(low), float(high), float(deviation)


def _width(low: float, high: float, wanted: float = 0.0) -> float:
    """Return the power of two that is nearest to what is wanted, with at most as many bins as there may be.

    Nor is it finer than the numbers themselves.
    """
    least = max((high - low) / (MOST - 2), math.ulp(max(abs(low), abs(high))))
    nearest = 2.0 ** round(math.log2(wanted)) if wanted > 0 else 0.0
    return max(nearest, 2.0 ** math.ceil(math.log2(least)))


def _bin(sql: str, width: float) -> str:
    """Return the number of the bin that an expression falls into, however little below 0 it is."""
    rounded = f"{sql} / {number(width)}"
    return f"CAST(CASE WHEN {sql} < 0 AND {rounded} = 0 THEN -1 ELSE floor({rounded}) END AS BIGINT)"
