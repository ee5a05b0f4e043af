"""Forecasting: numbers to come, of one series or of many."""

import math
from collections.abc import Mapping

from performance.metrics import worst_examples
from performance.metrics.engines.base import Engine, Row
from performance.metrics.inputs import row_checks
from performance.metrics.inputs.column_mapping import LARGEST as LARGEST_WHOLE
from performance.metrics.inputs.column_mapping import is_finite, named, number_of
from performance.metrics.inputs.numeric_predictions import Numbers, find
from performance.metrics.inputs.options import SERIES_ID, Columns, Options
from performance.metrics.inputs.row_checks import LARGEST, Cause
from performance.metrics.inputs.sql import column, number
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.statistics import errors, residual_plots
from performance.metrics.statistics.confusion import Estimate, intervals_of
from performance.metrics.statistics.intervals import normal
from performance.metrics.statistics.means import Mean, means, of_errors, ratio_variance, root, sums

MAX_HORIZONS = 1000
SERIES, SCALE = SERIES_ID, "scale"  # the columns' usual names


def evaluate(engine: Engine, columns: Columns, options: Options) -> Evaluation:
    """Return what the forecasts come to. Raises `UnprocessablePredictionsError`."""
    numbers = find(engine, columns, options)
    types = engine.columns()
    estimates = estimate(engine, numbers, columns, types)
    return Evaluation(
        rows=numbers.rows,
        sample_count=numbers.examples,
        metrics={name: each.value for name, each in estimates.items()},
        confidence_intervals=intervals_of(estimates),
        residuals=worst_examples.residuals(engine, columns, numbers),
        per_class=_by_horizon(engine, numbers, columns, types),
        curves=residual_plots.curves(engine, numbers),
    )


def estimate(engine: Engine, numbers: Numbers, columns: Columns, types: Mapping[str, str]) -> dict[str, Estimate]:
    """Return the metrics, by name. Raises `UnprocessablePredictionsError`.

    The errors of one series resemble each other: where there are several, an interval rests on how the series differ.
    """
    series_name = named(columns.series, SERIES, types)
    series = column(series_name) if series_name else None
    (squared, absolute, symmetric, actual), product = _means(engine, numbers, series)
    return {
        "mae": of_errors(absolute),
        "rmse": root(squared),
        "smape": of_errors(symmetric, 2),
        "mase": _scaled(engine, numbers, series, types, columns, absolute),
        "wape": _share_of_actual(absolute, actual, product),
    }


def _losses(numbers: Numbers) -> list[str]:
    """Return the squared, the absolute and the symmetric relative error, and the absolute actual value."""
    losses = (errors.squared, errors.absolute, errors.symmetric)
    return [*(loss(numbers.actual, numbers.predicted) for loss in losses), f"abs({numbers.actual})"]


def _means(engine: Engine, numbers: Numbers, series: str | None) -> tuple[list[Mean], float]:
    """Return the means of the losses, and the sum of the products of absolute error and absolute actual value."""
    losses = _losses(numbers)
    if series is not None:
        clustered = engine.rows(_clustered(numbers, series, losses))
        if len(clustered) > 1:
            product = math.fsum(float(row[2]) * float(row[4]) for row in clustered)
            return [_mean_of_clusters(clustered, at) for at in range(len(losses))], product
    [[*found, product]] = engine.rows(f"""
        SELECT {", ".join(sums(loss, numbers.weight) for loss in losses)},
            sum({numbers.weight} * {numbers.weight} * {losses[1]} * {losses[3]})
        FROM predictions WHERE {numbers.scored}
    """)
    return means(numbers.total, numbers.squares, found), product


def _clustered(numbers: Numbers, series: str, losses: list[str]) -> str:
    totals = ", ".join(f"sum({numbers.weight} * {loss})" for loss in losses)
    return f"SELECT sum({numbers.weight}), {totals} FROM predictions WHERE {numbers.scored} GROUP BY {series}"


