"""Compute the paired intervals of many joint tables at once with NumPy, as `performance.metrics.paired.matrices` does.

That both give the same intervals is tested in `tests.performance.metrics.test_coverage`. A table has the counts of
examples, `[sample][actual][newer][older]`. All classes have examples.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from performance.metrics.paired.matrices import ADDED, LARGEST_DIFFERENCE, OF_ALL_EXAMPLES
from performance.metrics.statistics.confidence import CONFIDENCE_LEVEL
from performance.metrics.statistics.intervals import normal_quantile
from performance.metrics.statistics.margins import AVERAGED

Numbers = npt.NDArray[np.float64]
Ends = tuple[Numbers, Numbers]
METRICS = (*AVERAGED, *LARGEST_DIFFERENCE)


@dataclass(frozen=True)
class Gradients:
    """A metric of each sample, and its derivatives by the diagonal, the rows and the columns, `[sample][class]`."""

    value: Numbers
    diagonal: Numbers
    rows: Numbers
    columns: Numbers

    def by_cell(self) -> Numbers:
        """Return the derivatives by the cells, `[sample][actual][predicted]`."""
        return np.asarray(
            self.rows[:, :, None]
            + self.columns[:, None, :]
            + self.diagonal[:, :, None] * np.eye(self.rows.shape[1])[None]
        )


def slopes(newer: Gradients, older: Gradients) -> Numbers:
    """Return the derivatives of the difference by the cells of the joint table."""
    return np.asarray(newer.by_cell()[..., None] - older.by_cell()[:, :, None, :])


def versions(tables: Numbers, averaging: str, positive: int = 1) -> Mapping[str, tuple[Gradients, Gradients]]:
    """Return the gradients of both versions, the newer one first, by metric."""
    shares = tables / tables.sum((1, 2, 3), keepdims=True)
    both = [gradients(shares.sum(axis), averaging, positive) for axis in (3, 2)]
    return {name: (both[0][name], both[1][name]) for name in both[0]}


def differ(tables: Numbers) -> npt.NDArray[np.bool_]:
    """Return which tables have examples that the versions predict differently."""
    return np.asarray(tables.sum((1, 2, 3)) > np.einsum("sakk->s", tables))


def right_alone(tables: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how many examples of two classes the newer and the older version alone is right about, by sample."""
    newer, older = tables[:, 1, 1, 0] + tables[:, 0, 0, 1], tables[:, 1, 0, 1] + tables[:, 0, 1, 0]
    return np.stack([newer, older], 1)


def intervals(tables: Numbers, averaging: str, *, positive: int = 1) -> dict[str, Ends]:
    """Return the ends of the intervals of each metric's difference."""
    classes = tables.shape[1]
    found = {}
    for name, (newer, older) in versions(tables, averaging, positive).items():
        of_all = name in OF_ALL_EXAMPLES or (name in AVERAGED and averaging == "weighted")
        added = (ADDED / classes if of_all else ADDED) / max(classes - 1, 1)
        value, most = newer.value - older.value, LARGEST_DIFFERENCE.get(name, 1.0)
        lower, _ = _delta_ends(name, tables, added, averaging, positive, most, newer=False)
        _, upper = _delta_ends(name, tables, added, averaging, positive, most, newer=True)
        found[name] = np.minimum(lower, value), np.maximum(upper, value)
    return found


def delta_ends(tables: Numbers, name: str, averaging: str) -> Ends:
    """Return the ends of the delta method alone, with nothing added."""
    return _delta_ends(name, tables, 0.0, averaging, 1, LARGEST_DIFFERENCE.get(name, 1.0), newer=True)


