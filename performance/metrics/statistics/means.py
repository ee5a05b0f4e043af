"""Compute weighted means over examples, such as those of a loss, and their variances.

Each follows from three sums: those of w·x, w²·x and w²·x². The mean is a ratio of two sums, and its variance is the sum
of w²·(x - mean)² over the squared sum of w: Cochran (1977), Sampling Techniques, 3rd edition, section 6.3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from performance.metrics.statistics.estimates import Estimate
from performance.metrics.statistics.intervals import Interval, effective_sample_size, normal

AUGMENTED_T = "augmented_t"
DIFFERENCES_AT_BOUND = 1.5  # with 1, up to 5% are beyond the truth if a tenth of 300 queries differ


@dataclass(frozen=True, slots=True)
class Mean:
    """A weighted mean over examples, as its sums.

    `weight` is the sum of w, `squared_weight` that of w², `sum_wx` that of w·x, `sum_w2x` that of w²·x, and `sum_w2x2`
    that of w²·x².
    """

    weight: float
    squared_weight: float
    sum_wx: float
    sum_w2x: float
    sum_w2x2: float

    @property
    def value(self) -> float:
        """The mean."""
        return self.sum_wx / self.weight

    @property
    def size(self) -> float:
        """The effective number of examples."""
        return effective_sample_size(self.weight, self.squared_weight)

    @property
    def variance(self) -> float:
        """The variance of the mean; NaN for fewer than two (effective) examples."""
        size = self.size
        if size <= 1:
            return math.nan
        return self.sum_of_squares / self.weight / self.weight * size / (size - 1)

    @property
    def variation(self) -> float:
        """The standard deviation of the values, divided by their mean; 0 if all are 0."""
        return math.sqrt(self.variance * self.size) / abs(self.value) if self.value else 0.0

    @property
    def sum_of_squares(self) -> float:
        """The sum of w²·(x - mean)²."""
        # Products that exceed a double are infinite; powers would raise an error.
        spread = self.sum_w2x2 - 2 * self.value * self.sum_w2x + self.value * self.value * self.squared_weight
        return max(spread, 0.0)

    def with_examples(self, *values: float, times: float = 1.0, unit: float | None = None) -> "Mean":
        """Return the mean with one more effective example of each value, or `times` as many, of the weight `unit`."""
        weight = self.squared_weight / self.weight if unit is None else unit
        added = times * len(values)
        total, of_squares = times * math.fsum(values), times * math.fsum(value * value for value in values)
        return Mean(
            self.weight + added * weight,
            self.squared_weight + added * weight * weight,
            self.sum_wx + weight * total,
            self.sum_w2x + weight * weight * total,
            self.sum_w2x2 + weight * weight * of_squares,
        )

    def with_design_effect(self, design_effect: float) -> "Mean":
        """Return the mean of as many effective examples as there are, divided by the design effect."""
        return Mean(
            self.weight,
            self.squared_weight * design_effect,
            self.sum_wx,
            self.sum_w2x * design_effect,
            self.sum_w2x2 * design_effect,
        )

    def bounded_estimate(self, lower: float, upper: float) -> Estimate:
        """Return the mean of values within two bounds, with the interval of Student's t after adding one at each bound.

        A sample whose values are nearly all at a bound has hardly any variance of its own, so that Student's t alone
        excludes the truth too often. Two more successes and failures do the same for a proportion: Agresti & Coull
        (1998), Approximate is better than "exact" for interval estimation of binomial proportions,
        doi:10.1080/00031305.1998.10480550
        """
        return Estimate(self.value, self._bounded_interval(lower, upper))

    def difference_interval(self) -> Interval | None:
        """Return the interval of the mean of differences from -1 to 1: Student's t after adding some at each bound.

        Most differences may be 0, and their variance that of a few. Agresti & Min (2005), Simple improved confidence
        intervals for comparing matched proportions, doi:10.1002/sim.1781, add pairs that differ as well.
        """
        return self._bounded_interval(-1.0, 1.0, DIFFERENCES_AT_BOUND)

    def _bounded_interval(self, lower: float, upper: float, times: float = 1.0) -> Interval | None:
        wider = self.with_examples(lower, upper, times=times)
        return normal(wider.value, wider.variance, AUGMENTED_T, lower, upper, degrees=wider.size - 1)


def sums(expression: str, weight: str | None) -> str:
    """Return the SQL of an expression's three sums. Without weights, the first two are the same."""
    if weight is None:
        return f"sum({expression}), sum({expression}), sum({expression} * {expression})"
    return f"sum({weight} * {expression}), sum({weight} * {weight} * {expression}), " + (
        f"sum({weight} * {weight} * {expression} * {expression})"
    )


def means(weight: float, squared_weight: float, values: Sequence[float]) -> list[Mean]:
    """Return the means from their sums, which follow each other in `values`, three for each."""
    return [Mean(weight, squared_weight, *values[at : at + 3]) for at in range(0, len(values), 3)]
