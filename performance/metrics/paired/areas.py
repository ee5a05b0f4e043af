"""Compute paired intervals of the areas under the curves of two versions."""

import math
from collections.abc import Mapping, Sequence

from performance.metrics.inputs.sql import number_literal, string_literal
from performance.metrics.paired.paired_effects import design_effects
from performance.metrics.paired.paired_join import Choices, Intervals, PairedExamples
from performance.metrics.statistics import roc
from performance.metrics.statistics.areas import RankedClass, fewest_examples
from performance.metrics.statistics.cluster_sums import Influence, groups_of_classes
from performance.metrics.statistics.clusters import informative_groups
from performance.metrics.statistics.differences import correlated_interval
from performance.metrics.statistics.intervals import Interval, effective_sample_size
from performance.metrics.statistics.margins import class_shares
from performance.metrics.statistics.means import Mean
from performance.metrics.statistics.roc_sql import GROUPS_OF_BOTH, weights_of_both
from performance.metrics.statistics.student_t import student_t_quantile

MIN_EXAMPLES = 5  # of each of several classes: the correlation of fewer is so uncertain that it widens the interval
UNGROUPED = (1.0, 1.0, 1.0)  # the design effects of examples without groups


def roc_auc_interval(pairs: PairedExamples, choices: Choices) -> Intervals:
    """Return the interval for ROC AUC, from those of both versions and the correlation of their areas."""
    if "roc_auc" in pairs.columns:
        found = _area_of_classes(pairs, choices.averaging)
    elif choices.positive_class is not None and "score" in pairs.columns:
        found = _area_of_positive(pairs, choices.positive_class)
    else:
        found = None
    return {"roc_auc": found} if found else {}


def _area_of_positive(pairs: PairedExamples, positive_class: str) -> Interval | None:
    """Return the interval for the positive class.

    The correlation follows from how both versions place each example among those of the other class: DeLong, DeLong &
    Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating characteristic curves: a
    nonparametric approach, doi:10.2307/2531595. Near 1, their variances alone exclude the truth too often.
    """
    is_positive = f"actual = {string_literal(positive_class)}"
    [[positives, negatives]] = pairs.engine.rows(f"""
        SELECT coalesce(sum(w) FILTER (WHERE {is_positive}), 0), coalesce(sum(w) FILTER (WHERE NOT {is_positive}), 0)
        FROM joined
    """)
    if positives <= 0 or negatives <= 0:
        return None
    placements = _placements(is_positive, positives, negatives, grouped="cluster" in pairs.columns)
    placed = f"({placements})"
    of_positives = pairs.means("below", "old_below", "below - old_below", relation=f"{placed} WHERE positive = 1")
    of_negatives = pairs.means("above", "old_above", "above - old_above", relation=f"{placed} WHERE positive = 0")
    sizes = of_positives[0].size, of_negatives[0].size
    variances = [one.variance + other.variance for one, other in zip(of_positives, of_negatives, strict=True)]
    if min(sizes) < 2 or not all(map(math.isfinite, variances)):
        return None
    areas = [min(max(mean.value, 0.0), 1.0) for mean in of_positives[:2]]
    groups = _groups_of_both(pairs, placements) if "cluster" in pairs.columns else math.inf
    effects = _design_effects(pairs, _of_areas(placements, areas, positives, negatives), variances, groups)
    return area_difference(areas, variances, [RankedClass(1.0, *sizes)], effects) if effects else None


