"""Count the examples that exported files of predictions share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.sql import string_literal


@dataclass(frozen=True, slots=True)
class Overlap:
    """The number of examples with an id and a weight above 0, and of those whose id other files have too."""

    examples: int
    shared: int

    @property
    def share(self) -> float:
        """The share of the examples that the other files have too, from 0 to 1."""
        return self.shared / self.examples if self.examples else 0.0


def count_overlap(
    evaluated: Sequence[Path], training: Sequence[Path], *, memory: str = "256MB", disk: str = ""
) -> Overlap:
    """Return how many ids of some exported files are in others too. All are in one folder.

    Raises `UnprocessablePredictionsError` if a file is unreadable, or needs more memory or disk space than allowed.
    """
    with DuckDB(folder=evaluated[0].parent, memory=memory, disk=disk, confined=True) as engine:
        given = " UNION ".join(_ids(file, _condition(engine, file)) for file in evaluated)
        known = " UNION ".join(map(_ids, training))
        [(examples, shared)] = engine.rows(f"""
            SELECT count(*), count(known.example_id)
            FROM ({given}) AS given LEFT JOIN ({known}) AS known USING (example_id)
        """)
    return Overlap(examples, shared)


def _condition(engine: DuckDB, file: Path) -> str:
    """Return the SQL of which rows of a file count: those with a weight above 0."""
    return "weight > 0" if "weight" in dict(engine.parquet_columns(str(file))) else "TRUE"


def _ids(file: Path, condition: str = "TRUE") -> str:
    """Return the query of the distinct ids in a file's rows that meet a condition."""
    rows = f"read_parquet({string_literal(str(file))})"
    return f"SELECT DISTINCT example_id FROM {rows} WHERE example_id IS NOT NULL AND {condition}"
