"""Evaluate classification of two or more classes, with or without scores."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from performance.metrics import slices, worst_examples
from performance.metrics.engines.base import Engine, Row
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
from performance.metrics.inputs.sql import identifier
from performance.metrics.result import (
    DAMAGED,
    MAX_CLASSES,
    CurvesDocument,
    Evaluation,
    EvaluationWarning,
    UnprocessablePredictionsError,
)
from performance.metrics.slices import Sample
from performance.metrics.statistics import curves, losses, roc
from performance.metrics.statistics.clusters import Clusters, GroupSums, matrix_sums
from performance.metrics.statistics.confusion import ONE_CLASS, ConfusionMatrix
from performance.metrics.statistics.estimates import (
    Estimate,
    known_intervals,
    unavailable_intervals,
    unavailable_metrics,
)
from performance.metrics.statistics.gradients import MULTICLASS_GRADIENTS, Gradient
from performance.metrics.statistics.intervals import Interval, effective_sample_size
from performance.metrics.statistics.losses import Losses
from performance.metrics.statistics.margins import AVERAGED, OF_CLASSES
from performance.metrics.statistics.means import Mean
from performance.metrics.statistics.roc import COARSE_RANGES, OneVsRest, PooledDecisions, RankedScores

NO_SCORES = "There is no score of the positive class."
NO_CLASS_SCORES = "A class has no score, or no example."
NO_AVERAGE_PRECISION = "It is defined for two classes alone."
NO_CALIBRATION_INTERVAL = (
    "Chance alone makes it greater than 0 for a calibrated model, so that no interval is known to hold."
)
MANY_CLASSES = "Intervals of grouped examples are known for at most {0} classes."


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
    problem = _Problem(mapping, averaging, positive, improbable, group)
    found, design, estimates = _measure(engine, problem, counts)
    class_metrics = {label: _class_metrics(found, label, design) for label in counts.labels}
    if design.reason:
        class_metrics = {label: _without_intervals(metrics, design.reason) for label, metrics in class_metrics.items()}
    return Evaluation(
        rows=counts.rows,
        sample_count=counts.examples,
        missing_fraction=counts.missing / counts.rows,
        metrics={name: estimate.value for name, estimate in estimates.items()},
        confidence_intervals=_intervals(estimates, class_metrics),
        metrics_unavailable=unavailable_metrics(estimates),
        intervals_unavailable=unavailable_intervals(estimates),
        effective_sample_size=_effective_sample_size(found.matrix, design),
        warnings=_warnings(found.matrix),
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
        slices=slices.evaluate_slices(
            engine,
            columns.slices,
            "classification",
            lambda part: _measure_slice(part, problem),
            where=f"{mapping.predicted} IS NOT NULL",
            count=f"sum(CASE WHEN {mapping.weight_or_one} > 0 THEN 1 ELSE 0 END)",
            labels=len(counts.labels),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Problem:
    """What all examples determine, and parts of them share. `improbable` says why there are no probabilities."""

    mapping: ColumnMapping
    averaging: str
    positive: str | None
    improbable: str | None
    group: str | None


def _measure(engine: Engine, problem: _Problem, counts: LabelCounts) -> tuple["_Found", "_Design", dict[str, Estimate]]:
    """Return the estimates of all metrics but those of single classes, by name, and what they follow from."""
    mapping, positive = problem.mapping, problem.positive
    probabilities = label_counts.as_probabilities(mapping)
    found = _Found(
        counts,
        counts.matrix(),
        _ranked_scores(engine, mapping, counts, positive),
        None if problem.improbable else losses.measure_losses(engine, probabilities, counts, positive),
        problem.averaging,
        positive,
        problem.improbable,
    )
    design = _design(engine, mapping, found, problem.group) if problem.group else INDEPENDENT
    estimates = _estimates(engine, mapping, found, design)
    return found, design, _without_intervals(estimates, design.reason) if design.reason else estimates


def _measure_slice(engine: Engine, problem: _Problem) -> Sample:
    """Return the metrics of a part of the examples, all of which have predictions, whichever labels it has."""
    counts = label_counts.count_labels(engine, problem.mapping, allow_missing=False)
    _, _, estimates = _measure(engine, problem, counts)
    return Sample(counts.examples, estimates)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the estimates follow from. `losses` is `None` without probabilities; `improbable` says why."""

    counts: LabelCounts
    matrix: ConfusionMatrix
    ranked: Mapping[str, RankedScores]
    losses: Losses | None
    averaging: str
    positive: str | None
    improbable: str | None

    @property
    def is_micro(self) -> bool:
        """Whether the scores of several classes are pooled."""
        return self.averaging == "micro" and self.positive is None


