"""Keeping of predictions what it takes to compare them, example by example, with those of another version.

The rows are sorted, and the file holds nothing else: equal predictions give equal bytes, in whatever order they came.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs import numeric_predictions
from performance.metrics.inputs.column_mapping import named, number_of
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.inputs.sql import column, total
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.statistics import losses
from performance.metrics.tasks import classification, forecasting, ranking

EXPORT_FILE = "kept.parquet"

Parts = dict[str, str]  # the SQL of what is kept of each row, by name


@dataclass(frozen=True, slots=True)
class Exporter:
    """Which column tells the examples of a task type, or its queries, and what else is kept of them, of which rows."""

    example_id: Callable[[Columns], str]
    parts: Callable[[DuckDB, Columns, Options, Evaluation], tuple[Parts, str]]


def export_predictions(
    engine: DuckDB, task_type: str, columns: Columns, options: Options, evaluation: Evaluation, folder: Path
) -> Path | None:
    """Write what was evaluated to a file in `folder`, and return its path.

    `None` where examples have no ids, by which they could be told, and where the file would take more memory or disk
    than there is: the evaluation holds without it.
    """
    keeper = _EXPORTERS[task_type]
    example_id = keeper.example_id(columns)
    if example_id not in engine.columns():
        return None
    parts, scored = keeper.parts(engine, columns, options, evaluation)
    named = ", ".join(f"{sql} AS {name}" for name, sql in parts.items())
    file = folder / EXPORT_FILE
    try:
        engine.write_parquet(
            f"SELECT CAST({column(example_id)} AS VARCHAR) AS example_id, {named} FROM predictions "
            f"WHERE {scored} ORDER BY ALL",
            file,
        )
    except UnprocessablePredictionsError:
        file.unlink(missing_ok=True)
        return None
    return file


def _of_classes(engine: DuckDB, columns: Columns, options: Options, evaluation: Evaluation) -> tuple[Parts, str]:
    """Keep the positive class's score, or of several classes' what follows from them for the losses."""
    laid_out = classification.laid_out(engine, columns, options)
    found = classification.scored(engine, laid_out, columns, options, list(evaluation.per_class))
    parts = {"actual": found.actual, "predicted": found.predicted}
    if found.score is not None:
        parts["score"] = found.score
    elif evaluation.positive_class is None and evaluation.metrics["log_loss"] is not None:
        parts["truth"] = losses.given(found, found.actual, None)
        squares = total([f"{each} * {each}" for each in found.scores.values()])
        parts["brier"] = f"{squares} - 2 * {parts['truth']} + 1"
    return parts | ({"weight": found.weight} if found.weight else {}), f"{found.predicted} IS NOT NULL"


def _of_numbers(engine: DuckDB, columns: Columns, options: Options, evaluation: Evaluation) -> tuple[Parts, str]:
    found = numeric_predictions.laid_out(engine, columns)
    parts = {"actual": found.actual, "predicted": found.predicted}
    return parts | ({"weight": found.weight} if found.weight else {}), f"{found.predicted} IS NOT NULL"


def _of_forecasts(engine: DuckDB, columns: Columns, options: Options, evaluation: Evaluation) -> tuple[Parts, str]:
    """Keep the numbers, and of which series they are and of what scale, where that is known."""
    types = engine.columns()
    parts, scored = _of_numbers(engine, columns, options, evaluation)
    if series := named(columns.series, forecasting.SERIES, types):
        parts["series"] = f"CAST({column(series)} AS VARCHAR)"
    if scale := named(columns.scale, forecasting.SCALE, types):
        parts["scale"] = number_of(scale, types)
    return parts, scored


def _of_items(engine: DuckDB, columns: Columns, options: Options, evaluation: Evaluation) -> tuple[Parts, str]:
    """Keep each item of each query, from which the query's metrics follow."""
    types = engine.columns()
    relevance, score = number_of(columns.relevance, types), number_of(columns.score or ranking.SCORE, types)
    return {"relevance": relevance, "score": score, "k": f"CAST({options.k} AS BIGINT)"}, "TRUE"


def _example(columns: Columns) -> str:
    return columns.example_id or "example_id"


_EXPORTERS: Mapping[str, Exporter] = {
    "classification": Exporter(_example, _of_classes),
    "regression": Exporter(_example, _of_numbers),
    "forecasting": Exporter(_example, _of_forecasts),
    "ranking": Exporter(lambda columns: columns.query or ranking.QUERY, _of_items),
}
