"""Evaluate classification of two or more classes, with or without scores."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from models_registry import task_types
from performance.metrics import slices, worst_examples
from performance.metrics.engines.base import Engine
from performance.metrics.inputs import label_counts
from performance.metrics.inputs.classes import (
    choose_averaging,
    choose_positive,
    map_columns,
    scored_classes,
    select_scores,
)
from performance.metrics.inputs.column_mapping import ColumnMapping, find_column
from performance.metrics.inputs.label_counts import LabelCounts
from performance.metrics.inputs.options import GROUP, Columns, Options
from performance.metrics.result import (
    MAX_CLASSES,
    CurvesDocument,
    Evaluation,
    EvaluationWarning,
)
from performance.metrics.slices import Sample
from performance.metrics.statistics import curves
from performance.metrics.statistics.confusion import ONE_CLASS, ConfusionMatrix
from performance.metrics.statistics.estimates import (
    Estimate,
    known_intervals,
    unavailable_intervals,
    unavailable_metrics,
)
from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.losses import Losses
from performance.metrics.statistics.margins import AVERAGED, CLASS_METRICS
from performance.metrics.statistics.roc import RankedScores
from performance.metrics.tasks.areas_of_classes import area_of_class, area_of_classes
from performance.metrics.tasks.group_effects import GroupEffects, measure_groups
from performance.metrics.tasks.sufficient_statistics import Problem, SufficientStatistics, measure

NO_SCORES = "There is no score of the positive class."
NO_CLASS_SCORES = "A class has no score, or no example."
NO_RANKING = 0.5  # ROC AUC of scores that say nothing
NO_AVERAGE_PRECISION = "It is defined for two classes alone."
NO_CALIBRATION_INTERVAL = (
    "Chance alone makes it greater than 0 for a calibrated model, so that no interval is known to hold."
)


def evaluate(engine: Engine, columns: Columns, options: Options) -> Evaluation:
    """Return the evaluation. Raises `UnprocessablePredictionsError`."""
    mapping = map_columns(engine, columns, options)
    group = find_column(columns.group, GROUP, engine.columns())
    counts = label_counts.count_labels(engine, mapping, allow_missing=options.allow_missing, group=group)
    label_counts.check_shared_labels(counts.cells)
    classes = scored_classes(engine, mapping, columns, counts.labels)
    averaging = choose_averaging(classes, options)
    positive = choose_positive(classes, options)
    single = mapping.score
    mapping = select_scores(mapping, options, classes)
    improbable = label_counts.improbable_reason(engine, mapping, single) or _missing_score(mapping, counts, positive)
    problem = Problem(mapping, averaging, positive, improbable, group)
    found, effects, estimates = _measure(engine, problem, counts)
    class_metrics = {label: _class_metrics(found, label, effects) for label in counts.labels}
    if effects.reason:
        class_metrics = {label: _without_intervals(metrics, effects.reason) for label, metrics in class_metrics.items()}
    sliced = slices.evaluate_slices(
        engine,
        columns.slices,
        "classification",
        lambda part: _measure_slice(part, problem),
        where=f"{mapping.predicted} IS NOT NULL",
        count=f"sum(CASE WHEN {mapping.weight_or_one} > 0 THEN 1 ELSE 0 END)",
        labels=len(counts.labels),
        has_unscored=counts.rows > counts.examples,
    )
    return Evaluation(
        rows=counts.rows,
        sample_count=counts.examples,
        missing_fraction=counts.missing_fraction,
        metrics={name: estimate.value for name, estimate in estimates.items()},
        confidence_intervals=_intervals(estimates, class_metrics),
        metrics_unavailable=unavailable_metrics(estimates),
        intervals_unavailable=unavailable_intervals(estimates),
        effective_sample_size=_effective_sample_size(found.matrix, effects),
        warnings=[
            *_one_class_warnings(found.matrix),
            *_other_class_warnings(estimates["roc_auc"], positive),
            *sliced.warnings,
        ],
        per_class={
            label: _values(metrics) | {"support": found.matrix.support(label)}
            for label, metrics in class_metrics.items()
        },
        confusion_matrix={"labels": list(counts.labels), "counts": counts.examples_by_cell},
        positive_class=positive,
        averaging=averaging,
        misclassified_count=counts.misclassified,
        misclassified=worst_examples.worst_misclassified(
            engine,
            columns,
            label_counts.as_probabilities(mapping),
            are_probabilities=improbable is None,
            positive=positive,
        ),
        curves=_curves(found.ranked, found.losses),
        slices=sliced.slices,
    )


def _measure(
    engine: Engine, problem: Problem, counts: LabelCounts, *, for_slice: bool = False
) -> tuple[SufficientStatistics, GroupEffects, dict[str, Estimate]]:
    """Return the estimates of all metrics but those of single classes, by name, and what they follow from.

    A slice has the metrics of the summary only, and no curves.
    """
    found = measure(engine, problem, counts, is_drawn=not for_slice)
    effects = measure_groups(engine, found)
    metrics = _metrics(engine, found, effects)
    names = [metric.name for metric in task_types.get("classification").metrics] if for_slice else list(metrics)
    estimates = {name: metrics[name]() for name in names}
    return found, effects, _without_intervals(estimates, effects.reason) if effects.reason else estimates


def _measure_slice(engine: Engine, problem: Problem) -> Sample:
    """Return the metrics of a part of the examples, whichever labels it has. Each has a prediction."""
    counts = label_counts.count_labels(engine, problem.mapping, allow_missing=False)
    _, _, estimates = _measure(engine, problem, counts, for_slice=True)
    return Sample(counts.examples, estimates)


def _metrics(engine: Engine, found: SufficientStatistics, effects: GroupEffects) -> dict[str, Callable[[], Estimate]]:
    """Return what estimates each metric but those of single classes, by name. Some intervals are simulated."""
    matrix, problem = found.matrix, found.problem
    losses_found, no_loss = found.losses, Estimate(None, reason=problem.improbable)

    def of_class(name: str) -> Estimate:
        return _summary_metric(effects.matrix(matrix, name), name, problem.averaging, problem.positive)

    return {
        "accuracy": lambda: effects.matrix(matrix, "accuracy").accuracy,
        **{name: partial(of_class, name) for name in AVERAGED},
        "balanced_accuracy": lambda: effects.matrix(matrix, "balanced_accuracy").balanced_accuracy,
        "matthews_correlation": lambda: effects.matrix(matrix, "matthews_correlation").matthews_correlation,
        "cohen_kappa": lambda: effects.matrix(matrix, "cohen_kappa").cohen_kappa,
        "roc_auc": lambda: _roc_auc(engine, found, effects),
        "average_precision": lambda: _average_precision(found, effects),
        "log_loss": lambda: losses_found.log_loss(effects.intervals.get("log_loss", 1.0)) if losses_found else no_loss,
        "brier_score": lambda: (
            losses_found.brier_score(effects.intervals.get("brier_score", 1.0)) if losses_found else no_loss
        ),
        "expected_calibration_error": lambda: (
            Estimate(losses_found.expected_calibration_error, reason=NO_CALIBRATION_INTERVAL)
            if losses_found
            else no_loss
        ),
    }


def _without_intervals(estimates: Mapping[str, Estimate], reason: str) -> dict[str, Estimate]:
    return {
        name: replace(each, interval=None, reason=each.reason or reason) if each.value is not None else each
        for name, each in estimates.items()
    }


def _effective_sample_size(matrix: ConfusionMatrix, effects: GroupEffects) -> float | None:
    """Return Kish's size, divided by the design effect of the accuracy if there are groups; `None` if it is unknown."""
    return matrix.size / effects.accuracy if matrix.size and effects.reason is None else None


