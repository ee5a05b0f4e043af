"""Run SQL in embedded DuckDB.

DuckDB is imported when an engine is opened: a web process imports this module but never opens one.
"""

import errno
import math
import os
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from copy import copy
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from performance.metrics.engines import gzip_files
from performance.metrics.engines.base import (
    PARTITION,
    PARTITIONED_BY,
    PARTITIONS,
    ObjectStore,
    Row,
    numbered_rows,
)
from performance.metrics.engines.column_names import distinct_names, with_index_name
from performance.metrics.engines.csv_errors import has_mixed_line_ends, malformed_error, malformed_line
from performance.metrics.engines.csv_format import CsvFormat, read_format
from performance.metrics.inputs.sql import identifier, string_literal
from performance.metrics.result import EXHAUSTED, UnprocessablePredictionsError

if TYPE_CHECKING:
    import duckdb

DISK_FULL = os.strerror(errno.ENOSPC)
STATEMENTS_OF_PARTS = 5  # that the parts of the rows take as long as, however many there are
MAX_HEADER = 2**20  # bytes of the first line of a CSV file
MAX_LINE = 2**21  # bytes of its last line

_glob_character = re.compile(r"([*?\[])")
_error_class = re.compile(r"^[\w ]+ Error: ")


class _InstalledVersion:
    """The version of the installed DuckDB. The process of an evaluation never asks for it, which would take 60 ms."""

    def __get__(self, engine: object, kind: object) -> str:
        from importlib import metadata

        return metadata.version("duckdb")


