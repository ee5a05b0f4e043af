"""Paired intervals of what is measured of classes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.labels import in_order
from performance.metrics.inputs.sql import number, text
from performance.metrics.paired.paired_join import Choices, Intervals, Pairs, join, of_mean
from performance.metrics.statistics.confusion import ConfusionMatrix, Gradient
from performance.metrics.statistics.differences import correlated
from performance.metrics.statistics.intervals import Interval, effective_size, normal, wilson
from performance.metrics.statistics.losses import logarithmic
from performance.metrics.statistics.means import Mean

MAX_CELLS = 100_000  # of the table of actual classes by both predictions
AVERAGED = ("precision", "recall", "f1_score", "specificity")
OF_ALL = {"balanced_accuracy": 1.0, "matthews_correlation": 2.0, "cohen_kappa": 2.0}  # the most that each may change
_NOTHING = 1e-24  # that a variance of fractions may be off by


@dataclass(frozen=True, slots=True)
class Place:
    """Examples of one class that either version predicted as one: their cells in both confusion matrices."""

    cell: tuple[int, int]
    old_cell: tuple[int, int]
    weight: float
    squares: float


def of_classes(engine: Engine, choices: Choices) -> Intervals:
    """Return the interval of each metric's difference, empty unless both have the same examples."""
    pairs = join(engine)
    if pairs is None:
        return {}
    accuracy = _accuracy(pairs)
    micro = dict.fromkeys(AVERAGED[:3], accuracy) if choices.averaging == "micro" else {}
    return {
        "accuracy": accuracy,
        **micro,
        **_by_table(pairs, choices),
        **_area(pairs, choices),
        **_precision(pairs, choices),
        **_losses(pairs, choices),
    }


def _accuracy(pairs: Pairs) -> Interval | None:
    """Return the interval for the share of right predictions, from how often each version alone is right.

    It follows from those of Wilson for both shares and their correlation: Newcombe (1998), Improved confidence
    intervals for the difference between binomial proportions based on paired data,
    doi:10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C
    """
    right, was_right = "predicted = actual", "old_predicted = actual"
    [[weight, squares, *found]] = pairs.engine.rows(f"""
        SELECT sum(w), sum(w * w), coalesce(sum(w) FILTER (WHERE {right} AND {was_right}), 0),
            coalesce(sum(w) FILTER (WHERE {right} AND NOT {was_right}), 0),
            coalesce(sum(w) FILTER (WHERE NOT {right} AND {was_right}), 0)
        FROM joined
    """)
    both, newer, older = (each / weight for each in found)
    size = effective_size(weight, squares)
    share, old_share = both + newer, both + older
    interval, old_interval = wilson(share, size), wilson(old_share, size)
    if interval is None or old_interval is None:
        return None
    correlation = _phi(both, newer, older)
    return correlated(share, interval, old_share, old_interval, correlation=correlation, method="paired_newcombe")


def _phi(both: float, newer: float, older: float) -> float:
    """Return the correlation of being right, from the shares; 0 where one version always is, or never."""
    neither = max(1 - both - newer - older, 0.0)
    variances = (both + newer) * (older + neither) * (both + older) * (newer + neither)
    return (both * neither - newer * older) / math.sqrt(variances) if variances > 0 else 0.0


def _by_table(pairs: Pairs, choices: Choices) -> Intervals:
    """Return the intervals of what follows from the confusion matrix, by the delta method on the joint table.

    The table has actual classes by both predictions, and its cells are multinomial: Agresti (2013), Categorical Data
    Analysis, 3rd edition, section 16.1. None where it has too many cells.
    """
    cells = pairs.engine.rows(f"""
        SELECT actual, predicted, old_predicted, sum(w), sum(w * w) FROM joined
        GROUP BY actual, predicted, old_predicted ORDER BY ALL LIMIT {MAX_CELLS + 1}
    """)
    if len(cells) > MAX_CELLS:
        return {}
    newer = _matrix((actual, predicted, weight) for actual, predicted, _, weight, _ in cells)
    older = _matrix((actual, predicted, weight) for actual, _, predicted, weight, _ in cells)
    at, old_at = ({label: at for at, label in enumerate(matrix.labels)} for matrix in (newer, older))
    places = [
        Place((at[actual], at[predicted]), (old_at[actual], old_at[before]), weight, squares)
        for actual, predicted, before, weight, squares in cells
    ]
    of_all = {name: (newer.gradient_of_all(name), older.gradient_of_all(name)) for name in OF_ALL}
    gradients = {**of_all, **_averaged(newer, older, choices)}
    return {name: _by_delta(pairs, places, *both, most=OF_ALL.get(name, 1)) for name, both in gradients.items()}


def _averaged(
    newer: ConfusionMatrix, older: ConfusionMatrix, choices: Choices
) -> Mapping[str, tuple[Gradient, Gradient]]:
    """Return of each averaged metric the gradients of both; none of `micro`, nor of a class that one does not know."""
    averaging = choices.averaging or ""
    positive = choices.positive_class if averaging == "binary" else None
    if averaging == "micro" or (positive is not None and not (positive in newer.labels and positive in older.labels)):
        return {}
    return {
        name: (newer.gradient(name, averaging, positive), older.gradient(name, averaging, positive))
        for name in AVERAGED
    }


