"""Evaluate and export columns that a test creates."""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, settings

from performance.metrics.engines.base import Engine
from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.prediction_export import export_predictions
from performance.metrics.result import Evaluation
from performance.metrics.tasks.evaluators import EVALUATORS

Evaluate = Callable[[Engine, Columns, Options], Evaluation]

# Of property tests that evaluate a file in each example, which takes a tenth of a second.
EACH_EVALUATES = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

_folder = tempfile.TemporaryDirectory(prefix="registry-tests-")


@cache
def _engine() -> DuckDB:
    """Return the engine of this process. Opening one for each file takes longer than most evaluations."""
    return DuckDB(folder=Path(_folder.name))


def read_file(file: Path) -> DuckDB:
    """Return an engine with the file's rows as its predictions, until the next file is read."""
    engine = _engine()
    (engine.read_parquet if file.suffix == ".parquet" else engine.read_csv)([str(file)])
    return engine


def evaluate_columns(evaluate: Evaluate, folder: Path, columns: dict[str, Any], **options: Any) -> Evaluation:
    """Return the evaluation of columns, which are written as a Parquet file."""
    file = folder / "predictions.parquet"
    write_parquet(file, columns)
    return evaluate_file(evaluate, file, **options)


def write_parquet(file: Path, columns: Any) -> None:
    """Write columns or a table as Parquet."""
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), file)


def export_columns(task: str, folder: Path, table: Any, columns: Columns | None = None, **options: Any) -> Path | None:
    """Return the file of the exported predictions."""
    named, chosen, file = columns or Columns(), Options(**options), folder / "predictions.parquet"
    write_parquet(file, table)
    engine = read_file(file)
    return export_predictions(engine, task, named, chosen, EVALUATORS[task](engine, named, chosen), folder)


def values_by_interval_name(evaluation: Evaluation) -> dict[str, float | None]:
    """Return the values of all metrics by the names of their intervals."""
    of_classes = {
        f"per_class.{label}.{name}": value
        for label, found in evaluation.per_class.items()
        for name, value in found.items()
    }
    return {**evaluation.metrics, **of_classes}


def evaluate_file(evaluate: Evaluate, file: Path, named: Columns | None = None, **options: Any) -> Evaluation:
    """Return the evaluation of a file of predictions."""
    return evaluate(read_file(file), named or Columns(), Options(**options))
