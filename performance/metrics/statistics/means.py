"""Weighted means of what each example comes to, such as a loss, with their variance.

Each is had from three sums: of w·x, w²·x and w²·x². Cochran (1977), Sampling Techniques, 3rd edition, section 6.3: the
mean is a ratio of two sums, and its variance the sum of w²·(x - mean)² over the squared sum of w.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from performance.metrics.statistics.confusion import Estimate
from performance.metrics.statistics.intervals import effective_size, normal

ROUNDED = 1e-9  # the share of the squared mean below which a variance of single examples is not told from rounding


@dataclass(frozen=True, slots=True)
class Mean:
    """A weighted mean over examples, by its sums."""

    weight: float
    squares: float
    first: float
    squared_first: float
    squared_second: float

    @property
    def value(self) -> float:
        """The mean."""
        return self.first / self.weight

    @property
    def variance(self) -> float:
        """The variance of the mean, of which one example says nothing."""
        size = effective_size(self.weight, self.squares)
        if size <= 1:
            return math.nan
        # Products, not powers: past a double these are infinite, and those raise an error.
        spread = self.squared_second - 2 * self.value * self.squared_first + self.value * self.value * self.squares
        return max(spread, 0.0) / self.weight / self.weight * size / (size - 1)

    def estimate(self, lower: float = -math.inf, upper: float = math.inf) -> Estimate:
        """Return the mean with its interval."""
        return Estimate(self.value, normal(self.value, self.variance, "moments", lower, upper))


def of_errors(mean: Mean, upper: float = math.inf) -> Estimate:
    """Return a mean of what is never below 0, with its interval; none where rounding hides how errors differ.

    The variance is a small difference of large sums, and no better than these: a mean of 1e9 that varies by 1 is lost.
    """
    return mean.estimate(0, upper) if _is_told(mean) else Estimate(mean.value)


def root(squared: Mean) -> Estimate:
    """Return the square root of a mean of squares, with its interval, made on the scale of its logarithm.

    Few large errors carry such a mean, and the samples that miss them have a small mean and a small variance at once:
    there its distribution is less askew.
    """
    value = math.sqrt(squared.value)
    if not (value and _is_told(squared) and math.isfinite(squared.variance)):
        return Estimate(value, of_errors(squared).interval)
    logarithm = normal(math.log(value), squared.variance / squared.value / squared.value / 4, "moments")
    return Estimate(value, logarithm and logarithm.mapped(math.exp))


def _is_told(mean: Mean) -> bool:
    """Say whether the variance is more than what rounding leaves of the sums that it follows from."""
    scale = mean.value * mean.value
    size = effective_size(mean.weight, mean.squares)
    return not scale or not size > 1 or mean.variance * size >= ROUNDED * scale


def ratio_variance(above: Mean, below: Mean, product: float) -> float:
    """Return the variance of the ratio of two means of the same examples, by the delta method.

    `product` is the sum of w²·x·y. Cochran (1977), section 6.4. One example says nothing of it.
    """
    size = effective_size(above.weight, above.squares)
    if size <= 1:
        return math.nan
    ratio = above.value / below.value
    # The sum of w²·(x - ratio·y)², in which both means cancel.
    residual = above.squared_second - 2 * ratio * product + ratio * ratio * below.squared_second
    return max(residual, 0.0) / below.first / below.first * size / (size - 1)


def sums(expression: str, weight: str) -> str:
    """Return the three sums of an expression, as columns of a statement."""
    return f"sum({weight} * {expression}), sum({weight} * {weight} * {expression}), " + (
        f"sum({weight} * {weight} * {expression} * {expression})"
    )


def means(weight: float, squares: float, values: Sequence[float]) -> list[Mean]:
    """Return the means whose sums follow each other in `values`, three of each."""
    return [Mean(weight, squares, *values[at : at + 3]) for at in range(0, len(values), 3)]
