"""Run SQL on Apache Spark, for predictions that one machine cannot hold. It is DuckDB's, translated.

pyspark is imported only when Spark is used: it is in an optional extra, and also needs Java.
"""

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Generator, Mapping, Sequence
from copy import copy
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import SplitResult, urlsplit

from performance.metrics.engines.base import PARTITION, PARTITIONED_BY, PARTITIONS, Row, numbered_rows
from performance.metrics.engines.column_names import distinct_names, with_index_name
from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.engines.spark_sql import to_spark_sql
from performance.metrics.inputs.sql import identifier
from performance.metrics.result import UnprocessablePredictionsError

if TYPE_CHECKING:
    from py4j.java_gateway import JavaGateway
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

MISSING_REQUIREMENT = (
    "Evaluating on Apache Spark needs {}. Install the extra `spark` (uv sync --extra spark, or the packages pyspark "
    "and sqlglot) and Java 17 or later (on Debian openjdk-17-jre-headless), or set EVALUATION_ENGINE=duckdb."
)

# These make a statement mean the same as in DuckDB.
_SETTINGS = {
    "spark.sql.ansi.enabled": "false",  # division by 0 and failing casts give null
    "spark.sql.caseSensitive": "true",
    "spark.sql.legacy.parquet.nanosAsLong": "true",  # else a column of nanoseconds makes the file unreadable
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.variable.substitute": "false",  # else `${…}` in a label is replaced
    "spark.ui.enabled": "false",
}
_LOCAL_SETTINGS = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",  # the default of 200 is slow for small files
}

# The types of columns that Spark reads otherwise than DuckDB, or not at all: see `DuckDB.parquet_columns`
_READ_OTHERWISE = re.compile(
    r"Float16|Time(?!stamp)|Timestamp.*(isAdjustedToUTC=1|NANOS=Nano)|UUID|Json|Decimal.*precision=(39|[4-9][0-9])"
    r"|TIME_M|INTERVAL|(FIXED_LEN_)?BYTE_ARRAY"
)
_AS_TEXT = {
    "BLOB",
    "INTERVAL",
    "JSON",
    "TIME",
    "TIME_NS",
    "TIMESTAMP_NS",
    "TIMESTAMP WITH TIME ZONE",
    "TIME WITH TIME ZONE",
    "UUID",
}
_ROW_NUMBER = "number of the row, from 0"
_TYPES = {"string": "VARCHAR", "int": "INTEGER"}  # names that differ from DuckDB's, which are in capitals


class UnavailableEngineError(RuntimeError):
    """Spark is not available. The message is one line, and says what to do."""


