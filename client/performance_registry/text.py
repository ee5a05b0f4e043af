"""Show numbers and texts of the registry to people."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Sequence


def escape_controls(text: str) -> str:
    """Return a text whose control characters are escaped, so that it cannot steer a terminal. Newlines stay."""
    return "".join(c if c == "\n" or unicodedata.category(c) not in _CONTROLS else ascii(c)[1:-1] for c in text)


def check_token(text: str, name: str, error: type[Exception]) -> None:
    """Raise `error`, which names the token, if a text cannot be one. An error about its header would show the text."""
    if not (text.isascii() and text.isprintable()):
        raise error(f"{name} contains a line break or another character that no token has.")


_CONTROLS = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_DIGITS = 6
_MANY = 1e15  # from which on a double is whole anyway
_DECIMAL = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?e[+-]?\d+|(?<![\w.])-?\d+\.\d+")


def format_number(value: object) -> str:
    """Return a number with at most six significant digits, whole numbers with all; nothing for `None`."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.{_DIGITS}g}"
    return "" if value is None else f"{value:.0f}" if isinstance(value, float) else str(value)


def format_exactly(value: object) -> str:
    """Return a number with all digits; nothing for `None`."""
    return repr(value) if isinstance(value, float) and not value.is_integer() else format_number(value)


def format_interval(interval: object, format: Callable[[object], str] = format_number) -> str:
    """Return an interval as `0.91 to 0.95`; nothing for `None`."""
    return f"{format(interval.get('lower'))} to {format(interval.get('upper'))}" if isinstance(interval, dict) else ""


def round_consistently(texts: Sequence[str]) -> list[str]:
    """Round the decimals in texts to six significant digits, or to more if different numbers would look equal.

    So a value that just misses a threshold does not look equal to it.
    """
    decimals = {float(found) for text in texts for found in _DECIMAL.findall(text)}
    digits = next(
        digits for digits in range(_DIGITS, 18) if len({f"{each:.{digits}g}" for each in decimals}) == len(decimals)
    )
    return [_DECIMAL.sub(lambda found: _rounded(found[0], digits), text) for text in texts]


def _rounded(decimal: str, digits: int) -> str:
    number = float(decimal)
    if not math.isfinite(number):
        return decimal
    return f"{number:.0f}" if number.is_integer() and abs(number) < _MANY else f"{number:.{digits}g}"


def format_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of aligned columns as plain text."""
    cells = [[escape_controls(cell).replace("\n", " ") for cell in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)
    return "\n".join(lines)
