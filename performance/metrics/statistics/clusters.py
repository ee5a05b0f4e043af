"""Compute the design effect of examples that are correlated within groups, such as those of one patient.

The influences of the examples on a metric are summed by group. The variance of these sums, divided by the variance of
independent examples, is the design effect: so many examples are worth one. Korn & Graubard (1998), Confidence intervals
for proportions with small expected number of positive counts estimated from survey data, Survey Methodology 24(2),
193-201, divide the number of examples by it, and by the squared ratio of the quantiles of Student's t, with one degree
of freedom less than groups, and of the normal distribution.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.sql import number_literal, string_literal
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.gradients import Gradient
from performance.metrics.statistics.intervals import effective_sample_size
from performance.metrics.statistics.margins import AVERAGED, class_shares
from performance.metrics.statistics.scores import GROUPS
from performance.metrics.statistics.student_t import student_t_quantile


@dataclass(frozen=True, slots=True)
class Prior:
    """The number of groups that are added to those of the sample, and the correlation of the examples in them."""

    groups: float
    correlation: float


# With 0.4 groups, the macro precision of 50 correlated groups has 4.3% of its intervals wholly above the truth. Shares
# of examples and mean losses hold with fewer.
PRIOR_OF_METRICS = Prior(0.7, 1.0)
PRIOR_OF_MEANS = Prior(0.45, 0.8)


@dataclass(frozen=True, slots=True)
class GroupSums:
    """The sums over groups of the squared influence and of its fourth power, and the variance of independent examples.

    `independent` is the sum over examples of the squared influence. `groups` is how many groups, at most, inform of the
    variance.
    """

    squared: float
    fourth: float
    independent: float
    groups: float = math.inf

    @property
    def informative(self) -> float:
        """The effective number of groups with an influence."""
        return self.squared * self.squared / self.fourth if self.fourth > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Clusters:
    """The number of groups, and the design effect if all examples of each group were equal."""

    groups: int
    greatest_effect: float

    @property
    def reason(self) -> str | None:
        """Why there are no intervals, or `None`."""
        return GROUPS.shortage(self.groups)

    def design_effect(self, sums: GroupSums, prior: Prior = PRIOR_OF_METRICS) -> float:
        """Return how many examples are worth one, at least 1.

        Only groups with an influence inform of the variance, and those of the prior are added to them. If they are few,
        the estimate is nearer to the design effect of these.
        """
        ratio = sums.squared / sums.independent * self.groups / (self.groups - 1) if sums.independent > 0 else 0.0
        added = prior.groups * self.prior_effect(prior)
        effect = (sums.informative * ratio + added) / (sums.informative + prior.groups)
        return max(effect, 1.0)

    def prior_effect(self, prior: Prior) -> float:
        """Return the design effect of the prior's groups."""
        return 1 + prior.correlation * (self.greatest_effect - 1)

    def interval_effect(self, sums: GroupSums, prior: Prior = PRIOR_OF_METRICS) -> float:
        """Return the design effect for an interval, which is greater because the variance is estimated from groups."""
        degrees = max(min(self.groups, sums.groups) - 1, 1)
        quantiles = student_t_quantile(degrees) / student_t_quantile(math.inf)
        return self.design_effect(sums, prior) * quantiles**2


@dataclass(frozen=True, slots=True)
class Influence:
    """How much an example moves a metric, as SQL, and the sum over examples of its square times the squared weight.

    The sum is needed for a design effect only. `groups` is how many groups, at most, inform of the metric. If the
    metric is a mean of shares of some examples, `counted` has the weights of the shares in the mean, by the SQL of
    which examples they are of. Then the groups are those that have some: see `informative_groups`.
    """

    sql: str
    independent: float = math.nan
    groups: float = math.inf
    counted: Mapping[str, float] = field(default_factory=dict)


def informative_groups(shares: Mapping[str, float], groups: Mapping[str, float]) -> float:
    """Return how many groups inform of a mean over classes.

    The variance of a class's metric counts as inverse to the number of groups with examples of the class. The degrees
    of freedom are the harmonic mean of those of the classes, weighted by their variances: as if all were estimated too
    high or too low together, which Satterthwaite (1946), doi:10.2307/3002019, assumes they are not.

    Args:
        shares: the shares of the classes in the mean.
        groups: how many groups (effectively) have examples of each class.
    """
    variances = {label: share * share / max(groups[label], 1.0) for label, share in shares.items()}
    inverse = math.fsum(variance / max(groups[label] - 1, 1.0) for label, variance in variances.items())
    return math.fsum(variances.values()) / inverse + 1


def counted_shares(
    matrix: ConfusionMatrix, metric: str, averaging: str, positive: str | None, predicted: str = "predicted"
) -> dict[str, float]:
    """Return the shares of examples that a metric is the mean of, with their weights, by SQL; none for other metrics.

    Args:
        matrix: the confusion matrix.
        metric: its name.
        averaging: how it is averaged.
        positive: the positive class of binary metrics.
        predicted: the column of the predicted classes.
    """
    weights = dict(zip(matrix.labels, matrix.rows, strict=True))
    if metric == "balanced_accuracy":
        metric, averaging = "recall", "macro"
        weights = {label: weight for label, weight in weights.items() if weight > 0}
    if metric not in AVERAGED or averaging == "micro":
        return {}
    if averaging == "binary":
        return {_counted(metric, positive, predicted): 1.0} if positive is not None and positive in weights else {}
    shares = class_shares(weights, averaging)
    return {_counted(metric, label, predicted): share for label, share in shares.items() if share > 0}


