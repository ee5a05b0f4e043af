"""Compute how much correlation within groups widens the paired intervals of classification.

As for one version, the influences of the examples are summed by group. Here they are those on the difference of both
versions' metrics.
"""

from collections.abc import Mapping

from performance.metrics.inputs.sql import number_literal
from performance.metrics.paired.paired_join import PairedExamples
from performance.metrics.statistics.cluster_sums import Influence, sums_by_group

_RIGHT_ALONE = "CAST(predicted = actual AS INTEGER) - CAST(old_predicted = actual AS INTEGER)"


def design_effects(
    pairs: PairedExamples, influences: Mapping[str, Influence], relation: str
) -> Mapping[str, float] | None:
    """Return how many examples are worth one, by metric; `None` if there are too few groups to know."""
    clusters, sums = sums_by_group(pairs.engine, influences, relation)
    return None if clusters.reason else {name: clusters.interval_effect(each) for name, each in sums.items()}


def accuracy_effect(pairs: PairedExamples) -> float | None:
    """Return the design effect of the difference of the accuracy; `None` if there are too few groups to know."""
    if "cluster" not in pairs.columns:
        return 1.0
    [mean] = pairs.means(_RIGHT_ALONE)
    influence = Influence(f"alone - {number_literal(mean.value)}")
    relation = f"SELECT cluster AS g, w, w * w AS squares, {_RIGHT_ALONE} AS alone FROM joined"
    effects = design_effects(pairs, {"accuracy": influence}, relation)
    return effects["accuracy"] if effects else None
