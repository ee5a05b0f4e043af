"""Simulate how often the intervals of ROC AUC and average precision hold the true value."""

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from sklearn import metrics as sk

from performance.metrics.statistics.roc import RankedScores
from performance.metrics.statistics.roc_sql import OneVsRest, cells_statement

SEED = 20260313


@dataclass(frozen=True)
class Sampling:
    """How samples are drawn: their size, the share of positives, and how far apart the classes' scores are."""

    size: int
    share: float
    apart: float

    def draw(self, random: np.random.Generator, size: int) -> tuple[Any, Any]:
        """Return classes and scores."""
        actual = (random.random(size) < self.share).astype(int)
        return actual, random.normal(actual * self.apart, 1)


IN_TESTS = [Sampling(300, 0.3, 2.5), Sampling(200, 0.1, 1.5)]  # where it is hardest: areas near 1, few positives
SAMPLINGS = [*IN_TESTS, Sampling(300, 0.5, 1.0), Sampling(1000, 0.1, 1.5)]


def coverage(sampling: Sampling, *, samples: int, population: int) -> dict[str, float]:
    """Return in which share of the samples each metric's interval holds the value in the population."""
    random = np.random.default_rng(SEED)
    everything = sampling.draw(random, population)
    truth = {"roc_auc": sk.roc_auc_score(*everything), "average_precision": sk.average_precision_score(*everything)}
    covered = dict.fromkeys(truth, 0)
    with duckdb.connect(config={"threads": 1}) as connection:
        for _ in range(samples):
            found = ranked(connection, *sampling.draw(random, sampling.size))
            for name, value in truth.items():
                interval = getattr(found, name).interval
                covered[name] += interval.lower <= value <= interval.upper
    return {name: times / samples for name, times in covered.items()}


def ranked(connection: duckdb.DuckDBPyConnection, actual: Any, score: Any) -> RankedScores:
    """Return what the ranks of the scores say about the positive class."""
    problem = OneVsRest("1", "score", float(actual.sum()), float(len(actual) - actual.sum()))
    connection.register("predictions", pa.table({"actual": actual.astype(str), "score": score}))
    return RankedScores.from_rows(
        problem, [row[1:] for row in connection.execute(cells_statement([problem], actual="actual")).fetchall()]
    )