def _mean_of_clusters(clusters: list[Row], at: int) -> Mean:
    """Return the mean over all examples, each series being one draw with its weight: the ratio of two sums."""
    weights = [float(row[0]) for row in clusters]
    totals = [float(row[1 + at]) for row in clusters]
    return Mean(
        math.fsum(weights),
        math.fsum(weight**2 for weight in weights),
        math.fsum(totals),
        math.fsum(weight * total for weight, total in zip(weights, totals, strict=True)),
        math.fsum(total**2 for total in totals),
    )


def _scaled(
    engine: Engine, numbers: Numbers, series: str | None, types: Mapping[str, str], columns: Columns, absolute: Mean
) -> Estimate:
    """Return the MAE in units of the naive forecast's, averaged over the series; not known without their scales.

    Of one series, the interval is that of its MAE in the same units.
    """
    scale_name = named(columns.scale, SCALE, types)
    if scale_name is None:
        return Estimate(None)
    scale = number_of(scale_name, types)
    is_one = f"bool_and({is_finite(scale)} AND {scale} >= {number(1 / LARGEST)})"
    of_each = engine.rows(f"""
        SELECT sum({numbers.weight} * {_losses(numbers)[1]}) / sum({numbers.weight}), min({scale}),
            coalesce({is_one}, FALSE) AND min({scale}) = max({scale})
        FROM predictions WHERE {numbers.scored} {f"GROUP BY {series}" if series else ""}
        HAVING sum({numbers.weight}) > 0
    """)
    if not all(is_one for *_, is_one in of_each):
        raise UnprocessablePredictionsError(
            f"Each series needs one {scale_name!r} above 0, the same in all its rows.", column=scale_name
        )
    ratios = [error / scale_of_series for error, scale_of_series, _ in of_each]
    if len(of_each) == 1:
        [[_, only_scale, _]] = of_each
        interval = of_errors(absolute).interval
        return Estimate(ratios[0], interval and interval.mapped(lambda error: error / only_scale))
    mean = Mean(len(ratios), len(ratios), math.fsum(ratios), math.fsum(ratios), math.fsum(ratio**2 for ratio in ratios))
    return of_errors(mean)


def _share_of_actual(absolute: Mean, actual: Mean, product: float) -> Estimate:
    """Return the sum of absolute errors in units of the sum of absolute actual values.

    Kolassa & Schütz (2007), Advantages of the MAD/mean ratio over the MAPE, Foresight 6, 40-43.
    """
    share = absolute.first / actual.first if actual.value else math.inf
    if not math.isfinite(share):
        return Estimate(None)
    return Estimate(share, normal(share, ratio_variance(absolute, actual, product), "moments", lower=0.0))


def _by_horizon(
    engine: Engine, numbers: Numbers, columns: Columns, types: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    """Return the errors of each number of steps ahead. Raises `UnprocessablePredictionsError`."""
    horizon = named(columns.horizon, "horizon", types)
    if horizon is None:
        return {}
    squared, absolute, *_ = _losses(numbers)
    ahead = number_of(horizon, types)
    is_whole = (
        f"({is_finite(ahead)} AND coalesce(abs({ahead}) < {number(LARGEST_WHOLE)} AND {ahead} = floor({ahead}), FALSE))"
    )
    cause = Cause(f"({numbers.scored} AND NOT {is_whole})", horizon, "a whole number")
    rows = engine.rows(f"""
        SELECT horizon, sum(w * e) / sum(w), sqrt(sum(w * s) / sum(w)), count(*)
        FROM (
            SELECT CASE WHEN {is_whole} THEN TRY_CAST({ahead} AS BIGINT) END AS horizon, {numbers.weight} AS w,
                {absolute} AS e, {squared} AS s
            FROM predictions WHERE {numbers.scored}
        )
        GROUP BY horizon HAVING sum(w) > 0 OR horizon IS NULL ORDER BY horizon NULLS FIRST LIMIT {MAX_HORIZONS + 1}
    """)
    if any(step is None for step, *_ in rows):
        raise row_checks.first(engine, [cause])
    if len(rows) > MAX_HORIZONS:
        raise UnprocessablePredictionsError(f"There are more than {MAX_HORIZONS:,} horizons.", column=horizon)
    return {str(step): {"mae": mae, "rmse": rmse, "support": examples} for step, mae, rmse, examples in rows}
