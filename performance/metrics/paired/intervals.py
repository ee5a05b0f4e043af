"""How far two versions are truly apart that were evaluated on the same examples: 95% intervals of each difference.

What is hard for one version is mostly hard for the other. So the difference is taken example by example, and its
variance is that of these differences: less than that of two samples that have nothing to do with each other.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from performance.metrics.engines.base import Engine
from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.sql import text
from performance.metrics.paired.classes import of_classes
from performance.metrics.paired.numbers import of_numbers, of_rankings
from performance.metrics.paired.paired_join import Choices, Intervals
from performance.metrics.statistics.intervals import Interval


def paired(
    newer: Path, older: Path, task_type: str, choices: Choices, *, memory: str = "256MB", disk: str = ""
) -> dict[str, Interval]:
    """Return the interval of each metric's difference, newer minus older, from two kept files in one folder.

    Past its memory it takes of the folder's disk what there is, or no more than `disk`, such as `512MB`.

    Empty unless both have the same examples: equal ids, each there once, of equal actual values and weights. A metric
    of which no paired interval is known is left out. Raises `UnprocessablePredictionsError` for a file that is none, or
    that takes more than there is.
    """
    with DuckDB(folder=newer.parent, memory=memory, disk=disk, confined=True) as engine:
        for name, file in (("newer", newer), ("older", older)):
            engine.rows(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({text(str(file))})")
        found = _PAIRED[task_type](engine, choices)
    return {name: interval for name, interval in found.items() if interval is not None}


_PAIRED: Mapping[str, Callable[[Engine, Choices], Intervals]] = {
    "classification": of_classes,
    "regression": of_numbers,
    "forecasting": of_numbers,
    "ranking": of_rankings,
}