class Spark:
    """Apache Spark at `master`: `local[N]` for N cores of this machine, or `spark://host:port` for a cluster.

    A cluster must see the files and `folder` under the same paths. Raises `UnavailableEngineError`.
    """

    name = "spark"
    rows_per_sort: float = 5_000_000  # a single executor sorts what a statement does not divide
    row_id = "monotonically_increasing_id()"
    names: Mapping[str, str]

    def __init__(self, master: str, *, folder: Path) -> None:
        self._folder = folder
        self._session = _session(master)
        self.version = str(self._session.version)
        self.statement_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session.stop()

    def read_parquet(self, files: Sequence[str]) -> None:
        """Define the predictions as the rows of Parquet files with equal columns.

        Spark reads some types otherwise than DuckDB, or not at all; DuckDB writes such files again. Raises
        `UnprocessablePredictionsError`.
        """
        paths = [_path(file) for file in files]
        with DuckDB(folder=self._folder) as engine:
            columns = [engine.parquet_columns(file) for file in files]
            names = [distinct_names(with_index_name([name for name, _ in each])) for each in columns]
            if any(_READ_OTHERWISE.match(kind) for each in columns for _, kind in each):
                engine.read_parquet(files)
                self._read_again(engine)
            else:
                self._read(paths, names[0])

    def _read(self, paths: Sequence[str], names: Mapping[str, str]) -> None:
        """Define the predictions. `names` are the columns' names in `predictions` by those in the files."""
        schemas = [self._schema(path) for path in paths]
        if any(_columns(schema) != _columns(schemas[0]) for schema in schemas):
            raise UnprocessablePredictionsError("The files have different columns, so they cannot be read together.")
        self._files, self.names = paths, names
        self._types = dict(zip(names.values(), _columns(schemas[0]).values(), strict=True))
        self._session.read.schema(schemas[0]).parquet(*paths).toDF(*self._types).createOrReplaceTempView("predictions")

    def _schema(self, file: str) -> "StructType":
        """Return the schema of a Parquet file. Raises `UnprocessablePredictionsError`."""
        from py4j.protocol import Py4JJavaError
        from pyspark.errors import PySparkException

        try:
            return self._session.read.parquet(file).schema
        except (PySparkException, Py4JJavaError) as error:
            raise _unreadable_error(error) from None

    def read_csv(self, files: Sequence[str]) -> None:
        """Define the predictions as the rows of CSV files. DuckDB reads them, and writes them as Parquet for Spark.

        Spark reads a CSV file with line breaks in quotes on one core only, and by different rules.
        """
        with DuckDB(folder=self._folder) as engine:
            engine.read_csv(files)
            self._read_again(engine)

    def _read_again(self, engine: DuckDB) -> None:
        """Define the predictions as those of another engine, which writes them as Parquet."""
        written = self._folder / "predictions.parquet"
        columns = ", ".join(
            f"CAST({identifier(name)} AS VARCHAR) AS {identifier(name)}" if kind in _AS_TEXT else identifier(name)
            for name, kind in engine.columns().items()
        )
        engine.write_parquet(f"SELECT {columns} FROM predictions", written)
        self._read([_path(str(written))], {name: name for name in engine.names.values()})
        self.names = engine.names

    def columns(self) -> dict[str, str]:
        """Return the type of each column, by name, with DuckDB's type names."""
        return dict(self._types)

    def rows(self, statement: str) -> list[Row]:
        """Return the rows of a statement's result. Raises `UnprocessablePredictionsError` for an unreadable file."""
        from py4j.protocol import Py4JJavaError
        from pyspark.errors import PySparkException

        self.statement_count += 1
        relation = self._session.sql(to_spark_sql(statement, self._types))  # an error here is our own
        try:
            return [tuple(row) for row in relation.collect()]
        except (PySparkException, Py4JJavaError) as error:
            raise _unreadable_error(error) from None

    def hash_parts(self, sql: str) -> tuple[str, str]:
        """Return the expressions of the first and the next 60 bits of a text's MD5, as numbers whose sum fits."""
        digest = f"md5({sql})"
        first, second = (f"CAST(conv(substr({digest}, {start}, 15), 16, 10) AS DECIMAL(19, 0))" for start in (1, 16))
        return first, second

    def progress(self) -> float:
        """Return how much of the running stages is done, from 0 to 1. Call it from another thread."""
        tracker = self._session.sparkContext.statusTracker()
        stages = [stage for each in tracker.getActiveStageIds() if (stage := tracker.getStageInfo(each))]
        tasks = sum(stage.numTasks for stage in stages)
        return sum(stage.numCompletedTasks for stage in stages) / tasks if tasks else 0.0

    def first_row(self, condition: str) -> int | None:
        """Return the number of the first row that meets a condition, from 1. Rows are numbered across files."""
        before = 0
        for file in self._files:
            read = self._session.read.parquet(file)
            numbered = read.select("*", read.metadataColumn("_metadata").row_index).toDF(*self._types, _ROW_NUMBER)
            numbered.createOrReplaceTempView("numbered")
            [(first, count)] = self.rows(
                f'SELECT min(CASE WHEN {condition} THEN "{_ROW_NUMBER}" END), count(*) FROM numbered'
            )
            if first is not None:
                return before + int(first) + 1
            before += int(count)
        return None

    def partitions(self, value: str, values: Sequence[str | None]) -> Generator["Spark"]:
        """Yield an engine for each of the values. Its predictions are the rows for which `value` is that value.

        Raises `UnprocessablePredictionsError` for an unreadable file.
        """
        whole = self._session.table("predictions")
        folder = self._folder / PARTITIONS
        numbered = to_spark_sql(numbered_rows(value, values), self._types)
        try:
            self._write_partitions(self._session.sql(numbered), folder)
            for at in range(len(values)):
                part = copy(self)
                part._files = [_path(str(folder / f"{PARTITION}={at}"))]
                self._session.read.schema(whole.schema).parquet(*part._files).createOrReplaceTempView("predictions")
                yield part
        finally:
            whole.createOrReplaceTempView("predictions")
            shutil.rmtree(folder, ignore_errors=True)

    def _write_partitions(self, numbered: "DataFrame", folder: Path) -> None:
        """Write a folder of rows for each number. Raises `UnprocessablePredictionsError` for an unreadable file."""
        from py4j.protocol import Py4JJavaError
        from pyspark.errors import PySparkException

        rows = numbered.drop(PARTITIONED_BY).repartition(PARTITION)
        try:
            rows.write.mode("overwrite").partitionBy(PARTITION).parquet(_path(str(folder)))
        except (PySparkException, Py4JJavaError) as error:
            raise _unreadable_error(error) from None


