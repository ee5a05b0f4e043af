"""Find reported metrics of a classifier that cannot be of the same predictions, allowing for rounding.

All that is compared holds with weights too, and for classes without examples, whose recall is 0.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import mul

from models_registry.api.field_errors import FieldError
from performance.metrics.inputs.labels import canonical_label
from performance.snapshots.contradictions import rounding_of
from performance.snapshots.reported_matrices import SUPPORT

_EQUAL = {  # by averaging
    "micro": (("precision", "accuracy"), ("recall", "accuracy"), ("f1_score", "accuracy"), ("precision", "recall")),
    "weighted": (("recall", "accuracy"),),
}
_OF_CLASSES = ("precision", "recall", "f1_score")
_LEAST_LOSSES = {"log_loss": math.log(2), "brier_score": 0.25}  # of a wrong prediction, at a threshold of 0.5


@dataclass(frozen=True, slots=True)
class ReportedClassifier:
    """The reported metrics of a classifier.

    `averaging`, `positive_class` and `threshold` are `None` if they are unknown. `has_all_classes` says whether
    `per_class` has every class, with its number of examples.
    """

    metrics: Mapping[str, float]
    per_class: Mapping[str, Mapping[str, float]]
    averaging: object
    positive_class: object
    threshold: object
    has_all_classes: bool

    @property
    def all_occur(self) -> bool:
        """Whether all classes are known to have examples."""
        return self.has_all_classes and all(each[SUPPORT] > 0 for each in self.per_class.values())


def classifier_contradictions(reported: ReportedClassifier) -> Iterator[FieldError]:
    """Yield an error for each metric that the others rule out."""
    metrics = reported.metrics
    for name, other in _EQUAL.get(str(reported.averaging), ()):
        if name in metrics and other in metrics:
            source = f"{other}, with {reported.averaging} averaging,"
            yield from _range_error(metrics, name, metrics[other], metrics[other], source)
    if reported.averaging == "macro" and metrics.keys() >= {"recall", "balanced_accuracy"}:
        mean = metrics["balanced_accuracy"]  # of the classes that occur: the recall of others counts as 0
        source = "balanced_accuracy, with macro averaging,"
        yield from _range_error(metrics, "recall", mean if reported.all_occur else -math.inf, mean, source)
    yield from _agreement_errors(metrics)
    if reported.averaging == "binary":
        yield from _binary_errors(metrics)
        yield from _positive_class_errors(reported)
    elif reported.has_all_classes:
        yield from _average_errors(reported)
    if reported.threshold in (None, 0.5):
        yield from _loss_errors(metrics)


def _range_error(
    metrics: Mapping[str, float], name: str, lower: float, upper: float, source: str, slack: float = 0.0
) -> Iterator[FieldError]:
    """Yield an error if a metric is not within the range that follows from others, which may have been rounded."""
    value = metrics[name]
    ends = [end for end in (lower, upper) if math.isfinite(end)]
    slack = slack or max(map(rounding_of, ends))
    if lower - slack - rounding_of(value) <= value <= upper + slack + rounding_of(value):
        return
    if lower == upper:
        follows = f"{lower:.6g}"
    else:
        follows = " and ".join(
            f"{words} {end:.6g}" for words, end in (("at least", lower), ("at most", upper)) if math.isfinite(end)
        )
    yield f"metrics.{name}", "contradiction", f"Is {value!r}, but from {source} follows {follows}."


def _agreement_errors(metrics: Mapping[str, float]) -> Iterator[FieldError]:
    """Yield an error for each measure of agreement in excess of chance that contradicts the accuracy or the other one.

    For the accuracy A, kappa is at most A, and neither kappa nor Matthews' correlation is below -(1 - A) / (1 + A),
    which they are if all errors exchange two classes. Matthews' correlation has the sign of kappa and is no nearer to
    0: both divide the same, one by a geometric mean and the other by what is no less.
    """
    accuracy = metrics.get("accuracy")
    names = [name for name in ("matthews_correlation", "cohen_kappa") if name in metrics]
    if accuracy is not None:
        least = max(accuracy - rounding_of(accuracy), 0.0)
        lowest = -(1 - least) / (1 + least)
        for name in names:
            upper = accuracy if name == "cohen_kappa" else math.inf
            yield from _range_error(metrics, name, lowest, upper, "accuracy", rounding_of(accuracy))
    if len(names) == 2:
        kappa = metrics["cohen_kappa"]
        lower, upper = (kappa, math.inf) if kappa > 0 else (-math.inf, kappa)
        if kappa:
            yield from _range_error(metrics, "matthews_correlation", lower, upper, "cohen_kappa")


def _binary_errors(metrics: Mapping[str, float]) -> Iterator[FieldError]:
    """Yield an error for each metric of two classes that is not between the recalls of both, or is not their mean.

    One of both recalls may be that of a class without examples.
    """
    accuracy = metrics.get("accuracy")
    if accuracy is not None and "balanced_accuracy" in metrics:  # one of both recalls is no less than it, one no more
        yield from _range_error(
            metrics, "balanced_accuracy", accuracy / 2, (1 + accuracy) / 2, "accuracy", rounding_of(accuracy)
        )
    if not metrics.keys() >= {"recall", "specificity"}:
        return
    recalls = metrics["recall"], metrics["specificity"]
    slack = max(map(rounding_of, recalls))
    if accuracy is not None:
        yield from _range_error(metrics, "accuracy", min(recalls), max(recalls), "recall and specificity", slack)
    if "balanced_accuracy" in metrics and min(recalls) > slack:
        mean = sum(recalls) / 2
        yield from _range_error(metrics, "balanced_accuracy", mean, mean, "recall and specificity", slack)


def _positive_class_errors(reported: ReportedClassifier) -> Iterator[FieldError]:
    """Yield an error for each metric that is not that of the positive class."""
    for label, values in reported.per_class.items():
        if canonical_label(label) == reported.positive_class:
            for name in (*_OF_CLASSES, "roc_auc"):
                if name in values and name in reported.metrics:
                    source = f"the positive class, {label!r},"
                    yield from _range_error(reported.metrics, name, values[name], values[name], source)


def _average_errors(reported: ReportedClassifier) -> Iterator[FieldError]:
    """Yield an error for each metric that is no average of those of all classes."""
    classes = reported.per_class.values()
    weights = {"macro": [1.0] * len(classes), "weighted": [each[SUPPORT] for each in classes]}.get(
        str(reported.averaging)
    )
    for name in (*_OF_CLASSES, "roc_auc") if weights else _OF_CLASSES:
        if name not in reported.metrics or not all(name in each for each in classes):
            continue
        values = [each[name] for each in classes]
        lower, upper = min(values), max(values)
        if weights and reported.all_occur and name != "roc_auc":  # which may be averaged over pairs of classes
            lower = upper = sum(map(mul, values, weights)) / sum(weights)
        slack = max(map(rounding_of, values))
        yield from _range_error(reported.metrics, name, lower, upper, "the metrics of all classes", slack)


def _loss_errors(metrics: Mapping[str, float]) -> Iterator[FieldError]:
    """Yield an error if there are more wrong predictions than a loss of 0 allows.

    A wrong prediction gives the actual class a probability of at most one half. Losses above 0 are not compared: the
    threshold may be unknown.
    """
    for name, least in _LEAST_LOSSES.items():
        if "accuracy" in metrics and metrics.get(name) == 0:
            wrong = rounding_of(0.0) / least
            yield from _range_error(metrics, "accuracy", 1 - wrong, math.inf, f"a {name} of 0", rounding_of(1.0))
