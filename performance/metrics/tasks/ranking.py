"""Ranking: items put in order for each query, the most relevant first.

Items of one score come in no order of their own. A gain is shared evenly among them, as in McSherry & Najork (2008),
Computing information retrieval performance measures efficiently in the presence of tied scores; where a metric asks how
far down a relevant item is, it is as far as the last of its equals. A query without a relevant item counts as 0.
"""

from collections.abc import Sequence

from performance.metrics.engines.base import Engine
from performance.metrics.inputs import row_checks
from performance.metrics.inputs.column_mapping import number_of, require
from performance.metrics.inputs.options import QUERY_ID, Columns, Options
from performance.metrics.inputs.row_checks import Cause
from performance.metrics.inputs.sql import column
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.statistics.confusion import intervals_of
from performance.metrics.statistics.means import Mean

QUERY, SCORE = QUERY_ID, "score"  # the columns' usual names
METRICS = ("ndcg", "map", "mrr", "recall_at_k", "precision_at_k")


def evaluate(engine: Engine, columns: Columns, options: Options) -> Evaluation:
    """Return what the rankings come to, as means over queries. Raises `UnprocessablePredictionsError`."""
    types = engine.columns()
    query_name, score_name = columns.query or QUERY, columns.score or SCORE
    require(types, [query_name, columns.relevance, score_name])
    query = column(query_name)
    relevance, score = number_of(columns.relevance, types), number_of(score_name, types)
    causes = [
        Cause(f"{query} IS NULL", query_name, "a query"),
        row_checks.negative(relevance, columns.relevance),
        row_checks.not_finite(score, score_name),
        row_checks.too_large(relevance, columns.relevance),
        *row_checks.long_ids([query_name], types),
    ]
    rows = _check(engine, causes)
    means = ", ".join(f"sum({name}), sum({name} * {name})" for name in map(column, METRICS))
    [found] = engine.rows(f"SELECT count(*), {means} FROM ({by_query(query, relevance, score, options.k)})")
    queries, totals = found[0], found[1:]
    estimates = {
        name: Mean(queries, queries, totals[2 * at], totals[2 * at], totals[2 * at + 1]).estimate(0, 1)
        for at, name in enumerate(METRICS)
    }
    return Evaluation(
        rows=rows,
        sample_count=queries,
        metrics={name: each.value for name, each in estimates.items()},
        confidence_intervals=intervals_of(estimates),
    )


def _check(engine: Engine, causes: Sequence[Cause]) -> int:
    """Return how many rows there are. Raises `UnprocessablePredictionsError`, naming the first bad one."""
    faulty = row_checks.any_of(causes)
    [[rows, at_fault]] = engine.rows(f"SELECT count(*), sum(CASE WHEN {faulty} THEN 1 ELSE 0 END) FROM predictions")
    if not rows:
        raise UnprocessablePredictionsError("There is no row.")
    if at_fault:
        raise row_checks.first(engine, causes)
    return int(rows)


def by_query(query: str, relevance: str, score: str, k: int) -> str:
    """Return the statement that gives the metrics of each query, from the SQL of the parts of each item."""
    return f"""
        SELECT query,
            coalesce(sum(shared_gain / log2(place + 1)) / nullif(sum(gain / log2(ideal_place + 1)), 0), 0) AS ndcg,
            coalesce(sum(relevant * relevant_up_to / up_to) / nullif(sum(relevant), 0), 0) AS "map",
            coalesce(max(relevant / up_to), 0) AS mrr,
            coalesce(sum(CASE WHEN place <= {k} THEN shared ELSE 0 END) / nullif(sum(relevant), 0), 0) AS recall_at_k,
            sum(CASE WHEN place <= {k} THEN shared ELSE 0 END) / {k} AS precision_at_k
        FROM (
            SELECT query, gain, relevant,
                avg(gain) OVER tied AS shared_gain, avg(relevant) OVER tied AS shared,
                CAST(sum(relevant) OVER up_to AS DOUBLE) AS relevant_up_to,
                CAST(count(*) OVER up_to AS DOUBLE) AS up_to,
                row_number() OVER (PARTITION BY query ORDER BY score DESC) AS place,
                row_number() OVER (PARTITION BY query ORDER BY gain DESC) AS ideal_place
            FROM (
                SELECT {query} AS query, {relevance} AS gain, {score} AS score,
                    CAST(CASE WHEN {relevance} > 0 THEN 1 ELSE 0 END AS DOUBLE) AS relevant
                FROM predictions
            )
            WINDOW up_to AS (PARTITION BY query ORDER BY score DESC
                    RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
                tied AS (PARTITION BY query ORDER BY score DESC RANGE BETWEEN CURRENT ROW AND CURRENT ROW)
        )
        GROUP BY query
    """
