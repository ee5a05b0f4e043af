"""Sum the influences of examples by group, by which `Clusters` has their design effects."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.sql import number_literal, string_literal
from performance.metrics.statistics.clusters import Clusters, GroupSums, informative_groups
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.gradients import Gradient
from performance.metrics.statistics.intervals import effective_sample_size
from performance.metrics.statistics.margins import AVERAGED, class_shares

# What `Clusters.from_sums` takes, over rows that are groups, with the sums of their weights and of the squared weights.
SIZES = (
    "count(*), sum(w), sum(w * w), sum(w * w * w), sum(squares), sum(CASE WHEN w > 0 THEN w - squares / w ELSE 0 END)"
)


@dataclass(frozen=True, slots=True)
class Influence:
    """How much an example moves a metric, as SQL.

    `independent` is the variance of the metric of independent examples times the squared sum of the weights; by default
    it is the sum over examples of the squared influence. `groups` is how many groups, at most, inform of it. If the
    metric is a mean of shares of some examples, `counted` has the weights of the shares in the mean, by the SQL of
    which examples they are of. Then the groups are those that have some: see `informative_groups`.
    """

    sql: str
    independent: float | None = None
    groups: float = math.inf
    counted: Mapping[str, float] = field(default_factory=dict)


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
    count = len(influences)
    by_example = [f"{each.sql} AS i{at}" for at, each in enumerate(influences.values())]
    by_example += [f"CASE WHEN {each} THEN w ELSE 0 END AS c{at}" for at, each in enumerate(counted)]
    by_group = [f"sum(w * i{at}) AS t{at}, sum(squares * i{at} * i{at}) AS q{at}" for at in range(count)]
    by_group += [f"sum(c{at}) AS c{at}" for at in range(len(counted))]
    totals = [sums_of_influence(f"t{at}", f"q{at}") for at in range(count)]
    totals += [f"sum(c{at}), sum(c{at} * c{at})" for at in range(len(counted))]
    [row] = engine.rows(f"""
        SELECT {", ".join([SIZES, *totals])}
        FROM (
            SELECT {", ".join(["CAST(sum(w) AS DOUBLE) AS w, CAST(sum(squares) AS DOUBLE) AS squares", *by_group])}
            FROM (SELECT {", ".join(["g, w, squares", *by_example])} FROM ({relation})) GROUP BY g
        )
    """)
    [groups, *sizes], sums = row[:6], [*map(float, row[6:])]
    of_counted = sums[6 * count :]
    sizes_of = dict(zip(counted, map(effective_sample_size, of_counted[::2], of_counted[1::2]), strict=True))
    found = {
        name: group_sums(
            sums[6 * at : 6 * at + 6],
            informative_groups(each.counted, sizes_of) if each.counted else each.groups,
            independent=each.independent,
        )
        for at, (name, each) in enumerate(influences.items())
    }
    return Clusters.from_sums(groups, *map(float, sizes)), found


def sums_of_influence(total: str, independent: str) -> str:
    """Return the SQL of the sums of an influence over rows that are groups, which `group_sums` takes.

    Args:
        total: the group's influence.
        independent: the sum of the squared influences of its examples.
    """
    pairs = "CASE WHEN w > 0 THEN greatest(1 - squares / (w * w), 0) ELSE 0 END"
    squared = f"{total} * {total}"
    return ", ".join(
        f"sum({each})"
        for each in (
            squared,
            f"{squared} * {squared}",
            independent,
            f"{pairs} * {squared}",
            f"{pairs} * {squared} * {pairs} * {squared}",
            f"{pairs} * {independent}",
        )
    )


def group_sums(sums: Sequence[float], groups: float = math.inf, *, independent: float | None = None) -> GroupSums:
    """Return the sums of an influence from those that `sums_of_influence` selects. See `Influence` for the others."""
    squared, fourth, of_examples, squared_pairs, fourth_pairs, of_pairs = sums
    if independent is None:
        return GroupSums(squared, fourth, of_examples, groups, GroupSums(squared_pairs, fourth_pairs, of_pairs))
    return GroupSums(squared, fourth, independent, groups)


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
    return Influence(f"{slope} + {number_literal(-mean)}", counted=counted)


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