def _area_of_classes(pairs: PairedExamples, averaging: str | None) -> Interval | None:
    """Return the interval for several classes, from the pseudovalues of both versions: see `Pseudovalues`."""
    means = pairs.means("roc_auc", "old_roc_auc", "roc_auc - old_roc_auc")
    variances, classes = [mean.variance for mean in means], _ranked_classes(pairs, averaging)
    are_few = averaging != "micro" and fewest_examples(classes.values()) < MIN_EXAMPLES
    if are_few or not all(map(math.isfinite, variances)):
        return None
    deviations = ", ".join(
        f"({each}roc_auc - {number_literal(mean.value)}) / {number_literal(mean.weight)} AS {each}influence"
        for each, mean in zip(("", "old_"), means, strict=False)
    )
    influences = f"SELECT *, {deviations} FROM joined WHERE w > 0"
    if averaging == "micro":
        effects = _design_effects(pairs, influences, variances)
        return pooled_difference(means, effects) if effects else None
    effects = _design_effects(pairs, influences, variances, _informative_groups(pairs, classes))
    areas = [min(max(mean.value, 0.0), 1.0) for mean in means[:2]]
    return area_difference(areas, variances, list(classes.values()), effects) if effects else None


def _ranked_classes(pairs: PairedExamples, averaging: str | None) -> dict[str, RankedClass]:
    """Return the classes with their shares in the mean, and the effective numbers of their and of other examples."""
    rows = pairs.engine.rows("SELECT actual, sum(w), sum(w * w) FROM joined WHERE w > 0 GROUP BY actual")
    total, squares = (math.fsum(row[at] for row in rows) for at in (1, 2))
    shares = class_shares({label: weight for label, weight, _ in rows}, averaging or "")
    return {
        label: RankedClass(
            shares[label],
            effective_sample_size(weight, squared),
            effective_sample_size(total - weight, squares - squared),
        )
        for label, weight, squared in rows
    }


def _informative_groups(pairs: PairedExamples, classes: Mapping[str, RankedClass]) -> float:
    """Return how many groups inform of the mean area, infinite if the examples are in none."""
    if "cluster" not in pairs.columns:
        return math.inf
    groups = groups_of_classes(pairs.engine, "SELECT cluster AS g, actual, w FROM joined WHERE w > 0")
    return informative_groups({label: each.share for label, each in classes.items()}, groups)


def _of_areas(placements: str, areas: Sequence[float], positives: float, negatives: float) -> str:
    """Return the query of each example's influence on both areas."""
    influences = ", ".join(
        f"CASE WHEN positive = 1 THEN ({each}below - {number_literal(area)}) / {number_literal(positives)} "
        f"ELSE ({each}above - {number_literal(area)}) / {number_literal(negatives)} END AS {each}influence"
        for each, area in zip(("", "old_"), areas, strict=True)
    )
    return f"SELECT *, {influences} FROM ({placements})"


def _groups_of_both(pairs: PairedExamples, placements: str) -> float:
    """Return how many groups (effectively) have examples of the class that has fewer."""
    by_group = f"SELECT {weights_of_both('w')} FROM ({placements}) GROUP BY cluster"
    [[groups]] = pairs.engine.rows(f"SELECT {GROUPS_OF_BOTH} FROM ({by_group})")
    return float(groups)


def _design_effects(
    pairs: PairedExamples, influences: str, variances: Sequence[float], groups: float = math.inf
) -> Sequence[float] | None:
    """Return the design effects of both versions' metrics and of their difference; `None` if the groups are too few.

    `influences` is the query of each example's influence on both, and `variances` are those of independent examples.
    `groups` is how many groups, at most, inform of the metric.
    """
    if "cluster" not in pairs.columns:
        return UNGROUPED
    names = "influence", "old_influence", "influence - old_influence"
    found = design_effects(
        pairs,
        {name: Influence(name, variance, groups) for name, variance in zip(names, variances, strict=True)},
        f"SELECT cluster AS g, w, w * w AS squares, influence, old_influence FROM ({influences})",
    )
    return None if found is None else list(found.values())