@dataclass(frozen=True, slots=True)
class _Design:
    """The design effects of examples that are correlated within groups, by metric, or why there are no intervals.

    Those of `intervals` allow for the number of groups too. `group` is the expression of an example's group.
    """

    intervals: Mapping[str, float] = field(default_factory=dict)
    accuracy: float = 1.0
    group: str | None = None
    clusters: Clusters | None = None
    reason: str | None = None

    def matrix(self, matrix: ConfusionMatrix, name: str) -> ConfusionMatrix:
        """Return the matrix of as many examples as inform of the metric."""
        return matrix.with_design_effect(self.intervals[name]) if name in self.intervals else matrix


INDEPENDENT = _Design()


def _estimates(engine: Engine, mapping: ColumnMapping, found: _Found, design: _Design) -> dict[str, Estimate]:
    """Return the estimates of all metrics but those of single classes, by name."""
    matrix = found.matrix
    losses_found, no_loss = found.losses, Estimate(None, reason=found.improbable)
    return {
        "accuracy": design.matrix(matrix, "accuracy").accuracy,
        **{
            name: _summary_metric(design.matrix(matrix, name), name, found.averaging, found.positive)
            for name in AVERAGED
        },
        "balanced_accuracy": design.matrix(matrix, "balanced_accuracy").balanced_accuracy,
        "matthews_correlation": design.matrix(matrix, "matthews_correlation").matthews_correlation,
        "cohen_kappa": design.matrix(matrix, "cohen_kappa").cohen_kappa,
        "roc_auc": _micro_roc_auc(engine, mapping, found, design) if found.is_micro else _roc_auc(found, design),
        "average_precision": _average_precision(found, design),
        "log_loss": losses_found.log_loss(design.intervals.get("log_loss", 1.0)) if losses_found else no_loss,
        "brier_score": losses_found.brier_score(design.intervals.get("brier_score", 1.0)) if losses_found else no_loss,
        "expected_calibration_error": Estimate(losses_found.expected_calibration_error, reason=NO_CALIBRATION_INTERVAL)
        if losses_found
        else no_loss,
    }


def _without_intervals(estimates: Mapping[str, Estimate], reason: str) -> dict[str, Estimate]:
    return {
        name: replace(each, interval=None, reason=each.reason or reason) if each.value is not None else each
        for name, each in estimates.items()
    }


def _effective_sample_size(matrix: ConfusionMatrix, design: _Design) -> float | None:
    """Return Kish's size, divided by the design effect of the accuracy if there are groups; `None` if it is unknown."""
    return matrix.size / design.accuracy if matrix.size and design.reason is None else None


def _warnings(matrix: ConfusionMatrix) -> list[EvaluationWarning]:
    present = [label for label, row in zip(matrix.labels, matrix.rows, strict=True) if row > 0]
    if len(present) > 1:
        return []
    detail = f"All examples are of the class {present[0]!r}, so most metrics say nothing about other classes."
    return [EvaluationWarning("one_class", detail)]


def _design(engine: Engine, mapping: ColumnMapping, found: _Found, group: str) -> _Design:
    """Return the design effects of the groups in a column, or why there are no intervals."""
    expression = f"CAST({identifier(group)} AS VARCHAR)"
    if len(found.counts.labels) > MAX_CLASSES:
        return _Design(reason=MANY_CLASSES.format(MAX_CLASSES))
    clusters, sums = matrix_sums(
        engine,
        found.matrix,
        _gradients(found),
        group=expression,
        actual=mapping.actual,
        predicted=mapping.predicted,
        weight=mapping.weight_or_one,
    )
    if clusters.reason:
        return _Design(reason=clusters.reason)
    effects = {name: clusters.interval_effect(each) for name, each in sums.items()}
    if found.losses is not None:
        probabilities = label_counts.as_probabilities(mapping)
        log, brier = losses.group_sums(engine, probabilities, found.positive, found.losses, expression)
        effects |= {"log_loss": clusters.interval_effect(log), "brier_score": clusters.interval_effect(brier)}
    for label, area, average in _area_sums(engine, mapping, found, expression):
        effects[f"roc_auc.{label}"] = clusters.interval_effect(area)
        effects[f"average_precision.{label}"] = clusters.interval_effect(average)
    return _Design(effects, clusters.design_effect(sums["accuracy"]), expression, clusters)


def _gradients(found: _Found) -> dict[str, Gradient]:
    """Return the derivatives of each metric of the confusion matrix that has some, by name."""
    matrix = found.matrix
    gradients: dict[str, Gradient | None] = {"accuracy": matrix.accuracy_gradient()}
    gradients |= {name: matrix.multiclass_gradient(name) for name in MULTICLASS_GRADIENTS}
    known_positive = found.positive if found.positive in matrix.labels else None
    if found.averaging == "micro" or (found.averaging == "binary" and known_positive is None):
        gradients |= dict.fromkeys(AVERAGED, gradients["accuracy"])
    else:
        label = known_positive if found.averaging == "binary" else None
        gradients |= {name: matrix.gradient(name, found.averaging, label) for name in AVERAGED}
    for label in matrix.labels:
        gradients |= {f"{name}.{label}": matrix.gradient(name, "binary", label) for name in OF_CLASSES}
    return {name: gradient for name, gradient in gradients.items() if gradient is not None}


