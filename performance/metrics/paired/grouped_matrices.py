"""Compute paired intervals of what follows from the confusion matrices of two versions, of examples in groups.

The interval of a difference follows from those that both versions have in groups, and from their correlation: Zou &
Donner (2008), Construction of confidence intervals about effect measures: a general approach, doi:10.1002/sim.3095. The
correlation is that of the groups' sums of the influences on both metrics.
"""

import math
from collections.abc import Sequence

from performance.metrics.engines.base import Row
from performance.metrics.paired.matrices import LARGEST_DIFFERENCE, ROUNDING, gradients_of_both, matrices_of_both
from performance.metrics.paired.paired_join import Choices, Intervals, PairedExamples
from performance.metrics.result import MAX_CLASSES
from performance.metrics.statistics.cluster_sums import Influence, counted_shares, matrix_influence, sums_by_group
from performance.metrics.statistics.clusters import PRIOR_OF_MEANS, PRIOR_OF_METRICS, GroupSums
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.differences import correlated_interval
from performance.metrics.statistics.estimates import Estimate
from performance.metrics.statistics.gradients import Gradient
from performance.metrics.statistics.margins import AVERAGED

_RELATION = """
    SELECT cluster AS g, actual, predicted, old_predicted, sum(w) AS w, sum(w * w) AS squares FROM joined WHERE w > 0
    GROUP BY cluster, actual, predicted, old_predicted
"""

Both = tuple[ConfusionMatrix, ConfusionMatrix]


def grouped_differences(pairs: PairedExamples, cells: Sequence[Row], choices: Choices) -> Intervals:
    """Return the intervals of metrics of the confusion matrix; none if there are too few groups or many classes.

    Args:
        pairs: the examples of both versions.
        cells: the actual class, the newer and the older prediction, and the sums of the weights and of their squares.
        choices: the positive class and the averaging.
    """
    both, gradients = matrices_of_both(cells), gradients_of_both(cells, choices)
    if max(len(each.labels) for each in both) > MAX_CLASSES:
        return {}
    influences = {
        f"{name} {at}": influence
        for name, slopes in gradients.items()
        for at, influence in enumerate(_influences(both, slopes, name, choices))
    }
    clusters, sums = sums_by_group(pairs.engine, influences, _RELATION)
    if clusters.reason:
        return {}
    found: Intervals = {}
    for name, (newer, older) in gradients.items():
        of_newer, of_older, of_difference = (sums[f"{name} {at}"] for at in range(3))
        prior = PRIOR_OF_MEANS if name in AVERAGED and choices.averaging == "binary" else PRIOR_OF_METRICS
        interval, old_interval = (
            _estimate(matrix.with_design_effect(clusters.interval_effect(each, prior)), name, choices).interval
            for matrix, each in zip(both, (of_newer, of_older), strict=True)
        )
        correlation = groups_correlation(of_newer, of_older, of_difference, both[0].total)
        found[name] = correlated_interval(
            newer.value, interval, older.value, old_interval, correlation=correlation, method="paired_influence"
        )
    return found


def _influences(
    both: Both, slopes: tuple[Gradient, Gradient], name: str, choices: Choices
) -> tuple[Influence, Influence, Influence]:
    """Return the influences on a metric of the newer and of the older version, and on their difference."""
    averaging, positive = choices.averaging or "", choices.positive_class
    newer, older = (
        matrix_influence(matrix, gradient, predicted, counted_shares(matrix, name, averaging, positive, predicted))
        for matrix, gradient, predicted in zip(both, slopes, ("predicted", "old_predicted"), strict=True)
    )
    return newer, older, Influence(f"({newer.sql}) - ({older.sql})")


def _estimate(matrix: ConfusionMatrix, name: str, choices: Choices) -> Estimate:
    """Return a metric of one version, as its evaluation has it."""
    if name in LARGEST_DIFFERENCE:
        found: Estimate = getattr(matrix, name)
    elif choices.averaging == "binary" and choices.positive_class is not None:
        found = getattr(matrix, name)(choices.positive_class)
    else:
        found = matrix.averaged(name, choices.averaging or "")
    return found


def groups_correlation(newer: GroupSums, older: GroupSums, difference: GroupSums, weight: float) -> float:
    """Return the correlation of both versions' metrics, from the sums over groups and the weight of all examples.

    It is as if there were one more group that informs of the difference, in which both versions are independent:
    versions that differ in a few groups only may differ in others too that were not drawn.
    """
    if min(each.squared for each in (newer, older, difference)) <= ROUNDING * weight * weight:
        return 0.0
    scale = 2 * math.sqrt(newer.squared) * math.sqrt(older.squared)
    found = (newer.squared + older.squared - difference.squared) / scale
    return min(max(found, -1.0), 1.0) * difference.influential / (difference.influential + 1)
