"""Simulate how often paired intervals contain the true difference of two versions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn import metrics as sk

from performance.metrics.paired.intervals import paired_intervals
from performance.metrics.paired.paired_join import Choices

Numbers = npt.NDArray[np.float64]
POPULATION = 1_000_000


def interval_coverage(folder: Path, *, samples: int, size: int) -> dict[str, float]:
    """Return, for each metric, the share of samples whose interval contains the true difference."""
    generator = np.random.default_rng(8)
    truth = metric_differences(*draw_samples(generator, POPULATION))
    within = dict.fromkeys(truth, 0)
    for _ in range(samples):
        actual, odds = draw_samples(generator, size)
        newer, older = (
            write_export(folder, name, prediction_columns(actual, each))
            for name, each in zip(("newer", "older"), odds, strict=True)
        )
        found = paired_intervals(newer, older, "classification", Choices("1", "binary"))
        for name, value in truth.items():
            within[name] += found[name].lower <= value <= found[name].upper
    return {name: count / samples for name, count in within.items()}


def write_export(folder: Path, name: str, columns: dict[str, Any]) -> Path:
    """Write a file in the format of exported predictions."""
    file = folder / f"{name}.parquet"
    example_ids = [f"example-{at}" for at in range(len(columns["actual"]))]
    pq.write_table(pa.table({"example_id": example_ids, **columns}), file)
    return file


def draw_samples(generator: np.random.Generator, count: int) -> tuple[Any, list[Numbers]]:
    """Return classes and the log odds that two versions predict for them. Their errors are correlated."""
    actual = generator.random(count) < 0.4
    common = np.where(actual, 1.0, -1.0) + generator.normal(0, 1.2, count)
    return actual, [common + generator.normal(0, noise, count) for noise in (0.5, 1.0)]


def prediction_columns(actual: Any, odds: Numbers) -> dict[str, Any]:
    """Return the columns of a version's predictions."""
    return {
        "actual": np.where(actual, "1", "0"),
        "predicted": np.where(odds > 0, "1", "0"),
        "score": 1 / (1 + np.exp(-odds)),
    }


def metric_differences(actual: Any, odds: list[Numbers]) -> dict[str, float]:
    """Return the differences of the metrics, computed by scikit-learn."""
    functions: dict[str, Callable[[Numbers], float]] = {
        "accuracy": lambda each: sk.accuracy_score(actual, each > 0),
        "precision": lambda each: sk.precision_score(actual, each > 0),
        "recall": lambda each: sk.recall_score(actual, each > 0),
        "f1_score": lambda each: sk.f1_score(actual, each > 0),
        "roc_auc": lambda each: sk.roc_auc_score(actual, each),
        "log_loss": lambda each: sk.log_loss(actual, 1 / (1 + np.exp(-each))),
    }
    return {name: float(function(odds[0]) - function(odds[1])) for name, function in functions.items()}