def _area_sums(
    engine: Engine, mapping: ColumnMapping, found: _Found, group: str
) -> Iterator[tuple[str, GroupSums, GroupSums]]:
    """Yield the sums by group for ROC AUC and average precision of each class."""
    if not found.ranked:
        return
    statement = roc.group_sums_statement(
        found.ranked,
        group=group,
        actual=mapping.actual,
        weight=mapping.weight,
        where=f"{mapping.predicted} IS NOT NULL",
    )
    for label, squared, fourth, average_squared, average_fourth in engine.rows(statement):
        variance, average_variance = found.ranked[label].variances()
        yield (
            label,
            GroupSums(squared, fourth, variance),
            GroupSums(average_squared, average_fourth, average_variance),
        )


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


def _roc_auc(found: _Found, design: _Design) -> Estimate:
    labels = found.counts.labels if found.positive is None else [found.positive]
    if not set(labels) <= set(found.ranked):
        return Estimate(None, reason=_no_area(found))
    areas = {label: _area(found, label, design) for label in (found.ranked if found.positive is None else labels)}
    if found.positive is not None:
        return areas[found.positive]
    if found.averaging == "macro":
        return roc.mean_area(areas, dict.fromkeys(areas, 1 / len(areas)))
    counts = found.counts
    shares = {label: counts.weight_of(label) / counts.weight for label in areas}
    return roc.mean_area(areas, shares, effective_sample_size(counts.weight, counts.squared_weight))


def _no_area(found: _Found) -> str:
    """Return why there is no area: no scores, or a class without examples."""
    if len([row for row in found.matrix.rows if row > 0]) < 2:
        return ONE_CLASS
    return NO_SCORES if found.positive is not None else NO_CLASS_SCORES


def _area(found: _Found, label: str, design: _Design) -> Estimate:
    return found.ranked[label].with_design_effect(design.intervals.get(f"roc_auc.{label}", 1.0)).roc_auc


def _micro_roc_auc(engine: Engine, mapping: ColumnMapping, found: _Found, design: _Design) -> Estimate:
    """Return the area over the pooled decisions on all classes, undefined if a class has no score."""
    counts = found.counts
    if not set(counts.labels) <= set(mapping.scores):
        return Estimate(None, reason=NO_CLASS_SCORES)
    decisions = PooledDecisions(
        mapping.scores,
        counts.weight,
        actual=mapping.actual,
        weight=mapping.weight,
        where=f"{mapping.predicted} IS NOT NULL",
        group=design.group,
    )
    [sums] = engine.rows(decisions.statement())
    if None in sums:
        raise UnprocessablePredictionsError(DAMAGED)
    placements = Mean(counts.weight, counts.squared_weight, *sums)
    if design.clusters is None:
        return roc.micro_roc_auc(placements)
    [[squared, fourth]] = engine.rows(decisions.group_sums_statement(placements.value))
    sums_by_group = GroupSums(squared, fourth, placements.sum_of_squares)
    return roc.micro_roc_auc(placements, design.clusters.interval_effect(sums_by_group))


def _average_precision(found: _Found, design: _Design) -> Estimate:
    if found.positive is None:
        return Estimate(None, reason=NO_AVERAGE_PRECISION)
    if found.positive not in found.ranked:
        return Estimate(None, reason=_no_area(found))
    effect = design.intervals.get(f"average_precision.{found.positive}", 1.0)
    return found.ranked[found.positive].with_design_effect(effect).average_precision


def _missing_score(mapping: ColumnMapping, counts: LabelCounts, positive: str | None) -> str | None:
    """Return the reason if a class of several has no score, which the losses of probabilities need."""
    if positive is not None:
        return None if mapping.score is not None else f"There is no score of the class {positive[:40]!r}."
    without = [label for label in counts.labels if label not in mapping.scores]
    return f"There is no score of the class {without[0][:40]!r}." if without else None


def _curves(ranked: Mapping[str, RankedScores], probability_losses: Losses | None) -> CurvesDocument:
    drawn = curves.threshold_curves(list(ranked.values())[: curves.MAX_CURVES]) if ranked else {}
    return {**drawn, "calibration": curves.calibration_curve(probability_losses.bins)} if probability_losses else drawn


def _class_metrics(found: _Found, label: str, design: _Design) -> dict[str, Estimate]:
    metrics: dict[str, Estimate] = {
        name: getattr(design.matrix(found.matrix, f"{name}.{label}"), name)(label) for name in OF_CLASSES
    }
    return metrics | ({"roc_auc": _area(found, label, design)} if label in found.ranked else {})


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
