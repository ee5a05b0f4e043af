"""Compute paired intervals for classification."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.labels import sort_labels
from performance.metrics.inputs.sql import number_literal, string_literal
from performance.metrics.paired.paired_join import Choices, Intervals, PairedExamples, join_examples, mean_interval
from performance.metrics.statistics.confusion import ConfusionMatrix, Gradient
from performance.metrics.statistics.differences import correlated_interval
from performance.metrics.statistics.intervals import Interval, effective_sample_size, normal, wilson
from performance.metrics.statistics.losses import log_loss_sql
from performance.metrics.statistics.means import Mean

MAX_CELLS = 100_000  # of the joint table of the actual class and both predictions
AVERAGED = ("precision", "recall", "f1_score", "specificity")
# The largest possible absolute difference of each metric
LARGEST_DIFFERENCE = {"balanced_accuracy": 1.0, "matthews_correlation": 2.0, "cohen_kappa": 2.0}
_TOLERANCE = 1e-24  # rounding error of a variance of fractions


@dataclass(frozen=True, slots=True)
class JointCell:
    """Examples of one class with one pair of predictions: their cells in both confusion matrices, and their weight."""

    cell: tuple[int, int]
    old_cell: tuple[int, int]
    weight: float
    squared_weight: float


def classification_intervals(engine: Engine, choices: Choices) -> Intervals:
    """Return the interval of each metric's difference; none unless both versions have the same examples."""
    pairs = join_examples(engine)
    if pairs is None:
        return {}
    accuracy = _accuracy_interval(pairs)
    micro = dict.fromkeys(AVERAGED[:3], accuracy) if choices.averaging == "micro" else {}
    return {
        "accuracy": accuracy,
        **micro,
        **_matrix_intervals(pairs, choices),
        **_roc_auc_interval(pairs, choices),
        **_average_precision_interval(pairs, choices),
        **_loss_intervals(pairs, choices),
    }


def _accuracy_interval(pairs: PairedExamples) -> Interval | None:
    """Return the interval for accuracy, from how often each version alone is right.

    It follows from the Wilson intervals of both accuracies and from their correlation: Newcombe (1998), Improved
    confidence intervals for the difference between binomial proportions based on paired data,
    doi:10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C
    """
    right, was_right = "predicted = actual", "old_predicted = actual"
    [[weight, squared_weight, *correct]] = pairs.engine.rows(f"""
        SELECT sum(w), sum(w * w), coalesce(sum(w) FILTER (WHERE {right} AND {was_right}), 0),
            coalesce(sum(w) FILTER (WHERE {right} AND NOT {was_right}), 0),
            coalesce(sum(w) FILTER (WHERE NOT {right} AND {was_right}), 0)
        FROM joined
    """)
    both, newer, older = (each / weight for each in correct)
    size = effective_sample_size(weight, squared_weight)
    share, old_share = both + newer, both + older
    interval, old_interval = wilson(share, size), wilson(old_share, size)
    if interval is None or old_interval is None:
        return None
    correlation = _phi(both, newer, older)
    return correlated_interval(
        share, interval, old_share, old_interval, correlation=correlation, method="paired_newcombe"
    )


def _phi(both: float, newer: float, older: float) -> float:
    """Return the correlation (phi coefficient) of being right, from the shares.

    It is 0 if one version is always right, or never.
    """
    neither = max(1 - both - newer - older, 0.0)
    variances = (both + newer) * (older + neither) * (both + older) * (newer + neither)
    return (both * neither - newer * older) / math.sqrt(variances) if variances > 0 else 0.0


