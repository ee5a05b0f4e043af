"""Explain why DuckDB cannot read a row of a CSV file."""

import re
from typing import BinaryIO

from performance.metrics.result import UnprocessablePredictionsError

CHUNK_SIZE = 2**20
MAX_UNSPLIT_SIZE = 2**22  # bytes that DuckDB always reads in one piece, and so in order

_line = re.compile(r"[\w ]+ Error: CSV Error on Line: (\d+)\n")
_known_reason = re.compile(
    r"^(?:Expected Number of Columns: (?P<expected>\d+) Found: (?P<found>\d+)"
    r"|(?P<quote>Value with unterminated quote)|(?P<text>Invalid unicode)|(?P<long>Maximum line size))",
    re.MULTILINE,
)
_mixed_ends = "CSV Parser state machine reached an invalid state"
_blank = re.compile(rb"\n\r?\n|\r\r")

_DESCRIPTIONS = {
    "quote": "has a quote that is never closed, or text after the closing quote",
    "text": "is not in UTF-8",
    "long": "is too long",
}


def has_mixed_line_ends(message: str) -> bool:
    """Return whether DuckDB's message means that a CR stands alone, or that lines end in different ways."""
    return _mixed_ends in message


def malformed_line(message: str) -> int | None:
    """Return the line of a CSV file that DuckDB's message calls malformed; `None` for any other message."""
    match = _line.match(message)
    return int(match[1]) if match else None


def malformed_error(message: str, line: int, content: BinaryIO, name: str | None) -> UnprocessablePredictionsError:
    """Return the error for a row that DuckDB cannot read.

    DuckDB counts rows and blank lines. It may have begun to read a large file with quotes inside a cell; then neither
    the row nor the reason is certain.

    Args:
        message: DuckDB's message.
        line: the line that the message names.
        content: the file, which is read to its end.
        name: the name of the file if it is one of several.
    """
    has_quotes, may_have_blanks = _quotes_and_blanks(content)
    where = f"line {line:,}" if name is None else f"line {line:,} of {name}"
    if has_quotes and content.tell() > MAX_UNSPLIT_SIZE:
        return UnprocessablePredictionsError(f"The file cannot be read: it is malformed near {where}.")
    row = None if may_have_blanks or name is not None else line - 1
    subject = where if row is None else f"row {row:,}"
    return UnprocessablePredictionsError(f"The file cannot be read: {subject} {_describe(message)}.", row=row)


def _quotes_and_blanks(content: BinaryIO) -> tuple[bool, bool]:
    """Read a file to its end, and say whether it has quotes and whether it may have blank lines."""
    quotes = blanks = False
    end = b""
    while chunk := content.read(CHUNK_SIZE):
        quotes = quotes or b'"' in chunk
        blanks = blanks or _blank.search(end + chunk) is not None
        end = chunk[-2:]
    return quotes, blanks


def _describe(message: str) -> str:
    """Return DuckDB's reason in our own words. Ignore the quoted row that precedes it."""
    reasons = list(_known_reason.finditer(message))
    if not reasons:
        return "is malformed"
    reason = reasons[-1]
    if reason["expected"] is None:
        return _DESCRIPTIONS[reason.lastgroup or ""]
    comparison = "fewer" if int(reason["found"]) < int(reason["expected"]) else "more"
    return f"has {comparison} cells than the header, which has {reason['expected']}"
