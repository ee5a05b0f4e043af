"""Compute paired intervals for classification."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from performance.metrics.engines.base import Engine, Row
from performance.metrics.inputs.labels import sort_labels
from performance.metrics.inputs.sql import number_literal, string_literal
from performance.metrics.paired.paired_join import Choices, Intervals, PairedExamples, join_examples
from performance.metrics.result import MAX_CLASSES
from performance.metrics.statistics import roc
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.differences import correlated_interval
from performance.metrics.statistics.gradients import Gradient
from performance.metrics.statistics.intervals import (
    Interval,
    area_interval,
    area_variance,
    effective_sample_size,
    normal,
    shrunk_ratio,
)
from performance.metrics.statistics.losses import log_loss_sql
from performance.metrics.statistics.margins import AVERAGED, OF_CLASSES
from performance.metrics.statistics.means import Mean
from performance.metrics.statistics.melding import EXTRA

MAX_CELLS = 100_000  # of the joint table of the actual class and both predictions
# The largest possible absolute difference of each metric
LARGEST_DIFFERENCE = {"balanced_accuracy": 1.0, "matthews_correlation": 2.0, "cohen_kappa": 2.0}
_METRICS = (
    "accuracy",
    *AVERAGED,
    *LARGEST_DIFFERENCE,
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier_score",
    "expected_calibration_error",
)
_TOLERANCE = 1e-24  # rounding error of a variance of fractions


@dataclass(frozen=True, slots=True)
class JointCell:
    """Examples of one class with one pair of predictions: their cells in both confusion matrices, and their weight."""

    cell: tuple[int, int]
    old_cell: tuple[int, int]
    weight: float
    squared_weight: float


def classification_intervals(engine: Engine, choices: Choices) -> Intervals:
    """Return the interval of each metric's difference; none unless both versions have the same examples.

    Metrics of identical predictions cannot differ. The intervals of grouped examples allow for the groups already, so
    the difference follows from these.
    """
    pairs = join_examples(engine)
    if pairs is None:
        return {}
    if pairs.identical:
        return dict.fromkeys(_METRICS, Interval(0.0, 0.0, "identical"))
    if "cluster" in pairs.columns:
        return {}
    accuracy = _accuracy_interval(pairs)
    micro = dict.fromkeys(OF_CLASSES, accuracy) if choices.averaging == "micro" else {}
    return {
        "accuracy": accuracy,
        **micro,
        **_matrix_intervals(pairs, choices),
        **_roc_auc_interval(pairs, choices),
        **_average_precision_interval(pairs, choices),
        **_loss_intervals(pairs, choices),
    }


def _accuracy_interval(pairs: PairedExamples) -> Interval | None:
    """Return the interval for accuracy, from how often each version alone is right, with one more such example of each.

    Bonett & Price (2012), Adjusted Wald confidence interval for a difference of binomial proportions based on paired
    data, doi:10.3102/1076998611411915
    """
    [[weight, squared_weight, newer, older]] = pairs.engine.rows("""
        SELECT sum(w), sum(w * w),
            coalesce(sum(w) FILTER (WHERE predicted = actual AND old_predicted <> actual), 0),
            coalesce(sum(w) FILTER (WHERE predicted <> actual AND old_predicted = actual), 0)
        FROM joined
    """)
    size = effective_sample_size(weight, squared_weight)
    if not size:
        return None
    better, worse = ((each / weight * size + 1) / (size + 2) for each in (newer, older))
    difference = better - worse
    variance = (better + worse - difference * difference) / (size + 2)
    return _around((newer - older) / weight, normal(difference, variance, "paired_bonett_price", -1, 1))


def _around(value: float, interval: Interval | None) -> Interval | None:
    """Return the interval, extended to the difference that was seen."""
    return interval and replace(interval, lower=min(interval.lower, value), upper=max(interval.upper, value))


def _matrix_intervals(pairs: PairedExamples, choices: Choices) -> Intervals:
    """Return the intervals of metrics of the confusion matrix, by the delta method on the joint table.

    The cells of the table (actual class and both predictions) are multinomial: Agresti (2013), Categorical Data
    Analysis, 3rd edition, section 16.1. In each class, either version alone is right about one example more, as in
    `_accuracy_interval`. Returns none if there are more than `MAX_CELLS` cells.
    """
    cells = pairs.engine.rows(f"""
        SELECT actual, predicted, old_predicted, sum(w), sum(w * w) FROM joined
        GROUP BY actual, predicted, old_predicted ORDER BY ALL LIMIT {MAX_CELLS + 1}
    """)
    if len(cells) > MAX_CELLS:
        return {}
    every = [*cells, *_more_cells(cells)]
    newer = _matrix((actual, predicted, weight) for actual, predicted, _, weight, _ in every)
    older = _matrix((actual, predicted, weight) for actual, _, predicted, weight, _ in every)
    seen, seen_before = (_matrix((row[0], row[at], row[3]) for row in cells) for at in (1, 2))
    indexes, old_indexes = ({label: at for at, label in enumerate(matrix.labels)} for matrix in (newer, older))
    joint_cells = [
        JointCell(
            (indexes[actual], indexes[predicted]), (old_indexes[actual], old_indexes[before]), weight, squared_weight
        )
        for actual, predicted, before, weight, squared_weight in every
    ]
    multiclass = {
        name: (newer.multiclass_gradient(name), older.multiclass_gradient(name)) for name in LARGEST_DIFFERENCE
    }
    gradients = {**multiclass, **_averaged_gradients(newer, older, choices)}
    values = {
        **{name: (seen.multiclass_gradient(name), seen_before.multiclass_gradient(name)) for name in multiclass},
        **_averaged_gradients(seen, seen_before, choices),
    }
    found: Intervals = {}
    for name, (now, before) in gradients.items():
        value, old_value = values.get(name, (None, None))
        interval = _delta_interval(joint_cells, now, before, most=LARGEST_DIFFERENCE.get(name, 1))
        found[name] = _around(value.value - old_value.value, interval) if value and old_value else None
    return found


def _more_cells(cells: Sequence[Row]) -> list[Row]:
    """Return half an example more of each class that either version alone predicts rightly.

    The wrong predictions are of all other classes alike. Returns none for many classes, whose errors are many too.
    """
    labels = sort_labels(label for row in cells for label in row[:3])
    if len(labels) > MAX_CLASSES:
        return []
    totals: dict[str, tuple[float, float]] = {}
    for actual, _, _, weight, squared_weight in cells:
        before = totals.get(actual, (0.0, 0.0))
        totals[actual] = before[0] + weight, before[1] + squared_weight
    share = EXTRA / max(len(labels) - 1, 1)
    units = {label: squares / weight for label, (weight, squares) in totals.items() if weight > 0}
    return [
        (label, *predictions, share * unit, share * unit * unit)
        for label, unit in units.items()
        for wrong in labels
        if wrong != label
        for predictions in ((label, wrong), (wrong, label))
    ]


def _averaged_gradients(
    newer: ConfusionMatrix, older: ConfusionMatrix, choices: Choices
) -> Mapping[str, tuple[Gradient, Gradient]]:
    """Return the gradients of both versions for each averaged metric.

    Returns none for `micro` averaging, or if one version does not know the positive class.
    """
    averaging = choices.averaging or ""
    positive = choices.positive_class if averaging == "binary" else None
    if averaging == "micro" or (positive is not None and not (positive in newer.labels and positive in older.labels)):
        return {}
    return {
        name: (newer.gradient(name, averaging, positive), older.gradient(name, averaging, positive))
        for name in AVERAGED
    }


def _delta_interval(
    joint_cells: Sequence[JointCell],
    newer: Gradient | None,
    older: Gradient | None,
    *,
    most: float,
) -> Interval | None:
    """Return the interval of a difference whose absolute value is at most `most`, by the delta method."""
    if newer is None or older is None:
        return None
    slopes = [newer.by_cell(*each.cell) - older.by_cell(*each.old_cell) for each in joint_cells]
    influence = Mean(
        math.fsum(each.weight for each in joint_cells),
        math.fsum(each.squared_weight for each in joint_cells),
        math.fsum(slope * each.weight for slope, each in zip(slopes, joint_cells, strict=True)),
        math.fsum(slope * each.squared_weight for slope, each in zip(slopes, joint_cells, strict=True)),
        math.fsum(slope * slope * each.squared_weight for slope, each in zip(slopes, joint_cells, strict=True)),
    )
    if influence.variance <= _TOLERANCE:
        return None
    return normal(newer.value - older.value, influence.variance, "paired_multinomial", -most, most)


def _matrix(cells: Iterable[tuple[str, str, float]]) -> ConfusionMatrix:
    """Return the confusion matrix of one version."""
    cells_by_labels: dict[tuple[str, str], float] = {}
    for actual, predicted, weight in cells:
        cells_by_labels[actual, predicted] = cells_by_labels.get((actual, predicted), 0.0) + weight
    labels = sort_labels(label for pair in cells_by_labels for label in pair)
    weights = [[cells_by_labels.get((actual, predicted), 0.0) for predicted in labels] for actual in labels]
    return ConfusionMatrix(labels, weights)


def _roc_auc_interval(pairs: PairedExamples, choices: Choices) -> Intervals:
    """Return the interval for ROC AUC, from those of both versions and the correlation of their areas.

    The correlation follows from how both versions place each example among those of the other class: DeLong, DeLong &
    Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating characteristic curves: a
    nonparametric approach, doi:10.2307/2531595. Near 1, their variances alone exclude the truth too often.
    """
    if choices.positive_class is None or "score" not in pairs.columns:
        return {}
    is_positive = f"actual = {string_literal(choices.positive_class)}"
    [[positives, negatives]] = pairs.engine.rows(f"""
        SELECT coalesce(sum(w) FILTER (WHERE {is_positive}), 0), coalesce(sum(w) FILTER (WHERE NOT {is_positive}), 0)
        FROM joined
    """)
    if positives <= 0 or negatives <= 0:
        return {}
    placed = f"({_placements(is_positive, positives, negatives)})"
    of_positives = pairs.means("below", "old_below", "below - old_below", relation=f"{placed} WHERE positive = 1")
    of_negatives = pairs.means("above", "old_above", "above - old_above", relation=f"{placed} WHERE positive = 0")
    sizes = of_positives[0].size, of_negatives[0].size
    variances = [one.variance + other.variance for one, other in zip(of_positives, of_negatives, strict=True)]
    if min(sizes) < 2 or not all(map(math.isfinite, variances)):
        return {}
    areas = [min(max(mean.value, 0.0), 1.0) for mean in of_positives[:2]]
    both = [_area_interval(area, variance, sizes) for area, variance in zip(areas, variances, strict=False)]
    return {"roc_auc": _correlated(areas, both, variances, "paired_newcombe_5")}


def _area_interval(area: float, variance: float, sizes: tuple[float, float]) -> Interval | None:
    """Return the interval of one version's area, as `RankedScores.roc_auc` has it."""
    ratio = shrunk_ratio(variance, area_variance(area, *sizes), min(sizes))
    return area_interval(area, *(size / ratio for size in sizes))


