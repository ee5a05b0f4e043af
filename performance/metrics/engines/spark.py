"""Apache Spark, for predictions past one machine. It runs the same statements as DuckDB, translated.

pyspark and SQLGlot are imported only when Spark is wanted: they are an extra, and Spark needs Java as well.
"""

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

from performance.metrics.engines.base import Row
from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.result import UnprocessablePredictionsError

NEEDED = (
    "Evaluating on Apache Spark needs {}: install the extra `spark` (uv sync --extra spark, or the packages pyspark "
    "and sqlglot) and Java 17 or later (on Debian openjdk-17-jre-headless), or set EVALUATION_ENGINE=duckdb."
)

# That a statement means the same as in DuckDB.
_SETTINGS = {
    "spark.sql.ansi.enabled": "false",  # division by 0 and casts that fail are no errors
    "spark.sql.caseSensitive": "true",
    "spark.sql.legacy.parquet.nanosAsLong": "true",  # a column of such times would make the file unreadable
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.variable.substitute": "false",  # or `${…}` in a label would be replaced
    "spark.ui.enabled": "false",
}
_ON_THIS_MACHINE = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",  # 200 by default, each of which costs time
}

_NUMBER = "number of the row, from 0"
_TYPES = {"string": "VARCHAR", "int": "INTEGER"}  # where the name is not DuckDB's, in capitals
_NUMERIC = ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL")

# Java takes "1d" and "0x1p3" for numbers, and Spark no date for something that could be one.
_NUMBER_OF_TEXT = """
    CASE WHEN CAST({0} AS STRING) RLIKE '[^0-9eE+.\\\\s-]' THEN NULL ELSE TRY_CAST(CAST({0} AS STRING) AS DOUBLE) END
"""


class UnavailableEngineError(RuntimeError):
    """Spark that cannot be had. The message is one line, and says what to do."""


class Spark:
    """Apache Spark at `master`: `local[N]` on N cores of this machine, or a cluster's `spark://host:port`.

    A cluster must see the files, and `folder`, under the same paths. Raises `UnavailableEngineError`.
    """

    name = "spark"

    def __init__(self, master: str, *, folder: Path) -> None:
        self._folder = folder
        self._session = _session(master)
        self.version = str(self._session.version)
        self.statements = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session.stop()

    def read_parquet(self, files: Sequence[str]) -> None:
        """Have the predictions in Parquet files of the same columns, read as one.

        Raises `UnprocessablePredictionsError`.
        """
        self._files = [_path(file) for file in files]
        schemas = [self._schema(file) for file in self._files]
        if any(_columns(schema) != _columns(schemas[0]) for schema in schemas):
            raise UnprocessablePredictionsError("The files have different columns, and cannot be read as one.")
        self._types = _columns(schemas[0])
        self._session.read.schema(schemas[0]).parquet(*self._files).createOrReplaceTempView("predictions")

    def _schema(self, file: str) -> Any:
        """Return the schema of a Parquet file. Raises `UnprocessablePredictionsError`."""
        from py4j.protocol import Py4JJavaError
        from pyspark.errors import PySparkException

        try:
            return self._session.read.parquet(file).schema
        except (PySparkException, Py4JJavaError) as error:
            raise _unreadable(error) from None

    def read_csv(self, files: Sequence[str]) -> None:
        """Have the predictions in CSV files, as `DuckDB.read_csv` has them: it writes them as Parquet.

        Spark reads a CSV file that may have line breaks in quotes on one core only, and by rules of its own.
        """
        written = self._folder / "predictions.parquet"
        with DuckDB(folder=self._folder) as engine:
            engine.read_csv(files)
            engine.write_parquet("SELECT * FROM predictions", written)
        self.read_parquet([str(written)])

    def columns(self) -> dict[str, str]:
        """Return the type of each column, by name, as DuckDB calls it."""
        return dict(self._types)

    def rows(self, statement: str) -> list[Row]:
        """Return the rows that a statement gives. Raises `UnprocessablePredictionsError` for a file that is none."""
        from py4j.protocol import Py4JJavaError
        from pyspark.errors import PySparkException

        self.statements += 1
        relation = self._session.sql(_translated(statement, self._types))  # what fails here is a fault of ours
        try:
            return [tuple(row) for row in relation.collect()]
        except (PySparkException, Py4JJavaError) as error:
            raise _unreadable(error) from None

    def progress(self) -> float:
        """Return how much of what runs at present is done, from 0 to 1. To be asked from another thread."""
        tracker = self._session.sparkContext.statusTracker()
        stages = [stage for each in tracker.getActiveStageIds() if (stage := tracker.getStageInfo(each))]
        tasks = sum(stage.numTasks for stage in stages)
        return sum(stage.numCompletedTasks for stage in stages) / tasks if tasks else 0.0

    def first_row(self, condition: str) -> int | None:
        """Return the number of the first row, from 1, for which a condition holds. Files count one after the other."""
        before = 0
        for file in self._files:
            read = self._session.read.parquet(file)
            numbered = read.withColumn(_NUMBER, read.metadataColumn("_metadata").row_index)
            numbered.createOrReplaceTempView("numbered")
            [(first, count)] = self.rows(
                f'SELECT min(CASE WHEN {condition} THEN "{_NUMBER}" END), count(*) FROM numbered'
            )
            if first is not None:
                return before + int(first) + 1
            before += int(count)
        return None


