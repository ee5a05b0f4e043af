"""Evaluate forecasts of one or several time series."""

import math
from collections.abc import Mapping

from performance.metrics import slices, worst_examples
from performance.metrics.engines.base import Engine, Row
from performance.metrics.inputs import row_checks
from performance.metrics.inputs.column_mapping import MAX_WHOLE_NUMBER, find_column, is_finite, number_sql
from performance.metrics.inputs.numeric_predictions import NumericPredictions, read_predictions
from performance.metrics.inputs.options import SERIES_ID, Columns, Options
from performance.metrics.inputs.row_checks import MAX_MAGNITUDE, RowCheck
from performance.metrics.inputs.sql import identifier, number_literal
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.slices import Sample
from performance.metrics.statistics import errors, residual_plots
from performance.metrics.statistics.estimates import (
    Estimate,
    known_intervals,
    unavailable_intervals,
    unavailable_metrics,
)
from performance.metrics.statistics.intervals import normal
from performance.metrics.statistics.means import Mean, error_estimate, means, ratio_variance, root_estimate, sums

MAX_HORIZONS = 1000
SERIES, SCALE = SERIES_ID, "scale"  # usual names of columns


def evaluate(engine: Engine, columns: Columns, options: Options) -> Evaluation:
    """Return the evaluation. Raises `UnprocessablePredictionsError`."""
    predictions = read_predictions(engine, columns, options)
    types = engine.columns()
    estimates = estimate(engine, predictions, columns, types)
    return Evaluation(
        rows=predictions.rows,
        sample_count=predictions.examples,
        metrics={name: each.value for name, each in estimates.items()},
        confidence_intervals=known_intervals(estimates),
        metrics_unavailable=unavailable_metrics(estimates),
        intervals_unavailable=unavailable_intervals(estimates),
        residuals=worst_examples.worst_residuals(engine, columns, predictions),
        per_class=_by_horizon(engine, predictions, columns, types),
        curves=residual_plots.curves(engine, predictions),
        slices=slices.evaluate_slices(
            engine,
            columns.slices,
            "forecasting",
            lambda part: _measure_slice(part, columns),
            count=predictions.count,
            where=predictions.scored,
        ),
    )


def _measure_slice(engine: Engine, columns: Columns) -> Sample:
    """Return the metrics of a part of the examples, all of which have predictions."""
    predictions = read_predictions(engine, columns, Options())
    return Sample(predictions.examples, estimate(engine, predictions, columns, engine.columns()))


def estimate(
    engine: Engine, predictions: NumericPredictions, columns: Columns, types: Mapping[str, str]
) -> dict[str, Estimate]:
    """Return the metrics, by name. Raises `UnprocessablePredictionsError`.

    The errors of one series are correlated. If there are several series, they are the independent units that an
    interval is computed from.
    """
    series_name = find_column(columns.series, SERIES, types)
    series = identifier(series_name) if series_name else None
    (squared, absolute, symmetric, actual), product = _means(engine, predictions, series)
    return {
        "mae": error_estimate(absolute),
        "rmse": root_estimate(squared),
        "smape": error_estimate(symmetric, 2),
        "mase": _mase(engine, predictions, series, types, columns, absolute),
        "wape": _wape(absolute, actual, product),
    }


def _losses(predictions: NumericPredictions) -> list[str]:
    """Return the squared, the absolute and the symmetric relative error, and the absolute actual value."""
    losses = (errors.squared, errors.absolute, errors.symmetric)
    return [*(loss(predictions.actual, predictions.predicted) for loss in losses), f"abs({predictions.actual})"]


def _means(engine: Engine, predictions: NumericPredictions, series: str | None) -> tuple[list[Mean], float]:
    """Return the means of the losses, and the sum of the products of absolute error and absolute actual value."""
    losses = _losses(predictions)
    if series is not None:
        clustered = engine.rows(_clustered(predictions, series, losses))
        if len(clustered) > 1:
            product = math.fsum(float(row[2]) * float(row[4]) for row in clustered)
            return [_mean_of_clusters(clustered, at) for at in range(len(losses))], product
    [[*totals, product]] = engine.rows(f"""
        SELECT {", ".join(sums(loss, predictions.weight) for loss in losses)},
            sum({predictions.weight} * {predictions.weight} * {losses[1]} * {losses[3]})
        FROM predictions WHERE {predictions.scored}
    """)
    return means(predictions.total_weight, predictions.squared_weight, totals), product


def _clustered(predictions: NumericPredictions, series: str, losses: list[str]) -> str:
    totals = ", ".join(f"sum({predictions.weight} * {loss})" for loss in losses)
    return f"SELECT sum({predictions.weight}), {totals} FROM predictions WHERE {predictions.scored} GROUP BY {series}"


