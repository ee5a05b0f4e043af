"""Which engine evaluates."""

from pathlib import Path

from performance.evaluation.engine import DuckDB, Engine
from performance.evaluation.spark import Spark

EMBEDDED = "duckdb"


def open_engine(name: str, *, folder: Path) -> Engine:
    """Return the engine of a name: `duckdb`, or Apache Spark's master, such as `local[2]` or `spark://host:7077`.

    What it writes meanwhile goes to `folder`. Raises `UnavailableEngineError`.
    """
    return DuckDB(folder=folder) if name == EMBEDDED else Spark(name, folder=folder)
