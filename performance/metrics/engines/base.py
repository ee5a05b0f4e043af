"""The interface of every engine."""

from collections.abc import Generator, Mapping, Sequence
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

Row = tuple[Any, ...]

PARTITION = "number of the partition"  # the name of a column that partitioned predictions are written with
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
    """Run statements in DuckDB's dialect on the relation `predictions`. `statements` counts them.

    `names` maps each column's name in the files to its name in `predictions`. They differ only if two names in the
    files are equal except for case.
    """

    statements: int
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

    def partitions(self, number: str, numbers: Sequence[int]) -> Generator["Engine"]:
        """Yield an engine for each of the numbers. Its predictions are the rows for which `number` gives that number.

        `number` is a SQL expression; rows for which it is null belong to no engine. The rows are written once, sorted
        by their numbers, so that each engine reads only its own. Use an engine only until the next one is yielded.
        """
