"""Classification: two classes or more, with scores or without."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from performance.metrics import worst_examples
from performance.metrics.engines.base import Engine, Row
from performance.metrics.inputs import column_mapping, label_counts
from performance.metrics.inputs.column_mapping import ColumnMapping
from performance.metrics.inputs.label_counts import Counted
from performance.metrics.inputs.labels import in_one_form, in_order, positive_of, tells_positive
from performance.metrics.inputs.options import AVERAGINGS, Columns, Options
from performance.metrics.inputs.sql import number, text
from performance.metrics.result import DAMAGED, MAX_CLASSES, Evaluation, UnprocessablePredictionsError
from performance.metrics.statistics import curves, losses, roc
from performance.metrics.statistics.confusion import ConfusionMatrix, Estimate, intervals_of
from performance.metrics.statistics.intervals import Interval, logit
from performance.metrics.statistics.losses import Losses
from performance.metrics.statistics.means import Mean
from performance.metrics.statistics.roc import COARSE, OneVsRest, RankedScores

NO_SCORE = "A threshold needs one score, of the positive class."
AVERAGED = ("precision", "recall", "f1_score", "specificity")


def evaluate(engine: Engine, columns: Columns, options: Options) -> Evaluation:
    """Return what the predictions come to. Raises `UnprocessablePredictionsError`."""
    found = laid_out(engine, columns, options)
    counted = label_counts.count(engine, found, allow_missing=options.allow_missing)
    averaging = _averaging(counted, options)
    positive = _positive(counted.labels, options)
    single = found.score
    found = scored(engine, found, columns, options, counted.labels)
    are_probabilities = label_counts.are_probabilities(engine, found, single)
    matrix = counted.matrix()
    areas = _areas(engine, found, counted, positive)
    together = averaging == "micro" and positive is None
    cost = _losses(engine, found, counted, positive) if are_probabilities else None
    estimates = {
        "accuracy": matrix.accuracy,
        **{name: _one(matrix, name, averaging, positive) for name in AVERAGED},
        "balanced_accuracy": matrix.balanced_accuracy,
        "matthews_correlation": matrix.matthews_correlation,
        "cohen_kappa": matrix.cohen_kappa,
        "roc_auc": _micro_area(engine, found, counted) if together else _roc_auc(counted, areas, averaging, positive),
        "average_precision": _average_precision(areas, positive),
        "log_loss": cost.log_loss if cost else Estimate(None),
        "brier_score": cost.brier_score if cost else Estimate(None),
        "expected_calibration_error": Estimate(cost.expected_calibration_error if cost else None),
    }
    of_classes = {label: _of_class(matrix, label, areas) for label in counted.labels}
    return Evaluation(
        rows=counted.rows,
        sample_count=counted.examples,
        metrics={name: estimate.value for name, estimate in estimates.items()},
        confidence_intervals=_intervals(estimates, of_classes),
        per_class={label: _values(found) | {"support": matrix.support(label)} for label, found in of_classes.items()},
        confusion_matrix={"labels": list(counted.labels), "counts": counted.counts},
        positive_class=positive,
        averaging=averaging,
        misclassified_count=counted.wrong,
        misclassified=worst_examples.misclassified(
            engine, columns, found, are_probabilities=are_probabilities, positive=positive
        ),
        curves=_curves(areas, cost),
    )


def laid_out(engine: Engine, columns: Columns, options: Options) -> ColumnMapping:
    """Return where the parts of each example are, the prediction as the threshold decides it if there is one.

    Raises `UnprocessablePredictionsError`.
    """
    found = column_mapping.find(engine, columns, with_prediction=options.threshold is None)
    if options.threshold is None:
        return found
    return _decided(engine, found, options.threshold, options)


def scored(
    engine: Engine, found: ColumnMapping, columns: Columns, options: Options, labels: Sequence[str]
) -> ColumnMapping:
    """Return the layout with the scores that count: that of the positive class of two, or those of several classes.

    There is none of a lone label, of which nobody knows whether it is the positive one, unless the score bears its
    name. Raises `UnprocessablePredictionsError`.
    """
    positive = _positive(labels, options)
    if positive is None:
        return replace(found, score=None, scores=_of_classes(engine, found, columns, labels))
    if found.score is not None and (options.positive_class is not None or tells_positive(labels)):
        return replace(found, scores={})
    of_both = {label: found.scores[label] for label in labels if label in found.scores}
    return replace(found, score=found.scores.get(positive), scores=of_both)


def _of_classes(engine: Engine, found: ColumnMapping, columns: Columns, labels: Sequence[str]) -> Mapping[str, str]:
    """Return the scores of the classes that occur, and of others if they were named or all scores come to 1.

    Else what is only named like a score is none.
    """
    of_labels = {label: score for label, score in found.scores.items() if label in labels}
    if columns.scores or len(of_labels) == len(found.scores) or label_counts.come_to_one(engine, found):
        return found.scores
    return of_labels


def _decided(engine: Engine, found: ColumnMapping, threshold: float, options: Options) -> ColumnMapping:
    """Return the layout with the class that follows from the score: the positive one from the threshold upwards."""
    if found.score is None and not found.scores:
        raise UnprocessablePredictionsError(NO_SCORE)
    actual = f"SELECT DISTINCT {found.actual} AS label FROM predictions"
    labels = in_order(label for [label] in engine.rows(f"SELECT label FROM ({actual}) WHERE label IS NOT NULL LIMIT 3"))
    if len(labels) != 2:
        raise UnprocessablePredictionsError("A threshold needs examples of two classes, and of no more.")
    positive = _one_of(labels, options)
    score = found.score or found.scores.get(positive)
    if score is None:
        raise UnprocessablePredictionsError(NO_SCORE)
    [negative] = set(labels) - {positive}
    above = f"{score} >= {number(threshold)}"
    return replace(found, predicted=f"CASE WHEN {above} THEN {text(positive)} ELSE {text(negative)} END")


def _averaging(counted: Counted, options: Options) -> str:
    two = len(counted.labels) <= 2
    averaging = options.averaging or ("binary" if two else "weighted")
    if averaging not in AVERAGINGS:
        raise UnprocessablePredictionsError(f"The averaging must be one of {', '.join(AVERAGINGS)}, not {averaging!r}.")
    if averaging == "binary" and not two:
        raise UnprocessablePredictionsError(
            f"There are {len(counted.labels)} labels, which have no one positive class: choose another averaging."
        )
    return averaging


def _positive(labels: Sequence[str], options: Options) -> str | None:
    """Return the positive one of one or two labels, however metrics are averaged; `None` where there are more."""
    return _one_of(labels, options) if len(labels) <= 2 else None


def _one_of(labels: Sequence[str], options: Options) -> str:
    if options.positive_class is None:
        return positive_of(labels)
    positive = in_one_form(options.positive_class)
    if len(labels) == 2 and positive not in labels:
        raise UnprocessablePredictionsError(
            f"There is no label {positive!r}, which is to be positive; there are {', '.join(labels)}."
        )
    return positive


def _one(matrix: ConfusionMatrix, name: str, averaging: str, positive: str | None) -> Estimate:
    if positive is None or averaging != "binary":
        return matrix.averaged(name, averaging)
    if positive not in matrix.labels:  # the only label is the negative one
        return Estimate(0.0) if name != "specificity" else Estimate(1.0, matrix.accuracy.interval)
    estimate: Estimate = getattr(matrix, name)(positive)
    return estimate


def _areas(engine: Engine, found: ColumnMapping, counted: Counted, positive: str | None) -> Mapping[str, RankedScores]:
    """Return, of each label that has scores, the contest against the rest: where there is any rest, and any of it.

    Those of most weight come first; of these the curves are drawn.
    """
    contests = _contests(found, counted, positive)
    if not contests:
        return {}
    rows = engine.rows(
        roc.areas(contests, actual=found.actual, weight=found.weight, where=f"{found.predicted} IS NOT NULL")
    )
    of_label: dict[str, list[Row]] = {contest.label: [] for contest in contests}
    for label, *cell in rows:
        of_label[label].append(tuple(cell))
    if any(None in row for row in rows) or any(len({cell[0] for cell in cells}) < 2 for cells in of_label.values()):
        raise UnprocessablePredictionsError(DAMAGED)
    return {contest.label: RankedScores.of(contest, of_label[contest.label]) for contest in contests}


def _contests(found: ColumnMapping, counted: Counted, positive: str | None) -> list[OneVsRest]:
    scores = found.scores if positive is None else {positive: found.score}
    contests = [
        OneVsRest(label, score, counted.weight_of(label), counted.weight - counted.weight_of(label))
        for label, score in scores.items()
        if score is not None
    ]
    open_ones = [contest for contest in contests if contest.positives > 0 and contest.negatives > 0]
    open_ones.sort(key=lambda contest: -contest.positives)
    drawn, others = open_ones[: curves.MAX_LABELS], open_ones[curves.MAX_LABELS :]
    return drawn + [replace(contest, ranges=COARSE) for contest in others]


def _roc_auc(counted: Counted, areas: Mapping[str, RankedScores], averaging: str, positive: str | None) -> Estimate:
    if positive is not None:
        return areas[positive].roc_auc if positive in areas else Estimate(None)
    if set(areas) < set(counted.labels):
        return Estimate(None)
    if averaging == "macro":
        return _mean_area(areas, dict.fromkeys(areas, 1 / len(areas)), 0.0)
    shares = {label: counted.weight_of(label) / counted.weight for label in areas}
    mean = _mean_area(areas, shares, 0.0).value or 0.0
    spread = sum(share * ((areas[label].roc_auc.value or 0.0) - mean) ** 2 for label, share in shares.items())
    return _mean_area(areas, shares, math.sqrt(spread * counted.squared_weight) / counted.weight)


def _micro_area(engine: Engine, found: ColumnMapping, counted: Counted) -> Estimate:
    """Return the area of the decisions on all classes together, not defined where a class has no score."""
    if not set(counted.labels) <= set(found.scores):
        return Estimate(None)
    is_scored = f"{found.predicted} IS NOT NULL"
    [sums] = engine.rows(
        roc.pooled(found.scores, counted.weight, actual=found.actual, weight=found.weight, where=is_scored)
    )
    if None in sums:
        raise UnprocessablePredictionsError(DAMAGED)
    return roc.micro_area(Mean(counted.weight, counted.squared_weight, *sums))


def _mean_area(areas: Mapping[str, RankedScores], shares: Mapping[str, float], deviation: float) -> Estimate:
    """Return the mean of the classes' areas by shares, whose own sampling adds this deviation.

    How the areas of the same examples go together is not looked into. At the worst they err all at once, and their
    deviations add up: so the interval is never too narrow, and wider than it need be.
    """
    value = math.fsum(share * (areas[label].roc_auc.value or 0.0) for label, share in shares.items())
    deviation += sum(share * areas[label].deviation() for label, share in shares.items())
    return Estimate(value, logit(value, deviation**2, min(each.size for each in areas.values()), "delong"))


def _average_precision(areas: Mapping[str, RankedScores], positive: str | None) -> Estimate:
    return areas[positive].average_precision if positive is not None and positive in areas else Estimate(None)


def _losses(engine: Engine, found: ColumnMapping, counted: Counted, positive: str | None) -> Losses | None:
    """Return what probabilities cost, `None` where they are not of all classes."""
    whole = found.score is not None if positive is not None else set(counted.labels) <= set(found.scores)
    return losses.measure(engine, found, counted, positive) if whole else None


def _curves(areas: Mapping[str, RankedScores], cost: Losses | None) -> dict[str, Any]:
    drawn = curves.of_scores(list(areas.values())[: curves.MAX_LABELS]) if areas else {}
    return {**drawn, "calibration": curves.calibration(cost.bins)} if cost else drawn


def _of_class(matrix: ConfusionMatrix, label: str, areas: Mapping[str, RankedScores]) -> dict[str, Estimate]:
    found = {"precision": matrix.precision(label), "recall": matrix.recall(label), "f1_score": matrix.f1_score(label)}
    return found | ({"roc_auc": areas[label].roc_auc} if label in areas else {})


def _values(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    return {name: each.value for name, each in estimates.items() if each.value is not None}


def _intervals(
    estimates: Mapping[str, Estimate], of_classes: Mapping[str, Mapping[str, Estimate]]
) -> dict[str, Interval]:
    """Return the intervals of all metrics, and of those of each class under the names that gates have for them."""
    every = dict(estimates)
    if len(of_classes) <= MAX_CLASSES:
        every |= {
            f"per_class.{label}.{name}": each for label, found in of_classes.items() for name, each in found.items()
        }
    return intervals_of(every)
