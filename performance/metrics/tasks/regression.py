"""Evaluate regression."""

import math

from performance.metrics import slices, worst_examples
from performance.metrics.engines.base import Engine
from performance.metrics.inputs.numeric_predictions import NumericPredictions, read_predictions
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.inputs.sql import number_literal
from performance.metrics.result import Evaluation
from performance.metrics.slices import Sample
from performance.metrics.statistics import errors, residual_plots
from performance.metrics.statistics.estimates import (
    Estimate,
    known_intervals,
    unavailable_intervals,
    unavailable_metrics,
)
from performance.metrics.statistics.intervals import Interval, normal
from performance.metrics.statistics.means import Mean, error_estimate, means, ratio_variance, root_estimate, sums
from performance.metrics.statistics.medians import median_absolute_error


def evaluate(engine: Engine, columns: Columns, options: Options) -> Evaluation:
    """Return the evaluation. Raises `UnprocessablePredictionsError`."""
    predictions = read_predictions(engine, columns, options)
    estimates = estimate(engine, predictions)
    return Evaluation(
        rows=predictions.rows,
        sample_count=predictions.examples,
        metrics={name: each.value for name, each in estimates.items()},
        confidence_intervals=known_intervals(estimates),
        metrics_unavailable=unavailable_metrics(estimates),
        intervals_unavailable=unavailable_intervals(estimates),
        residuals=worst_examples.worst_residuals(engine, columns, predictions),
        curves=residual_plots.curves(engine, predictions),
        slices=slices.evaluate_slices(
            engine,
            columns.slices,
            "regression",
            lambda part: _measure_slice(part, columns),
            count=predictions.count,
            where=predictions.scored,
        ),
    )


def _measure_slice(engine: Engine, columns: Columns) -> Sample:
    """Return the metrics of a part of the examples, all of which have predictions."""
    predictions = read_predictions(engine, columns, Options())
    return Sample(predictions.examples, estimate(engine, predictions))


def estimate(engine: Engine, predictions: NumericPredictions) -> dict[str, Estimate]:
    """Return the metrics, by name."""
    means, squared_product, centred_product, largest = _means_of_losses(engine, predictions)
    squared, absolute, relative, centred, spread, centred_squared = means
    return {
        "rmse": root_estimate(squared),
        "mae": error_estimate(absolute),
        "r_squared": _explained_share(squared, spread, squared_product),
        "mape": error_estimate(relative),
        "median_absolute_error": median_absolute_error(engine, predictions, absolute.value),
        "max_error": Estimate(largest),  # no interval: a sample bounds the largest error only from below
        "explained_variance": _explained_share(centred_squared, spread, centred_product),
        "bias": _bias(predictions.bias, centred.estimate().interval),
    }


def _bias(bias: float, centred: Interval | None) -> Estimate:
    """Return the mean error. The interval of the centred errors is moved by it, which rounds less."""
    return Estimate(bias, centred and centred.transform(lambda end: end + bias))


def _means_of_losses(engine: Engine, predictions: NumericPredictions) -> tuple[list[Mean], float, float, float]:
    """Return the means of six losses, two sums of products, and the largest absolute error.

    The losses are the squared, the absolute and the relative error, the error minus its mean, the squared deviation of
    the actual value from its mean, and the squared error minus its mean. The sums are those of w²·(squared
    error)·(squared deviation) and w²·(squared centred error)·(squared deviation).
    """
    error = f"({predictions.predicted} - {predictions.actual})"
    deviation = f"({predictions.actual} - {number_literal(predictions.mean)})"
    centred = f"({error} - {number_literal(predictions.bias)})"
    spread, about_bias = f"({deviation} * {deviation})", f"({centred} * {centred})"
    losses = [
        each(predictions.actual, predictions.predicted) for each in (errors.squared, errors.absolute, errors.relative)
    ]
    losses += [centred, spread, about_bias]
    [row] = engine.rows(f"""
        SELECT {", ".join(sums(loss, predictions.weight) for loss in losses)},
            sum({predictions.weight} * {predictions.weight} * {losses[0]} * {spread}),
            sum({predictions.weight} * {predictions.weight} * {about_bias} * {spread}), max(abs({error}))
        FROM predictions WHERE {predictions.scored}
    """)
    *totals, squared_product, centred_product, largest = row
    return (
        means(predictions.total_weight, predictions.squared_weight, totals),
        squared_product,
        centred_product,
        largest,
    )


def _explained_share(unexplained: Mean, spread: Mean, product: float) -> Estimate:
    """Return 1 - unexplained / spread, such as R².

    If the actual values are constant, it is 1 if all are predicted exactly, else 0, as in `sklearn.metrics.r2_score`.
    It is undefined if the spread is too small to divide by. `product` is the sum of w²·unexplained·spread.
    """
    if spread.value == 0:
        return Estimate(1.0 if unexplained.value == 0 else 0.0)
    share = 1 - unexplained.value / spread.value
    if not math.isfinite(share):
        return Estimate(None)
    return Estimate(share, normal(share, ratio_variance(unexplained, spread, product), "moments", upper=1.0))