def _counted(metric: str, label: str, predicted: str) -> str:
    """Return the SQL of which examples a metric of one class is a share of, or follows from one as F1 does."""
    of_class, as_class = (f"{column} = {string_literal(label)}" for column in ("actual", predicted))
    return {
        "precision": as_class,
        "recall": of_class,
        "f1_score": f"({of_class} OR {as_class})",
        "specificity": f"NOT {of_class}",
    }[metric]


def sums_by_group(
    engine: Engine, influences: Mapping[str, Influence], relation: str
) -> tuple[Clusters, dict[str, GroupSums]]:
    """Return the groups, and the sums for each metric, in one statement.

    `relation` is a query of examples, or of examples that are alike: their group `g`, the sums of their weights `w` and
    of the squares, and what the influences name.
    """
    counted = dict.fromkeys(sql for each in influences.values() for sql in each.counted)
    by_group = [f"sum(w * ({each.sql})) AS t{at}" for at, each in enumerate(influences.values())]
    by_group += [f"sum(CASE WHEN {each} THEN w ELSE 0 END) AS c{at}" for at, each in enumerate(counted)]
    totals = [f"sum(t{at} * t{at}), sum(t{at} * t{at} * t{at} * t{at})" for at in range(len(influences))]
    totals += [f"sum(c{at}), sum(c{at} * c{at})" for at in range(len(counted))]
    [[groups, squared_weight, squares, *sums]] = engine.rows(f"""
        SELECT {", ".join(["count(*), sum(w * w), sum(squares)", *totals])}
        FROM (SELECT {", ".join(["sum(w) AS w, sum(squares) AS squares", *by_group])} FROM ({relation}) GROUP BY g)
    """)
    pairs = [(float(one), float(other)) for one, other in zip(sums[::2], sums[1::2], strict=True)]
    of_influences, of_counted = pairs[: len(influences)], pairs[len(influences) :]
    sizes = {each: effective_sample_size(*pair) for each, pair in zip(counted, of_counted, strict=True)}
    found = {
        name: GroupSums(
            *pair, each.independent, informative_groups(each.counted, sizes) if each.counted else each.groups
        )
        for (name, each), pair in zip(influences.items(), of_influences, strict=True)
    }
    return Clusters(groups, float(squared_weight / squares) if squares else 1.0), found


def groups_of_classes(engine: Engine, relation: str) -> dict[str, float]:
    """Return how many groups (effectively) have examples of each class.

    `relation` is a query of examples with their group `g`, their class `actual` and their weight `w`.
    """
    by_group = f"SELECT g, actual, CAST(sum(w) AS DOUBLE) AS w FROM ({relation}) GROUP BY g, actual"
    rows = engine.rows(f"SELECT actual, sum(w), sum(w * w) FROM ({by_group}) GROUP BY actual")
    return {label: effective_sample_size(weight, squared) for label, weight, squared in rows}


def matrix_sums(
    engine: Engine,
    matrix: ConfusionMatrix,
    gradients: Mapping[str, Gradient],
    counted: Mapping[str, Mapping[str, float]],
    *,
    group: str,
    actual: str,
    predicted: str,
    weight: str,
) -> tuple[Clusters, dict[str, GroupSums]]:
    """Return the groups, and the sums for each metric of a confusion matrix.

    `counted` has the `counted_shares` of metrics by name. `group`, `actual`, `predicted` and `weight` are SQL
    expressions.
    """
    influences = {
        name: matrix_influence(matrix, gradient, counted=counted.get(name, {})) for name, gradient in gradients.items()
    }
    w = f"CAST({weight} AS DOUBLE)"
    return sums_by_group(
        engine,
        influences,
        f"""
            SELECT {group} AS g, {actual} AS actual, {predicted} AS predicted, sum({w}) AS w, sum({w} * {w}) AS squares
            FROM predictions WHERE {predicted} IS NOT NULL AND {weight} > 0
            GROUP BY {group}, {actual}, {predicted}
        """,
    )


def matrix_influence(
    matrix: ConfusionMatrix,
    gradient: Gradient,
    predicted: str = "predicted",
    counted: Mapping[str, float] = MappingProxyType({}),
) -> Influence:
    """Return the influence on a metric of a confusion matrix, from the columns `actual` and `predicted`."""
    slope, mean = _slope_sql(matrix, gradient, predicted), _mean(matrix, gradient)
    return Influence(f"{slope} + {number_literal(-mean)}", _independent(matrix, gradient), counted=counted)


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


def _slope_sql(matrix: ConfusionMatrix, gradient: Gradient, predicted: str) -> str:
    """Return the derivative of a metric by the share of an example's cell, from the columns of its labels."""
    terms = [
        _case("actual", matrix.labels, gradient.rows),
        _case(predicted, matrix.labels, gradient.columns),
        f"CASE WHEN actual = {predicted} THEN {_case('actual', matrix.labels, gradient.diagonal)} ELSE 0 END",
    ]
    return " + ".join(terms)


def _case(column: str, labels: Sequence[str], values: Sequence[float]) -> str:
    branches = " ".join(
        f"WHEN {string_literal(label)} THEN {number_literal(value)}"
        for label, value in zip(labels, values, strict=True)
        if value
    )
    return f"CASE {column} {branches} ELSE 0 END" if branches else "0"
