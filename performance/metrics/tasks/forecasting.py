"""Evaluate forecasts of one or several time series."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from performance.metrics import slices, worst_examples
from performance.metrics.engines.base import Engine
from performance.metrics.inputs import row_checks
from performance.metrics.inputs.column_mapping import MAX_WHOLE_NUMBER, find_column, is_finite, key_sql, number_sql
from performance.metrics.inputs.numeric_predictions import NumericPredictions, read_predictions
from performance.metrics.inputs.options import SERIES_ID, Columns, Options
from performance.metrics.inputs.row_checks import MAX_MAGNITUDE, RowCheck
from performance.metrics.inputs.sql import number_literal
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.slices import Sample
from performance.metrics.statistics import residual_plots, residuals
from performance.metrics.statistics.alternatives import name_alternatives
from performance.metrics.statistics.estimates import (
    Estimate,
    known_intervals,
    unavailable_intervals,
    unavailable_metrics,
)
from performance.metrics.statistics.scores import AHEAD, GROUPS, Scores, deviation, measure_scores, root_estimate
from performance.metrics.statistics.scores import SERIES as SERIES_UNITS

MAX_HORIZONS = 1000
SERIES, SCALE = SERIES_ID, "scale"  # usual names of columns


def evaluate(engine: Engine, columns: Columns, options: Options) -> Evaluation:
    """Return the evaluation. Raises `UnprocessablePredictionsError`."""
    types = engine.columns()
    series = find_column(columns.series, SERIES, types)
    predictions = read_predictions(engine, columns, options, series=series)
    scale = find_column(columns.scale, SCALE, types)
    losses = measure_losses(engine, predictions, series)
    estimates = name_alternatives({**losses.estimates(), "mase": _mase(engine, predictions, series, scale)})
    sliced = slices.evaluate_slices(
        engine,
        columns.slices,
        "forecasting",
        lambda part: _measure_slice(part, columns, series),
        where=predictions.scored,
        has_unscored=predictions.rows > predictions.examples,
    )
    return Evaluation(
        rows=predictions.rows,
        sample_count=predictions.examples,
        effective_sample_size=losses.scores["mae"].deviations.size,
        missing_fraction=predictions.missing_fraction,
        metrics={name: each.value for name, each in estimates.items()},
        confidence_intervals=known_intervals(estimates),
        metrics_unavailable=unavailable_metrics(estimates),
        intervals_unavailable=unavailable_intervals(estimates),
        residuals=worst_examples.worst_residuals(engine, columns, predictions),
        per_class=_by_horizon(engine, predictions, columns, types),
        curves=residual_plots.curves(engine, predictions),
        slices=sliced.slices,
        warnings=sliced.warnings,
    )


def _measure_slice(engine: Engine, columns: Columns, series: str | None) -> Sample:
    """Return the metrics of a part of the examples. Each has a prediction."""
    predictions = read_predictions(engine, columns, Options(), series=series)
    return Sample(predictions.examples, estimate(engine, predictions, columns))


def estimate(engine: Engine, predictions: NumericPredictions, columns: Columns) -> dict[str, Estimate]:
    """Return the metrics, by name. Raises `UnprocessablePredictionsError`."""
    types = engine.columns()
    series, scale = find_column(columns.series, SERIES, types), find_column(columns.scale, SCALE, types)
    losses = measure_losses(engine, predictions, series)
    return {**losses.estimates(), "mase": _mase(engine, predictions, series, scale)}


@dataclass(frozen=True, slots=True)
class Losses:
    """The weighted means of losses, and the scores that intervals follow from. `actual` is the mean absolute value."""

    squared: float
    absolute: float
    symmetric: float
    actual: float
    scores: Mapping[str, Scores]

    def estimates(self) -> dict[str, Estimate]:
        """Return the metrics that follow, by name."""
        return {
            "mae": self.scores["mae"].estimate(self.absolute),
            "rmse": root_estimate(self.scores["rmse"].estimate(self.squared, squares=True)),
            "smape": self.scores["smape"].estimate(self.symmetric, upper=2.0),
            "wape": self._wape(),
        }

    def _wape(self) -> Estimate:
        """Return the sum of the absolute errors divided by the sum of the absolute actual values.

        Kolassa & Schütz (2007), Advantages of the MAD/mean ratio over the MAPE, Foresight 6, 40-43.
        """
        share = self.absolute / self.actual if self.actual else math.inf
        if not math.isfinite(share):
            return Estimate(None, reason="All actual values are 0, or nearly so.")
        return self.scores["wape"].estimate(share, behind=AHEAD)


def measure_losses(engine: Engine, predictions: NumericPredictions, series: str | None) -> Losses:
    """Return the means of the losses in one scan, and the scores of the units in another.

    The errors of one series are correlated, so series are the units, or groups of series. Without either, all examples
    are one unit.
    """
    if series and predictions.group_name:
        row_checks.check_nested(engine, series, predictions.group_name, "series")
    losses, source = _losses(predictions), f"predictions WHERE {predictions.scored}"
    means = ", ".join(f"sum({predictions.weight} * {loss}) / sum({predictions.weight})" for loss in losses.values())
    [found] = engine.rows(f"SELECT {means} FROM {source}")
    by_name = dict(zip(losses, map(float, found), strict=True))
    squared, absolute, symmetric, actual = (deviation(losses[name], mean) for name, mean in by_name.items())
    scores = measure_scores(
        engine,
        GROUPS if predictions.group else SERIES_UNITS,
        {"rmse": squared, "mae": absolute, "smape": symmetric, "wape": f"({absolute} - {actual})"},
        weight=predictions.weight,
        total=predictions.total_weight,
        source=source,
        by=predictions.group or (key_sql(series, engine.columns()) if series else ""),
    )
    return Losses(**by_name, scores=scores)


def _losses(predictions: NumericPredictions) -> dict[str, str]:
    """Return the SQL of each example's losses, and of its absolute actual value."""
    actual, predicted = predictions.actual, predictions.predicted
    return {
        "squared": residuals.squared(actual, predicted),
        "absolute": residuals.absolute(actual, predicted),
        "symmetric": residuals.symmetric(actual, predicted),
        "actual": f"abs({actual})",
    }