def _unreadable(error: Any) -> UnprocessablePredictionsError:
    """Return the error of a file, with the reason that Spark gives: of several causes the innermost."""
    cause = getattr(error, "java_exception", None)
    while cause is not None and cause.getCause() is not None:
        cause = cause.getCause()
    reason = str(error if cause is None else cause.getMessage() or cause).splitlines()[0]
    return UnprocessablePredictionsError(f"The file cannot be read: {reason}")


def _session(master: str) -> Any:
    """Return a session at `master`. Raises `UnavailableEngineError`."""
    for package in ("pyspark", "sqlglot"):
        if find_spec(package) is None:
            raise UnavailableEngineError(NEEDED.format(f"the package {package}"))
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise UnavailableEngineError(NEEDED.format("Java"))
    if master.startswith("spark://"):
        _require_answer(urlsplit(master))
    from py4j.protocol import Py4JJavaError
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    settings = _SETTINGS | (_ON_THIS_MACHINE if master.startswith("local") else {})
    conf = SparkConf().setMaster(master).setAppName("model-performance-registry").setAll(list(settings.items()))
    try:
        return SparkSession(SparkContext(conf=conf, gateway=_java()))
    except Py4JJavaError as error:
        reason = str(error.java_exception).splitlines()[0]
        raise UnavailableEngineError(f"Apache Spark at {master} cannot be had: {reason}") from None


def _require_answer(master: SplitResult) -> None:
    """Check that something answers at an address; Spark itself would try for a minute. Raises the above error."""
    try:
        socket.create_connection((master.hostname or "", master.port or 0), timeout=5).close()
    except (OSError, ValueError) as error:  # or a port over 65535
        raise UnavailableEngineError(f"Apache Spark at {master.geturl()} cannot be had: {error}") from None


@cache
def _java() -> Any:
    """Return the Java machine of this process, of which there can be but one. Raises `UnavailableEngineError`."""
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    with tempfile.TemporaryFile("w+") as log:  # what Java says to standard error even when all is well
        try:
            return launch_gateway(popen_kwargs={"stderr": log})
        except PySparkRuntimeError:
            log.seek(0)
            said = " ".join(log.read().split())[:200]
            raise UnavailableEngineError(NEEDED.format(f"a Java that starts, but it says: {said}")) from None


def _path(file: str) -> str:
    """Return a file of this machine as Hadoop names it. Raises `UnprocessablePredictionsError` for what it cannot."""
    path = Path(file).absolute()
    if ":" in str(path) or path.name.startswith(("_", ".")):
        raise UnprocessablePredictionsError(
            f"Spark reads no file with a colon in its path, or a name that begins with _ or a dot, such as {path}."
        )
    return "file://" + re.sub(r"([\\*?\[\]{}])", r"\\\1", str(path))


def _columns(schema: Any) -> dict[str, str]:
    """Return the type of each column of a schema, by name, as DuckDB calls it."""
    kinds = {each.name: each.dataType.simpleString() for each in schema.fields}
    return {name: _TYPES.get(kind, kind.upper()) for name, kind in kinds.items()}


def _translated(statement: str, types: Mapping[str, str]) -> str:
    """Return a statement of DuckDB's as Spark has it."""
    from sqlglot import expressions, parse_one

    def strict(node: Any) -> Any:
        """Return what takes a column for numbers so that it takes as one what DuckDB does."""
        if not (isinstance(node, expressions.TryCast) and isinstance(node.this, expressions.Column)):
            return node
        if types.get(node.this.name, "DOUBLE").startswith(_NUMERIC):
            return node
        return parse_one(_NUMBER_OF_TEXT.format(node.this.sql("spark")), read="spark")

    return str(parse_one(statement, read="duckdb").transform(strict).sql("spark"))
