"""Compute 95% confidence intervals of the differences between two versions on the same examples.

Examples that are hard for one version are mostly hard for the other. So the difference is computed for each example;
the variance of these differences is less than for two independent samples.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from performance.metrics.engines.base import Engine
from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.sql import string_literal
from performance.metrics.paired.classification import classification_intervals
from performance.metrics.paired.numeric import forecasting_intervals, ranking_intervals, regression_intervals
from performance.metrics.paired.paired_join import Choices, Intervals
from performance.metrics.statistics.intervals import Interval


def paired_intervals(
    newer: Path, older: Path, task_type: str, choices: Choices, *, memory: str = "256MB", disk: str = ""
) -> dict[str, Interval]:
    """Return the interval of each metric's difference, newer minus older, from two exported files in one folder.

    Returns none unless both files have the same examples: equal, unique ids with equal actual values, weights and
    groups, and equal series and scales of forecasts. Of rankings, the queries and the relevance of their items are
    equal, and so are `k` and the groups. A metric without a known paired interval is left out. Raises
    `UnprocessablePredictionsError` if a file is unreadable, or needs more memory or disk space than allowed.

    Args:
        newer: the exported predictions of the newer version.
        older: those of the older version.
        task_type: the name of the task type.
        choices: the positive class and the averaging of both versions.
        memory: the memory limit, such as `256MB`. Beyond it, data spills to the folder.
        disk: how much may spill, such as `512MB`; by default as much as the disk has.
    """
    with DuckDB(folder=newer.parent, memory=memory, disk=disk, confined=True) as engine:
        for name, file in (("newer", newer), ("older", older)):
            engine.rows(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({string_literal(str(file))})")
        found = _PAIRED[task_type](engine, choices)
    return {name: interval for name, interval in found.items() if interval is not None}


_PAIRED: Mapping[str, Callable[[Engine, Choices], Intervals]] = {
    "classification": classification_intervals,
    "regression": regression_intervals,
    "forecasting": forecasting_intervals,
    "ranking": ranking_intervals,
}
