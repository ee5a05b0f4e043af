"""Compute the design effects of many samples at once, as `performance.metrics.statistics.clusters` does.

The correlations of two versions are those of `performance.metrics.paired.grouped_matrices`.

That both give the same intervals is tested in `tests.performance.metrics`.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from performance.metrics.paired.matrices import ROUNDING
from performance.metrics.statistics.clusters import PRIOR_OF_MEANS, PRIOR_OF_METRICS, Clusters, Prior
from performance.metrics.statistics.margins import AVERAGED
from tests.benchmarks.coverage_grid.composites import DRAWS, melded_ends
from tests.benchmarks.coverage_grid.joint_tables import Ends, Numbers, gradients

Counts = npt.NDArray[np.int64]
METRICS = {"F1": "f1_score"}  # what averages are of, where it has another name
AT_A_TIME = 200_000  # drawn cells


def equal_groups(groups: int, examples: float) -> Clusters:
    """Return groups that have so many examples each."""
    return Clusters(groups, examples, groups, 1 - 1 / groups, 1 - 1 / examples)


def interval_effects(
    clusters: Clusters,
    of_groups: Numbers,
    independent: Numbers,
    groups: Numbers | float = np.inf,
    prior: Prior = PRIOR_OF_METRICS,
    pairs: tuple[Numbers, Numbers] | None = None,
) -> Numbers:
    """Return the design effects from the sums of the influences `[sample][group]`.

    `independent` are the variances of independent examples, and `groups` is how many groups, at most, inform of them.
    If groups are of unequal sizes, `pairs` are their shares of pairs of different examples, and the sums of the squared
    influences of their examples.
    """
    squares, informative = of_groups**2, _influential(of_groups**2)
    if pairs is not None:
        shares, of_examples = pairs
        part = (shares * of_examples).sum(1) / np.where(independent > 0, independent, np.inf)
        informative = _influential(shares * squares) * np.minimum(part / clusters.share_of_pairs, 1.0)
    ratio = squares.sum(1) / np.where(independent > 0, independent, np.inf) / clusters.spread
    added = prior.groups * clusters.prior_effect(prior)
    effect = np.maximum((informative * ratio + added) / (informative + prior.groups), 1.0)
    degrees = np.maximum(np.minimum(groups, clusters.effective) - 1, 1)
    return np.asarray(effect * (stats.t.ppf(0.975, degrees) / stats.norm.ppf(0.975)) ** 2)


def _influential(squares: Numbers) -> Numbers:
    fourth = (squares**2).sum(1)
    return np.asarray(squares.sum(1) ** 2 / np.where(fourth > 0, fourth, np.inf))


def table_effects(
    clusters: Clusters,
    counts: Counts,
    slopes: Numbers,
    prior: Prior = PRIOR_OF_METRICS,
    groups: Numbers | float = np.inf,
) -> Numbers:
    """Return the design effects of a metric, from `counts[sample][group]…` and its derivatives `[sample]…` by cell."""
    influences = _influences(counts, slopes)
    independent = (counts.sum(1) * influences**2).reshape(len(counts), -1).sum(1)
    return interval_effects(clusters, _sums_by_group(counts, influences), independent, groups, prior)


def groups_counted(name: str, counts: Counts, averaging: str, positive: int) -> Numbers | float:
    """Return how many groups inform of a metric, of each sample: see `counted_shares` and `informative_groups`."""
    if name not in (*AVERAGED, "balanced_accuracy"):
        return np.inf
    if name == "balanced_accuracy":
        name, averaging = "recall", "macro"
    labels = [positive] if averaging == "binary" else range(counts.shape[2])
    groups = np.stack([_groups_of_class(name, counts, at) for at in labels], 1)
    weights = counts.sum((1, 3)).astype(float) if averaging == "weighted" else np.ones_like(groups)
    return informative_groups(weights, groups)


def informative_groups(shares: Numbers, groups: Numbers) -> Numbers:
    """Return how many groups inform of a mean over classes, from the shares and the groups `[sample][class]`."""
    variances = shares**2 / np.maximum(groups, 1.0)
    return np.asarray(variances.sum(1) / (variances / np.maximum(groups - 1, 1.0)).sum(1) + 1)


def _groups_of_class(name: str, counts: Counts, label: int) -> Numbers:
    """Return how many groups (effectively) have examples that a metric of one class is a share of, of each sample."""
    actual, predicted = counts[:, :, label], counts[..., label]
    counted = {
        "precision": predicted.sum(2),
        "recall": actual.sum(2),
        "f1_score": actual.sum(2) + predicted.sum(2) - counts[:, :, label, label],
        "specificity": counts.sum((2, 3)) - actual.sum(2),
    }[name].astype(float)
    return np.asarray(counted.sum(1) ** 2 / np.maximum((counted**2).sum(1), 1.0))


def groups_correlations(both: Sequence[Counts], slopes: Sequence[Numbers]) -> Numbers:
    """Return the correlations of a metric of two versions, as `groups_correlation` does.

    Args:
        both: the counts `[sample][group][actual][predicted]` of the newer and of the older version.
        slopes: the derivatives of both by cell.
    """
    newer, older = (
        _sums_by_group(counts, _influences(counts, each)) for counts, each in zip(both, slopes, strict=True)
    )
    squares = [each**2 for each in (newer, older, newer - older)]
    is_known = np.min([each.sum(1) for each in squares], axis=0) > ROUNDING * both[0][0].sum() ** 2
    scale, fourth = np.sqrt(squares[0].sum(1) * squares[1].sum(1)), (squares[2] ** 2).sum(1)
    groups = squares[2].sum(1) ** 2 / np.where(is_known, fourth, 1.0)
    found = np.clip((newer * older).sum(1) / np.where(is_known, scale, 1.0), -1.0, 1.0)
    return np.where(is_known, found * groups / (groups + 1), 0.0)


def _influences(counts: Counts, slopes: Numbers) -> Numbers:
    """Return the derivatives by cell, less their mean, from `counts[sample][group]…`."""
    tables = counts.sum(1)
    axes = tuple(range(1, tables.ndim))
    return np.asarray(slopes - (slopes * tables).sum(axes, keepdims=True) / tables.sum(axes, keepdims=True))


def _sums_by_group(counts: Counts, influences: Numbers) -> Numbers:
    cells = counts.reshape(*counts.shape[:2], -1)
    return np.asarray(np.einsum("sgc,sc->sg", cells, influences.reshape(len(influences), -1)))


def matrix_effects(clusters: Clusters, counts: Counts, averaging: str, positive: int = 1) -> Mapping[str, Numbers]:
    """Return the design effects of each metric, from the counts `[sample][group][actual][predicted]`."""
    shares = AVERAGED if averaging == "binary" else ()
    return {
        name: table_effects(
            clusters,
            counts,
            each,
            PRIOR_OF_MEANS if name in shares else PRIOR_OF_METRICS,
            groups_counted(name, counts, averaging, positive),
        )
        for name, each in matrix_slopes(counts, averaging, positive).items()
    }


def matrix_slopes(counts: Counts, averaging: str, positive: int = 1) -> Mapping[str, Numbers]:
    """Return the derivatives of each metric by cell, `[sample][actual][predicted]`, from the same counts."""
    tables = counts.sum(1).astype(float)
    found = gradients(tables / tables.sum((1, 2), keepdims=True), averaging, positive)
    slopes = {name: each.by_cell() for name, each in found.items()}
    slopes["matthews_correlation"][(tables.sum(1) > 0).sum(1) < 2] = 0.0  # it has none if one class is predicted
    return slopes


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
