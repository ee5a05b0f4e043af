"""Write errors of predicted numbers as SQL, from the expressions of the actual and the predicted value."""

from performance.metrics.inputs.sql import number_literal

EPSILON = 2.0**-52  # the smallest divisor of an error


def absolute(actual: str, predicted: str) -> str:
    """Return the absolute error, in the target's unit."""
    return f"abs({predicted} - {actual})"


def squared(actual: str, predicted: str) -> str:
    """Return the squared error, in the target's unit squared."""
    return f"(({predicted} - {actual}) * ({predicted} - {actual}))"


def relative(actual: str, predicted: str) -> str:
    """Return the absolute error divided by the absolute actual value.

    See `sklearn.metrics.mean_absolute_percentage_error`.
    """
    return f"({absolute(actual, predicted)} / greatest(abs({actual}), {number_literal(EPSILON)}))"


def symmetric(actual: str, predicted: str) -> str:
    """Return the absolute error divided by the mean of both absolute values, from 0 to 2; 0 if both are 0."""
    both = f"(abs({actual}) + abs({predicted}))"
    return f"(CASE WHEN {both} = 0 THEN 0 ELSE 2 * {absolute(actual, predicted)} / {both} END)"


def differ(number: str) -> str:
    """Return the aggregate that says whether not all numbers are equal."""
    return f"max({number}) > min({number})"
