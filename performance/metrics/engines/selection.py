"""Open the engine that evaluates, and export predictions after an evaluation."""

from collections.abc import Callable
from pathlib import Path

from performance.metrics.engines.base import Engine, ObjectStore
from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.engines.spark import Spark, UnavailableEngineError
from performance.metrics.inputs.files import PredictionFiles
from performance.metrics.inputs.sql import string_literal
from performance.metrics.result import Evaluation, UnprocessablePredictionsError

EMBEDDED = "duckdb"
MAX_ROWS = 50_000_000  # that DuckDB sorts on one machine after an evaluation on Spark


def open_engine(name: str, *, folder: Path, store: ObjectStore | None = None) -> Engine:
    """Return an engine: `duckdb`, or Apache Spark by its master, such as `local[2]` or `spark://host:7077`.

    Temporary files go to `folder`. DuckDB reads files from a `store` if one is given. Raises `UnavailableEngineError`,
    also if Spark would have to read from a store.
    """
    if name == EMBEDDED:
        return DuckDB(folder=folder, store=store)
    if store is not None:
        raise UnavailableEngineError(
            "Apache Spark cannot read from an object store here. Copy the files to paths that all its machines share, "
            "or set EVALUATION_ENGINE=duckdb."
        )
    return Spark(name, folder=folder)


def export_with(
    engine: Engine,
    files: PredictionFiles,
    export: Callable[[DuckDB], Path | None],
    evaluation: Evaluation,
    folder: Path,
) -> Path | None:
    """Export evaluated predictions, and return the file, or `None` if nothing is exported.

    DuckDB always writes the file, whichever engine evaluated the predictions, so that any two files compare. After an
    evaluation on Spark, nothing is exported for more than `MAX_ROWS` rows, or if DuckDB writes the labels differently.

    Args:
        engine: the engine that evaluated the predictions.
        files: the predictions.
        export: `export_predictions`, except for the engine.
        evaluation: the result.
        folder: where the file is written.
    """
    if isinstance(engine, DuckDB):
        return export(engine)
    if evaluation.rows > MAX_ROWS:
        return None
    with DuckDB(folder=folder) as duckdb:
        try:
            files.read_into(duckdb)
            file = export(duckdb)
            is_same = file is not None and (
                not evaluation.per_class or _labels(duckdb, file) == set(evaluation.per_class)
            )
        except UnprocessablePredictionsError:  # also raised for labels that DuckDB cannot score
            return None
    return file if is_same else None


def _labels(engine: DuckDB, file: Path) -> set[str]:
    exported = f"read_parquet({string_literal(str(file))})"
    rows = engine.rows(f"SELECT actual FROM {exported} UNION SELECT predicted FROM {exported}")
    return {str(label) for (label,) in rows}