def _delta_ends(
    name: str,
    tables: Numbers,
    added: float,
    averaging: str,
    positive: int,
    most: float,
    *,
    newer: bool,
) -> Ends:
    """Return the ends by the delta method with more examples that the `newer` or the older version is right about."""
    wider = tables.copy()
    for label, wrong in _errors(tables.shape[1]):
        wider[(slice(None), label, *((label, wrong) if newer else (wrong, label)))] += added
    both = versions(wider, averaging, positive)[name]
    slope, total = slopes(*both), wider.sum((1, 2, 3))
    mean = (slope * wider).sum((1, 2, 3)) / total
    squares = (wider * (slope - mean[:, None, None, None]) ** 2).sum((1, 2, 3))
    spread = normal_quantile(CONFIDENCE_LEVEL) * np.sqrt(squares / total / (total - 1))
    value = both[0].value - both[1].value
    return np.clip(value - spread, -most, most), np.clip(value + spread, -most, most)


def _errors(classes: int) -> Iterator[tuple[int, int]]:
    return ((label, wrong) for label in range(classes) for wrong in range(classes) if label != wrong)


def gradients(shares: Numbers, averaging: str, positive: int) -> dict[str, Gradients]:
    """Return the gradients of the metrics of confusion matrices, `[sample][actual][predicted]`."""
    diagonal = np.stack([shares[:, at, at] for at in range(shares.shape[1])], 1)
    margins = diagonal, shares.sum(2), shares.sum(1)
    classes = shares.shape[1]
    if averaging == "binary":
        weights = np.broadcast_to(np.arange(classes) == positive, diagonal.shape).astype(float)
    else:
        weights = np.full(diagonal.shape, 1 / classes) if averaging == "macro" else margins[1]
    found = {name: _average(_of_class(name, *margins), weights) for name in AVERAGED}
    if averaging == "weighted":
        for name in AVERAGED:
            of_class, each = _of_class(name, *margins).value, found[name]
            found[name] = Gradients(each.value, each.diagonal, each.rows + of_class, each.columns)
    found["balanced_accuracy"] = _average(_of_class("recall", *margins), np.full(diagonal.shape, 1 / classes))
    found["matthews_correlation"], found["cohen_kappa"] = _matthews(*margins), _kappa(*margins)
    return found


def _average(each: Gradients, weights: Numbers) -> Gradients:
    value = (weights * each.value).sum(1)
    return Gradients(value, weights * each.diagonal, weights * each.rows, weights * each.columns)


def _of_class(name: str, diagonal: Numbers, rows: Numbers, columns: Numbers) -> Gradients:
    """Return a metric of each class with its derivatives by the cells of that class."""
    nothing = np.zeros_like(diagonal)
    if name == "specificity":
        others = 1 - rows
        right = others - columns + diagonal
        return Gradients(right / others, 1 / others, (right - others) / others**2, -1 / others)
    factor, below = {"precision": (1, columns), "recall": (1, rows), "f1_score": (2, rows + columns)}[name]
    given = np.where(below > 0, below, np.inf)
    slope = -factor * diagonal / given**2
    by_rows, by_columns = nothing if name == "precision" else slope, nothing if name == "recall" else slope
    return Gradients(factor * diagonal / given, factor / given, by_rows, by_columns)


def _matthews(diagonal: Numbers, rows: Numbers, columns: Numbers) -> Gradients:
    covariance = diagonal.sum(1) - (rows * columns).sum(1)
    spreads = 1 - (rows**2).sum(1), np.maximum(1 - (columns**2).sum(1), 1e-15)
    scale = np.sqrt(spreads[0] * spreads[1])
    value = covariance / scale
    one, row_spread, column_spread, result = (each[:, None] for each in (1 / scale, *spreads, value))
    return Gradients(
        value,
        np.broadcast_to(one, diagonal.shape),
        -columns * one + result * rows / row_spread,
        -rows * one + result * columns / column_spread,
    )


def _kappa(diagonal: Numbers, rows: Numbers, columns: Numbers) -> Gradients:
    agreement, by_chance = diagonal.sum(1), (rows * columns).sum(1)
    slope = ((agreement - 1) / (1 - by_chance) ** 2)[:, None]
    one = (1 / (1 - by_chance))[:, None]
    value = (agreement - by_chance) / (1 - by_chance)
    return Gradients(value, np.broadcast_to(one, diagonal.shape), slope * columns, slope * rows)
