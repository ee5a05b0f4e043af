"""Run statements in embedded DuckDB. Each engine has the predictions under that name.

DuckDB is imported when an engine is opened: a web process imports this module but never opens one.
"""

import csv
import errno
import os
import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from performance.metrics.engines.base import Row
from performance.metrics.engines.csv_errors import line_of, malformed
from performance.metrics.inputs.sql import text
from performance.metrics.result import EXHAUSTED, UnprocessablePredictionsError

if TYPE_CHECKING:
    import duckdb

DISK_FULL = os.strerror(errno.ENOSPC)
MAX_HEADER = 2**20  # bytes of a CSV file's first line
MAX_LINE = 2**21  # bytes of its last one
MAX_COLUMNS = 10_000  # that it names

_special = re.compile(r"([*?\[])")
_class = re.compile(r"^[\w ]+ Error: ")


class DuckDB:
    """DuckDB in this process, within bounds of memory and threads. Past the memory it spills to `folder`, up to `disk`.

    When `confined`, it can reach no file outside of the folder and no network, whatever it is told. Files of a `store`,
    which is one of fsspec's file systems, it reads by their URIs.
    """

    name = "duckdb"
    version = metadata.version("duckdb")

    def __init__(
        self,
        *,
        folder: Path,
        memory: str = "512MB",
        disk: str = "",
        threads: int = 2,
        confined: bool = False,
        store: Any = None,
    ) -> None:
        self._folder = folder
        self._store = store
        self._config: dict[str, Any] = {
            "threads": threads,
            "memory_limit": memory,
            "temp_directory": str(folder),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
            **({"max_temp_directory_size": disk} if disk else {}),
        }
        self._confined = confined
        self._connection = self._open(ordered=False)
        self.statements = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def read_parquet(self, files: Sequence[str]) -> None:
        """Have the predictions in Parquet files, read as one."""
        self._define(f"read_parquet({self._named(files)}, union_by_name = false, hive_partitioning = false)")

    def read_csv(self, files: Sequence[str]) -> None:
        """Have the predictions in CSV files (RFC 4180) with the same header, read as one. Every cell is a text.

        Nothing about the form is guessed from what the files hold. Raises `UnprocessablePredictionsError`.
        """
        self._csv = files
        headers = [self._header(file) for file in files]
        if any(header != headers[0] for header in headers):
            raise UnprocessablePredictionsError("The files have different headers, and cannot be read as one.")
        columns = ", ".join(f"{text(name)}: 'VARCHAR'" for name in headers[0])
        form = """auto_detect = false, delim = ',', quote = '"', escape = '"', header = true, compression = 'none'"""
        form += ", hive_partitioning = false"
        self._define(f"read_csv({self._named(files)}, {form}, columns = {{{columns}}})")

    def columns(self) -> dict[str, str]:
        """Return the type of each column, by name."""
        return {str(name): str(kind) for name, kind, *_ in self.rows("DESCRIBE predictions")}

    def rows(self, statement: str) -> list[Row]:
        """Return the rows that a statement gives. Raises `UnprocessablePredictionsError` for a file that is none."""
        self.statements += 1
        return self._run(self._connection, statement)

    def progress(self) -> float:
        """Return how much of the present statement is done, from 0 to 1. To be asked from another thread."""
        import duckdb

        try:
            return min(max(self._connection.query_progress() / 100, 0.0), 1.0)
        except duckdb.ConnectionException:  # all is done
            return 1.0

    def first_row(self, condition: str) -> int | None:
        """Return the number of the first row, from 1, for which a condition holds."""
        numbered = f"SELECT row_number() OVER () AS numbered, * FROM {self._source}"
        with self._open(ordered=True) as connection:
            [(first,)] = self._run(connection, f"SELECT min(numbered) FROM ({numbered}) WHERE {condition}")
        return None if first is None else int(first)

    def write_parquet(self, statement: str, file: Path) -> None:
        """Write the rows that a statement gives, in its order, to a Parquet file, which holds nothing but them.

        Raises `UnprocessablePredictionsError` where they take too much space.
        """
        with self._open(ordered=True) as connection:
            self._run(connection, f"CREATE VIEW predictions AS SELECT * FROM {self._source}")
            self._run(connection, f"COPY ({statement}) TO {text(str(file))} (FORMAT parquet, COMPRESSION zstd)")

    def _define(self, source: str) -> None:
        self._source = source
        self.rows(f"CREATE VIEW predictions AS SELECT * FROM {source}")

    def _header(self, file: str) -> list[str]:
        """Return the names of a CSV file's columns. Raises `UnprocessablePredictionsError`."""
        with self._opened(file) as content:
            _refuse_long_end(content)
            content.seek(0)
            return _names(re.split(rb"[\r\n]", content.read(MAX_HEADER), maxsplit=1)[0])

    def _named(self, files: Sequence[str]) -> str:
        """Return the files as SQL has them; in their names here nothing is a pattern."""
        return _list(files if self._store is not None else [_special.sub(r"[\1]", file) for file in files])

    def _opened(self, file: str) -> Any:
        return Path(file).open("rb") if self._store is None else self._store.open(file, "rb")

    def _run(self, connection: "duckdb.DuckDBPyConnection", statement: str) -> list[Row]:
        import duckdb

        try:
            return connection.execute(statement).fetchall()
        except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException, duckdb.SyntaxException):
            raise  # The statement is wrong. Any other error is about the files.
        except duckdb.OutOfMemoryException:
            raise UnprocessablePredictionsError(EXHAUSTED) from None
        except duckdb.IOException as error:
            if DISK_FULL in str(error):
                raise OSError(errno.ENOSPC, DISK_FULL) from None
            if "write" in str(error):  # what it spills
                raise UnprocessablePredictionsError(EXHAUSTED) from None
            raise self._unreadable(error) from None
        except duckdb.Error as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: "duckdb.Error") -> UnprocessablePredictionsError:
        """Return the error of a file, which has DuckDB's reason without names that are not the caller's."""
        said = str(error)
        if (line := line_of(said)) is not None:
            return self._malformed(said, line)
        reason = _class.sub("", said.splitlines()[0])
        reason = re.sub(rf" '{re.escape(str(self._folder))}/[^']*'", "", reason).replace(f"{self._folder}/", "")
        return UnprocessablePredictionsError(f"The file cannot be read: {reason}")

    def _malformed(self, said: str, line: int) -> UnprocessablePredictionsError:
        file = next((each for each in self._csv if f"\n  file = {each}\n" in said), self._csv[0])
        with self._opened(file) as content:
            return malformed(said, line, content, file if len(self._csv) > 1 else None)

    def _open(self, *, ordered: bool) -> "duckdb.DuckDBPyConnection":
        """Return a connection to a database of its own, which keeps the order of rows, or is faster."""
        import duckdb

        connection = duckdb.connect(config={**self._config, "preserve_insertion_order": ordered})
        # Which has the CSV reader cast a cell, and refuse the file for one that TRY_CAST makes null.
        connection.execute("SET disabled_optimizers = 'type_pushdown'")
        if self._store is not None:
            connection.register_filesystem(self._store)
        connection.execute("SET enable_progress_bar = true")
        connection.execute("SET enable_progress_bar_print = false")
        if self._confined:
            connection.execute(f"SET allowed_directories = {_list([str(self._folder)])}")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
        return connection


