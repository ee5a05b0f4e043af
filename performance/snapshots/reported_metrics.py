"""Check reported metrics against each other, and derive what follows from them."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from models_registry.api.field_errors import FieldError
from models_registry.api.fields import MAX_QUOTED_NAME
from models_registry.task_types.base import Metric, TaskType
from performance.metrics.inputs.label_counts import listed
from performance.metrics.inputs.labels import canonical_label
from performance.metrics.inputs.options import BINARY
from performance.metrics.result import MAX_CLASSES, ConfusionMatrixDocument, EvaluationWarning
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.estimates import Estimate
from performance.metrics.statistics.intervals import Interval, wilson
from performance.snapshots.classifier_contradictions import ReportedClassifier, classifier_contradictions
from performance.snapshots.contradictions import (
    averaged_contradictions,
    class_contradictions,
    common_unit,
    contradictions,
    impossible_values,
)
from performance.snapshots.interval_checks import (
    interval_error,
    interval_of_error,
    is_wide_enough,
    least_interval,
    unchecked_warning,
)
from performance.snapshots.reported_matrices import (
    MAX_LISTED_LABELS,
    SUPPORT,
    averaged,
    averagings,
    delta_intervals,
    estimates,
    of_all_classes,
    of_each_class,
)

NO_INTERVAL = "It was reported without an interval: report `confidence_intervals` or `standard_errors` as well."
NO_SAMPLE_COUNT = "Its interval follows from the number of examples: report `sample_count` as well."
COMPUTED_ELSE = "Leave it out, and the service computes the interval."
NOT_COMPUTED_ELSE = "Leave it out, or upload the predictions."


@dataclass(slots=True)
class ReportedMetrics:
    """The metrics of a snapshot that someone reports.

    `per_class` holds metrics by label, then by name. Intervals and standard errors have the names that gates use, such
    as `recall` or `per_class.LABEL.recall`. `options` says how the metrics were computed, such as `averaging`.
    `derived` holds the intervals that follow from the confusion matrix or the number of examples, by the same names.
    Reported ones are compared with those in `expected` if there is one, as derived ones may be wide on purpose.
    """

    metrics: dict[str, float]
    sample_count: int | None = None
    matrix: ConfusionMatrixDocument | None = None
    per_class: dict[str, dict[str, float]] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)
    standard_errors: dict[str, float] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    intervals_unavailable: dict[str, str] = field(default_factory=dict)
    derived: dict[str, Interval] = field(default_factory=dict)
    expected: dict[str, Interval] = field(default_factory=dict)
    warnings: list[EvaluationWarning] = field(default_factory=list)

    def values(self) -> dict[str, float]:
        """Return all values that may have an interval, by the names that gates use."""
        classes = {
            f"per_class.{label}.{name}": value
            for label, metrics in self.per_class.items()
            for name, value in metrics.items()
            if name != SUPPORT
        }
        return {**classes, **self.metrics}


def complete(task_type: TaskType, reported: ReportedMetrics, *, positive_class: str | None = None) -> list[FieldError]:
    """Check reported metrics, and add the metrics and intervals that follow from them. Return the errors.

    With a confusion matrix, its metrics are added with their intervals. A proportion of a known number of examples gets
    Wilson's interval, as does the recall of each class if all examples are counted, and a standard error becomes an
    interval.

    Args:
        task_type: the model's task type, which has validated the metrics already.
        reported: what was reported. It is changed in place, and incomplete if there are errors.
        positive_class: the positive class that the model declares.
    """
    errors = [*_check_options(task_type, reported, positive_class), *_check_classes(task_type, reported)]
    errors += _check_labels(reported)
    errors = errors or [*impossible_values(task_type, reported.metrics, reported.per_class, _averaging(reported))]
    given = dict(reported.intervals)
    if not errors and reported.matrix is not None:
        errors = _complete_from_matrix(reported, ConfusionMatrix(reported.matrix["labels"], reported.matrix["counts"]))
    elif not errors and _has_all_classes(reported) and all("recall" in each for each in reported.per_class.values()):
        errors = _complete_from_classes(reported)
    if not errors and task_type.has_classes:
        errors = [*_check_classifier(reported)]
    return errors or _complete_intervals(task_type, reported, given)


def _check_options(task_type: TaskType, reported: ReportedMetrics, positive_class: str | None) -> Iterator[FieldError]:
    """Yield what is wrong with the options.

    The positive class is by default the one that the model declares, and the averaging then `binary`.
    """
    applicable = {option for metric in task_type.all_metrics for option in metric.depends_on}
    options = reported.options
    for name in sorted(options.keys() - applicable):
        yield f"evaluation_options.{name}", "not_available", f"Means nothing for a model of {task_type.name}."
    if "positive_class" in options:
        options["positive_class"] = canonical_label(options["positive_class"])
    if positive_class is None or "positive_class" not in applicable:
        return
    yield from _check_declared_class(reported, canonical_label(positive_class))


def _check_declared_class(reported: ReportedMetrics, declared: str) -> Iterator[FieldError]:
    """Yield what contradicts the positive class that the model declares."""
    options = reported.options
    given = options.setdefault("positive_class", declared)
    if given != declared:
        message = f"Is {given!r}, but the model's positive class is {declared!r}."
        yield "evaluation_options.positive_class", "contradiction", message
    if options.setdefault("averaging", BINARY) != BINARY:
        message = f"Is {options['averaging']!r}, but the model declares the positive class {declared!r}."
        yield "evaluation_options.averaging", "contradiction", message
    labels = {canonical_label(label) for label in reported.per_class}
    if len({*labels, declared}) > 2:
        message = f"Has the classes {listed(labels)}, but the model's are {declared!r} and one other."
        yield "per_class", "contradiction", message


def _check_classes(task_type: TaskType, reported: ReportedMetrics) -> Iterator[FieldError]:
    """Yield what is wrong with the metrics of classes."""
    if reported.per_class and not task_type.per_class_metrics:
        yield "per_class", "not_available", f"Models of {task_type.name} have no metrics by class."
        return
    known = {metric.name: metric for metric in task_type.all_metrics if metric.name in task_type.per_class_metrics}
    for label, metrics in reported.per_class.items():
        for name, value in metrics.items():
            where = f"per_class.{label[:MAX_QUOTED_NAME]}.{name[:MAX_QUOTED_NAME]}"
            if name == SUPPORT:
                reason = None if value >= 0 else "Must be at least 0."
            elif name in known:
                reason = known[name].validation_error(value)
            else:
                reason = f"Not a metric of a class; use {', '.join([*known, SUPPORT])}."
            if reason:
                yield where, "invalid", reason


def _check_labels(reported: ReportedMetrics) -> Iterator[FieldError]:
    """Yield an error for each label that is another one, written otherwise."""
    groups: dict[str, Iterable[str]] = {"per_class": reported.per_class}
    if reported.matrix is not None:
        groups["confusion_matrix.labels"] = reported.matrix["labels"]
    for where, labels in groups.items():
        known: dict[str, str] = {}
        for label in labels:
            other = known.setdefault(canonical_label(label), label)
            if other != label:
                quoted = label[:MAX_QUOTED_NAME], other[:MAX_QUOTED_NAME]
                yield where, "repeated", "The labels {!r} and {!r} are the same class.".format(*quoted)


def _averaging(reported: ReportedMetrics) -> object:
    """Return how the metrics of classes were averaged, `None` if that is unknown.

    With a positive class they are those of that class, unless there are more than two classes. A confusion matrix tells
    how they were averaged.
    """
    is_binary = "positive_class" in reported.options and len(reported.per_class) <= 2 and reported.matrix is None
    return reported.options.get("averaging", "binary" if is_binary else None)


def _check_classifier(reported: ReportedMetrics) -> Iterator[FieldError]:
    """Yield an error for each metric of a classifier that the others rule out."""
    options = reported.options
    return classifier_contradictions(
        ReportedClassifier(
            reported.metrics,
            reported.per_class,
            _averaging(reported),
            options.get("positive_class"),
            options.get("threshold"),
            _has_all_classes(reported),
        )
    )


def _complete_from_matrix(reported: ReportedMetrics, matrix: ConfusionMatrix) -> list[FieldError]:
    """Add the metrics of the confusion matrix, and their intervals. Return the contradictions."""
    candidates, error = averagings(matrix, reported.options)
    if error:
        return [error]
    found = [
        (contradictions(reported.metrics, averaged(matrix, each), note=f" (averaging {each})"), each)
        for each in candidates
    ]
    errors, averaging = min(found, key=lambda each: len(each[0]))  # the first of equals
    values = of_all_classes(matrix)
    classes = of_each_class(matrix)
    errors = [*errors, *contradictions(reported.metrics, values), *class_contradictions(reported.per_class, classes)]
    if errors:
        return errors
    reported.options["averaging"] = averaging.name
    if averaging.positive is not None:
        reported.options["positive_class"] = canonical_label(averaging.positive)
    reported.metrics = {**values, **averaged(matrix, averaging), **reported.metrics}
    if len(matrix.labels) <= MAX_CLASSES:
        reported.per_class = {label: {**each, **reported.per_class.get(label, {})} for label, each in classes.items()}
    _add_intervals(reported, estimates(matrix, averaging))
    reported.expected = delta_intervals(matrix, averaging, [*reported.intervals, *reported.standard_errors])
    return []


def _has_all_classes(reported: ReportedMetrics) -> bool:
    """Return whether each class has its number of examples, and these add up to the sample count.

    Sums of weights would hardly be whole numbers that do so.
    """
    supports = [each.get(SUPPORT, math.inf) for each in reported.per_class.values()]
    return sum(supports) == reported.sample_count and all(float(each).is_integer() for each in supports)


def _complete_from_classes(reported: ReportedMetrics) -> list[FieldError]:
    """Add the intervals of the recall of each class. Return the contradictions."""
    classes = reported.per_class.values()
    recalls, supports = ([each[name] for each in classes] for name in ("recall", SUPPORT))
    if len(reported.per_class) <= MAX_CLASSES:
        found = zip(reported.per_class, map(wilson, recalls, supports), strict=True)
        reported.derived |= {f"per_class.{label}.recall": interval for label, interval in found if interval is not None}
    return [*averaged_contradictions(reported.metrics, recalls, supports)]


def _add_intervals(reported: ReportedMetrics, found: Mapping[str, Estimate]) -> None:
    """Add the intervals of estimates, and the reasons of those without one."""
    for name, estimate in found.items():
        if estimate.interval is not None:
            reported.derived[name] = estimate.interval
        elif estimate.reason is not None:
            reported.intervals_unavailable[name] = estimate.reason


def _complete_intervals(
    task_type: TaskType, reported: ReportedMetrics, given: Mapping[str, Interval]
) -> list[FieldError]:
    """Check the given intervals, and add those of standard errors and of proportions. Return the errors."""
    values = reported.values()
    metrics = {metric.name: metric for metric in task_type.all_metrics}
    errors = [*_convert_standard_errors(metrics, reported, given), *_check_intervals(metrics, values, given)]
    shares = [metric.name for metric in task_type.all_metrics if metric.is_proportion and metric.name in values]
    for name in shares:
        if reported.sample_count and (interval := wilson(values[name], reported.sample_count)):
            reported.derived.setdefault(name, interval)
    errors = errors or [*_check_widths(metrics, reported)]
    reported.intervals = {**reported.derived, **reported.intervals}
    reasons = dict.fromkeys(values, NO_INTERVAL) | dict.fromkeys(shares, NO_SAMPLE_COUNT)
    reasons |= reported.intervals_unavailable
    reported.intervals_unavailable = {name: reasons[name] for name in values if name not in reported.intervals}
    return errors


def _convert_standard_errors(
    metrics: Mapping[str, Metric], reported: ReportedMetrics, given: Mapping[str, Interval]
) -> Iterator[FieldError]:
    """Add the intervals of the standard errors. Yield what is wrong with the latter."""
    values = reported.values()
    for name, error in reported.standard_errors.items():
        where = f"standard_errors.{name[:MAX_QUOTED_NAME]}"
        if name not in values:
            yield where, "unknown", _unknown(values)
        elif name in given:
            yield where, "repeated", "Give a confidence interval or a standard error, not both."
        elif interval := interval_of_error(metrics[name.rpartition(".")[2]], values[name], error):
            reported.intervals[name] = interval
        else:
            yield where, "invalid", f"Must be above 0 and below 1e150, not {error!r}."


def _check_intervals(
    metrics: Mapping[str, Metric], values: Mapping[str, float], given: Mapping[str, Interval]
) -> Iterator[FieldError]:
    """Yield what is wrong with the given intervals."""
    for name, interval in given.items():
        where = f"confidence_intervals.{name[:MAX_QUOTED_NAME]}"
        if name not in values:
            yield where, "unknown", _unknown(values)
        elif reason := interval_error(metrics[name.rpartition(".")[2]], values[name], interval):
            yield where, "invalid", reason


def _check_widths(metrics: Mapping[str, Metric], reported: ReportedMetrics) -> Iterator[FieldError]:
    """Yield an error for each reported interval that claims far more than its examples can say.

    There is a warning of those about which the examples say nothing.
    """
    values = reported.values()
    unchecked: list[str] = []
    for name, found in reported.intervals.items():
        expected = _expected_interval(reported, name, values[name], found)
        if expected is None:
            unchecked.append(name)
        elif not is_wide_enough(metrics[name.rpartition(".")[2]], values[name], found, expected):
            where = "standard_errors" if name in reported.standard_errors else "confidence_intervals"
            detail = (
                f"Reaches from {found.lower:.6g} to {found.upper:.6g}, but {reported.sample_count} examples imply "
                f"{expected.lower:.6g} to {expected.upper:.6g}. "
                f"{COMPUTED_ELSE if name in reported.derived else NOT_COMPUTED_ELSE}"
            )
            yield f"{where}.{name[:MAX_QUOTED_NAME]}", "contradiction", detail
    if unchecked:
        reported.warnings.append(unchecked_warning(unchecked, reported.sample_count))


def _expected_interval(reported: ReportedMetrics, name: str, value: float, found: Interval) -> Interval | None:
    """Return the interval with which a reported one is compared, `None` if nothing says how wide it must be."""
    if known := reported.expected.get(name, reported.derived.get(name)):
        return known
    if reported.sample_count is None:
        return None
    label = name.removeprefix("per_class.").rpartition(".")[0]
    of_class = reported.per_class.get(label, {})
    averaging = _averaging(reported)
    rounding = 0.5 * common_unit(value, found.lower, found.upper)
    return least_interval(name, value, reported.sample_count, averaging, of_class, rounding)


def _unknown(values: Mapping[str, float]) -> str:
    return f"No metric of this name is reported; reported are {', '.join([*values][:MAX_LISTED_LABELS])}."
