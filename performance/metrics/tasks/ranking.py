"""Evaluate rankings of items for queries.

Items with equal scores have no order. Their gains are averaged, as in McSherry & Najork (2008), Computing information
retrieval performance measures efficiently in the presence of tied scores. For metrics that depend on the rank of a
relevant item, it is the rank of the last tied item. A query without a relevant item counts as 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from performance.metrics import slices
from performance.metrics.engines.base import Engine
from performance.metrics.inputs import row_checks
from performance.metrics.inputs.column_mapping import find_column, key_sql, number_sql, require_columns
from performance.metrics.inputs.options import GROUP, QUERY_ID, Columns, Options
from performance.metrics.inputs.row_checks import RowCheck
from performance.metrics.inputs.sql import identifier
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.slices import Sample
from performance.metrics.statistics.cluster_sums import SIZES, group_sums, sums_of_influence
from performance.metrics.statistics.clusters import Clusters, GroupSums
from performance.metrics.statistics.estimates import (
    Estimate,
    known_intervals,
    unavailable_intervals,
    unavailable_metrics,
)
from performance.metrics.statistics.means import Mean, means, sums
from performance.metrics.tasks.group_effects import NO_INFLUENCE

QUERY, SCORE = QUERY_ID, "score"  # usual names of columns
METRICS = ("ndcg", "map", "mrr", "recall_at_k", "precision_at_k")
ROUNDING = 1e-12  # metrics from 0 to 1 with a variance below are alike but for rounding


def evaluate(engine: Engine, columns: Columns, options: Options) -> Evaluation:
    """Return the evaluation. Metrics are means over queries. Raises `UnprocessablePredictionsError`."""
    types = engine.columns()
    query_name, score_name = columns.query or QUERY, columns.score or SCORE
    require_columns(types, [query_name, columns.relevance, score_name])
    group_name = find_column(columns.group, GROUP, types)
    query = key_sql(query_name, types)
    relevance, score = number_sql(columns.relevance, types), number_sql(score_name, types)
    checks = [
        row_checks.missing_id(query_name, types, "a query"),
        row_checks.negative(relevance, columns.relevance),
        row_checks.not_finite(score, score_name),
        row_checks.too_large(relevance, columns.relevance),
        *([row_checks.missing_id(group_name, types, "a group")] if group_name else []),
        *row_checks.long_ids([query_name, group_name], types),
    ]
    rows = _check(engine, checks)
    if group_name:
        row_checks.check_nested(engine, query_name, group_name, "query")
    queries = query_metrics(query, relevance, score, options.k, key_sql(group_name, types) if group_name else "0")
    for attribute in columns.slices:
        _check_same_value(engine, attribute, query)
    grouped = group_name is not None
    found = _means_over_queries(engine, queries, grouped=grouped)
    estimates = found.estimates()
    return Evaluation(
        rows=rows,
        sample_count=found.queries,
        effective_sample_size=found.size,
        metrics={name: each.value for name, each in estimates.items()},
        confidence_intervals=known_intervals(estimates),
        metrics_unavailable=unavailable_metrics(estimates),
        intervals_unavailable=unavailable_intervals(estimates),
        slices=slices.evaluate_slices(
            engine,
            columns.slices,
            "ranking",
            lambda part: _measure_slice(part, queries, grouped=grouped),
            count=f"count(DISTINCT {query})",
        ).slices,
    )


@dataclass(frozen=True, slots=True)
class MeansOverQueries:
    """The mean of each metric, how many queries of it are worth one, and why there are no intervals, if so.

    `size` is the effective number of the queries, or of their groups.
    """

    size: float
    means: Sequence[Mean]
    effects: Sequence[float]
    shortage: str | None = None

    @property
    def queries(self) -> int:
        """The number of queries."""
        return int(self.means[0].weight)

    def estimates(self) -> dict[str, Estimate]:
        """Return the metrics by name."""
        return {
            name: Estimate(mean.value, reason=self.shortage)
            if self.shortage
            else mean.with_design_effect(effect).bounded_estimate(0, 1)
            for name, mean, effect in zip(METRICS, self.means, self.effects, strict=True)
        }


def _measure_slice(engine: Engine, queries: str, *, grouped: bool) -> Sample:
    """Return the metrics of some of the queries."""
    found = _means_over_queries(engine, queries, grouped=grouped)
    return Sample(found.queries, found.estimates())


def _check_same_value(engine: Engine, attribute: str, query: str) -> None:
    """Check that all items of a query have the same value of an attribute. Raises `UnprocessablePredictionsError`."""
    require_columns(engine.columns(), [attribute])
    value = slices.value_sql(engine, attribute)
    mixed = engine.rows(f"""
        SELECT CAST(min({query}) AS VARCHAR) AS id, min({value}), max({value}) FROM predictions
        GROUP BY {query} HAVING min({value}) <> max({value}) ORDER BY id LIMIT 1
    """)
    for name, least, greatest in mixed:
        raise UnprocessablePredictionsError(
            f"The items of the query {name!r} have different values in the column {attribute!r}, such as {least!r} and "
            f"{greatest!r}. A slice of a ranking consists of whole queries: give all items of a query the same value.",
            column=attribute,
        )


def _means_over_queries(engine: Engine, queries: str, *, grouped: bool) -> MeansOverQueries:
    """Return the mean of each metric over the queries, which may be correlated within groups."""
    if grouped:
        return _means_over_groups(engine, queries)
    totals = ", ".join(sums(identifier(name), None) for name in METRICS)
    [[count, *found]] = engine.rows(f"SELECT count(*), {totals} FROM ({queries})")
    return MeansOverQueries(float(count), means(float(count), float(count), found), [1.0] * len(METRICS))


def _means_over_groups(engine: Engine, queries: str) -> MeansOverQueries:
    """Return the means, and the design effects of the groups, in one statement.

    A group's influence on a mean is the sum of its queries' deviations, which follows from their sum.
    """
    numbers = range(len(METRICS))
    of_queries = ", ".join(f"sum({name}), sum({name} * {name})" for name in map(identifier, METRICS))
    named = ", ".join(f"t{at}, s{at}" for at in numbers)
    means_of_all = ", ".join(f"(sum(t{at}) OVER ()) / (sum(w) OVER ()) AS m{at}" for at in numbers)
    deviations = ", ".join(
        f"t{at} - w * m{at} AS d{at}, s{at} - m{at} * (2 * t{at} - w * m{at}) AS q{at}" for at in numbers
    )
    totals = ", ".join(f"sum(t{at}), sum(s{at}), {sums_of_influence(f'd{at}', f'q{at}')}" for at in numbers)
    [row] = engine.rows(f"""
        SELECT {SIZES}, {totals}
        FROM (
            SELECT w, w AS squares, {named}, {deviations}
            FROM (
                SELECT *, {means_of_all}
                FROM (
                    SELECT CAST(count(*) AS DOUBLE), {of_queries} FROM ({queries}) GROUP BY cluster
                ) AS of_groups(w, {named})
            )
        )
    """)
    clusters, count = Clusters.from_sums(*row[:6]), float(row[1])
    found = [row[at : at + 8] for at in range(6, len(row), 8)]
    over_queries = [Mean(count, count, total, total, square) for total, square, *_ in found]
    effects = [
        _design_effect(clusters, mean, group_sums(each[2:])) for mean, each in zip(over_queries, found, strict=True)
    ]
    return MeansOverQueries(clusters.effective, over_queries, effects, clusters.reason)


def _design_effect(clusters: Clusters, mean: Mean, sums: GroupSums) -> float:
    """Return how many queries are worth one."""
    are_alike = mean.sum_of_squares < ROUNDING * mean.weight
    return clusters.interval_effect(NO_INFLUENCE if are_alike else sums)


def _check(engine: Engine, checks: Sequence[RowCheck]) -> int:
    """Return the number of rows. Raises `UnprocessablePredictionsError` with the first row that cannot be scored."""
    invalid = row_checks.any_of(checks)
    [[rows, invalid_rows]] = engine.rows(
        f"SELECT count(*), sum(CASE WHEN {invalid} THEN 1 ELSE 0 END) FROM predictions"
    )
    if not rows:
        raise UnprocessablePredictionsError("There is no row.")
    if invalid_rows:
        raise row_checks.first_error(engine, checks)
    return int(rows)


def query_metrics(query: str, relevance: str, score: str, k: int, group: str = "0") -> str:
    """Return the query that computes the metrics of each query, and its group as `cluster`.

    The arguments are the SQL expressions of each item's values.
    """
    return f"""
        SELECT query, min(cluster) AS cluster,
            coalesce(sum(shared_gain / log2(place + 1)) / nullif(sum(gain / log2(ideal_place + 1)), 0), 0) AS ndcg,
            coalesce(sum(relevant * relevant_up_to / up_to) / nullif(sum(relevant), 0), 0) AS "map",
            coalesce(max(relevant / up_to), 0) AS mrr,
            coalesce(sum(CASE WHEN place <= {k} THEN shared ELSE 0 END) / nullif(sum(relevant), 0), 0) AS recall_at_k,
            sum(CASE WHEN place <= {k} THEN shared ELSE 0 END) / {k} AS precision_at_k
        FROM (
            SELECT query, cluster, gain, relevant,
                avg(gain) OVER tied AS shared_gain, avg(relevant) OVER tied AS shared,
                CAST(sum(relevant) OVER up_to AS DOUBLE) AS relevant_up_to,
                CAST(count(*) OVER up_to AS DOUBLE) AS up_to,
                row_number() OVER (PARTITION BY query ORDER BY score DESC) AS place,
                row_number() OVER (PARTITION BY query ORDER BY gain DESC) AS ideal_place
            FROM (
                SELECT {query} AS query, {group} AS cluster, {relevance} AS gain, {score} AS score,
                    CAST(CASE WHEN {relevance} > 0 THEN 1 ELSE 0 END AS DOUBLE) AS relevant
                FROM predictions
            )
            WINDOW up_to AS (PARTITION BY query ORDER BY score DESC
                    RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
                tied AS (PARTITION BY query ORDER BY score DESC RANGE BETWEEN CURRENT ROW AND CURRENT ROW)
        )
        GROUP BY query
    """
