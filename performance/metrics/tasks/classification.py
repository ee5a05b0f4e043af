"""Evaluate classification of two or more classes, with or without scores."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from performance.metrics import slices, worst_examples
from performance.metrics.engines.base import Engine, Row
from performance.metrics.inputs import column_mapping, label_counts
from performance.metrics.inputs.column_mapping import ColumnMapping
from performance.metrics.inputs.label_counts import LabelCounts
from performance.metrics.inputs.labels import canonical_label, default_positive, determines_positive, sort_labels
from performance.metrics.inputs.options import AVERAGINGS, Columns, Options
from performance.metrics.inputs.sql import number_literal, string_literal
from performance.metrics.result import DAMAGED, MAX_CLASSES, CurvesDocument, Evaluation, UnprocessablePredictionsError
from performance.metrics.slices import Sample
from performance.metrics.statistics import curves, losses, roc
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.estimates import (
    Estimate,
    known_intervals,
    unavailable_intervals,
    unavailable_metrics,
)
from performance.metrics.statistics.intervals import Interval, logit
from performance.metrics.statistics.losses import Losses
from performance.metrics.statistics.means import Mean
from performance.metrics.statistics.roc import COARSE_RANGES, OneVsRest, RankedScores

NO_SCORE = "A threshold needs the score of the positive class."
AVERAGED = ("precision", "recall", "f1_score", "specificity")


@dataclass(frozen=True, slots=True)
class Problem:
    """What all examples together determine: the columns that count, and how classes are averaged.

    `positive` is the positive class of two, `None` if there are more classes.
    """

    mapping: ColumnMapping
    averaging: str
    positive: str | None
    are_probabilities: bool


def evaluate(engine: Engine, columns: Columns, options: Options) -> Evaluation:
    """Return the evaluation. Raises `UnprocessablePredictionsError`."""
    mapping = map_columns(engine, columns, options)
    counts = label_counts.count_labels(engine, mapping, allow_missing=options.allow_missing)
    averaging = _averaging(counts, options)
    positive = _positive(counts.labels, options)
    single = mapping.score
    mapping = select_scores(engine, mapping, columns, options, counts.labels)
    are_probabilities = label_counts.are_probabilities(engine, mapping, single)
    problem = Problem(mapping, averaging, positive, are_probabilities)
    matrix = counts.matrix()
    ranked, probability_losses = _measure_scores(engine, problem, counts)
    estimates = _estimate(engine, problem, counts, ranked, probability_losses)
    class_metrics = {label: _class_metrics(matrix, label, ranked) for label in counts.labels}
    return Evaluation(
        rows=counts.rows,
        sample_count=counts.examples,
        metrics={name: estimate.value for name, estimate in estimates.items()},
        confidence_intervals=_intervals(estimates, class_metrics),
        metrics_unavailable=unavailable_metrics(estimates),
        intervals_unavailable=unavailable_intervals(estimates),
        per_class={
            label: _values(metrics) | {"support": matrix.support(label)} for label, metrics in class_metrics.items()
        },
        confusion_matrix={"labels": list(counts.labels), "counts": counts.examples_by_cell},
        positive_class=positive,
        averaging=averaging,
        misclassified_count=counts.misclassified,
        misclassified=worst_examples.worst_misclassified(
            engine, columns, mapping, are_probabilities=are_probabilities, positive=positive
        ),
        curves=_curves(ranked, probability_losses),
        slices=slices.evaluate_slices(
            engine,
            columns.slices,
            "classification",
            lambda part: _measure_slice(part, problem),
            count=f"count(*) FILTER (WHERE {mapping.weight_or_one} > 0)",
            where=f"{mapping.predicted} IS NOT NULL",
            labels=len(counts.labels),
        ),
    )


def _measure_scores(
    engine: Engine, problem: Problem, counts: LabelCounts
) -> tuple[Mapping[str, RankedScores], Losses | None]:
    """Return the ranked scores of each class, and the losses of the probabilities if there are any."""
    ranked = _ranked_scores(engine, problem.mapping, counts, problem.positive)
    if not problem.are_probabilities:
        return ranked, None
    return ranked, _losses(engine, problem.mapping, counts, problem.positive)


def _estimate(
    engine: Engine,
    problem: Problem,
    counts: LabelCounts,
    ranked: Mapping[str, RankedScores],
    probability_losses: Losses | None,
) -> dict[str, Estimate]:
    """Return the metrics, by name, of the examples that were counted."""
    matrix, averaging, positive = counts.matrix(), problem.averaging, problem.positive
    is_micro = averaging == "micro" and positive is None
    return {
        "accuracy": matrix.accuracy,
        **{name: _summary_metric(matrix, name, averaging, positive) for name in AVERAGED},
        "balanced_accuracy": matrix.balanced_accuracy,
        "matthews_correlation": matrix.matthews_correlation,
        "cohen_kappa": matrix.cohen_kappa,
        "roc_auc": _micro_roc_auc(engine, problem.mapping, counts)
        if is_micro
        else _roc_auc(counts, ranked, averaging, positive),
        "average_precision": _average_precision(ranked, positive),
        "log_loss": probability_losses.log_loss if probability_losses else Estimate(None),
        "brier_score": probability_losses.brier_score if probability_losses else Estimate(None),
        "expected_calibration_error": Estimate(
            probability_losses.expected_calibration_error if probability_losses else None
        ),
    }


def _measure_slice(engine: Engine, problem: Problem) -> Sample:
    """Return the metrics of a part of the examples. The problem stays that of all, whichever labels the part has."""
    counts = label_counts.count_labels(engine, problem.mapping, allow_missing=True)
    return Sample(counts.examples, _estimate(engine, problem, counts, *_measure_scores(engine, problem, counts)))


def map_columns(engine: Engine, columns: Columns, options: Options) -> ColumnMapping:
    """Return the expressions of each example's values. With a threshold, the prediction follows from the score.

    Raises `UnprocessablePredictionsError`.
    """
    mapping = column_mapping.map_columns(engine, columns, with_prediction=options.threshold is None)
    if options.threshold is None:
        return mapping
    return _apply_threshold(engine, mapping, options.threshold, options)


def select_scores(
    engine: Engine, mapping: ColumnMapping, columns: Columns, options: Options, labels: Sequence[str]
) -> ColumnMapping:
    """Return the mapping with only the scores that count.

    With two classes it is that of the positive class, with more those of several classes. If there is only one label
    and no `positive_class`, nobody knows whether the label is the positive one, so the column `score` is ignored; a
    column that is named after the label counts. Raises `UnprocessablePredictionsError`.
    """
    positive = _positive(labels, options)
    if positive is None:
        return replace(mapping, score=None, scores=_class_scores(engine, mapping, columns, labels))
    if mapping.score is not None and (options.positive_class is not None or determines_positive(labels)):
        return replace(mapping, scores={})
    of_both = {label: mapping.scores[label] for label in labels if label in mapping.scores}
    return replace(mapping, score=mapping.scores.get(positive), scores=of_both)


def _class_scores(engine: Engine, mapping: ColumnMapping, columns: Columns, labels: Sequence[str]) -> Mapping[str, str]:
    """Return the scores of the classes that occur, and of others if they are named or if all scores sum to 1.

    Otherwise, a column of another class is one that only looks like a score.
    """
    of_labels = {label: score for label, score in mapping.scores.items() if label in labels}
    if columns.scores or len(of_labels) == len(mapping.scores) or label_counts.scores_sum_to_one(engine, mapping):
        return mapping.scores
    return of_labels


def _apply_threshold(engine: Engine, mapping: ColumnMapping, threshold: float, options: Options) -> ColumnMapping:
    """Return the mapping with the predicted class that follows from the score.

    It is the positive one if the score is at least the threshold. Raises `UnprocessablePredictionsError`.
    """
    if mapping.score is None and not mapping.scores:
        raise UnprocessablePredictionsError(NO_SCORE)
    actual = f"SELECT DISTINCT {mapping.actual} AS label FROM predictions"
    labels = sort_labels(
        label for [label] in engine.rows(f"SELECT label FROM ({actual}) WHERE label IS NOT NULL LIMIT 3")
    )
    if len(labels) != 2:
        raise UnprocessablePredictionsError("A threshold needs examples of exactly two classes.")
    positive = _choose_positive(labels, options)
    score = mapping.score or mapping.scores.get(positive)
    if score is None:
        raise UnprocessablePredictionsError(NO_SCORE)
    [negative] = set(labels) - {positive}
    above = f"{score} >= {number_literal(threshold)}"
    return replace(
        mapping, predicted=f"CASE WHEN {above} THEN {string_literal(positive)} ELSE {string_literal(negative)} END"
    )


def _averaging(counts: LabelCounts, options: Options) -> str:
    two = len(counts.labels) <= 2
    averaging = options.averaging or ("binary" if two else "weighted")
    if averaging not in AVERAGINGS:
        raise UnprocessablePredictionsError(f"The averaging must be one of {', '.join(AVERAGINGS)}, not {averaging!r}.")
    if averaging == "binary" and not two:
        raise UnprocessablePredictionsError(
            f"There are {len(counts.labels)} labels, so there is no single positive class: choose another averaging."
        )
    return averaging


def _positive(labels: Sequence[str], options: Options) -> str | None:
    """Return the positive one of one or two labels, whatever the averaging; `None` for more labels."""
    return _choose_positive(labels, options) if len(labels) <= 2 else None


def _choose_positive(labels: Sequence[str], options: Options) -> str:
    if options.positive_class is None:
        return default_positive(labels)
    positive = canonical_label(options.positive_class)
    if len(labels) == 2 and positive not in labels:
        raise UnprocessablePredictionsError(
            f"There is no label {positive!r} to be the positive class; the labels are {', '.join(labels)}."
        )
    return positive


def _summary_metric(matrix: ConfusionMatrix, name: str, averaging: str, positive: str | None) -> Estimate:
    if positive is None or averaging != "binary":
        return matrix.averaged(name, averaging)
    if positive not in matrix.labels:  # the only label is the negative one
        return Estimate(0.0) if name != "specificity" else Estimate(1.0, matrix.accuracy.interval)
    estimate: Estimate = getattr(matrix, name)(positive)
    return estimate


def _ranked_scores(
    engine: Engine, mapping: ColumnMapping, counts: LabelCounts, positive: str | None
) -> Mapping[str, RankedScores]:
    """Return the ranked scores of each class that has scores, positives and negatives, by label.

    The classes with the most weight come first. The first ones get curves.
    """
    problems = _one_vs_rest_problems(mapping, counts, positive)
    if not problems:
        return {}
    rows = engine.rows(
        roc.cells_statement(
            problems, actual=mapping.actual, weight=mapping.weight, where=f"{mapping.predicted} IS NOT NULL"
        )
    )
    of_label: dict[str, list[Row]] = {problem.label: [] for problem in problems}
    for label, *cell in rows:
        of_label[label].append(tuple(cell))
    if any(None in row for row in rows) or any(len({cell[0] for cell in cells}) < 2 for cells in of_label.values()):
        raise UnprocessablePredictionsError(DAMAGED)
    return {problem.label: RankedScores.from_rows(problem, of_label[problem.label]) for problem in problems}


def _one_vs_rest_problems(mapping: ColumnMapping, counts: LabelCounts, positive: str | None) -> list[OneVsRest]:
    scores = mapping.scores if positive is None else {positive: mapping.score}
    problems = [
        OneVsRest(label, score, counts.weight_of(label), counts.weight - counts.weight_of(label))
        for label, score in scores.items()
        if score is not None
    ]
    two_sided = [problem for problem in problems if problem.positives > 0 and problem.negatives > 0]
    two_sided.sort(key=lambda problem: -problem.positives)
    drawn, others = two_sided[: curves.MAX_CURVES], two_sided[curves.MAX_CURVES :]
    return drawn + [replace(problem, ranges=COARSE_RANGES) for problem in others]


def _roc_auc(counts: LabelCounts, ranked: Mapping[str, RankedScores], averaging: str, positive: str | None) -> Estimate:
    if positive is not None:
        return ranked[positive].roc_auc if positive in ranked else Estimate(None)
    if set(ranked) < set(counts.labels):
        return Estimate(None)
    if averaging == "macro":
        return _mean_area(ranked, dict.fromkeys(ranked, 1 / len(ranked)), 0.0)
    shares = {label: counts.weight_of(label) / counts.weight for label in ranked}
    mean = _mean_area(ranked, shares, 0.0).value or 0.0
    spread = sum(share * ((ranked[label].roc_auc.value or 0.0) - mean) ** 2 for label, share in shares.items())
    return _mean_area(ranked, shares, math.sqrt(spread * counts.squared_weight) / counts.weight)


def _micro_roc_auc(engine: Engine, mapping: ColumnMapping, counts: LabelCounts) -> Estimate:
    """Return the area over the pooled decisions on all classes, undefined if a class has no score."""
    if not set(counts.labels) <= set(mapping.scores):
        return Estimate(None)
    is_scored = f"{mapping.predicted} IS NOT NULL"
    [sums] = engine.rows(
        roc.pooled_statement(
            mapping.scores, counts.weight, actual=mapping.actual, weight=mapping.weight, where=is_scored
        )
    )
    if None in sums:
        raise UnprocessablePredictionsError(DAMAGED)
    return roc.micro_roc_auc(Mean(counts.weight, counts.squared_weight, *sums))


def _mean_area(ranked: Mapping[str, RankedScores], shares: Mapping[str, float], standard_error: float) -> Estimate:
    """Return the weighted mean of the classes' areas. Estimating the weights adds `standard_error`.

    The correlation of the areas is not computed. In the worst case they err together and their standard errors add up,
    so the interval is conservative.
    """
    value = math.fsum(share * (ranked[label].roc_auc.value or 0.0) for label, share in shares.items())
    standard_error += sum(share * ranked[label].standard_error() for label, share in shares.items())
    return Estimate(value, logit(value, standard_error**2, min(each.size for each in ranked.values()), "delong"))


def _average_precision(ranked: Mapping[str, RankedScores], positive: str | None) -> Estimate:
    return ranked[positive].average_precision if positive is not None and positive in ranked else Estimate(None)


def _losses(engine: Engine, mapping: ColumnMapping, counts: LabelCounts, positive: str | None) -> Losses | None:
    """Return the losses of the probabilities, `None` unless every class has them."""
    whole = mapping.score is not None if positive is not None else set(counts.labels) <= set(mapping.scores)
    return losses.measure_losses(engine, mapping, counts, positive) if whole else None


def _curves(ranked: Mapping[str, RankedScores], probability_losses: Losses | None) -> CurvesDocument:
    drawn = curves.threshold_curves(list(ranked.values())[: curves.MAX_CURVES]) if ranked else {}
    return {**drawn, "calibration": curves.calibration_curve(probability_losses.bins)} if probability_losses else drawn


def _class_metrics(matrix: ConfusionMatrix, label: str, ranked: Mapping[str, RankedScores]) -> dict[str, Estimate]:
    metrics = {"precision": matrix.precision(label), "recall": matrix.recall(label), "f1_score": matrix.f1_score(label)}
    return metrics | ({"roc_auc": ranked[label].roc_auc} if label in ranked else {})


def _values(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    return {name: each.value for name, each in estimates.items() if each.value is not None}


def _intervals(
    estimates: Mapping[str, Estimate], class_metrics: Mapping[str, Mapping[str, Estimate]]
) -> dict[str, Interval]:
    """Return the intervals of all metrics. Those of a class have the names that gates use."""
    every = dict(estimates)
    if len(class_metrics) <= MAX_CLASSES:
        every |= {
            f"per_class.{label}.{name}": each
            for label, metrics in class_metrics.items()
            for name, each in metrics.items()
        }
    return known_intervals(every)