def _correlated(
    values: Sequence[float], both: Sequence[Interval | None], variances: Sequence[float], method: str
) -> Interval | None:
    """Return the interval of the difference of two values, from the interval of each.

    The correlation follows from the variances of both values and of their difference. It is 0 if one does not vary.
    """
    newer, older = both
    if newer is None or older is None:
        return None
    scale = 2 * math.sqrt(variances[0]) * math.sqrt(variances[1])
    correlation = (variances[0] + variances[1] - variances[2]) / scale if scale > 0 else 0.0
    known = min(max(correlation, -1.0), 1.0)
    return correlated_interval(values[0], newer, values[1], older, correlation=known, method=method)


def _placements(is_positive: str, positives: float, negatives: float) -> str:
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
    return f"""
        SELECT w, positive, {shares}
        FROM (
            SELECT w, positive, {ranks}
            FROM (SELECT *, CASE WHEN {is_positive} THEN 1 ELSE 0 END AS positive FROM joined)
            WINDOW {orders}
        )
    """


def _average_precision_interval(pairs: PairedExamples, choices: Choices) -> Intervals:
    """Return the interval for average precision, from the influence of each example on that of both versions.

    It follows from the intervals of both versions, as `RankedScores.average_precision` has them, and from the
    correlation of the influences.
    """
    if choices.positive_class is None or "score" not in pairs.columns:
        return {}
    is_positive = f"actual = {string_literal(choices.positive_class)}"
    [[positives, squared_weight, value, old_value, *moved]] = pairs.engine.rows(f"""
        SELECT sum(w * positive), sum(w * w * positive), min(average), min(old_average),
            sum(w * w * influence * influence), sum(w * w * old_influence * old_influence),
            sum(w * w * (influence - old_influence) * (influence - old_influence))
        FROM ({_influences(is_positive)})
    """)
    size = effective_sample_size(positives or 0.0, squared_weight or 0.0)
    if size < roc.MIN_POSITIVES or value is None:
        return {}
    values = [min(value, 1.0), min(old_value, 1.0)]
    variances = [each / positives / positives * size / (size - 1) for each in moved]
    both = [
        roc.fraction_interval(each, variance, size, size - 1, "wilson_influence")
        for each, variance in zip(values, variances, strict=False)
    ]
    return {"average_precision": _correlated(values, both, variances, "paired_influence")}


