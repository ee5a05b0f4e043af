"""Which engine evaluates, and which one writes what is kept of predictions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from performance.metrics.engines.base import Engine
from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.engines.spark import Spark, UnavailableEngineError
from performance.metrics.inputs.files import PredictionFiles
from performance.metrics.inputs.sql import text
from performance.metrics.result import Evaluation, UnprocessablePredictionsError

EMBEDDED = "duckdb"
MAX_ROWS = 50_000_000  # that DuckDB sorts on one machine, where Spark has evaluated them


def open_engine(name: str, *, folder: Path, store: Any = None) -> Engine:
    """Return the engine of a name: `duckdb`, or Apache Spark's master, such as `local[2]` or `spark://host:7077`.

    What it writes meanwhile goes to `folder`; DuckDB reads files of a `store`, if they are in one. Raises
    `UnavailableEngineError`, also where Spark would have to read such.
    """
    if name == EMBEDDED:
        return DuckDB(folder=folder, store=store)
    if store is not None:
        raise UnavailableEngineError(
            "Apache Spark reads no object store here. Copy the files to where all its machines see them under the same "
            "paths, or set EVALUATION_ENGINE=duckdb."
        )
    return Spark(name, folder=folder)


def keep_with(
    engine: Engine,
    sources: PredictionFiles,
    write: Callable[[DuckDB], Path | None],
    evaluation: Evaluation,
    folder: Path,
) -> Path | None:
    """Return the file with what is kept of predictions that an engine has evaluated; `None` where nothing is.

    `write` is `keep` but for the engine. DuckDB does it, whatever evaluated them: so it is the same file, and compares
    with any other. On Spark, nothing is kept of more than `MAX_ROWS` rows, or of labels that it writes differently.
    """
    if isinstance(engine, DuckDB):
        return write(engine)
    if evaluation.rows > MAX_ROWS:
        return None
    with DuckDB(folder=folder) as own:
        try:
            sources.read_into(own)
            file = write(own)
            is_same = file is not None and (not evaluation.per_class or _labels(own, file) == set(evaluation.per_class))
        except UnprocessablePredictionsError:  # of such labels, too
            return None
    return file if is_same else None


def _labels(engine: DuckDB, file: Path) -> set[str]:
    kept = f"read_parquet({text(str(file))})"
    found = engine.rows(f"SELECT actual FROM {kept} UNION SELECT predicted FROM {kept}")
    return {str(label) for (label,) in found}
