"""Compute paired intervals for classification."""

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.sql import string_literal
from performance.metrics.paired.areas import average_precision_interval, roc_auc_interval
from performance.metrics.paired.grouped_matrices import grouped_differences
from performance.metrics.paired.matrices import (
    LARGEST_DIFFERENCE,
    RightAlone,
    accuracy_difference,
    matrix_differences,
)
from performance.metrics.paired.numeric import LossPair, measure_differences
from performance.metrics.paired.paired_effects import accuracy_effect
from performance.metrics.paired.paired_join import Choices, Intervals, PairedExamples, join_examples
from performance.metrics.statistics.differences import IDENTICAL
from performance.metrics.statistics.intervals import WeightedCount
from performance.metrics.statistics.losses import log_loss_sql
from performance.metrics.statistics.margins import AVERAGED, CLASS_METRICS
from performance.metrics.statistics.scores import EXAMPLES, GROUPS

MAX_CELLS = 100_000  # of the joint table of the actual class and both predictions
_OF_LABELS = ("accuracy", *AVERAGED, *LARGEST_DIFFERENCE)
_OF_SCORES = {  # a metric follows from any of these exported columns
    "roc_auc": {"score", "roc_auc"},
    "average_precision": {"score"},
    "log_loss": {"score", "truth"},
    "brier_score": {"score", "brier"},
    "expected_calibration_error": {"score"},
}


def classification_intervals(engine: Engine, choices: Choices) -> Intervals:
    """Return the interval of each metric's difference; none unless both versions have the same examples.

    Metrics of identical predictions cannot differ. Not all scores of several classes are known, so metrics that follow
    from the others may. If the examples are in groups, groups are the units.
    """
    pairs = join_examples(engine)
    if pairs is None:
        return {}
    if pairs.identical:
        of_scores = [name for name, columns in _OF_SCORES.items() if columns & pairs.columns]
        return dict.fromkeys([*_OF_LABELS, *of_scores], IDENTICAL)
    return {
        **_label_intervals(pairs, choices),
        **roc_auc_interval(pairs, choices),
        **average_precision_interval(pairs, choices),
        **_loss_intervals(pairs, choices),
    }


def _label_intervals(pairs: PairedExamples, choices: Choices) -> Intervals:
    """Return the intervals of metrics of the predicted classes; none if there are too few groups of examples."""
    effect = accuracy_effect(pairs)
    if effect is None:
        return {}
    accuracy = accuracy_difference(_right_alone(pairs), effect)
    micro = dict.fromkeys(CLASS_METRICS, accuracy) if choices.averaging == "micro" else {}
    return {"accuracy": accuracy, **micro, **_matrix_intervals(pairs, choices)}


def _matrix_intervals(pairs: PairedExamples, choices: Choices) -> Intervals:
    """Return the intervals of metrics of the confusion matrix; none if there are more than `MAX_CELLS` cells."""
    cells = pairs.engine.rows(f"""
        SELECT actual, predicted, old_predicted, sum(w), sum(w * w) FROM joined
        GROUP BY actual, predicted, old_predicted ORDER BY ALL LIMIT {MAX_CELLS + 1}
    """)
    if len(cells) > MAX_CELLS:
        return {}
    grouped = "cluster" in pairs.columns
    return grouped_differences(pairs, cells, choices) if grouped else matrix_differences(cells, choices)


def _right_alone(pairs: PairedExamples) -> RightAlone:
    """Return the examples that each version alone is right about."""
    newer = "predicted = actual AND old_predicted <> actual"
    older = "predicted <> actual AND old_predicted = actual"
    columns = ", ".join(
        f"coalesce(sum({number}) FILTER (WHERE {condition}), 0)"
        for condition in ("TRUE", newer, older)
        for number in ("w", "w * w")
    )
    [[weight, squares, of_newer, newer_squares, of_older, older_squares]] = pairs.engine.rows(
        f"SELECT {columns} FROM joined"
    )
    return RightAlone(
        WeightedCount(weight, squares),
        WeightedCount(of_newer, newer_squares),
        WeightedCount(of_older, older_squares),
    )


def _loss_intervals(pairs: PairedExamples, choices: Choices) -> Intervals:
    """Return the intervals of log loss and Brier score, as means of the differences of each example's losses.

    Few large losses may decide such a mean, so the intervals are those of errors. Groups of examples are their units.
    """
    if choices.positive_class is not None and "score" in pairs.columns:
        positive = f"actual = {string_literal(choices.positive_class)}"
        truths = [f"CASE WHEN {positive} THEN {score} ELSE 1 - {score} END" for score in ("score", "old_score")]
        briers = [f"(1 - ({truth})) * (1 - ({truth}))" for truth in truths]
    elif {"truth", "brier"} <= pairs.columns:
        truths, briers = ["truth", "old_truth"], ["brier", "old_brier"]
    else:
        return {}
    losses = {"log_loss": [log_loss_sql(truth) for truth in truths], "brier_score": briers}
    means = iter(pairs.means(*(loss for both in losses.values() for loss in both)))
    differences = {
        name: LossPair(f"({newer})", f"({older})", next(means).value, next(means).value).difference()
        for name, (newer, older) in losses.items()
    }
    grouped = "cluster" in pairs.columns
    return measure_differences(pairs, GROUPS if grouped else EXAMPLES, "cluster" if grouped else None, differences)
