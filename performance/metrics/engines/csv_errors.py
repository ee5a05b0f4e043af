"""What is wrong with a row of a CSV file that DuckDB cannot read."""

import re
from typing import BinaryIO

from performance.metrics.result import UnprocessablePredictionsError

CHUNK = 2**20
ONE_PIECE = 2**22  # bytes that DuckDB surely reads in one piece, and so in order

_line = re.compile(r"[\w ]+ Error: CSV Error on Line: (\d+)\n")
_fault = re.compile(
    r"^(?:Expected Number of Columns: (?P<expected>\d+) Found: (?P<found>\d+)"
    r"|(?P<quote>Value with unterminated quote)|(?P<text>Invalid unicode)|(?P<long>Maximum line size))",
    re.MULTILINE,
)
_blank = re.compile(rb"\n\r?\n|\r\r")

_SENTENCES = {
    "quote": "has a quote that is never closed, or more behind the closing one",
    "text": "is not in UTF-8",
    "long": "is too long",
}


def line_of(said: str) -> int | None:
    """Return the line at which DuckDB says that a CSV file is malformed; `None` where it speaks of something else."""
    found = _line.match(said)
    return int(found[1]) if found else None


def malformed(said: str, line: int, content: BinaryIO, name: str | None) -> UnprocessablePredictionsError:
    """Return the error of a row of a file, which has a name where it is one of several.

    The lines that DuckDB counts are rows and blank lines. In a large file with quotes it may have begun a piece amid a
    cell, and then neither the row nor its fault is certain.
    """
    quotes, blanks = _quotes_and_blanks(content)
    where = f"line {line:,}" if name is None else f"line {line:,} of {name}"
    if quotes and content.tell() > ONE_PIECE:
        return UnprocessablePredictionsError(f"The file cannot be read: it is malformed about {where}.")
    row = None if blanks or name is not None else line - 1
    subject = where if row is None else f"row {row:,}"
    return UnprocessablePredictionsError(f"The file cannot be read: {subject} {_told(said)}.", row=row)


def _quotes_and_blanks(content: BinaryIO) -> tuple[bool, bool]:
    """Say whether a file has quotes, and whether it may have blank lines, having read it to its end."""
    quotes = blanks = False
    end = b""
    while chunk := content.read(CHUNK):
        quotes = quotes or b'"' in chunk
        blanks = blanks or _blank.search(end + chunk) is not None
        end = chunk[-2:]
    return quotes, blanks


def _told(said: str) -> str:
    """Return what DuckDB says of the row after quoting it, in our words."""
    faults = list(_fault.finditer(said))
    if not faults:
        return "is malformed"
    fault = faults[-1]
    if fault["expected"] is None:
        return _SENTENCES[fault.lastgroup or ""]
    than = "fewer" if int(fault["found"]) < int(fault["expected"]) else "more"
    return f"has {than} cells than the header, which has {fault['expected']}"
