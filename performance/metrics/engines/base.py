"""The interface of every engine."""

from collections.abc import Generator, Mapping, Sequence
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

from performance.metrics.inputs.sql import identifier, string_literal

Row = tuple[Any, ...]

PARTITION = "number of the partition"  # the name of a column that partitioned predictions are written with
PARTITIONED_BY = "value of the partition"  # the column whose values are numbered, which is not written
PARTITIONS = "partitions"  # the name of what they are written to


class ObjectStore(Protocol):
    """The methods of fsspec's file systems that are used here."""

    def open(self, path: str, mode: str) -> BinaryIO: ...

    def glob(self, path: str) -> list[str]: ...

    def info(self, path: str) -> object: ...

    def unstrip_protocol(self, name: str) -> str: ...


class EngineInfo(Protocol):
    """The name and version of an engine."""

    name: str
    version: str


class Engine(EngineInfo, Protocol):
    """Run SQL in DuckDB's dialect on the relation `predictions`. `statement_count` says how many statements ran.

    `names` maps each column's name in the files to its name in `predictions`. They differ only if two names in the
    files are equal except for case. A statement should sort more than `rows_per_sort` rows in parts. `row_id` is
    the SQL of a number that differs in each row.
    """

    statement_count: int
    rows_per_sort: float
    row_id: str
    names: Mapping[str, str]

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def read_parquet(self, files: Sequence[str]) -> None:
        """Define the predictions as the rows of Parquet files."""

    def read_csv(self, files: Sequence[str]) -> None:
        """Define the predictions as the rows of CSV files with equal headers. Every cell is a text.

        Cells are separated by a comma (RFC 4180), a semicolon or a tab. Files may be compressed by gzip.
        """

    def columns(self) -> dict[str, str]:
        """Return the type of each column, by name."""

    def rows(self, statement: str) -> list[Row]:
        """Return the rows of a statement's result."""

    def progress(self) -> float:
        """Return how much of the current statement is done, from 0 to 1."""

    def hash_parts(self, sql: str) -> tuple[str, str]:
        """Return the expressions of the first and the next 60 bits of a text's MD5, as numbers."""

    def first_row(self, condition: str) -> int | None:
        """Return the number of the first row that meets a condition, from 1."""

    def partitions(self, value: str, values: Sequence[str | None]) -> Generator["Engine"]:
        """Yield an engine for each of the values. Its predictions are the rows for which `value` is that value.

        `value` is a SQL expression of a text; rows for which it is null belong to no engine. Those of the value `None`
        are all rows with other values. The rows are written once, sorted by value, so that each engine reads only its
        own. Use an engine only until the next one is yielded.
        """


def numbered_rows(value: str, values: Sequence[str | None]) -> str:
    """Return the query of all rows with their `PARTITIONED_BY`, and its place among the values as `PARTITION`.

    See `Engine.partitions`. Each row's value is computed once, however many values there are.
    """
    column = identifier(PARTITIONED_BY)
    branches = " ".join(f"WHEN {string_literal(each)} THEN {at}" for at, each in enumerate(values) if each is not None)
    others = f"ELSE {values.index(None)}" if None in values else ""
    number = f"CASE {column} {branches} {others} END" if branches else "0"
    return f"""
        SELECT *, {number} AS {identifier(PARTITION)}
        FROM (SELECT *, {value} AS {column} FROM predictions) WHERE {column} IS NOT NULL
    """
