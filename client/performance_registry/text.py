"""Show numbers and texts of the registry to people."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def escape_controls(text: str) -> str:
    """Return a text whose control characters are escaped, so that it cannot steer a terminal. Newlines stay."""
    return "".join(c if c == "\n" or unicodedata.category(c) not in _CONTROLS else ascii(c)[1:-1] for c in text)


def check_token(text: str, name: str, error: type[Exception]) -> None:
    """Raise `error`, which names the token, if a text cannot be one. An error about its header would show the text."""
    if not (text.isascii() and text.isprintable()):
        raise error(f"{name} contains a line break or another character that no token has.")


_CONTROLS = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def format_number(value: object) -> str:
    """Return a number with at most six significant digits, whole numbers with all; nothing for `None`."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.6g}"
    return "" if value is None else f"{value:.0f}" if isinstance(value, float) else str(value)


def format_interval(interval: object) -> str:
    """Return an interval as `0.91 to 0.95`; nothing for `None`."""
    if not isinstance(interval, dict):
        return ""
    return f"{format_number(interval.get('lower'))} to {format_number(interval.get('upper'))}"


def format_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of aligned columns as plain text."""
    cells = [[escape_controls(cell).replace("\n", " ") for cell in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)
    return "\n".join(lines)