def _mase(engine: Engine, predictions: NumericPredictions, series: str | None, scale_name: str | None) -> Estimate:
    """Return the MAE divided by the naive forecast's, averaged over the series.

    It is undefined without their scales, or if one is 0. Hyndman & Koehler (2006), Another look at measures of forecast
    accuracy, doi:10.1016/j.ijforecast.2006.03.001. Raises `UnprocessablePredictionsError`.
    """
    if scale_name is None:
        return Estimate(None, reason=f"It needs each series' scale, in a column such as {SCALE!r}.")
    types = engine.columns()
    scale = number_sql(scale_name, types)
    least = number_literal(1 / MAX_MAGNITUDE)
    unit = key_sql(series, types) if series else "0"
    group = predictions.group or unit
    by_series = f"""
        SELECT {f"CAST(min({unit}) AS VARCHAR)" if series else "''"} AS id, min({group}) AS cluster,
            sum({predictions.weight} * {_losses(predictions)["absolute"]}) / sum({predictions.weight}) AS error,
            min({scale}) AS scale,
            bool_and({is_finite(scale)} AND {scale} >= 0) AND min({scale}) = max({scale}) AS valid
        FROM predictions WHERE {predictions.scored} {f"GROUP BY {unit}" if series else ""}
    """
    [[invalid, constant, example, mean]] = engine.rows(f"""
        SELECT sum(CASE WHEN coalesce(valid, FALSE) THEN 0 ELSE 1 END),
            sum(CASE WHEN scale < {least} THEN 1 ELSE 0 END),
            min(CASE WHEN scale < {least} THEN id END), avg(CASE WHEN scale < {least} THEN NULL ELSE error / scale END)
        FROM ({by_series})
    """)
    if invalid:
        raise UnprocessablePredictionsError(
            f"Each series needs one value of {scale_name!r} of 0 or more, equal in all its rows.", column=scale_name
        )
    if constant:
        named = f" of the series {example!r}" if series else ""
        others = f" and of {constant - 1:,} more" if constant > 1 else ""
        return Estimate(None, reason=f"The scale{named}{others} is 0: no error is relative to a constant series.")
    value = float(mean)
    scores = measure_scores(
        engine,
        GROUPS if predictions.group else SERIES_UNITS,
        {"mase": deviation("(error / scale)", value)},
        weight="1",
        total=1.0,
        source=f"({by_series})",
        by="cluster",
    )["mase"]
    return scores.estimate(value)


def _by_horizon(
    engine: Engine, predictions: NumericPredictions, columns: Columns, types: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    """Return the errors by number of steps ahead. Raises `UnprocessablePredictionsError`."""
    horizon = find_column(columns.horizon, "horizon", types)
    if horizon is None:
        return {}
    losses = _losses(predictions)
    ahead = number_sql(horizon, types)
    in_range = f"abs({ahead}) < {number_literal(MAX_WHOLE_NUMBER)}"
    is_whole = f"({is_finite(ahead)} AND coalesce({in_range} AND {ahead} = floor({ahead}), FALSE))"
    check = RowCheck(f"({predictions.scored} AND NOT {is_whole})", horizon, "a whole number")
    rows = engine.rows(f"""
        SELECT horizon, sum(w * e) / sum(w), sqrt(sum(w * s) / sum(w)), count(*)
        FROM (
            SELECT CASE WHEN {is_whole} THEN TRY_CAST({ahead} AS BIGINT) END AS horizon, {predictions.weight} AS w,
                {losses["absolute"]} AS e, {losses["squared"]} AS s
            FROM predictions WHERE {predictions.scored}
        )
        GROUP BY horizon HAVING sum(w) > 0 OR horizon IS NULL ORDER BY horizon NULLS FIRST LIMIT {MAX_HORIZONS + 1}
    """)
    if any(step is None for step, *_ in rows):
        raise row_checks.first_error(engine, [check])
    if len(rows) > MAX_HORIZONS:
        raise UnprocessablePredictionsError(f"There are more than {MAX_HORIZONS:,} horizons.", column=horizon)
    return {str(step): {"mae": mae, "rmse": rmse, "support": examples} for step, mae, rmse, examples in rows}