def _influences(is_positive: str) -> str:
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
    return f"""
        SELECT w, positive, average, old_average, {influences}
        FROM (
            SELECT w, positive, {sums}
            FROM (
                SELECT *, {sums_from_here}
                FROM (SELECT *, CASE WHEN {is_positive} THEN 1 ELSE 0 END AS positive FROM joined WHERE w > 0)
                WINDOW {downwards}
            )
            WINDOW {upwards}
        )
    """


def _loss_intervals(pairs: PairedExamples, choices: Choices) -> Intervals:
    """Return the intervals of log loss and Brier score, as means of the differences of each example's losses."""
    if choices.positive_class is not None and "score" in pairs.columns:
        positive = f"actual = {string_literal(choices.positive_class)}"
        truths = [f"CASE WHEN {positive} THEN {score} ELSE 1 - {score} END" for score in ("score", "old_score")]
        briers = [f"(1 - ({truth})) * (1 - ({truth}))" for truth in truths]
    elif {"truth", "brier"} <= pairs.columns:
        truths, briers = ["truth", "old_truth"], ["brier", "old_brier"]
    else:
        return {}
    logs = map(log_loss_sql, truths)
    log_loss, brier = pairs.means(*(f"{newer} - ({older})" for newer, older in (logs, briers)))
    return {"log_loss": _loss_interval(log_loss), "brier_score": _loss_interval(brier)}


def _loss_interval(difference: Mean) -> Interval | None:
    """Return Student's interval of a mean difference, `None` if it doesn't vary though the predictions differ."""
    if not difference.variance > _TOLERANCE:
        return None
    return normal(difference.value, difference.variance, "paired_t", degrees=difference.size - 1)
