"""Read the first line of a CSV file: the separator of its cells, and the names of its columns."""

import csv
from dataclasses import dataclass

from performance.metrics.engines.column_names import with_index_name
from performance.metrics.result import UnprocessablePredictionsError

SEPARATORS = (",", ";", "\t")
MAX_COLUMNS = 10_000


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """The separator of the cells, and the names of the columns."""

    separator: str
    names: tuple[str, ...]


def read_format(first_line: bytes) -> CsvFormat:
    """Return the format that the first line of a file shows.

    The separator is the one that gives the most columns, in doubt the comma. The first column may have no name, as the
    index that pandas writes. Raises `UnprocessablePredictionsError`.
    """
    found = [each for separator in SEPARATORS if (each := _split(first_line, separator)) is not None]
    if not found:
        raise UnprocessablePredictionsError("The file cannot be read: its first line is not a header in UTF-8.")
    most = max(found, key=lambda each: len(each.names))
    if len(most.names) > MAX_COLUMNS:
        raise UnprocessablePredictionsError(f"There are {len(most.names):,} columns; the limit is {MAX_COLUMNS:,}.")
    if not most.names:
        raise UnprocessablePredictionsError("The file is empty: it has no rows, not even a header.")
    return CsvFormat(most.separator, with_index_name(most.names))


def _split(first_line: bytes, separator: str) -> CsvFormat | None:
    """Return the format with this separator, or `None` if the line cannot be split by it."""
    try:
        line = first_line.decode("utf-8-sig")
        if "\0" in line:
            return None
        return CsvFormat(separator, tuple(next(csv.reader([line], delimiter=separator, strict=True), [])))
    except (UnicodeDecodeError, csv.Error):
        return None
