"""Count the examples that two exported files of predictions share."""

from dataclasses import dataclass
from pathlib import Path

from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.sql import string_literal


@dataclass(frozen=True, slots=True)
class Overlap:
    """The number of examples with an id and a weight above 0, and of those whose id another file has too."""

    examples: int
    shared: int

    @property
    def share(self) -> float:
        """The share of the examples that the other file has too, from 0 to 1."""
        return self.shared / self.examples if self.examples else 0.0


def count_overlap(evaluated: Path, training: Path, *, memory: str = "256MB", disk: str = "") -> Overlap:
    """Return how many ids of one exported file another has too. Both are in one folder.

    Raises `UnprocessablePredictionsError` if a file is unreadable, or needs more memory or disk space than allowed.
    """
    with DuckDB(folder=evaluated.parent, memory=memory, disk=disk, confined=True) as engine:
        has_weights = "weight" in dict(engine.parquet_columns(str(evaluated)))
        evaluated_ids, training_ids = _ids(evaluated, "weight > 0" if has_weights else "TRUE"), _ids(training)
        [(examples, shared)] = engine.rows(f"""
            SELECT count(*), count(known.example_id)
            FROM {evaluated_ids} AS given LEFT JOIN {training_ids} AS known USING (example_id)
        """)
    return Overlap(examples, shared)


def _ids(file: Path, condition: str = "TRUE") -> str:
    """Return the subquery of the ids in a file's rows that meet a condition."""
    rows = f"read_parquet({string_literal(str(file))})"
    return f"(SELECT DISTINCT example_id FROM {rows} WHERE example_id IS NOT NULL AND {condition})"
