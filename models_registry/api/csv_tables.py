"""Write tables as CSV (RFC 4180) in which no spreadsheet program finds a formula."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from io import StringIO
from itertools import chain
from typing import TypeAlias

from models_registry.api.times import utc_text

Row: TypeAlias = Mapping[str, object]

MAX_COLUMNS = 1_000
# The beginnings of formulas, also in full width, but not of numbers such as -0.5.
_formula = re.compile(r"[=@\t\r\n\uff1d\uff0b\uff0d\uff20]|[+-](?!\d+(\.\d+)?(e[+-]?\d+)?\Z)")


def csv_text(rows: Sequence[Row], *, columns: Sequence[str] = ()) -> str:
    """Return rows of JSON values as CSV with a header.

    A member of an object becomes a column of its own, named with dots, unless there would be more than `MAX_COLUMNS` or
    two of the same name: then objects are written as JSON, as lists are.

    Args:
        rows: objects, whose members may differ.
        columns: the header of a table without rows.
    """
    flat = [[*_flatten(row)] for row in rows]
    named: list[Row] = [dict(pairs) for pairs in flat]
    is_ambiguous = any(len(row) < len(pairs) for row, pairs in zip(named, flat, strict=True))
    header = _header(named)
    if is_ambiguous or len(header) > MAX_COLUMNS:
        named, header = list(rows), _header(rows)
    lines = ([row.get(name) for name in header] for row in named)
    return "".join(csv_lines(header or columns, lines))


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield the lines of a table: its header, then its rows of JSON values and times."""
    buffer = StringIO(newline="")
    writer = csv.writer(buffer)
    for row in chain([header], rows):
        writer.writerow([_cell(each) for each in row])
        yield _take(buffer)


def _take(buffer: StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _header(rows: Iterable[Row]) -> list[str]:
    """Return the names of all members, in the order in which they first appear."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _flatten(row: Row, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _cell(value: object) -> object:
    """Return the text of a cell. A text that a spreadsheet program would run begins with an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, str):
        return f"'{value}" if _formula.match(value) else value
    return json.dumps(value, ensure_ascii=False)
