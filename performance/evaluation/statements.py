"""SQL, in DuckDB's dialect, from names and values that may hold anything."""

import math


def column(name: str) -> str:
    """Return a column's name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a text as SQL has it."""
    return "'" + value.replace("'", "''") + "'"


def number(value: float) -> str:
    """Return a double as SQL has it. Raises `OverflowError` for what is not finite."""
    if not math.isfinite(value):
        raise OverflowError(f"{value} has no literal")
    return f"CAST({float(value)!r} AS DOUBLE)"