def _unreadable_error(error: Exception) -> UnprocessablePredictionsError:
    """Return the error for an unreadable file, with the innermost cause as the reason."""
    check = getattr(error, "java_exception", None)
    while check is not None and check.getCause() is not None:
        check = check.getCause()
    reason = str(error if check is None else check.getMessage() or check).splitlines()[0]
    return UnprocessablePredictionsError(f"The file cannot be read: {reason}")


def _session(master: str) -> "SparkSession":
    """Return a session at `master`. Raises `UnavailableEngineError`."""
    for package in ("pyspark", "sqlglot"):
        if find_spec(package) is None:
            raise UnavailableEngineError(MISSING_REQUIREMENT.format(f"the package {package}"))
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise UnavailableEngineError(MISSING_REQUIREMENT.format("Java"))
    if master.startswith("spark://"):
        _check_reachable(urlsplit(master))
    from py4j.protocol import Py4JJavaError
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    settings = _SETTINGS | (_LOCAL_SETTINGS if master.startswith("local") else {})
    conf = SparkConf().setMaster(master).setAppName("model-performance-registry").setAll(list(settings.items()))
    try:
        return SparkSession(SparkContext(conf=conf, gateway=_java_gateway()))
    except Py4JJavaError as error:
        reason = str(error.java_exception).splitlines()[0]
        raise UnavailableEngineError(f"Apache Spark at {master} is not available: {reason}") from None


def _check_reachable(master: SplitResult) -> None:
    """Check that a server answers at the address, as Spark itself would try for a minute.

    Raises `UnavailableEngineError`.
    """
    try:
        socket.create_connection((master.hostname or "", master.port or 0), timeout=5).close()
    except (OSError, ValueError) as error:  # ValueError: a port above 65535
        raise UnavailableEngineError(f"Apache Spark at {master.geturl()} is not available: {error}") from None


@cache
def _java_gateway() -> "JavaGateway":
    """Return the gateway to this process's only Java machine. Raises `UnavailableEngineError`."""
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    with tempfile.TemporaryFile("w+") as log:  # Java writes to standard error even if all is well
        try:
            return launch_gateway(popen_kwargs={"stderr": log})
        except PySparkRuntimeError:
            log.seek(0)
            output = " ".join(log.read().split())[:200]
            raise UnavailableEngineError(
                MISSING_REQUIREMENT.format(f"a working Java, but Java reports: {output}")
            ) from None


def _path(file: str) -> str:
    """Return a local file's path as Hadoop names it.

    Raises `UnprocessablePredictionsError` for a name that Hadoop cannot read.
    """
    path = Path(file).absolute()
    if ":" in str(path) or path.name.startswith(("_", ".")):
        raise UnprocessablePredictionsError(
            f"Spark cannot read a file with a colon in its path, or whose name begins with _ or a dot, such as {path}."
        )
    return "file://" + re.sub(r"([\\*?\[\]{}])", r"\\\1", str(path))


def _columns(schema: "StructType") -> dict[str, str]:
    """Return the type of each column of a schema, by name, with DuckDB's type names."""
    kinds = {each.name: each.dataType.simpleString() for each in schema.fields}
    return {name: _TYPES.get(kind, kind.upper()) for name, kind in kinds.items()}
