"""Evaluating columns that a test makes up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from performance.metrics.engines.base import Engine
from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.prediction_export import export_predictions
from performance.metrics.result import Evaluation
from performance.metrics.tasks.evaluators import EVALUATORS

Evaluate = Callable[[Engine, Columns, Options], Evaluation]


def of(evaluate: Evaluate, folder: Path, columns: dict[str, Any], **options: Any) -> Evaluation:
    """Return the evaluation of columns, by way of a Parquet file."""
    file = folder / "predictions.parquet"
    write(file, columns)
    return of_file(evaluate, file, folder, **options)


def write(file: Path, columns: Any) -> None:
    """Write columns, or a table, as Parquet."""
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), file)


def kept(task: str, folder: Path, table: Any, columns: Columns | None = None, **options: Any) -> Path | None:
    """Return the file in which what columns come to is kept."""
    named, chosen, file = columns or Columns(), Options(**options), folder / "predictions.parquet"
    write(file, table)
    with DuckDB(folder=folder) as engine:
        engine.read_parquet([str(file)])
        return export_predictions(engine, task, named, chosen, EVALUATORS[task](engine, named, chosen), folder)


def values(evaluation: Evaluation) -> dict[str, float | None]:
    """Return the values of what may have an interval, by the names that the intervals have."""
    of_classes = {
        f"per_class.{label}.{name}": value
        for label, found in evaluation.per_class.items()
        for name, value in found.items()
    }
    return {**evaluation.metrics, **of_classes}


def of_file(evaluate: Evaluate, file: Path, folder: Path, named: Columns | None = None, **options: Any) -> Evaluation:
    """Return the evaluation of a file of predictions. What does not fit in memory goes to `folder`."""
    with DuckDB(folder=folder) as engine:
        (engine.read_csv if file.suffix == ".csv" else engine.read_parquet)([str(file)])
        return evaluate(engine, named or Columns(), Options(**options))
