"""Find contradictions between reported metrics, allowing for rounding."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from models_registry.api.field_errors import FieldError
from models_registry.api.fields import MAX_QUOTED_NAME
from models_registry.task_types.base import Direction, TaskType

FEWEST_DECIMALS = 2  # to which a reported value may have been rounded
SLACK = 1e-9  # between a reported value and the same computed here
_OF_ONE_CLASS = ("binary", "micro")  # averagings with which F1 is the harmonic mean of precision and recall


def contradictions(
    reported: Mapping[str, float], computed: Mapping[str, float], where: str = "metrics", note: str = ""
) -> list[FieldError]:
    """Return an error for each reported value that is not the computed one, rounded."""
    return [
        (
            f"{where}.{name}",
            "contradiction",
            f"Is {value!r}, but the confusion matrix comes to {computed[name]:.6g}{note}. Report both of the same "
            "examples, or only one of them.",
        )
        for name, value in reported.items()
        if name in computed and not agree(value, computed[name])
    ]


def class_contradictions(
    reported: Mapping[str, Mapping[str, float]], computed: Mapping[str, Mapping[str, float]]
) -> Iterator[FieldError]:
    """Yield an error for each reported value of a class that is not the computed one, rounded."""
    for label, metrics in reported.items():
        where = f"per_class.{label[:MAX_QUOTED_NAME]}"
        if label in computed:
            yield from contradictions(metrics, computed[label], where)
        else:
            yield where, "contradiction", "Is none of the labels of the confusion matrix."


def averaged_contradictions(
    metrics: Mapping[str, float], recalls: Sequence[float], supports: Sequence[float]
) -> Iterator[FieldError]:
    """Yield an error for each metric that is not the mean recall of all classes, by their examples or equally."""
    occurring = [(recall, support) for recall, support in zip(recalls, supports, strict=True) if support]
    computed = {
        "accuracy": sum(recall * support for recall, support in occurring) / sum(supports),
        "balanced_accuracy": sum(recall for recall, _ in occurring) / len(occurring),
    }
    rounding = max(map(rounding_of, recalls))  # a mean is rounded by no more
    for name, value in computed.items():
        if name in metrics and abs(metrics[name] - value) > rounding_of(metrics[name]) + rounding:
            detail = f"Is {metrics[name]!r}, but from the recall and the support of all classes follows {value:.6g}."
            yield f"metrics.{name}", "contradiction", detail


def impossible_values(
    task_type: TaskType,
    metrics: Mapping[str, float],
    per_class: Mapping[str, Mapping[str, float]],
    averaging: object,
) -> Iterator[FieldError]:
    """Yield an error for each value that the others rule out for the same examples, such as an MAE above the RMSE.

    `averaging` is how the metrics of classes were averaged, `None` if that is unknown.
    """
    groups = {"metrics": metrics} | {f"per_class.{label[:MAX_QUOTED_NAME]}": each for label, each in per_class.items()}
    for where, values in groups.items():
        yield from [*_order_errors(task_type, values, where)] or _exactness_errors(task_type, values, where)
        if where != "metrics" or averaging in _OF_ONE_CLASS:
            yield from _f1_error(values, where)


def _order_errors(task_type: TaskType, values: Mapping[str, float], where: str) -> Iterator[FieldError]:
    """Yield an error for each value above another one that it never exceeds."""
    for metric in task_type.all_metrics:
        for name in metric.at_most:
            if metric.name in values and name in values:
                value = abs(values[metric.name]) if metric.direction is Direction.ZERO else values[metric.name]
                if value > values[name] + rounding_of(value) + rounding_of(values[name]):
                    detail = (
                        f"Is {values[metric.name]!r}, but {metric.name} is never more than {name}, {values[name]!r}."
                    )
                    yield f"{where}.{metric.name}", "contradiction", detail


def _exactness_errors(task_type: TaskType, values: Mapping[str, float], where: str) -> Iterator[FieldError]:
    """Yield an error for each value that is not perfect although an error of 0 says that all predictions are exact.

    An error in the target's unit that was rounded to 0 has lost all its digits, so it counts as 0.
    """
    exact = next((each.name for each in task_type.all_metrics if each.is_error and values.get(each.name) == 0), None)
    if exact is None:
        return
    for metric in task_type.all_metrics:
        perfect = metric.upper if metric.direction is Direction.HIGHER else 0.0
        value = values.get(metric.name)
        if (
            value is not None
            and perfect is not None
            and abs(value - perfect) > rounding_of(value) + rounding_of(perfect)
        ):
            detail = (
                f"Is {value!r}, but {exact} is 0, so that each prediction is exact and {metric.name} is {perfect:g}. "
                f"If {exact} is rounded, report more digits."
            )
            yield f"{where}.{metric.name}", "contradiction", detail


def common_unit(*reported: float) -> float:
    """Return the unit of the last decimal of values that were rounded alike: of the one with the most decimals."""
    decimals = (-int(Decimal(repr(each)).as_tuple().exponent) for each in reported)
    return 10.0 ** -max(*decimals, FEWEST_DECIMALS)


def rounding_of(reported: float) -> float:
    """Return by how much a reported value may have been rounded, at two decimals or more."""
    return 0.5 * common_unit(reported) + SLACK * abs(reported)


def agree(reported: float, computed: float) -> bool:
    """Return whether a reported value is the computed one, rounded to the decimals that it has."""
    return abs(reported - computed) <= rounding_of(reported) + SLACK * max(1.0, abs(computed))


def _f1_error(metrics: Mapping[str, float], where: str) -> Iterator[FieldError]:
    if not {"precision", "recall", "f1_score"} <= metrics.keys():
        return
    precision, recall, f1_score = (metrics[name] for name in ("precision", "recall", "f1_score"))
    expected = 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
    # The harmonic mean changes by at most twice as much as one of both does.
    if abs(f1_score - expected) > rounding_of(f1_score) + 2 * (rounding_of(precision) + rounding_of(recall)):
        detail = f"Is {f1_score!r}, but from precision and recall of one class follows {expected:.6g}."
        yield f"{where}.f1_score", "contradiction", detail
