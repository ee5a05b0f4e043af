"""What every engine can do."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol, Self

Row = tuple[Any, ...]


class ComputedBy(Protocol):
    """What something was computed by."""

    name: str
    version: str


class Engine(ComputedBy, Protocol):
    """Runs statements in DuckDB's dialect on the relation `predictions`. `statements` counts them."""

    statements: int

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def read_parquet(self, files: Sequence[str]) -> None:
        """Have the predictions in Parquet files, read as one."""

    def read_csv(self, files: Sequence[str]) -> None:
        """Have the predictions in CSV files (RFC 4180) with the same header, read as one. Every cell is a text."""

    def columns(self) -> dict[str, str]:
        """Return the type of each column, by name."""

    def rows(self, statement: str) -> list[Row]:
        """Return the rows that a statement gives."""

    def progress(self) -> float:
        """Return how much of the present statement is done, from 0 to 1."""

    def first_row(self, condition: str) -> int | None:
        """Return the number of the first row, from 1, for which a condition holds."""