def _one_class_warnings(matrix: ConfusionMatrix) -> Iterator[EvaluationWarning]:
    present = [label for label, row in zip(matrix.labels, matrix.rows, strict=True) if row > 0]
    if len(present) == 1:
        detail = f"All examples are of the class {present[0]!r}, so most metrics say nothing about other classes."
        yield EvaluationWarning("one_class", detail)


def _other_class_warnings(roc_auc: Estimate, positive: str | None) -> Iterator[EvaluationWarning]:
    """Yield a warning if the scores rank the examples of the positive class, one of two, below the others."""
    if positive is not None and roc_auc.interval is not None and roc_auc.interval.upper < NO_RANKING:
        detail = "the scores may be those of the other class, not of the positive class"
        yield EvaluationWarning("scores_of_other_class", f"ROC AUC is below {NO_RANKING}: {detail} {positive[:40]!r}.")


def _summary_metric(matrix: ConfusionMatrix, name: str, averaging: str, positive: str | None) -> Estimate:
    if positive is None or averaging != "binary":
        return matrix.averaged(name, averaging)
    if positive not in matrix.labels:  # the only label is the negative one
        return _absent_positive(matrix, name, positive)
    estimate: Estimate = getattr(matrix, name)(positive)
    return estimate


def _absent_positive(matrix: ConfusionMatrix, name: str, positive: str) -> Estimate:
    """Return a metric of examples that all are, and are predicted as, the negative class."""
    if name == "specificity":
        return Estimate(1.0, matrix.accuracy.interval, matrix.accuracy.reason)
    return Estimate(0.0, reason=f"No example is, or is predicted as, the positive class {positive!r}.")


