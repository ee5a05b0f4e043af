"""Write names and values as SQL in DuckDB's dialect, whatever characters they contain."""

import math
from collections.abc import Sequence

MAX_CHAIN = 10  # terms added without parentheses


def identifier(name: str) -> str:
    """Return a column's name, quoted."""
    return '"' + name.replace('"', '""') + '"'


def string_literal(value: str) -> str:
    """Return a text as a literal."""
    return "'" + value.replace("'", "''") + "'"


def sum_terms(terms: Sequence[str]) -> str:
    """Return the sum of many terms, nested as a tree.

    A chain of thousands would be nested deeper than an engine can parse, and DuckDB's time to plan a chain grows with
    the square of its length.
    """
    while len(terms) > MAX_CHAIN:
        terms = [f"({' + '.join(terms[at : at + MAX_CHAIN])})" for at in range(0, len(terms), MAX_CHAIN)]
    return " + ".join(terms)


def number_literal(value: float) -> str:
    """Return a double as a literal. Raises `OverflowError` if it is not finite."""
    if not math.isfinite(value):
        raise OverflowError(f"{value} has no literal")
    return f"CAST({float(value)!r} AS DOUBLE)"