class DuckDB:
    """DuckDB in this process, with limited memory and threads.

    Beyond its memory it spills to `folder`, up to `disk` (such as `512MB`). A `confined` engine can reach no file
    outside of the folder and no network, whatever statement it runs. An engine with a `store` reads the files of that
    store by their URIs. `excess` is how many of the statements are not counted for its progress: see
    `STATEMENTS_OF_PARTS`.
    """

    name = "duckdb"
    version = _InstalledVersion()
    rows_per_sort: float = math.inf  # it sorts on all cores, and spills
    row_id = "row_number() OVER ()"
    names: Mapping[str, str]

    def __init__(
        self,
        *,
        folder: Path,
        memory: str = "512MB",
        disk: str = "",
        threads: int = 2,
        confined: bool = False,
        store: ObjectStore | None = None,
    ) -> None:
        self._folder = folder
        self._store = store
        self._config: dict[str, str | bool | int | float | list[str]] = {
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
        self._connections = ExitStack()
        self._connection = self._open(ordered=False)
        self.statement_count = 0
        self.excess = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connections.close()

    def read_parquet(self, files: Sequence[str]) -> None:
        """Define the predictions as the rows of Parquet files. Raises `UnprocessablePredictionsError`."""
        names = [distinct_names(with_index_name([name for name, _ in self.parquet_columns(file)])) for file in files]
        if any(each.keys() != names[0].keys() for each in names):
            raise UnprocessablePredictionsError("The files have different columns, so they cannot be read together.")
        self._define(
            f"read_parquet({self._file_list(files)}, union_by_name = false, hive_partitioning = false)", names[0]
        )

    def parquet_columns(self, file: str) -> list[tuple[str, str]]:
        """Return the name and the type of each column of a Parquet file, also of those with equal names.

        It is the logical type, such as `DateType()`, or else the older converted one, or the physical one.

        Raises `UnprocessablePredictionsError`.
        """
        kind = "coalesce(logical_type, converted_type, type)"
        rows = self.rows(f"SELECT name, {kind}, num_children FROM parquet_schema({self._file_list([file])})")
        columns, nested = [], 0
        for name, kind, children in rows[1:]:  # the first is the root
            if not nested:
                columns.append((str(name), str(kind)))
            nested = max(nested - 1, 0) + (children or 0)
        return columns

    def read_csv(self, files: Sequence[str]) -> None:
        """Define the predictions as the rows of CSV files with equal headers. Every cell is a text.

        Cells are separated as in the header; DuckDB guesses nothing from the content. Files whose names end in `.gz`
        are decompressed first. Raises `UnprocessablePredictionsError`.
        """
        self._csv = {self._decompressed(file, at): file for at, file in enumerate(files)}
        formats = [self._csv_format(file) for file in self._csv]
        if any(each != formats[0] for each in formats):
            raise UnprocessablePredictionsError("The files have different headers, so they cannot be read together.")
        names = distinct_names(formats[0].names)
        columns = ", ".join(f"{string_literal(name)}: 'VARCHAR'" for name in names.values())
        form = f"""auto_detect = false, delim = {string_literal(formats[0].separator)}, quote = '"', escape = '"', """
        form += "header = true, compression = 'none', hive_partitioning = false"
        self._define(f"read_csv({self._file_list(list(self._csv))}, {form}, columns = {{{columns}}})", names)

    def columns(self) -> dict[str, str]:
        """Return the type of each column, by name."""
        return dict(self._columns)

    def rows(self, statement: str) -> list[Row]:
        """Return the rows of a statement's result. Raises `UnprocessablePredictionsError` for an unreadable file."""
        self.statement_count += 1
        return self._run(self._connection, statement)

    def progress(self) -> float:
        """Return how much of the current statement is done, from 0 to 1. Call it from another thread."""
        import duckdb

        try:
            return min(max(self._connection.query_progress() / 100, 0.0), 1.0)
        except duckdb.ConnectionException:  # no statement is running
            return 1.0

    def first_row(self, condition: str) -> int | None:
        """Return the number of the first row that meets a condition, from 1."""
        numbered = f"SELECT row_number() OVER () AS numbered, * FROM {self._source}"
        [(first,)] = self._run(self._ordered, f"SELECT min(numbered) FROM ({numbered}) WHERE {condition}")
        return None if first is None else int(first)

    def hash_parts(self, sql: str) -> tuple[str, str]:
        """Return the expressions of the first and the next 60 bits of a text's MD5, as numbers."""
        digest = f"md5({sql})"
        first, second = (f"CAST('0x' || substr({digest}, {start}, 15) AS BIGINT)" for start in (1, 16))
        return first, second

    def write_parquet(self, statement: str, file: Path) -> None:
        """Write the rows of a statement's result, in order, to a Parquet file without other content.

        Raises `UnprocessablePredictionsError` if they take too much space.
        """
        copied = f"COPY ({statement}) TO {string_literal(str(file))} (FORMAT parquet, COMPRESSION zstd)"
        self._run(self._ordered, f"CREATE OR REPLACE VIEW predictions AS SELECT * FROM {self._source}")
        self._run(self._ordered, copied)

    def partitions(self, value: str, values: Sequence[str | None]) -> Generator["DuckDB"]:
        """Yield an engine for each of the values. Its predictions are the rows for which `value` is that value.

        Raises `UnprocessablePredictionsError` if the rows take too much space.
        """
        file, partition = self._folder / f"{PARTITIONS}.parquet", identifier(PARTITION)
        written = f"SELECT * EXCLUDE ({identifier(PARTITIONED_BY)}) FROM ({numbered_rows(value, values)})"
        try:
            self.write_parquet(f"{written} ORDER BY {partition}", file)
            read = f"read_parquet({self._file_list([str(file)])})"
            for at in range(len(values)):
                with self._connection.cursor() as connection:
                    yield self._part(
                        connection, f"(SELECT * EXCLUDE ({partition}) FROM {read} WHERE {partition} = {at})"
                    )
                self.statement_count += 1
                self.excess += 1 - STATEMENTS_OF_PARTS / len(values)
        finally:
            file.unlink(missing_ok=True)

    def _part(self, connection: "duckdb.DuckDBPyConnection", source: str) -> "DuckDB":
        """Return an engine whose predictions hide this one's on a connection of its own to the same database."""
        part = copy(self)
        part._connection, part._source = connection, source
        part.rows(f"CREATE TEMP VIEW predictions AS SELECT * FROM {source}")
        return part

    def _define(self, source: str, names: Mapping[str, str]) -> None:
        self.names = names
        self._source = f"{source} AS source ({', '.join(map(identifier, names.values()))})"
        self.rows(f"CREATE OR REPLACE VIEW predictions AS SELECT * FROM {self._source}")
        self._columns = {str(name): str(kind) for name, kind, *_ in self.rows("DESCRIBE predictions")}

    def _csv_format(self, file: str) -> CsvFormat:
        """Return the format of a CSV file. Raises `UnprocessablePredictionsError`."""
        with self._open_file(file) as content:
            _check_last_line(content)
            content.seek(0)
            return read_format(re.split(rb"[\r\n]", content.read(MAX_HEADER), maxsplit=1)[0])

    def _decompressed(self, file: str, at: int) -> str:
        """Return the path of the decompressed file, or the file itself if it is not compressed."""
        if not file.lower().endswith(gzip_files.SUFFIX):
            return file
        decompressed = self._folder / f"decompressed-{at}.csv"
        with self._open_file(file) as compressed:
            gzip_files.decompress(compressed, decompressed)
        return str(decompressed)

    def _file_list(self, files: Sequence[str]) -> str:
        """Return the files as a SQL list. Escape wildcards in local names."""
        return _list([file if "://" in file else _glob_character.sub(r"[\1]", file) for file in files])

    def _open_file(self, file: str) -> BinaryIO:
        return self._store.open(file, "rb") if self._store is not None and "://" in file else Path(file).open("rb")

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
            if "write" in str(error):  # a spilled file
                raise UnprocessablePredictionsError(EXHAUSTED) from None
            raise self._unreadable_error(error) from None
        except duckdb.Error as error:
            raise self._unreadable_error(error) from None

    def _unreadable_error(self, error: "duckdb.Error") -> UnprocessablePredictionsError:
        """Return the error for an unreadable file: DuckDB's reason without names of our own files."""
        message = str(error)
        if (line := malformed_line(message)) is not None:
            return self._malformed_error(message, line)
        if has_mixed_line_ends(message):
            return UnprocessablePredictionsError(
                "The file cannot be read: a carriage return (CR) stands alone, or its lines end in different ways. "
                "Put cells that contain one in quotes, and end each line alike."
            )
        reason = _error_class.sub("", message.splitlines()[0])
        reason = re.sub(rf" '{re.escape(str(self._folder))}/[^']*'", "", reason).replace(f"{self._folder}/", "")
        return UnprocessablePredictionsError(f"The file cannot be read: {reason}")

    def _malformed_error(self, message: str, line: int) -> UnprocessablePredictionsError:
        file = next((each for each in self._csv if f"\n  file = {each}\n" in message), next(iter(self._csv)))
        with self._open_file(file) as content:
            return malformed_error(message, line, content, self._csv[file] if len(self._csv) > 1 else None)

    @cached_property
    def _ordered(self) -> "duckdb.DuckDBPyConnection":
        """A connection whose results keep the order of rows, which costs speed."""
        return self._open(ordered=True)

    def _open(self, *, ordered: bool) -> "duckdb.DuckDBPyConnection":
        """Return a connection to a new database, which is closed with the engine."""
        import duckdb

        connection = self._connections.enter_context(
            duckdb.connect(config={**self._config, "preserve_insertion_order": ordered})
        )
        # This optimizer makes the CSV reader refuse a file for a cell that TRY_CAST turns into null.
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
    return f"[{', '.join(map(string_literal, files))}]"


def _check_last_line(content: BinaryIO) -> None:
    """Refuse a file whose last line is too long, which DuckDB would drop silently.

    Raises `UnprocessablePredictionsError`.
    """
    size = content.seek(0, os.SEEK_END)
    content.seek(max(size - MAX_LINE, 0))
    if size > MAX_LINE and b"\n" not in content.read():
        raise UnprocessablePredictionsError("The file cannot be read: its last line is too long.")