def _list(files: Sequence[str]) -> str:
    return f"[{', '.join(map(text, files))}]"


def _names(first_line: bytes) -> list[str]:
    """Return what the first line names. Raises `UnprocessablePredictionsError`."""
    try:
        line = first_line.decode("utf-8-sig")
        if "\0" in line:
            raise csv.Error
        header = next(csv.reader([line], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        raise UnprocessablePredictionsError("The file cannot be read: its first line is no header in UTF-8.") from None
    if len(header) > MAX_COLUMNS:
        raise UnprocessablePredictionsError(f"There are {len(header):,} columns; {MAX_COLUMNS:,} are the most.")
    if not header:
        raise UnprocessablePredictionsError("There is no row, not even a header.")
    repeated = _repeated(header)
    if "" in header or repeated is not None:
        fault = "a column without a name" if repeated is None else f"two columns {repeated[:40]!r}, in whatever case"
        raise UnprocessablePredictionsError(f"The header has {fault}.", column=repeated)
    return header


def _repeated(header: Sequence[str]) -> str | None:
    """Return the first name that is there before, in whatever case."""
    seen: set[str] = set()
    for name in header:
        if name.lower() in seen:
            return name
        seen.add(name.lower())
    return None


def _refuse_long_end(content: BinaryIO) -> None:
    """Refuse a file whose last line is longer than any should be: DuckDB would leave it out, and say nothing."""
    size = content.seek(0, os.SEEK_END)
    content.seek(max(size - MAX_LINE, 0))
    if size > MAX_LINE and b"\n" not in content.read():
        raise UnprocessablePredictionsError("The file cannot be read: its last line is too long.")
