"""Estimate ROC AUC of several classes: of all decisions pooled, or averaged over the classes."""

import math
from collections.abc import Mapping

from performance.metrics.engines.base import Engine
from performance.metrics.result import DAMAGED, UnprocessablePredictionsError
from performance.metrics.statistics import roc
from performance.metrics.statistics.areas import RankedClass
from performance.metrics.statistics.cluster_sums import groups_of_classes
from performance.metrics.statistics.clusters import GroupSums, informative_groups
from performance.metrics.statistics.estimates import Estimate
from performance.metrics.statistics.margins import class_shares
from performance.metrics.statistics.means import Mean
from performance.metrics.statistics.pseudovalues import Pseudovalues
from performance.metrics.tasks.group_effects import GroupEffects
from performance.metrics.tasks.sufficient_statistics import SufficientStatistics


def area_of_classes(engine: Engine, found: SufficientStatistics, effects: GroupEffects) -> Estimate:
    """Return the area with its interval. Each class has a score and, unless decisions are pooled, an example.

    Raises `UnprocessablePredictionsError` for a damaged file.
    """
    counts, averaging = found.counts, found.problem.averaging
    pseudovalues = _pseudovalues(engine, found, effects)
    [sums] = engine.rows(pseudovalues.sums_statement())
    if None in sums:
        raise UnprocessablePredictionsError(DAMAGED)
    mean = Mean(counts.weight, counts.squared_weight, *sums)
    if averaging == "micro":
        return roc.pooled_estimate(mean, _design_effect(engine, pseudovalues, mean, effects))
    shares = class_shares({label: counts.weight_of(label) for label in found.ranked}, averaging)
    effect = _design_effect(engine, pseudovalues, mean, effects, shares)
    areas = {label: area_of_class(found, label, effects) for label in shares}
    classes = {label: RankedClass(share, *found.ranked[label].sizes) for label, share in shares.items()}
    return roc.mean_area(mean.variance, areas, classes, effect)


def area_of_class(found: SufficientStatistics, label: str, effects: GroupEffects) -> Estimate:
    """Return the area of one class against the rest."""
    return found.ranked[label].with_design_effect(effects.intervals.get(f"roc_auc.{label}", 1.0)).roc_auc


def _pseudovalues(engine: Engine, found: SufficientStatistics, effects: GroupEffects) -> Pseudovalues:
    mapping, counts = found.problem.mapping, found.counts
    return Pseudovalues(
        found.problem.averaging,
        scores=mapping.scores,
        weights={label: counts.weight_of(label) for label in counts.labels},
        areas={label: each.roc_auc.value or 0.0 for label, each in found.ranked.items()},
        example=engine.row_id,
        actual=mapping.actual,
        weight=mapping.weight,
        where=f"{mapping.predicted} IS NOT NULL",
        group=effects.group,
        bounds=found.bounds,
    )


def _design_effect(
    engine: Engine,
    pseudovalues: Pseudovalues,
    mean: Mean,
    effects: GroupEffects,
    shares: Mapping[str, float] | None = None,
) -> float:
    """Return how many examples are worth one in an interval. `shares` are those of the classes in a mean of areas."""
    if effects.clusters is None:
        return 1.0
    groups = math.inf
    if shares is not None:
        weight = pseudovalues.weight or "1"
        relation = (
            f"SELECT {effects.group} AS g, {pseudovalues.actual} AS actual, {weight} AS w "
            f"FROM predictions WHERE {pseudovalues.where} AND {weight} > 0"
        )
        groups = informative_groups(shares, groups_of_classes(engine, relation))
    [[squared, fourth]] = engine.rows(pseudovalues.group_sums_statement(mean.value))
    return effects.clusters.interval_effect(GroupSums(squared, fourth, mean.sum_of_squares, groups))
