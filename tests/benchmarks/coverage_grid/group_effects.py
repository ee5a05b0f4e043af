"""Compute the design effects of many samples at once, as `performance.metrics.statistics.clusters` does.

That both give the same intervals is tested in `tests.performance.metrics`.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
from scipy import stats

from performance.metrics.statistics.clusters import OF_MEANS, OF_METRICS, Clusters, Prior
from performance.metrics.statistics.margins import AVERAGED
from tests.benchmarks.coverage_grid.composites import DRAWS, melded_ends
from tests.benchmarks.coverage_grid.joint_tables import Ends, Numbers, gradients

Counts = npt.NDArray[np.int64]
METRICS = {"F1": "f1_score"}  # what averages are of, where it has another name
AT_A_TIME = 200_000  # drawn cells


def interval_effects(
    clusters: Clusters,
    of_groups: Numbers,
    independent: Numbers,
    groups: Numbers | float = np.inf,
    prior: Prior = OF_METRICS,
) -> Numbers:
    """Return the design effects from the sums of the influences `[sample][group]`.

    `independent` are the variances of independent examples, and `groups` is how many groups, at most, inform of them.
    """
    squares = of_groups**2
    squared, fourth = squares.sum(1), (squares**2).sum(1)
    informative = squared**2 / np.where(fourth > 0, fourth, np.inf)
    ratio = squared / np.where(independent > 0, independent, np.inf) * clusters.groups / (clusters.groups - 1)
    added = prior.groups * clusters.prior_effect(prior)
    effect = np.maximum((informative * ratio + added) / (informative + prior.groups), 1.0)
    degrees = np.maximum(np.minimum(groups, clusters.groups) - 1, 1)
    return np.asarray(effect * (stats.t.ppf(0.975, degrees) / stats.norm.ppf(0.975)) ** 2)


def table_effects(clusters: Clusters, counts: Counts, slopes: Numbers, prior: Prior = OF_METRICS) -> Numbers:
    """Return the design effects of a metric, from `counts[sample][group]…` and its derivatives `[sample]…` by cell."""
    cells = counts.reshape(*counts.shape[:2], -1)
    totals, by_cell = cells.sum(1), slopes.reshape(len(slopes), -1)
    apart = by_cell - (by_cell * totals).sum(1, keepdims=True) / totals.sum(1, keepdims=True)
    sums = np.einsum("sgc,sc->sg", cells, apart)
    return interval_effects(clusters, sums, (totals * apart**2).sum(1), prior=prior)


def matrix_effects(clusters: Clusters, counts: Counts, averaging: str, positive: int = 1) -> Mapping[str, Numbers]:
    """Return the design effects of each metric, from the counts `[sample][group][actual][predicted]`."""
    tables = counts.sum(1).astype(float)
    found = gradients(tables / tables.sum((1, 2), keepdims=True), averaging, positive)
    slopes = {name: each.by_cell() for name, each in found.items()}
    slopes["matthews_correlation"][(tables.sum(1) > 0).sum(1) < 2] = 0.0  # it has none if one class is predicted
    shares = AVERAGED if averaging == "binary" else ()
    return {
        name: table_effects(clusters, counts, each, OF_MEANS if name in shares else OF_METRICS)
        for name, each in slopes.items()
    }


def whole_classes(counts: Counts) -> npt.NDArray[np.bool_]:
    """Return which samples have examples of all classes, from the counts `[sample][group][actual][predicted]`."""
    return np.asarray((counts.sum((1, 3)) > 0).all(1))


def melded_ends_of_groups(
    clusters: Clusters, counts: Counts, names: Iterable[str], random: np.random.Generator
) -> dict[str, Ends]:
    """Return the ends of simulated intervals by metric, of samples with examples of all classes: see `melded_ends`."""
    effects = {averaging: matrix_effects(clusters, counts, averaging) for averaging in ("macro", "weighted")}
    tables = counts.sum(1)
    found = {}
    for name in names:
        averaging, metric = metric_of(name)
        effect = effects[averaging][metric]
        found[name] = _in_parts(tables / effect[:, None, None], name, random)
    return found


def metric_of(name: str) -> tuple[str, str]:
    """Return the averaging and the metric of a name such as `macro F1`."""
    averaging, _, metric = name.rpartition(" ")
    return averaging or "macro", METRICS.get(metric, metric)


def _in_parts(effective: Numbers, name: str, random: np.random.Generator) -> Ends:
    units = np.ones(effective.shape[1])
    parts = np.array_split(effective, max(1, len(effective) * effective[0].size * DRAWS // AT_A_TIME))
    ends = [melded_ends(part, units, random, DRAWS, [name])[name] for part in parts]
    return np.concatenate([lower for lower, _ in ends]), np.concatenate([upper for _, upper in ends])