def _mean_of_clusters(clusters: list[Row], at: int) -> Mean:
    """Return the mean over all examples as a ratio of two sums. Each series is one unit, with its weight."""
    weights = [float(row[0]) for row in clusters]
    totals = [float(row[1 + at]) for row in clusters]
    return Mean(
        math.fsum(weights),
        math.fsum(weight**2 for weight in weights),
        math.fsum(totals),
        math.fsum(weight * total for weight, total in zip(weights, totals, strict=True)),
        math.fsum(total**2 for total in totals),
    )


def _mase(
    engine: Engine,
    predictions: NumericPredictions,
    series: str | None,
    types: Mapping[str, str],
    columns: Columns,
    absolute: Mean,
) -> Estimate:
    """Return the MAE divided by the naive forecast's, averaged over the series; undefined without their scales.

    For one series, the interval is that of its MAE in the same unit. Hyndman & Koehler (2006), Another look at measures
    of forecast accuracy, doi:10.1016/j.ijforecast.2006.03.001. Raises `UnprocessablePredictionsError`.
    """
    scale_name = find_column(columns.scale, SCALE, types)
    if scale_name is None:
        return Estimate(None)
    scale = number_sql(scale_name, types)
    is_unique = f"bool_and({is_finite(scale)} AND {scale} >= {number_literal(1 / MAX_MAGNITUDE)})"
    by_series = engine.rows(f"""
        SELECT sum({predictions.weight} * {_losses(predictions)[1]}) / sum({predictions.weight}), min({scale}),
            coalesce({is_unique}, FALSE) AND min({scale}) = max({scale})
        FROM predictions WHERE {predictions.scored} {f"GROUP BY {series}" if series else ""}
        HAVING sum({predictions.weight}) > 0
    """)
    if not all(is_unique for *_, is_unique in by_series):
        raise UnprocessablePredictionsError(
            f"Each series needs one value of {scale_name!r} above 0, equal in all its rows.", column=scale_name
        )
    ratios = [error / scale_of_series for error, scale_of_series, _ in by_series]
    if len(by_series) == 1:
        [[_, only_scale, _]] = by_series
        interval = error_estimate(absolute).interval
        return Estimate(ratios[0], interval and interval.transform(lambda error: error / only_scale))
    mean = Mean(len(ratios), len(ratios), math.fsum(ratios), math.fsum(ratios), math.fsum(ratio**2 for ratio in ratios))
    return error_estimate(mean)


def _wape(absolute: Mean, actual: Mean, product: float) -> Estimate:
    """Return the sum of the absolute errors divided by the sum of the absolute actual values.

    Kolassa & Schütz (2007), Advantages of the MAD/mean ratio over the MAPE, Foresight 6, 40-43.
    """
    share = absolute.sum_wx / actual.sum_wx if actual.value else math.inf
    if not math.isfinite(share):
        return Estimate(None)
    return Estimate(share, normal(share, ratio_variance(absolute, actual, product), "moments", lower=0.0))


def _by_horizon(
    engine: Engine, predictions: NumericPredictions, columns: Columns, types: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    """Return the errors by number of steps ahead. Raises `UnprocessablePredictionsError`."""
    horizon = find_column(columns.horizon, "horizon", types)
    if horizon is None:
        return {}
    squared, absolute, *_ = _losses(predictions)
    ahead = number_sql(horizon, types)
    in_range = f"abs({ahead}) < {number_literal(MAX_WHOLE_NUMBER)}"
    is_whole = f"({is_finite(ahead)} AND coalesce({in_range} AND {ahead} = floor({ahead}), FALSE))"
    check = RowCheck(f"({predictions.scored} AND NOT {is_whole})", horizon, "a whole number")
    rows = engine.rows(f"""
        SELECT horizon, sum(w * e) / sum(w), sqrt(sum(w * s) / sum(w)), count(*)
        FROM (
            SELECT CASE WHEN {is_whole} THEN TRY_CAST({ahead} AS BIGINT) END AS horizon, {predictions.weight} AS w,
                {absolute} AS e, {squared} AS s
            FROM predictions WHERE {predictions.scored}
        )
        GROUP BY horizon HAVING sum(w) > 0 OR horizon IS NULL ORDER BY horizon NULLS FIRST LIMIT {MAX_HORIZONS + 1}
    """)
    if any(step is None for step, *_ in rows):
        raise row_checks.first_error(engine, [check])
    if len(rows) > MAX_HORIZONS:
        raise UnprocessablePredictionsError(f"There are more than {MAX_HORIZONS:,} horizons.", column=horizon)
    return {str(step): {"mae": mae, "rmse": rmse, "support": examples} for step, mae, rmse, examples in rows}
