"""Compute paired intervals of what follows from the confusion matrices of two versions. Pure Python."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from performance.metrics.engines.base import Row
from performance.metrics.inputs.labels import sort_labels
from performance.metrics.paired.paired_join import Choices, Intervals
from performance.metrics.result import MAX_CLASSES
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.differences import correlated_interval
from performance.metrics.statistics.gradients import Gradient
from performance.metrics.statistics.intervals import (
    NO_EXAMPLES,
    Interval,
    WeightedCount,
    normal,
    wilson,
)
from performance.metrics.statistics.margins import AVERAGED, CLASS_METRICS
from performance.metrics.statistics.means import Mean

# The largest possible absolute difference of each metric
LARGEST_DIFFERENCE = {"balanced_accuracy": 1.0, "matthews_correlation": 2.0, "cohen_kappa": 2.0}
OF_ALL_EXAMPLES = {"matthews_correlation", "cohen_kappa"}
ADDED = 1.0  # examples that one version alone is right about
ROUNDING = 1e-24  # of a variance of fractions
PAIRED_WILSON = "paired_wilson"


@dataclass(frozen=True, slots=True)
class JointCell:
    """Examples of one class with one pair of predictions: their cells in both confusion matrices, and their weight."""

    cell: tuple[int, int]
    old_cell: tuple[int, int]
    weight: float
    squared_weight: float


class RightAlone(NamedTuple):
    """All examples, and those that the newer and the older version alone is right about."""

    everything: WeightedCount
    newer: WeightedCount
    older: WeightedCount

    @classmethod
    def of_equal_weights(cls, everything: float, newer: float, older: float) -> Self:
        """Return examples that all have the weight 1."""
        return cls(*(WeightedCount(float(each), float(each)) for each in (everything, newer, older)))


def accuracy_difference(counts: RightAlone, design_effect: float = 1.0) -> Interval | None:
    """Return the interval for accuracy, from Wilson's intervals of how often each version alone is right.

    Zou & Donner (2008), Construction of confidence intervals about effect measures: a general approach,
    doi:10.1002/sim.3095. The correlation of both shares is that of cells of a multinomial table. The variance of a
    share is about the sum of its examples' squared weights. So if these are heavier than all examples, as of a class
    with large weights that is hard, the effective examples are fewer.

    Args:
        counts: all examples, and those that each version alone is right about.
        design_effect: how many examples are worth one.
    """
    everything, *alone = counts
    better, worse = (each.weight / everything.weight for each in alone)
    units = (max(everything.unit, each.unit) * design_effect for each in alone)
    sizes = [everything.weight / unit if unit > 0 else 0.0 for unit in units]
    both = [wilson(share, size) for share, size in zip((better, worse), sizes, strict=True)]
    neither = (1 - better) * (1 - worse)
    correlation = -math.sqrt(better * worse / neither) if neither > 0 else 0.0
    return correlated_interval(better, both[0], worse, both[1], correlation=correlation, method=PAIRED_WILSON)


def matrix_differences(cells: Sequence[Row], choices: Choices) -> Intervals:
    """Return the intervals of metrics of the confusion matrix, by the delta method on the joint table.

    The cells of the table (actual class and both predictions) are multinomial: Agresti (2013), Categorical Data
    Analysis, 3rd edition, section 16.1. If the versions differ in few examples, their number is skewed. So the lower
    end is that of a table with one more example that the older version alone is right about, and the upper end that
    of one with one more for the newer version, much as Wilson's interval of the number of such examples has it.

    Args:
        cells: the actual class, the newer and the older prediction, and the sums of the weights and of their squares.
        choices: the positive class and the averaging.
    """
    known = _known_metrics(cells, choices)
    # An average over classes needs these examples in each class, a metric of all examples in all classes together.
    classes = len({row[0] for row in cells})
    by_class, in_all = (
        [_delta_intervals([*cells, *_more_cells(cells, added, newer=newer)], choices) for newer in (False, True)]
        for added in (ADDED, ADDED / classes)
    )
    found: Intervals = {}
    for name, (now, before) in gradients_of_both(cells, choices).items():
        value = now.value - before.value
        of_all = name in OF_ALL_EXAMPLES or (name in AVERAGED and choices.averaging == "weighted")
        lower, upper = (each.get(name) for each in (in_all if of_all else by_class))
        if name in known and lower and upper:
            found[name] = Interval(min(lower.lower, value), max(upper.upper, value), "paired_multinomial")
    return found


def _known_metrics(cells: Sequence[Row], choices: Choices) -> set[str]:
    """Return the metrics that the examples tell something about, as `ConfusionMatrix` has it for one version.

    Nothing is known about the recall of a class without examples, or about the precision of one that is not predicted.
    """
    both, positive = matrices_of_both(cells), choices.positive_class
    occurring = {row[0] for row in cells if row[3] > 0}
    if len(occurring) < 2:
        return set()
    undefined = {"balanced_accuracy"} if {label for row in cells for label in row[:3]} - occurring else set()
    if choices.averaging == "macro" and undefined:
        undefined |= set(AVERAGED)
    elif choices.averaging == "binary" and positive not in occurring:
        undefined |= set(CLASS_METRICS)
    elif choices.averaging == "binary" and not all(_predicts(matrix, positive) for matrix in both):
        undefined.add("precision")
    return {*AVERAGED, *LARGEST_DIFFERENCE} - undefined


def _predicts(matrix: ConfusionMatrix, label: str | None) -> bool:
    return any(weight > 0 for name, weight in zip(matrix.labels, matrix.columns, strict=True) if name == label)


def _more_cells(cells: Sequence[Row], added: float, *, newer: bool) -> list[Row]:
    """Return examples of each class, `added` of them, that the `newer` or the older version alone predicts rightly.

    The wrong predictions are of all other classes alike. Returns none for many classes, whose errors are many too.
    """
    labels = sort_labels(label for row in cells for label in row[:3])
    if len(labels) > MAX_CLASSES:
        return []
    totals: dict[str, tuple[float, float]] = {}
    for actual, _, _, weight, squared_weight in cells:
        before = totals.get(actual, (0.0, 0.0))
        totals[actual] = before[0] + weight, before[1] + squared_weight
    share = added / max(len(labels) - 1, 1)
    units = {label: squares / weight for label, (weight, squares) in totals.items() if weight > 0}
    return [
        (label, *((label, wrong) if newer else (wrong, label)), share * unit, share * unit * unit)
        for label, unit in units.items()
        for wrong in labels
        if wrong != label
    ]


def matrices_of_both(cells: Sequence[Row]) -> tuple[ConfusionMatrix, ConfusionMatrix]:
    """Return the confusion matrices of the newer and of the older version."""
    newer = _matrix((actual, predicted, *weights) for actual, predicted, _, *weights in cells)
    return newer, _matrix((actual, predicted, *weights) for actual, _, predicted, *weights in cells)


def gradients_of_both(cells: Sequence[Row], choices: Choices) -> dict[str, tuple[Gradient, Gradient]]:
    """Return the gradients of both versions for each metric that has some."""
    newer, older = matrices_of_both(cells)
    found = dict(_averaged_gradients(newer, older, choices))
    for name in LARGEST_DIFFERENCE:
        now, before = newer.multiclass_gradient(name), older.multiclass_gradient(name)
        if now and before:
            found[name] = now, before
    return found


def _delta_intervals(cells: Sequence[Row], choices: Choices) -> Intervals:
    """Return the intervals of the delta method."""
    indexes, old_indexes = ({label: at for at, label in enumerate(matrix.labels)} for matrix in matrices_of_both(cells))
    joint = [
        JointCell(
            (indexes[actual], indexes[predicted]), (old_indexes[actual], old_indexes[before]), weight, squared_weight
        )
        for actual, predicted, before, weight, squared_weight in cells
    ]
    return {
        name: _delta_interval(joint, *both, most=LARGEST_DIFFERENCE.get(name, 1))
        for name, both in gradients_of_both(cells, choices).items()
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


def _delta_interval(joint: Sequence[JointCell], newer: Gradient, older: Gradient, *, most: float) -> Interval | None:
    """Return the interval of a difference whose absolute value is at most `most`, by the delta method."""
    slopes = [newer.by_cell(*each.cell) - older.by_cell(*each.old_cell) for each in joint]
    influence = Mean(
        math.fsum(each.weight for each in joint),
        math.fsum(each.squared_weight for each in joint),
        math.fsum(slope * each.weight for slope, each in zip(slopes, joint, strict=True)),
        math.fsum(slope * each.squared_weight for slope, each in zip(slopes, joint, strict=True)),
        math.fsum(slope * slope * each.squared_weight for slope, each in zip(slopes, joint, strict=True)),
    )
    if influence.variance <= ROUNDING:
        return None
    return normal(newer.value - older.value, influence.variance, "paired_multinomial", -most, most)


def _matrix(cells: Iterable[tuple[str, str, float, float]]) -> ConfusionMatrix:
    """Return the confusion matrix of one version, from the weights and the squared weights."""
    sums: dict[tuple[str, str], WeightedCount] = {}
    for actual, predicted, *weights in cells:
        sums[actual, predicted] = sums.get((actual, predicted), NO_EXAMPLES) + WeightedCount(*weights)
    labels = sort_labels(label for pair in sums for label in pair)
    found = [[sums.get((actual, predicted), NO_EXAMPLES) for predicted in labels] for actual in labels]
    return ConfusionMatrix(
        labels,
        [[each.weight for each in row] for row in found],
        [[each.squared_weight for each in row] for row in found],
    )