def _matrix_intervals(pairs: PairedExamples, choices: Choices) -> Intervals:
    """Return the intervals of metrics of the confusion matrix, by the delta method on the joint table.

    The cells of the table (actual class and both predictions) are multinomial: Agresti (2013), Categorical Data
    Analysis, 3rd edition, section 16.1. Returns none if there are more than `MAX_CELLS` cells.
    """
    cells = pairs.engine.rows(f"""
        SELECT actual, predicted, old_predicted, sum(w), sum(w * w) FROM joined
        GROUP BY actual, predicted, old_predicted ORDER BY ALL LIMIT {MAX_CELLS + 1}
    """)
    if len(cells) > MAX_CELLS:
        return {}
    newer = _matrix((actual, predicted, weight) for actual, predicted, _, weight, _ in cells)
    older = _matrix((actual, predicted, weight) for actual, _, predicted, weight, _ in cells)
    indexes, old_indexes = ({label: at for at, label in enumerate(matrix.labels)} for matrix in (newer, older))
    joint_cells = [
        JointCell(
            (indexes[actual], indexes[predicted]), (old_indexes[actual], old_indexes[before]), weight, squared_weight
        )
        for actual, predicted, before, weight, squared_weight in cells
    ]
    multiclass = {
        name: (newer.multiclass_gradient(name), older.multiclass_gradient(name)) for name in LARGEST_DIFFERENCE
    }
    gradients = {**multiclass, **_averaged_gradients(newer, older, choices)}
    return {
        name: _delta_interval(pairs, joint_cells, *both, most=LARGEST_DIFFERENCE.get(name, 1))
        for name, both in gradients.items()
    }


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
    pairs: PairedExamples,
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
    return _bounded_interval(pairs, newer.value - older.value, influence.variance, "paired_multinomial", most)


def _matrix(cells: Iterable[tuple[str, str, float]]) -> ConfusionMatrix:
    """Return the confusion matrix of one version."""
    cells_by_labels: dict[tuple[str, str], float] = {}
    for actual, predicted, weight in cells:
        cells_by_labels[actual, predicted] = cells_by_labels.get((actual, predicted), 0.0) + weight
    labels = sort_labels(label for pair in cells_by_labels for label in pair)
    weights = [[cells_by_labels.get((actual, predicted), 0.0) for predicted in labels] for actual in labels]
    return ConfusionMatrix(labels, weights)


def _bounded_interval(
    pairs: PairedExamples, value: float, variance: float, method: str, most: float = 1, degrees: float = math.inf
) -> Interval | None:
    """Return the interval of a difference of fractions whose absolute value is at most `most`.

    Returns `None` if nothing varies though the predictions differ, as where all are right: then the sample does not
    show how much would vary.
    """
    if variance <= _TOLERANCE and not pairs.identical:
        return None
    return normal(value, variance, method, -most, most, degrees)


def _roc_auc_interval(pairs: PairedExamples, choices: Choices) -> Intervals:
    """Return the interval for ROC AUC, from how both versions place each example among those of the other class.

    DeLong, DeLong & Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating
    characteristic curves: a nonparametric approach, doi:10.2307/2531595
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
    [below] = pairs.means("below - old_below", relation=f"{placed} WHERE positive = 1")
    [above] = pairs.means("above - old_above", relation=f"{placed} WHERE positive = 0")
    return {"roc_auc": _bounded_interval(pairs, below.value, below.variance + above.variance, "paired_delong")}


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

    The influence and the degrees of freedom are those of `RankedScores.average_precision`.
    """
    if choices.positive_class is None or "score" not in pairs.columns:
        return {}
    is_positive = f"actual = {string_literal(choices.positive_class)}"
    [[positives, squared_weight, value, moved]] = pairs.engine.rows(f"""
        SELECT sum(w * positive), sum(w * w * positive), min(average - old_average),
            sum(w * w * (influence - old_influence) * (influence - old_influence))
        FROM ({_influences(is_positive)})
    """)
    size = effective_sample_size(positives or 0.0, squared_weight or 0.0)
    if size <= 1 or value is None:
        return {}
    variance = moved / positives / positives * size / (size - 1)
    return {"average_precision": _bounded_interval(pairs, value, variance, "paired_influence", degrees=size - 1)}


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
    return {"log_loss": mean_interval(log_loss), "brier_score": mean_interval(brier)}
