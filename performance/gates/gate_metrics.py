"""What a rule may look at: every number that a snapshot holds, by name."""

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
    definition="How many examples were scored.",
    source="This service.",
    example=WorkedExample(given={"actual": ["a", "b", "a"]}, value=3),
)
_SUPPORT = Metric(
    name="support",
    label="Support",
    direction=Direction.HIGHER,
    lower=0,
    definition="The examples of a class: how many, or the sum of their weights.",
    source="https://scikit-learn.org/stable/modules/generated/sklearn.metrics.precision_recall_fscore_support.html",
    example=WorkedExample(given={"actual": ["a", "b", "a"], "class": "a"}, value=2),
)


@dataclass(frozen=True, slots=True)
class GateMetric:
    """A number that a rule looks at, and whether snapshots may hold its confidence interval.

    `metric` is `None` for a reporter's own one, of which neither bounds nor direction are known. `depends_on_choices`
    is the metric's, but not of a single class, which is the positive one itself.
    """

    metric: Metric | None
    has_interval: bool = False
    depends_on_choices: bool = False


@lru_cache(maxsize=1024)
def gate_metric(name: str, task_type: TaskType) -> GateMetric | None:
    """Return what a name stands for in a policy of this task type's models, `None` for nothing.

    It is a metric of the task type, `sample_count`, `custom.NAME` for a reporter's own metric, or
    `per_class.LABEL.METRIC` for one that is kept by class, and for the `support` of a class.
    """
    metrics = {metric.name: metric for metric in task_type.all_metrics}
    if name in metrics:
        return GateMetric(metrics[name], has_interval=True, depends_on_choices=metrics[name].depends_on_choices)
    if name == _SAMPLE_COUNT.name:
        return GateMetric(_SAMPLE_COUNT)
    kind, _, rest = name.partition(".")
    if kind == "custom" and CUSTOM_NAME.fullmatch(rest):
        return GateMetric(None)
    _, dot, of_class = rest.rpartition(".")  # a label may have dots, a metric has none
    if kind != "per_class" or not dot or of_class not in names_by_class(task_type):
        return None
    # Of what is no class, such as a number of steps ahead, no interval is known.
    has_interval = task_type.has_classes and of_class in task_type.by_class
    return GateMetric(metrics.get(of_class, _SUPPORT), has_interval)


def names_by_class(task_type: TaskType) -> tuple[str, ...]:
    """Return what is known of each class: `METRIC` in `per_class.LABEL.METRIC`."""
    return (*task_type.by_class, _SUPPORT.name) if task_type.by_class else ()


def values_of(
    metrics: Mapping[str, float],
    *,
    sample_count: int | None,
    custom: Mapping[str, float],
    per_class: Mapping[str, Mapping[str, float]],
) -> dict[str, float]:
    """Return the numbers of a snapshot under the names that rules have for them."""
    values = {
        **{f"custom.{name}": value for name, value in custom.items()},
        **{f"per_class.{label}.{name}": value for label, each in per_class.items() for name, value in each.items()},
        **metrics,
    }
    return values if sample_count is None else {**values, _SAMPLE_COUNT.name: sample_count}
