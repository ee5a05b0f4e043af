"""Look up the numbers of a snapshot that a rule may use, by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from models_registry.task_types.base import Direction, Metric, TaskType, WorkedExample
from performance.snapshots.metric_names import CUSTOM_NAME

_SAMPLE_COUNT = Metric(
    name="sample_count",
    label="Sample count",
    direction=Direction.HIGHER,
    lower=0,
    definition="The number of scored examples.",
    source="This service.",
    example=WorkedExample(given={"actual": ["a", "b", "a"]}, value=3),
)
_SUPPORT = Metric(
    name="support",
    label="Support",
    direction=Direction.HIGHER,
    lower=0,
    definition="The number of examples of a class, or the sum of their weights.",
    source="https://scikit-learn.org/stable/modules/generated/sklearn.metrics.precision_recall_fscore_support.html",
    example=WorkedExample(given={"actual": ["a", "b", "a"], "class": "a"}, value=2),
)


@dataclass(frozen=True, slots=True)
class GateMetric:
    """A number that a rule uses, and whether snapshots may have its confidence interval.

    `metric` is `None` for a custom metric, whose bounds and direction are unknown. `depends_on_averaging` is that of
    the metric, but false for a metric of one class.
    """

    metric: Metric | None
    has_interval: bool = False
    depends_on_averaging: bool = False


@lru_cache(maxsize=1024)
def find_gate_metric(name: str, task_type: TaskType) -> GateMetric | None:
    """Return what a name means in a policy for models of this task type; `None` if it means nothing.

    A name is that of a metric of the task type, `sample_count`, `custom.NAME` for a custom metric, or
    `per_class.LABEL.METRIC` for a per-class metric or the `support` of a class.
    """
    metrics = {metric.name: metric for metric in task_type.all_metrics}
    if name in metrics:
        return GateMetric(metrics[name], has_interval=True, depends_on_averaging=metrics[name].depends_on_averaging)
    if name == _SAMPLE_COUNT.name:
        return GateMetric(_SAMPLE_COUNT)
    kind, _, rest = name.partition(".")
    if kind == "custom" and CUSTOM_NAME.fullmatch(rest):
        return GateMetric(None)
    _, dot, metric_name = rest.rpartition(".")  # a label may have dots, a metric has none
    if kind != "per_class" or not dot or metric_name not in per_class_names(task_type):
        return None
    # Groups that are not classes, such as numbers of steps ahead, have no intervals.
    has_interval = task_type.has_classes and metric_name in task_type.per_class_metrics
    return GateMetric(metrics.get(metric_name, _SUPPORT), has_interval)


def per_class_names(task_type: TaskType) -> tuple[str, ...]:
    """Return the values that `METRIC` may have in `per_class.LABEL.METRIC`."""
    return (*task_type.per_class_metrics, _SUPPORT.name) if task_type.per_class_metrics else ()


def named_values(
    metrics: Mapping[str, float],
    *,
    sample_count: int | None,
    custom: Mapping[str, float],
    per_class: Mapping[str, Mapping[str, float]],
) -> dict[str, float]:
    """Return the numbers of a snapshot by the names that rules use."""
    values = {
        **{f"custom.{name}": value for name, value in custom.items()},
        **{f"per_class.{label}.{name}": value for label, each in per_class.items() for name, value in each.items()},
        **metrics,
    }
    return values if sample_count is None else {**values, _SAMPLE_COUNT.name: sample_count}
