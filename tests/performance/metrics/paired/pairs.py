"""Pair two versions, and derive their intervals from first principles."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from performance.metrics.paired.intervals import paired_intervals
from performance.metrics.paired.paired_join import Choices
from performance.metrics.statistics.intervals import Interval
from tests.performance.metrics.tables import export_columns

Numbers = npt.NDArray[np.float64]


Metric = Callable[[Any, Any, Numbers], float]


Z = 1.959963984540054


def compare(
    folder: Path, task: str, tables: Sequence[dict[str, Any]], choices: Choices | None = None, **options: Any
) -> dict[str, Interval]:
    """Return the paired intervals of two tables of predictions, the newer one first."""
    files = [exported(folder, task, name, each, **options) for name, each in zip("no", tables, strict=True)]
    return paired_intervals(files[0], files[1], task, choices or Choices())


def exported(folder: Path, task: str, name: str, table: dict[str, Any], **options: Any) -> Path:
    """Return the file of a table's exported predictions."""
    file = export_columns(task, folder, table, **options)
    assert file is not None
    return file.rename(folder / f"{name}.parquet")


def ids(count: int) -> list[str]:
    return [f"example-{at}" for at in range(count)]


def jackknife_variance(
    metric: Metric, actual: Any, newer: Any, older: Any, weights: Numbers, squared_weights: Any = None
) -> float:
    """Return the variance of a metric's difference by the infinitesimal jackknife, with numerical derivatives.

    Efron (1982), The jackknife, the bootstrap and other resampling plans, chapter 6.
    """
    squares = weights**2 if squared_weights is None else squared_weights
    total, slopes = weights.sum(), difference_slopes(metric, actual, newer, older, weights)
    size = total**2 / squares.sum()
    return float((squares * np.square(slopes)).sum() / total**2 * size / (size - 1))


def difference_slopes(metric: Metric, actual: Any, newer: Any, older: Any, weights: Numbers) -> Numbers:
    """Return the derivatives of a metric's difference by the examples' shares of the weight.

    Examples that are alike have the same derivative, whatever their weights.
    """

    def difference(changed: Numbers) -> float:
        return metric(actual, newer, changed) - metric(actual, older, changed)

    step, slopes = 1e-4, dict[tuple[Any, ...], float]()
    examples = list(zip(actual, newer, newer if older is None else older, strict=True))
    for at, example in enumerate(examples):
        if example not in slopes:
            up, down = weights.copy(), weights.copy()
            up[at] *= 1 + step
            down[at] *= 1 - step
            slopes[example] = (difference(up) - difference(down)) / (2 * step * weights[at])
    return np.array([slopes[example] for example in examples]) * float(weights.sum())


def with_more_examples(
    actual: Any, versions: Sequence[Any], weights: Numbers, added: float, *, of_newer: bool
) -> tuple[Any, Any, Any, Numbers, Numbers]:
    """Return the examples, and `added` more of each class that the newer or the older version alone predicts rightly.

    The last two are the weights and the squared weights.
    """
    newer, older = versions
    labels = sorted({*actual, *newer, *older})
    more: list[tuple[Any, Any, Any, float, float]] = []
    for label in sorted(set(actual)):
        of_class = weights[actual == label]
        unit, share = (of_class**2).sum() / of_class.sum(), added / (len(labels) - 1)
        for wrong in (other for other in labels if other != label):
            pair = (label, wrong) if of_newer else (wrong, label)
            more.append((label, *pair, share * unit, share * unit**2))
    columns = (actual, newer, older, weights, weights**2)
    return tuple(np.concatenate([old, [row[at] for row in more]]) for at, old in enumerate(columns))  # type: ignore[return-value]


def assert_between_tables(
    interval: Interval, metric: Metric, actual: Any, versions: Sequence[Any], weights: Numbers, added: float
) -> None:
    """Check that each end is that of a table with more examples on its side."""
    for end, of_newer, sign in ((interval.lower, False, -1), (interval.upper, True, 1)):
        y, one, other, w, squares = with_more_examples(actual, versions, weights, added, of_newer=of_newer)
        difference = metric(y, one, w) - metric(y, other, w)
        spread = Z * math.sqrt(jackknife_variance(metric, y, one, other, w, squares))
        assert end == pytest.approx(difference + sign * spread, rel=1e-4, abs=1e-5)


def tables(actual: Any, *versions: dict[str, Any], weight: Numbers | None = None) -> list[dict[str, Any]]:
    """Return the table of each version. The order of the older one is reversed."""
    count = len(actual)
    whole = [
        {"example_id": ids(count), "actual": actual, **each, **({} if weight is None else {"weight": weight})}
        for each in versions
    ]
    backwards = {name: list(values)[::-1] for name, values in whole[1].items()}
    return [{name: list(values) for name, values in whole[0].items()}, backwards]


def binary(two_classes: dict[str, Any], weight: Numbers | None = None) -> list[dict[str, Any]]:
    versions = [{"predicted": (score >= 0.5).astype(int), "score": score} for score in two_classes["scores"]]
    return tables(two_classes["actual"], *versions, weight=weight)