def area_difference(
    areas: Sequence[float],
    variances: Sequence[float],
    classes: Sequence[RankedClass],
    effects: Sequence[float] = UNGROUPED,
) -> Interval | None:
    """Return the interval of the difference of two areas under the ROC curve, or of two means over classes.

    Their correlation is as uncertain as that of so few examples as there are of the smallest class. So the intervals of
    both areas have Student's t with one degree of freedom less.

    Args:
        areas: those of the newer and of the older version.
        variances: those of both areas, and of their difference.
        classes: the positive class, or the several ones.
        effects: the design effects of both areas, and of their difference.
    """
    wider = (student_t_quantile(fewest_examples(classes) - 1) / student_t_quantile(math.inf)) ** 2
    both = [
        roc.roc_auc_estimate(area, variance, classes, wider * effect).interval
        for area, variance, effect in zip(areas, variances, effects, strict=False)
    ]
    return _correlated(areas, both, _products(variances, effects), "paired_newcombe_5")


def pooled_difference(pseudovalues: Sequence[Mean], effects: Sequence[float] = UNGROUPED) -> Interval | None:
    """Return the interval of the difference of two areas of the pooled decisions on all classes.

    Args:
        pseudovalues: the means of those of the newer and of the older version, and of their differences.
        effects: the design effects of both areas, and of their difference.
    """
    both = [roc.pooled_estimate(mean, effect) for mean, effect in zip(pseudovalues[:2], effects, strict=False)]
    variances = _products([mean.variance for mean in pseudovalues], effects)
    areas, intervals = [each.value or 0.0 for each in both], [each.interval for each in both]
    return _correlated(areas, intervals, variances, "paired_wilson_pooled")


def _products(variances: Sequence[float], effects: Sequence[float]) -> list[float]:
    return [variance * effect for variance, effect in zip(variances, effects, strict=True)]


def _correlated(
    values: Sequence[float], both: Sequence[Interval | None], variances: Sequence[float], method: str
) -> Interval | None:
    """Return the interval of the difference of two values, from the interval of each.

    The correlation follows from the variances of both values and of their difference. It is 0 if one does not vary.
    """
    scale = 2 * math.sqrt(variances[0]) * math.sqrt(variances[1])
    correlation = (variances[0] + variances[1] - variances[2]) / scale if scale > 0 else 0.0
    correlation = min(max(correlation, -1.0), 1.0)
    return correlated_interval(values[0], both[0], values[1], both[1], correlation=correlation, method=method)


def _placements(is_positive: str, positives: float, negatives: float, *, grouped: bool) -> str:
    """Return the query of each example's placements by both scores.

    They are the share of the negatives below the example, and the share of the positives above it. Ties count half.
    """
    of_positives, of_negatives = number_literal(positives), number_literal(negatives)
    windows = {"": "score", "old_": "old_score"}
    ranks = ", ".join(
        f"sum(w * positive) OVER {prefix}up_to AS {prefix}positive_up_to, "
        f"sum(w * positive) OVER {prefix}tied AS {prefix}positive_tied, "
        f"sum(w * (1 - positive)) OVER {prefix}up_to - sum(w * (1 - positive)) OVER {prefix}tied / 2 AS {prefix}under"
        for prefix in windows
    )
    orders = ", ".join(
        f"{prefix}up_to AS (ORDER BY {score} RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), "
        f"{prefix}tied AS (ORDER BY {score} RANGE BETWEEN CURRENT ROW AND CURRENT ROW)"
        for prefix, score in windows.items()
    )
    shares = ", ".join(
        f"{prefix}under / {of_negatives} AS {prefix}below, "
        f"({of_positives} - {prefix}positive_up_to + {prefix}positive_tied / 2) / {of_positives} AS {prefix}above"
        for prefix in windows
    )
    passed = "w, positive, cluster" if grouped else "w, positive"
    return f"""
        SELECT {passed}, {shares}
        FROM (
            SELECT {passed}, {ranks}
            FROM (SELECT *, CASE WHEN {is_positive} THEN 1 ELSE 0 END AS positive FROM joined)
            WINDOW {orders}
        )
    """


