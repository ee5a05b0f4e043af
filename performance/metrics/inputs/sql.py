"""SQL, in DuckDB's dialect, from names and values that may hold anything."""

import math
from collections.abc import Sequence

CHAIN = 100  # terms in a row


def column(name: str) -> str:
    """Return a column's name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a text as SQL has it."""
    return "'" + value.replace("'", "''") + "'"


def total(terms: Sequence[str]) -> str:
    """Return the sum of terms, of which there may be thousands: a long chain is deeper than an engine parses."""
    chains = [" + ".join(terms[at : at + CHAIN]) for at in range(0, len(terms), CHAIN)]
    return chains[0] if len(chains) == 1 else " + ".join(f"({chain})" for chain in chains)


def number(value: float) -> str:
    """Return a double as SQL has it. Raises `OverflowError` for what is not finite."""
    if not math.isfinite(value):
        raise OverflowError(f"{value} has no literal")
    return f"CAST({float(value)!r} AS DOUBLE)"
