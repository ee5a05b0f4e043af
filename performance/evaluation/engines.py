"""Which engine evaluates."""

from pathlib import Path
from typing import Any

from performance.evaluation.engine import DuckDB, Engine
from performance.evaluation.spark import Spark

EMBEDDED = "duckdb"


def open_engine(name: str, *, folder: Path, store: Any = None) -> Engine:
    """Return the engine of a name: `duckdb`, or Apache Spark's master, such as `local[2]` or `spark://host:7077`.

    What it writes meanwhile goes to `folder`; DuckDB reads files of a `store`, if they are in one. Raises
    `UnavailableEngineError`.
    """
    return DuckDB(folder=folder, store=store) if name == EMBEDDED else Spark(name, folder=folder)
