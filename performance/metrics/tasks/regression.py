"""Regression: numbers against numbers."""

import math

from performance.metrics import worst_examples
from performance.metrics.engines.base import Engine
from performance.metrics.inputs.numeric_predictions import Numbers, find
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.inputs.sql import number
from performance.metrics.result import Evaluation
from performance.metrics.statistics import errors, residual_plots
from performance.metrics.statistics.confusion import Estimate, intervals_of
from performance.metrics.statistics.intervals import normal
from performance.metrics.statistics.means import Mean, means, of_errors, ratio_variance, root, sums
from performance.metrics.statistics.medians import median_error


def evaluate(engine: Engine, columns: Columns, options: Options) -> Evaluation:
    """Return what the predictions come to. Raises `UnprocessablePredictionsError`."""
    numbers = find(engine, columns, options)
    estimates = estimate(engine, numbers)
    return Evaluation(
        rows=numbers.rows,
        sample_count=numbers.examples,
        metrics={name: each.value for name, each in estimates.items()},
        confidence_intervals=intervals_of(estimates),
        residuals=worst_examples.residuals(engine, columns, numbers),
        curves=residual_plots.curves(engine, numbers),
    )


def estimate(engine: Engine, numbers: Numbers) -> dict[str, Estimate]:
    """Return the metrics, by name."""
    means, squared_product, about_product, largest = _moments(engine, numbers)
    squared, absolute, relative, about_bias, spread, about_mean = means
    off = about_bias.estimate()
    return {
        "rmse": root(squared),
        "mae": of_errors(absolute),
        "r_squared": _share_explained(squared, spread, squared_product),
        "mape": of_errors(relative),
        "median_absolute_error": median_error(engine, numbers, absolute.value),
        "max_error": Estimate(largest),  # of which a sample bounds nothing but from below
        "explained_variance": _share_explained(about_mean, spread, about_product),
        "bias": Estimate(numbers.bias, off.interval and off.interval.mapped(lambda end: end + numbers.bias)),
    }


def _moments(engine: Engine, numbers: Numbers) -> tuple[list[Mean], float, float, float]:
    """Return the means of each loss, of the error less its mean, and of the squares of the spread and of that error.

    And the sums of the products of spread and squared error, and of spread and that about the mean; the largest error.
    """
    error = f"({numbers.predicted} - {numbers.actual})"
    spread = f"(({numbers.actual} - {number(numbers.mean)}) * ({numbers.actual} - {number(numbers.mean)}))"
    about = f"(({error} - {number(numbers.bias)}) * ({error} - {number(numbers.bias)}))"
    losses = [each(numbers.actual, numbers.predicted) for each in (errors.squared, errors.absolute, errors.relative)]
    losses += [f"({error} - {number(numbers.bias)})", spread, about]
    [row] = engine.rows(f"""
        SELECT {", ".join(sums(loss, numbers.weight) for loss in losses)},
            sum({numbers.weight} * {numbers.weight} * {losses[0]} * {spread}),
            sum({numbers.weight} * {numbers.weight} * {about} * {spread}), max(abs({error}))
        FROM predictions WHERE {numbers.scored}
    """)
    *found, squared_product, about_product, largest = row
    return means(numbers.total, numbers.squares, found), squared_product, about_product, largest


def _share_explained(unexplained: Mean, spread: Mean, product: float) -> Estimate:
    """Return 1 - unexplained / spread, such as R².

    As scikit-learn has it, it is 1 where a constant was hit exactly, and 0 where it was not. It is not known where the
    spread is too small to divide by. `product` is the sum of w²·unexplained·spread.
    """
    if spread.value == 0:
        return Estimate(1.0 if unexplained.value == 0 else 0.0)
    share = 1 - unexplained.value / spread.value
    if not math.isfinite(share):
        return Estimate(None)
    return Estimate(share, normal(share, ratio_variance(unexplained, spread, product), "moments", upper=1.0))