def _by_delta(
    pairs: Pairs, places: Sequence[Place], newer: Gradient | None, older: Gradient | None, *, most: float
) -> Interval | None:
    """Return the interval of a difference that is at most `most` in size."""
    if newer is None or older is None:
        return None
    slopes = [newer.by_cell(*each.cell) - older.by_cell(*each.old_cell) for each in places]
    influence = Mean(
        math.fsum(each.weight for each in places),
        math.fsum(each.squares for each in places),
        math.fsum(slope * each.weight for slope, each in zip(slopes, places, strict=True)),
        math.fsum(slope * each.squares for slope, each in zip(slopes, places, strict=True)),
        math.fsum(slope * slope * each.squares for slope, each in zip(slopes, places, strict=True)),
    )
    return _certain(pairs, newer.value - older.value, influence.variance, "paired_multinomial", most)


def _matrix(cells: Iterable[tuple[str, str, float]]) -> ConfusionMatrix:
    """Return the confusion matrix of one version."""
    counted: dict[tuple[str, str], float] = {}
    for actual, predicted, weight in cells:
        counted[actual, predicted] = counted.get((actual, predicted), 0.0) + weight
    labels = in_order(label for pair in counted for label in pair)
    weights = [[counted.get((actual, predicted), 0.0) for predicted in labels] for actual in labels]
    return ConfusionMatrix(labels, weights, math.fsum(counted.values()))


def _certain(
    pairs: Pairs, value: float, variance: float, method: str, most: float = 1, degrees: float = math.inf
) -> Interval | None:
    """Return the interval of a difference that is at most `most` in size, as one of fractions.

    Where nothing varies though the predictions differ, as where all is right, the sample does not tell how much would.
    """
    if variance <= _NOTHING and not pairs.identical:
        return None
    return normal(value, variance, method, -most, most, degrees)


def _area(pairs: Pairs, choices: Choices) -> Intervals:
    """Return the interval for ROC AUC, from how both versions place each example among those of the other class.

    DeLong, DeLong & Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating
    characteristic curves: a nonparametric approach, doi:10.2307/2531595
    """
    if choices.positive_class is None or "score" not in pairs.columns:
        return {}
    is_positive = f"actual = {text(choices.positive_class)}"
    [[positives, negatives]] = pairs.engine.rows(f"""
        SELECT coalesce(sum(w) FILTER (WHERE {is_positive}), 0), coalesce(sum(w) FILTER (WHERE NOT {is_positive}), 0)
        FROM joined
    """)
    if positives <= 0 or negatives <= 0:
        return {}
    placed = f"({_placed(is_positive, positives, negatives)})"
    [below] = pairs.means("below - old_below", draws=f"{placed} WHERE positive = 1")
    [above] = pairs.means("above - old_above", draws=f"{placed} WHERE positive = 0")
    return {"roc_auc": _certain(pairs, below.value, below.variance + above.variance, "paired_delong")}


def _placed(is_positive: str, positives: float, negatives: float) -> str:
    """Return, by either score, the share of the negatives below each example and of the positives above it.

    Ties count half.
    """
    of_positives, of_negatives = number(positives), number(negatives)
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


def _precision(pairs: Pairs, choices: Choices) -> Intervals:
    """Return the interval for average precision, from how each example moves that of both versions.

    The influence of an example is that of `Placed.average_precision`, and so are the degrees of freedom.
    """
    if choices.positive_class is None or "score" not in pairs.columns:
        return {}
    is_positive = f"actual = {text(choices.positive_class)}"
    [[positives, squares, value, moved]] = pairs.engine.rows(f"""
        SELECT sum(w * positive), sum(w * w * positive), min(average - old_average),
            sum(w * w * (influence - old_influence) * (influence - old_influence))
        FROM ({_influences(is_positive)})
    """)
    size = effective_size(positives or 0.0, squares or 0.0)
    if size <= 1 or value is None:
        return {}
    variance = moved / positives / positives * size / (size - 1)
    return {"average_precision": _certain(pairs, value, variance, "paired_influence", degrees=size - 1)}


def _influences(is_positive: str) -> str:
    """Return both versions' average precision, and how fast it changes with the weight of each example."""
    versions = {"": "score", "old_": "old_score"}
    counted = ", ".join(
        f"sum(w) OVER {each}from_here AS {each}all_from, sum(w * positive) OVER {each}from_here AS {each}true_from"
        for each in versions
    )
    summed = ", ".join(
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
            SELECT w, positive, {summed}
            FROM (
                SELECT *, {counted}
                FROM (SELECT *, CASE WHEN {is_positive} THEN 1 ELSE 0 END AS positive FROM joined WHERE w > 0)
                WINDOW {downwards}
            )
            WINDOW {upwards}
        )
    """


def _losses(pairs: Pairs, choices: Choices) -> Intervals:
    """Return the intervals of log loss and Brier score, as means of the differences of each example's losses."""
    if choices.positive_class is not None and "score" in pairs.columns:
        positive = f"actual = {text(choices.positive_class)}"
        truths = [f"CASE WHEN {positive} THEN {score} ELSE 1 - {score} END" for score in ("score", "old_score")]
        briers = [f"(1 - ({truth})) * (1 - ({truth}))" for truth in truths]
    elif {"truth", "brier"} <= pairs.columns:
        truths, briers = ["truth", "old_truth"], ["brier", "old_brier"]
    else:
        return {}
    logs = map(logarithmic, truths)
    log_loss, brier = pairs.means(*(f"{newer} - ({older})" for newer, older in (logs, briers)))
    return {"log_loss": of_mean(log_loss), "brier_score": of_mean(brier)}