def _roc_auc(engine: Engine, found: SufficientStatistics, effects: GroupEffects) -> Estimate:
    problem = found.problem
    labels = set(found.counts.labels) if problem.positive is None else {problem.positive}
    if problem.is_micro and not labels <= set(problem.mapping.scores):
        return Estimate(None, reason=NO_CLASS_SCORES)
    if not problem.is_micro and not labels <= set(found.ranked):
        return Estimate(None, reason=_no_area(found))
    if problem.positive is not None:
        return area_of_class(found, problem.positive, effects)
    return area_of_classes(engine, found, effects)


def _no_area(found: SufficientStatistics) -> str:
    """Return why there is no area: no scores, or a class without examples."""
    if len([row for row in found.matrix.rows if row > 0]) < 2:
        return ONE_CLASS
    return NO_SCORES if found.problem.positive is not None else NO_CLASS_SCORES


def _average_precision(found: SufficientStatistics, effects: GroupEffects) -> Estimate:
    positive = found.problem.positive
    if positive is None:
        return Estimate(None, reason=NO_AVERAGE_PRECISION)
    if positive not in found.ranked:
        return Estimate(None, reason=_no_area(found))
    effect = effects.intervals.get(f"average_precision.{positive}", 1.0)
    return found.ranked[positive].with_design_effect(effect).average_precision


def _missing_score(mapping: ColumnMapping, counts: LabelCounts, positive: str | None) -> str | None:
    """Return the reason if a class of several has no score, which the losses of probabilities need."""
    if positive is not None:
        return None if mapping.score is not None else f"There is no score of the class {positive[:40]!r}."
    without = [label for label in counts.labels if label not in mapping.scores]
    return f"There is no score of the class {without[0][:40]!r}." if without else None


def _curves(ranked: Mapping[str, RankedScores], probability_losses: Losses | None) -> CurvesDocument:
    drawn = curves.threshold_curves(list(ranked.values())[: curves.MAX_CURVES]) if ranked else {}
    return {**drawn, "calibration": curves.calibration_curve(probability_losses.bins)} if probability_losses else drawn


def _class_metrics(found: SufficientStatistics, label: str, effects: GroupEffects) -> dict[str, Estimate]:
    metrics: dict[str, Estimate] = {
        name: getattr(effects.matrix(found.matrix, f"{name}.{label}"), name)(label) for name in CLASS_METRICS
    }
    return metrics | ({"roc_auc": area_of_class(found, label, effects)} if label in found.ranked else {})


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