def average_precision_interval(pairs: PairedExamples, choices: Choices) -> Intervals:
    """Return the interval for average precision, from the influence of each example on that of both versions.

    It follows from the intervals of both versions, as `RankedScores.average_precision` has them, and from the
    correlation of the influences.
    """
    if choices.positive_class is None or "score" not in pairs.columns:
        return {}
    influences = _influences(f"actual = {string_literal(choices.positive_class)}", grouped="cluster" in pairs.columns)
    [[total, positives, squared_weight, value, old_value, *moved]] = pairs.engine.rows(f"""
        SELECT sum(w), sum(w * positive), sum(w * w * positive), min(average), min(old_average),
            sum(w * w * influence * influence), sum(w * w * old_influence * old_influence),
            sum(w * w * (influence - old_influence) * (influence - old_influence))
        FROM ({influences})
    """)
    size = effective_sample_size(positives or 0.0, squared_weight or 0.0)
    if size <= 1 or value is None:
        return {}
    values = [min(value, 1.0), min(old_value, 1.0)]
    variances = [each / positives / positives * size / (size - 1) for each in moved]
    of_shares = f"SELECT * REPLACE (w / {number_literal(positives)} AS w) FROM ({influences})"
    effects = _design_effects(pairs, of_shares, variances)
    if not effects:
        return {}
    return {"average_precision": average_precision_difference(values, variances, size, positives / total, effects)}


def average_precision_difference(
    values: Sequence[float],
    variances: Sequence[float],
    positives: float,
    share: float,
    effects: Sequence[float] = UNGROUPED,
) -> Interval | None:
    """Return the interval of the difference of two average precisions.

    Args:
        values: those of the newer and of the older version.
        variances: those of both, and of their difference.
        positives: the effective number of positives.
        share: the share of the positives, by weight.
        effects: the design effects of both, and of their difference.
    """
    both = [
        roc.average_precision_estimate(value, variance, positives, share, effect).interval
        for value, variance, effect in zip(values, variances, effects, strict=False)
    ]
    return _correlated(values, both, _products(variances, effects), "paired_influence")


def _influences(is_positive: str, *, grouped: bool) -> str:
    """Return the query of both versions' average precision and of each example's influence on it."""
    versions = {"": "score", "old_": "old_score"}
    sums_from_here = ", ".join(
        f"sum(w) OVER {each}from_here AS {each}all_from, sum(w * positive) OVER {each}from_here AS {each}true_from"
        for each in versions
    )
    sums = ", ".join(
        f"{each}true_from / {each}all_from AS {each}precise, "
        f"sum(w * positive * {each}true_from / {each}all_from) OVER () / sum(w * positive) OVER () AS {each}average, "
        f"sum(w * positive * ({each}all_from - {each}true_from) / {each}all_from / {each}all_from) "
        f"OVER {each}up_to AS {each}raised, "
        f"sum(w * positive * {each}true_from / {each}all_from / {each}all_from) OVER {each}up_to AS {each}lowered"
        for each in versions
    )
    influences = ", ".join(
        f"CASE WHEN positive = 1 THEN {each}precise - {each}average + {each}raised ELSE -{each}lowered END "
        f"AS {each}influence"
        for each in versions
    )
    downwards = ", ".join(f"{each}from_here AS (ORDER BY {score} DESC)" for each, score in versions.items())
    upwards = ", ".join(f"{each}up_to AS (ORDER BY {score})" for each, score in versions.items())
    passed = "w, positive, cluster" if grouped else "w, positive"
    return f"""
        SELECT {passed}, average, old_average, {influences}
        FROM (
            SELECT {passed}, {sums}
            FROM (
                SELECT *, {sums_from_here}
                FROM (SELECT *, CASE WHEN {is_positive} THEN 1 ELSE 0 END AS positive FROM joined WHERE w > 0)
                WINDOW {downwards}
            )
            WINDOW {upwards}
        )
    """
