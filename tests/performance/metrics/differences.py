"""Simulate how often paired intervals hold the true difference of two versions."""

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


def holding(folder: Path, *, samples: int, size: int) -> dict[str, float]:
    """Return in which share of the samples each metric's interval holds the true difference."""
    generator = np.random.default_rng(8)
    truth = measured(*drawn(generator, POPULATION))
    within = dict.fromkeys(truth, 0)
    for _ in range(samples):
        actual, odds = drawn(generator, size)
        newer, older = (
            write_kept(folder, name, classes_of(actual, each))
            for name, each in zip(("newer", "older"), odds, strict=True)
        )
        found = paired_intervals(newer, older, "classification", Choices("1", "binary"))
        for name, value in truth.items():
            within[name] += found[name].lower <= value <= found[name].upper
    return {name: count / samples for name, count in within.items()}


def write_kept(folder: Path, name: str, columns: dict[str, Any]) -> Path:
    """Write a file as predictions are kept."""
    file = folder / f"{name}.parquet"
    example_ids = [f"example-{at}" for at in range(len(columns["actual"]))]
    pq.write_table(pa.table({"example_id": example_ids, **columns}), file)
    return file


def drawn(generator: np.random.Generator, count: int) -> tuple[Any, list[Numbers]]:
    """Return classes, and the logarithm of the odds that each of two versions gives them. The versions err alike."""
    actual = generator.random(count) < 0.4
    common = np.where(actual, 1.0, -1.0) + generator.normal(0, 1.2, count)
    return actual, [common + generator.normal(0, noise, count) for noise in (0.5, 1.0)]


def classes_of(actual: Any, odds: Numbers) -> dict[str, Any]:
    """Return the columns of a version's predictions."""
    return {
        "actual": np.where(actual, "1", "0"),
        "predicted": np.where(odds > 0, "1", "0"),
        "score": 1 / (1 + np.exp(-odds)),
    }


def measured(actual: Any, odds: list[Numbers]) -> dict[str, float]:
    """Return the differences of the metrics by scikit-learn."""
    functions: dict[str, Callable[[Numbers], float]] = {
        "accuracy": lambda each: sk.accuracy_score(actual, each > 0),
        "precision": lambda each: sk.precision_score(actual, each > 0),
        "recall": lambda each: sk.recall_score(actual, each > 0),
        "f1_score": lambda each: sk.f1_score(actual, each > 0),
        "roc_auc": lambda each: sk.roc_auc_score(actual, each),
        "log_loss": lambda each: sk.log_loss(actual, 1 / (1 + np.exp(-each))),
    }
    return {name: float(function(odds[0]) - function(odds[1])) for name, function in functions.items()}
