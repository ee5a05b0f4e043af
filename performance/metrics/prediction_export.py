"""Export the predictions that a comparison with another version needs, example by example.

The rows are sorted and the file holds nothing else, so equal predictions give equal bytes in any input order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs import label_counts, numeric_predictions
from performance.metrics.inputs.classes import map_columns, scored_classes, select_scores
from performance.metrics.inputs.column_lookup import find_columns
from performance.metrics.inputs.column_mapping import ColumnMapping, find_column, id_sql, is_missing, number_sql
from performance.metrics.inputs.options import GROUP, Columns, Options
from performance.metrics.inputs.sql import identifier
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.statistics import losses
from performance.metrics.statistics.pseudovalues import Pseudovalues
from performance.metrics.tasks import forecasting, ranking

EXPORT_FILE = "export.parquet"

ColumnExpressions = dict[str, str]  # SQL expressions by column name


class ExportedRows(NamedTuple):
    """What is exported of each row: the SQL expressions of the columns by name.

    `where` is the condition that selects the rows. If examples have pseudovalues of ROC AUC, they are exported too.
    """

    expressions: ColumnExpressions
    where: str
    pseudovalues: Pseudovalues | None = None


@dataclass(frozen=True, slots=True)
class Exporter:
    """How to export the predictions of a task type.

    `example_id` returns the column that identifies examples, or the queries of a ranking.
    """

    example_id: Callable[[Columns], str]
    rows: Callable[[DuckDB, Columns, Options, Evaluation], ExportedRows]


def export_predictions(
    engine: DuckDB, task_type: str, columns: Columns, options: Options, evaluation: Evaluation, folder: Path
) -> Path | None:
    """Write the evaluated predictions to a Parquet file in `folder`, and return its path.

    Returns `None` if an example has no id to match it by, or if the file would take more memory or disk space than
    allowed; pseudovalues that would are left out. The evaluation itself remains valid.
    """
    exporter, columns = _EXPORTERS[task_type], find_columns(engine, task_type, columns)
    example_id = exporter.example_id(columns)
    if example_id not in engine.columns():
        return None
    expressions, scored, pseudovalues = exporter.rows(engine, columns, options, evaluation)
    selected = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in expressions.items())
    id_text = id_sql(example_id, engine.columns())
    if engine.rows(f"SELECT 1 FROM predictions WHERE {scored} AND {id_text} IS NULL LIMIT 1"):
        return None
    rows = f"SELECT {id_text} AS example_id, {selected} FROM predictions WHERE {scored}"
    if pseudovalues and (file := _written(engine, _with_areas(rows, pseudovalues), folder)):
        return file
    return _written(engine, rows, folder)


def _with_areas(rows: str, pseudovalues: Pseudovalues) -> str:
    """Return the query of the rows with their pseudovalues, rounded, as sums of doubles depend on the order of rows."""
    areas = f"SELECT example AS example_id, CAST(pseudovalue AS FLOAT) AS roc_auc FROM ({pseudovalues.query()})"
    return f"SELECT * FROM ({rows}) LEFT JOIN ({areas}) USING (example_id)"


def _written(engine: DuckDB, rows: str, folder: Path) -> Path | None:
    """Write the rows in order. Returns `None` if they take too much space."""
    file = folder / EXPORT_FILE
    try:
        engine.write_parquet(f"{rows} ORDER BY ALL", file)
    except UnprocessablePredictionsError:
        file.unlink(missing_ok=True)
        return None
    return file


def _classification_rows(engine: DuckDB, columns: Columns, options: Options, evaluation: Evaluation) -> ExportedRows:
    """Export the positive class's score, or for several classes what their losses and ROC AUC follow from."""
    every = map_columns(engine, columns, options)
    scored = select_scores(every, options, scored_classes(engine, every, columns, list(evaluation.per_class)))
    has_losses, is_multiclass = evaluation.metrics["log_loss"] is not None, evaluation.positive_class is None
    mapping = label_counts.as_probabilities(scored) if has_losses else scored
    expressions = {"actual": mapping.actual, "predicted": mapping.predicted}
    if mapping.score is not None:
        expressions["score"] = mapping.score
    elif is_multiclass and has_losses:
        expressions["truth"] = losses.predicted_probability(mapping, mapping.actual, None)
        expressions["brier"] = losses.class_brier_loss(mapping, expressions["truth"])
    expressions |= cluster_expression(engine, columns)
    expressions |= {"weight": mapping.weight} if mapping.weight else {}
    where, has_areas = f"{mapping.predicted} IS NOT NULL", is_multiclass and evaluation.metrics["roc_auc"] is not None
    example = id_sql(_example_id_column(columns), engine.columns())
    return ExportedRows(expressions, where, _pseudovalues(scored, example, evaluation, where) if has_areas else None)


def _pseudovalues(mapping: ColumnMapping, example: str, evaluation: Evaluation, where: str) -> Pseudovalues:
    found = evaluation.per_class
    return Pseudovalues(
        evaluation.averaging or "",
        scores=mapping.scores,
        weights={label: metrics["support"] for label, metrics in found.items()},
        areas={label: metrics["roc_auc"] for label, metrics in found.items() if "roc_auc" in metrics},
        example=example,
        actual=mapping.actual,
        weight=mapping.weight,
        where=where,
    )


def _numeric_rows(engine: DuckDB, columns: Columns, options: Options, evaluation: Evaluation) -> ExportedRows:
    mapping = numeric_predictions.map_columns(engine, columns)
    expressions = {"actual": mapping.actual, "predicted": mapping.predicted, **cluster_expression(engine, columns)}
    scored = f"NOT {is_missing(columns.predicted, engine.columns())}"
    return ExportedRows(expressions | ({"weight": mapping.weight} if mapping.weight else {}), scored)


def _forecasting_rows(engine: DuckDB, columns: Columns, options: Options, evaluation: Evaluation) -> ExportedRows:
    """Export the numbers, and the series and its scale if they are known."""
    types = engine.columns()
    expressions, scored, _ = _numeric_rows(engine, columns, options, evaluation)
    if series := find_column(columns.series, forecasting.SERIES, types):
        expressions["series"] = id_sql(series, types)
    if scale := find_column(columns.scale, forecasting.SCALE, types):
        expressions["scale"] = number_sql(scale, types)
    return ExportedRows(expressions, scored)


def _ranking_rows(engine: DuckDB, columns: Columns, options: Options, evaluation: Evaluation) -> ExportedRows:
    """Export each item of each query, from which the query's metrics follow."""
    types = engine.columns()
    relevance, score = number_sql(columns.relevance, types), number_sql(columns.score or ranking.SCORE, types)
    expressions = {"relevance": relevance, "score": score, "k": f"CAST({options.k} AS BIGINT)"}
    return ExportedRows({**expressions, **cluster_expression(engine, columns)}, "TRUE")


def cluster_expression(engine: DuckDB, columns: Columns) -> ColumnExpressions:
    """Return the group of each example as the column `cluster`, if there are groups."""
    types = engine.columns()
    group = find_column(columns.group, GROUP, types)
    return {"cluster": id_sql(group, types)} if group else {}


def _example_id_column(columns: Columns) -> str:
    return columns.example_id or "example_id"


_EXPORTERS: Mapping[str, Exporter] = {
    "classification": Exporter(_example_id_column, _classification_rows),
    "regression": Exporter(_example_id_column, _numeric_rows),
    "forecasting": Exporter(_example_id_column, _forecasting_rows),
    "ranking": Exporter(lambda columns: columns.query or ranking.QUERY, _ranking_rows),
}
