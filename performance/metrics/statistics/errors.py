"""How far off a number was predicted, as SQL over the expressions of the actual and the predicted one."""

from performance.metrics.inputs.sql import number

SMALLEST = 2.0**-52  # as which a smaller actual value counts where an error is divided by it


def absolute(actual: str, predicted: str) -> str:
    """Return the absolute error."""
    return f"abs({predicted} - {actual})"


def squared(actual: str, predicted: str) -> str:
    """Return the squared error."""
    return f"(({predicted} - {actual}) * ({predicted} - {actual}))"


def relative(actual: str, predicted: str) -> str:
    """Return the absolute error as a share of the actual value's size."""
    return f"({absolute(actual, predicted)} / greatest(abs({actual}), {number(SMALLEST)}))"


def symmetric(actual: str, predicted: str) -> str:
    """Return the absolute error as a share of the mean size of both values, from 0 to 2; 0 where both are 0."""
    both = f"(abs({actual}) + abs({predicted}))"
    return f"(CASE WHEN {both} = 0 THEN 0 ELSE 2 * {absolute(actual, predicted)} / {both} END)"
