"""Evaluate regression."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from performance.metrics import slices, worst_examples
from performance.metrics.engines.base import Engine
from performance.metrics.inputs.numeric_predictions import NumericPredictions, read_predictions
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.inputs.sql import number_literal
from performance.metrics.result import Evaluation
from performance.metrics.slices import Sample
from performance.metrics.statistics import residual_plots, residuals
from performance.metrics.statistics.alternatives import name_alternatives
from performance.metrics.statistics.estimates import (
    Estimate,
    known_intervals,
    unavailable_intervals,
    unavailable_metrics,
)
from performance.metrics.statistics.medians import median_absolute_error
from performance.metrics.statistics.scores import (
    AHEAD,
    AHEAD_OF_SQUARES,
    EXAMPLES,
    GROUPS,
    ROUNDING,
    Scores,
    deviation,
    measure_scores,
    root_estimate,
)

ONE_EXAMPLE = "It needs at least two examples."


def evaluate(engine: Engine, columns: Columns, options: Options) -> Evaluation:
    """Return the evaluation. Raises `UnprocessablePredictionsError`."""
    predictions = read_predictions(engine, columns, options)
    losses = measure_losses(engine, predictions)
    estimates = name_alternatives(_estimates(engine, predictions, losses))
    sliced = slices.evaluate_slices(
        engine,
        columns.slices,
        "regression",
        lambda part: _measure_slice(part, columns),
        where=predictions.scored,
        has_unscored=predictions.rows > predictions.examples,
    )
    return Evaluation(
        rows=predictions.rows,
        sample_count=predictions.examples,
        effective_sample_size=losses.scores["bias"].deviations.size,
        missing_fraction=predictions.missing_fraction,
        metrics={name: each.value for name, each in estimates.items()},
        confidence_intervals=known_intervals(estimates),
        metrics_unavailable=unavailable_metrics(estimates),
        intervals_unavailable=unavailable_intervals(estimates),
        residuals=worst_examples.worst_residuals(engine, columns, predictions),
        curves=residual_plots.curves(engine, predictions),
        slices=sliced.slices,
        warnings=sliced.warnings,
    )


def _measure_slice(engine: Engine, columns: Columns) -> Sample:
    """Return the metrics of a part of the examples. Each has a prediction."""
    predictions = read_predictions(engine, columns, Options())
    return Sample(predictions.examples, estimate(engine, predictions))


def estimate(engine: Engine, predictions: NumericPredictions) -> dict[str, Estimate]:
    """Return the metrics, by name."""
    return _estimates(engine, predictions, measure_losses(engine, predictions))


@dataclass(frozen=True, slots=True)
class Losses:
    """The weighted means of losses, the largest absolute error, and the scores that intervals follow from.

    `bias` is the mean error, `variance` that of the errors, `spread` that of the actual values. `scores` has those of
    each metric but the median and the largest error.
    """

    examples: int
    bias: float
    squared: float
    absolute: float
    relative: float
    variance: float
    spread: float
    largest: float
    scores: Mapping[str, Scores]

    def estimates(self) -> dict[str, Estimate]:
        """Return the metrics that follow, by name."""
        return {
            "rmse": root_estimate(self.scores["rmse"].estimate(self.squared, squares=True)),
            "mae": self.scores["mae"].estimate(self.absolute),
            "r_squared": self._explained_share("r_squared", self.squared),
            "mape": self.scores["mape"].estimate(self.relative),
            "max_error": Estimate(self.largest, reason="A sample bounds the largest error only from below."),
            "explained_variance": self._explained_share("explained_variance", self.variance),
            "bias": self._bias(),
        }

    def _bias(self) -> Estimate:
        """Return the mean error. If most are of one sign, their tails decide it as they do the MAE."""
        scores, tails = self.scores["bias"], self.scores["mae"]
        is_one_sided = abs(self.bias) > self.absolute / 2 and not tails.are_alike
        if reason := scores.obstacle() or (tails.obstacle_of_losses() if is_one_sided else None):
            return Estimate(self.bias, reason=reason)
        return Estimate(self.bias, scores.interval(self.bias, math.sqrt(self.squared), behind=AHEAD))

    def _explained_share(self, name: str, unexplained: float) -> Estimate:
        """Return 1 - unexplained / spread, such as R².

        If the actual values are constant, it is 1 if all are predicted exactly, else 0, as in
        `sklearn.metrics.r2_score`. It is undefined for one example, or if the spread is too small to divide by.
        """
        if self.examples < 2:
            return Estimate(None, reason=ONE_EXAMPLE)
        if self.spread == 0:
            is_exact = unexplained <= ROUNDING * self.squared
            return Estimate(1.0 if is_exact else 0.0, reason="All actual values are equal.")
        ratio = unexplained / self.spread
        if not math.isfinite(ratio):
            return Estimate(None, reason="The actual values differ too little to divide by their variance.")
        scores = self.scores[name]
        if reason := self.scores["rmse"].obstacle_of_losses(squares=True) or scores.obstacle(squares=True):
            return Estimate(1 - ratio, reason=reason)
        found = scores.interval(ratio, ratio, ahead=AHEAD_OF_SQUARES, behind=AHEAD)
        return Estimate(1 - ratio, found and replace(found, lower=1 - found.upper, upper=min(1 - found.lower, 1.0)))


def measure_losses(engine: Engine, predictions: NumericPredictions) -> Losses:
    """Return the means of the losses in one scan, and the scores of the examples or of their groups in another."""
    losses = _losses(predictions)
    means = {name: f"sum({predictions.weight} * {loss}) / sum({predictions.weight})" for name, loss in losses.items()}
    # Rounding of their mean would give equal numbers a spread
    means["spread"] = f"CASE WHEN {residuals.differ(predictions.actual)} THEN {means['spread']} ELSE 0 END"
    source = f"predictions WHERE {predictions.scored}"
    largest_error = f"max({residuals.absolute(predictions.actual, predictions.predicted)})"
    [[*found, largest]] = engine.rows(f"SELECT {', '.join(means.values())}, {largest_error} FROM {source}")
    by_name = dict(zip(losses, map(float, found), strict=True))
    scores = measure_scores(
        engine,
        GROUPS if predictions.group else EXAMPLES,
        _deviations(predictions, losses, by_name),
        weight=predictions.weight,
        total=predictions.total_weight,
        source=source,
        by=predictions.group,
    )
    return Losses(
        examples=predictions.examples, bias=predictions.bias, **by_name, largest=float(largest), scores=scores
    )


def _losses(predictions: NumericPredictions) -> dict[str, str]:
    """Return the SQL of each example's losses. The last two are squared deviations from the mean."""
    actual, predicted = predictions.actual, predictions.predicted
    error = f"({predicted} - {actual} - {number_literal(predictions.bias)})"
    deviation_of_actual = f"({actual} - {number_literal(predictions.mean)})"
    return {
        "squared": residuals.squared(actual, predicted),
        "absolute": residuals.absolute(actual, predicted),
        "relative": residuals.relative(actual, predicted),
        "variance": f"({error} * {error})",
        "spread": f"({deviation_of_actual} * {deviation_of_actual})",
    }


def _deviations(predictions: NumericPredictions, losses: dict[str, str], means: dict[str, float]) -> dict[str, str]:
    """Return the SQL of each example's relative deviation from the mean, by metric.

    That of an unexplained share, such as 1 - R², is of its linear approximation: Cochran (1977), section 6.3.
    """
    squared, absolute, relative, variance, spread = (deviation(losses[name], means[name]) for name in losses)
    error = f"({predictions.predicted} - {predictions.actual})"
    return {
        "rmse": squared,
        "mae": absolute,
        "mape": relative,
        "bias": deviation(error, predictions.bias, math.sqrt(means["squared"])),
        "r_squared": f"({squared} - {spread})",
        "explained_variance": f"({variance} - {spread})",
    }


def _estimates(engine: Engine, predictions: NumericPredictions, losses: Losses) -> dict[str, Estimate]:
    median = median_absolute_error(engine, predictions, losses.absolute)
    return {**losses.estimates(), "median_absolute_error": median}
