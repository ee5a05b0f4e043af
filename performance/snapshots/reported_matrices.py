"""Compute the metrics that follow from a reported confusion matrix."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from models_registry.api.field_errors import FieldError
from performance.metrics.inputs.labels import canonical_label, default_positive, sort_labels
from performance.metrics.result import MAX_CLASSES
from performance.metrics.statistics import margins
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.estimates import Estimate
from performance.metrics.statistics.gradients import Gradient
from performance.metrics.statistics.intervals import Interval, wilson
from performance.metrics.statistics.margins import AVERAGED, CLASS_METRICS

SUPPORT = "support"  # the number of examples of a class, beside its metrics
MAX_LISTED_LABELS = 20  # in an error message
TOO_MANY_CLASSES = f"There are more than {MAX_CLASSES} classes."
_OF_ALL_CLASSES: Mapping[str, margins.MarginMetric] = {
    "balanced_accuracy": margins.balanced_accuracy,
    "matthews_correlation": margins.matthews_correlation,
    "cohen_kappa": margins.cohen_kappa,
}
_CORRELATIONS = ("matthews_correlation", "cohen_kappa")  # from -1 to 1


@dataclass(frozen=True, slots=True)
class Averaging:
    """How the metrics of single classes are combined. With `binary`, it is the metric of one class."""

    name: str
    positive: str | None = None

    def __str__(self) -> str:
        return self.name if self.positive is None else f"{self.name}, with the positive class {self.positive!r}"


def averagings(matrix: ConfusionMatrix, options: Mapping[str, object]) -> tuple[list[Averaging], FieldError | None]:
    """Return how the metrics may have been averaged, the usual way first, or an error.

    Unless `options` say so, any averaging is possible, and with two classes either may be the positive one.
    """
    labels = sort_labels(matrix.labels)
    positives = [label for label in labels if canonical_label(label) == options.get("positive_class")]
    if "positive_class" in options and not positives:
        message = f"Is none of the labels of the confusion matrix: {', '.join(labels[:MAX_LISTED_LABELS])}."
        return [], ("evaluation_options.positive_class", "contradiction", message)
    usual = default_positive(labels)
    likely = positives or [usual, *(label for label in labels if label != usual)]
    binary = [Averaging("binary", label) for label in likely] if len(labels) == 2 else []
    others = [Averaging(name) for name in ("weighted", "macro", "micro")]
    found = [each for each in binary + others if options.get("averaging", each.name) == each.name]
    if found:
        return found, None
    message = f"There are {len(labels)} labels, so there is no single positive class: choose another averaging."
    if positives and "averaging" in options:
        message = (
            f"There are {len(labels)} labels, so {positives[0]!r} is not the positive one of two. Report several "
            "classes with another averaging, for a model that declares no positive class."
        )
    return [], ("evaluation_options.averaging", "contradiction", message)


def of_all_classes(matrix: ConfusionMatrix) -> dict[str, float]:
    """Return the metrics that do not depend on an averaging."""
    values = {name: of_margins(matrix.margins) for name, of_margins in _OF_ALL_CLASSES.items()}
    if sum(1 for row in matrix.rows if row) == 1 and matrix.rows == matrix.columns:
        del values["cohen_kappa"]  # undefined, as all examples are of one class and predicted as that class
    return {"accuracy": sum(matrix.diagonal) / matrix.total, **values}


def of_each_class(matrix: ConfusionMatrix) -> dict[str, dict[str, float]]:
    """Return the metrics and the support of each class."""
    return {
        label: {name: margins.class_metric(name, index)(matrix.margins) for name in CLASS_METRICS}
        | {SUPPORT: matrix.rows[index]}
        for index, label in enumerate(matrix.labels)
    }


def averaged(matrix: ConfusionMatrix, averaging: Averaging) -> dict[str, float]:
    """Return the metrics that depend on an averaging."""
    if averaging.name == "micro":
        micro = {name: matrix.averaged(name, "micro").value for name in AVERAGED}
        return {name: value for name, value in micro.items() if value is not None}
    if averaging.positive is None:
        return {name: margins.averaged_metric(name, averaging.name)(matrix.margins) for name in AVERAGED}
    index = matrix.labels.index(averaging.positive)
    return {name: margins.class_metric(name, index)(matrix.margins) for name in AVERAGED}


def estimates(matrix: ConfusionMatrix, averaging: Averaging) -> dict[str, Estimate]:
    """Return what the confusion matrix tells, with intervals: of many classes, of their accuracy alone."""
    if len(matrix.labels) > MAX_CLASSES:
        names = (*AVERAGED, *_OF_ALL_CLASSES)
        return dict.fromkeys(names, Estimate(None, reason=TOO_MANY_CLASSES)) | {"accuracy": matrix.accuracy}
    if averaging.positive is None:
        combined = {name: matrix.averaged(name, averaging.name) for name in AVERAGED}
    else:
        combined = {name: _of_class(matrix, name, averaging.positive) for name in AVERAGED}
    classes = {
        f"per_class.{label}.{name}": _of_class(matrix, name, label) for label in matrix.labels for name in CLASS_METRICS
    }
    return {
        **classes,
        **combined,
        "accuracy": matrix.accuracy,
        "balanced_accuracy": matrix.balanced_accuracy,
        "matthews_correlation": matrix.matthews_correlation,
        "cohen_kappa": matrix.cohen_kappa,
    }


def delta_intervals(matrix: ConfusionMatrix, averaging: Averaging, names: Iterable[str]) -> dict[str, Interval]:
    """Return the intervals of the named metrics that average over classes, by the delta method.

    Unlike `estimates`, they are not wide on purpose for classes of few examples, so that the intervals of other methods
    compare with them. Where the delta method says nothing, all examples count for each metric.
    """
    found: dict[str, Interval] = {}
    for name in names:
        gradient = _averaged_gradient(matrix, averaging, name)
        if gradient is None:
            continue
        interval = matrix.delta_interval(gradient, -1.0 if name in _CORRELATIONS else 0.0)
        interval = interval or wilson(min(abs(gradient.value), 1.0), matrix.total)
        if interval is not None:
            found[name] = interval
    return found


def _averaged_gradient(matrix: ConfusionMatrix, averaging: Averaging, name: str) -> Gradient | None:
    if name in _OF_ALL_CLASSES:
        return matrix.multiclass_gradient(name)
    if name not in AVERAGED or averaging.name in ("binary", "micro"):
        return None
    return matrix.gradient(name, averaging.name)


def _of_class(matrix: ConfusionMatrix, name: str, label: str) -> Estimate:
    estimate: Estimate = getattr(matrix, name)(label)
    return estimate
