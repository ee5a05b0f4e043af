"""Compute the design effect of examples that are correlated within groups, such as those of one patient.

The influences of the examples on a metric are summed by group. The variance of these sums, divided by the variance of
independent examples, is the design effect: so many examples are worth one. Korn & Graubard (1998), Confidence intervals
for proportions with small expected number of positive counts estimated from survey data, Survey Methodology 24(2),
193-201, divide the number of examples by it, and by the squared ratio of the quantiles of Student's t, with one degree
of freedom less than groups, and of the normal distribution.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.sql import number_literal, string_literal
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.gradients import Gradient
from performance.metrics.statistics.scores import GROUPS
from performance.metrics.statistics.student_t import student_t_quantile

PRIOR_GROUPS = 0.4  # how many groups of equal examples are added to those that inform of the variance


@dataclass(frozen=True, slots=True)
class GroupSums:
    """The sums over groups of the squared influence and of its fourth power, and the variance of independent examples.

    `independent` is the sum over examples of the squared influence.
    """

    squared: float
    fourth: float
    independent: float


@dataclass(frozen=True, slots=True)
class Clusters:
    """The number of groups, and the design effect if all examples of each group were equal."""

    groups: int
    greatest_effect: float

    @property
    def reason(self) -> str | None:
        """Why there are no intervals, or `None`."""
        return GROUPS.shortage(self.groups)

    def design_effect(self, sums: GroupSums) -> float:
        """Return how many examples are worth one, at least 1.

        Only groups with an influence inform of the variance. If they are few, the estimate is nearer to the greatest
        design effect.
        """
        informative = sums.squared * sums.squared / sums.fourth if sums.fourth > 0 else 0.0
        ratio = sums.squared / sums.independent * self.groups / (self.groups - 1) if sums.independent > 0 else 0.0
        effect = (informative * ratio + PRIOR_GROUPS * self.greatest_effect) / (informative + PRIOR_GROUPS)
        return max(effect, 1.0)

    def interval_effect(self, sums: GroupSums) -> float:
        """Return the design effect for an interval, which is greater because the variance is estimated from groups."""
        quantiles = student_t_quantile(self.groups - 1) / student_t_quantile(math.inf)
        return self.design_effect(sums) * quantiles**2


def matrix_sums(
    engine: Engine,
    matrix: ConfusionMatrix,
    gradients: Mapping[str, Gradient],
    *,
    group: str,
    actual: str,
    predicted: str,
    weight: str,
) -> tuple[Clusters, dict[str, GroupSums]]:
    """Return the groups, and the sums for each metric of a confusion matrix, in one statement.

    `group`, `actual`, `predicted` and `weight` are SQL expressions.
    """
    influences = [_influence_sql(matrix, gradient) for gradient in gradients.values()]
    by_group = "".join(f", sum(w * ({sql})) AS t{at}" for at, sql in enumerate(influences))
    totals = "".join(f", sum(t{at} * t{at}), sum(t{at} * t{at} * t{at} * t{at})" for at in range(len(influences)))
    [[groups, squared_weight, *sums]] = engine.rows(f"""
        SELECT count(*), sum(w * w){totals}
        FROM (
            SELECT sum(w) AS w{by_group}
            FROM (
                SELECT {group} AS g, {actual} AS actual, {predicted} AS predicted, sum(CAST({weight} AS DOUBLE)) AS w
                FROM predictions WHERE {predicted} IS NOT NULL AND {weight} > 0
                GROUP BY {group}, {actual}, {predicted}
            )
            GROUP BY g
        )
    """)
    pairs = zip(sums[::2], sums[1::2], strict=True)
    found = {
        name: GroupSums(squared, fourth, _independent(matrix, gradient))
        for (name, gradient), (squared, fourth) in zip(gradients.items(), pairs, strict=True)
    }
    squares = math.fsum(map(math.fsum, matrix.squared_weights))
    return Clusters(groups, squared_weight / squares if squares > 0 else 1.0), found


def _independent(matrix: ConfusionMatrix, gradient: Gradient) -> float:
    mean = _mean(matrix, gradient)
    return math.fsum(
        square * (gradient.by_cell(row, column) - mean) ** 2
        for row, squares in enumerate(matrix.squared_weights)
        for column, square in enumerate(squares)
        if square
    )


def _mean(matrix: ConfusionMatrix, gradient: Gradient) -> float:
    parts = (gradient.diagonal, matrix.diagonal), (gradient.rows, matrix.rows), (gradient.columns, matrix.columns)
    return math.fsum(
        slope * weight for slopes, weights in parts for slope, weight in zip(slopes, weights, strict=True)
    ) / (matrix.total)


def _influence_sql(matrix: ConfusionMatrix, gradient: Gradient) -> str:
    """Return the derivative of a metric by the weight of an example, times the sum of the weights."""
    terms = [
        _case("actual", matrix.labels, gradient.rows),
        _case("predicted", matrix.labels, gradient.columns),
        f"CASE WHEN actual = predicted THEN {_case('actual', matrix.labels, gradient.diagonal)} ELSE 0 END",
        number_literal(-_mean(matrix, gradient)),
    ]
    return " + ".join(terms)


def _case(column: str, labels: Sequence[str], values: Sequence[float]) -> str:
    branches = " ".join(
        f"WHEN {string_literal(label)} THEN {number_literal(value)}"
        for label, value in zip(labels, values, strict=True)
        if value
    )
    return f"CASE {column} {branches} ELSE 0 END" if branches else "0"
