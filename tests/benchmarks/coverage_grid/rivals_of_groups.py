"""Compute intervals of textbooks for examples that are correlated within groups.

All groups have equally many examples. Those of areas follow each other.
"""

import numpy as np

from performance.metrics.statistics.margins import CLASS_METRICS
from tests.benchmarks.coverage_grid import rivals
from tests.benchmarks.coverage_grid.joint_tables import Gradients, gradients
from tests.benchmarks.coverage_grid.ranked import Influences
from tests.benchmarks.coverage_grid.rivals import Counts
from tests.benchmarks.coverage_grid.tally import Ends, Numbers

WITHIN_0_AND_1 = (*CLASS_METRICS, "balanced_accuracy")


def table_rivals(counts: Counts, name: str, averaging: str) -> dict[str, Ends]:
    """Return other intervals of a metric, from the counts `[sample][group][actual][predicted]`."""
    tables = counts.sum(1).astype(float)
    metric = _gradients(counts, averaging)[name]
    sums = _sums(counts, metric)
    found = {"cluster-robust t": rivals.of_groups(metric.value, sums)}
    if name in WITHIN_0_AND_1:
        found["cluster-robust t, on log odds"] = rivals.of_groups_on_log_odds(metric.value.clip(0, 1), sums)
    if averaging == "binary" and name in WITHIN_0_AND_1:
        found["Kish & Wilson"] = rivals.kish_wilson(metric.value.clip(0, 1), _sizes(name, tables), sums)
    return found


def table_difference_rivals(counts: Counts, name: str, averaging: str) -> dict[str, Ends]:
    """Return other intervals of a difference, from the counts `[sample][group][actual][newer][older]`."""
    both = [counts.sum(axis) for axis in (4, 3)]
    metrics = [_gradients(each, averaging)[name] for each in both]
    newer, older = (_sums(each, metric) for each, metric in zip(both, metrics, strict=True))
    return {"cluster-robust t": rivals.of_groups(metrics[0].value - metrics[1].value, newer - older)}


def accuracy_difference_rivals(counts: Counts) -> dict[str, Ends]:
    """Return other intervals of the difference of the accuracy, from the same counts."""
    classes = range(counts.shape[2])
    newer, older = (sum(counts.sum(axis)[:, :, at, at] for at in classes) for axis in (4, 3))
    apart = (newer - older) / counts[0, 0].sum()
    return rivals.means_of(np.asarray(apart))


def _gradients(counts: Counts, averaging: str) -> dict[str, Gradients]:
    tables = counts.sum(1).astype(float)
    return gradients(tables / tables.sum((1, 2), keepdims=True), averaging, 1)


def _sums(counts: Counts, metric: Gradients) -> Numbers:
    """Return each group's sum of the influences on a metric, `[sample][group]`."""
    tables, slopes = counts.sum(1).astype(float), metric.by_cell()
    size = tables.sum((1, 2), keepdims=True)
    apart = slopes - (slopes * tables).sum((1, 2), keepdims=True) / size
    return np.asarray(np.einsum("sgap,sap->sg", counts, apart) / size[:, 0])


def _sizes(name: str, tables: Numbers) -> Numbers:
    """Return of how many examples a metric of two classes is a share, at least 1."""
    (right_negatives, false), (missed, right) = np.moveaxis(tables, 0, -1)
    sizes = {
        "precision": false + right,
        "recall": missed + right,
        "specificity": right_negatives + false,
        "f1_score": right + (false + missed) / 2,
    }
    return np.asarray(np.maximum(sizes.get(name, tables.sum((1, 2))), 1.0))


def area_rivals(found: Influences, groups: int) -> dict[str, Ends]:
    """Return other intervals of areas. Groups follow each other."""
    sums = found.of_examples.reshape(len(found.values), groups, -1).sum(axis=2)
    return {
        "cluster-robust t": rivals.of_groups(found.values, sums),
        "cluster-robust t, on log odds": rivals.of_groups_on_log_odds(found.values, sums),
    }


def area_difference_rivals(newer: Influences, older: Influences, groups: int) -> dict[str, Ends]:
    """Return other intervals of the difference of areas."""
    of_newer, of_older = (each.of_examples.reshape(len(each.values), groups, -1).sum(axis=2) for each in (newer, older))
    return {"cluster-robust t": rivals.of_groups(newer.values - older.values, of_newer - of_older)}
