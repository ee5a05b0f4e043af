"""Regression: numbers against numbers."""

import math

from performance.evaluation import examples
from performance.evaluation.columns import Columns, Options
from performance.evaluation.confusion import Estimate
from performance.evaluation.engine import Engine
from performance.evaluation.intervals import effective_size, normal
from performance.evaluation.moments import Mean, sums
from performance.evaluation.numbers import Numbers, find
from performance.evaluation.result import Evaluation
from performance.evaluation.statements import number

SMALLEST = 2.0**-52  # as which a smaller actual value counts where an error is divided by it


def evaluate(engine: Engine, columns: Columns, options: Options) -> Evaluation:
    """Return what the predictions come to. Raises `UnprocessablePredictionsError`."""
    numbers = find(engine, columns, options)
    estimates = estimate(engine, numbers)
    return Evaluation(
        rows=numbers.rows,
        sample_count=numbers.examples,
        metrics={name: each.value for name, each in estimates.items()},
        confidence_intervals={name: each.interval for name, each in estimates.items() if each.interval is not None},
        residuals=examples.residuals(engine, columns, numbers),
    )


def estimate(engine: Engine, numbers: Numbers) -> dict[str, Estimate]:
    """Return the metrics, by name."""
    squared, absolute, relative, bias, spread, about_mean, product, largest = _moments(engine, numbers)
    return {
        "rmse": _root(squared),
        "mae": absolute.estimate(0),
        "r_squared": _share_explained(squared, spread, product),
        "mape": relative.estimate(0),
        "median_absolute_error": Estimate(_median(engine, numbers)),
        "max_error": Estimate(largest),
        "explained_variance": Estimate(_explained(about_mean.value, spread.value)),
        "bias": bias.estimate(),
    }


def _moments(engine: Engine, numbers: Numbers) -> tuple[Mean, Mean, Mean, Mean, Mean, Mean, float, float]:
    """Return the means of each loss and of the spread about the mean, the mean product of the first and the spread."""
    error = f"({numbers.predicted} - {numbers.actual})"
    spread = f"(({numbers.actual} - {number(numbers.mean)}) * ({numbers.actual} - {number(numbers.mean)}))"
    about = f"(({error} - {number(numbers.bias)}) * ({error} - {number(numbers.bias)}))"
    relative = f"(abs({error}) / greatest(abs({numbers.actual}), {number(SMALLEST)}))"
    losses = [f"({error} * {error})", f"abs({error})", relative, error, spread, about]
    [row] = engine.rows(f"""
        SELECT {", ".join(sums(loss, numbers.weight) for loss in losses)},
            sum({numbers.weight} * {numbers.weight} * {losses[0]} * {spread}), max(abs({error}))
        FROM predictions WHERE {numbers.scored}
    """)
    total, squares = numbers.total, numbers.squares
    found = [Mean(total, squares, *row[at : at + 3]) for at in range(0, 3 * len(losses), 3)]
    return (*found, row[-2], row[-1])


def _root(squared: Mean) -> Estimate:
    """Return the square root of a mean, with the interval of the mean's, end by end."""
    interval = squared.estimate(0).interval
    return Estimate(math.sqrt(squared.value), interval and interval.mapped(math.sqrt))


def _share_explained(squared: Mean, spread: Mean, product: float) -> Estimate:
    """Return R²: as scikit-learn has it, 1 where a constant was hit exactly, and 0 where it was not.

    Its variance is by the delta method that of the ratio of two means, of which `product` has the covariance.
    """
    if spread.value == 0:
        return Estimate(1.0 if squared.value == 0 else 0.0)
    ratio = squared.value / spread.value
    size = effective_size(squared.weight, squared.squares)
    if size <= 1:
        return Estimate(1 - ratio)
    # The sum of w²·(x - ratio·y)², in which both means cancel.
    residual = squared.squared_second - 2 * ratio * product + ratio**2 * spread.squared_second
    variance = max(residual, 0.0) / squared.weight**2 / spread.value**2 * size / (size - 1)
    return Estimate(1 - ratio, normal(1 - ratio, variance, "moments", upper=1.0))


def _explained(unexplained: float, spread: float) -> float:
    if spread == 0:
        return 1.0 if unexplained == 0 else 0.0
    return 1 - unexplained / spread


def _median(engine: Engine, numbers: Numbers) -> float:
    """Return the weighted median of the absolute error, as scikit-learn has it: of two middle ones the mean."""
    error = f"abs({numbers.predicted} - {numbers.actual})"
    if not numbers.is_weighted:
        [[middle]] = engine.rows(f"SELECT median({error}) FROM predictions WHERE {numbers.scored}")
        return float(middle)
    half = number(numbers.total / 2)
    [[lower, upper]] = engine.rows(f"""
        SELECT min(error) FILTER (WHERE up_to >= {half}), min(error) FILTER (WHERE up_to > {half})
        FROM (
            SELECT {error} AS error, sum({numbers.weight}) OVER (ORDER BY {error}) AS up_to
            FROM predictions WHERE {numbers.scored} AND {numbers.weight} > 0
        )
    """)
    return float((lower + (lower if upper is None else upper)) / 2)
