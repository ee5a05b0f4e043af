"""Look up the numbers of a snapshot that a rule may use, by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from models_registry.task_types.base import Direction, Metric, TaskType, WorkedExample
from performance.gates.measurement import WORST_SLICE, parse_slice_name
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
_EFFECTIVE_SAMPLE_SIZE = Metric(
    name="effective_sample_size",
    label="Effective sample size",
    direction=Direction.HIGHER,
    lower=0,
    definition="The number of unweighted, independent examples that tell as much: (sum of weights)² / sum of weights².",
    source="Kish (1965), Survey Sampling, section 8.2",
    example=WorkedExample(given={"weight": [1, 1, 2]}, value=16 / 6),
)
_MISSING_FRACTION = Metric(
    name="missing_fraction",
    label="Missing fraction",
    direction=Direction.LOWER,
    lower=0,
    upper=1,
    definition="The rows without a prediction divided by all rows, if their weight is above 0: a fraction from 0 to 1.",
    source="This service.",
    example=WorkedExample(given={"predicted": ["a", None, "a", "b"]}, value=1 / 4),
)
_TRAIN_OVERLAP = Metric(
    name="train_overlap",
    label="Train overlap",
    direction=Direction.LOWER,
    lower=0,
    upper=1,
    definition="The examples that the version's train split has too divided by all examples, a fraction from 0 to 1.",
    source="This service.",
    example=WorkedExample(given={"example_id": [1, 2, 3, 4], "train": [4, 5]}, value=1 / 4),
)
QUANTITIES = {each.name: each for each in (_SAMPLE_COUNT, _EFFECTIVE_SAMPLE_SIZE, _MISSING_FRACTION, _TRAIN_OVERLAP)}
TRAIN_OVERLAP = _TRAIN_OVERLAP.name
COMPUTED_QUANTITIES = (_EFFECTIVE_SAMPLE_SIZE.name, _MISSING_FRACTION.name, TRAIN_OVERLAP)  # that nobody can report
_OPTIONS_OF_ONE_CLASS = ("positive_class", "averaging")  # that do not change the metrics of one class


@dataclass(frozen=True, slots=True)
class GateMetric:
    """A number that a rule uses.

    `metric` is `None` for a custom metric, whose bounds and direction are unknown. `has_interval` says whether
    snapshots may have its confidence interval. `depends_on` names the options of the evaluation that it depends on.
    `is_worst_slice` says whether it is the worst of several slices.
    """

    metric: Metric | None
    has_interval: bool = False
    depends_on: tuple[str, ...] = ()
    is_worst_slice: bool = False


@lru_cache(maxsize=1024)
def find_gate_metric(name: str, task_type: TaskType) -> GateMetric | None:
    """Return what a name means in a policy for models of this task type; `None` if it means nothing.

    A name is that of a metric of the task type or of `QUANTITIES`, `custom.NAME` for a custom metric,
    `per_class.LABEL.METRIC` for a per-class metric or the `support` of a class, `slice.ATTRIBUTE.VALUE.METRIC` for a
    summary metric of the examples with one value of an attribute, or `worst_slice.ATTRIBUTE.METRIC`. A label, an
    attribute and a value may have dots.
    """
    metrics = {metric.name: metric for metric in task_type.all_metrics}
    if name in metrics:
        return GateMetric(metrics[name], has_interval=True, depends_on=metrics[name].depends_on)
    if name in QUANTITIES:
        return GateMetric(QUANTITIES[name])
    if parts := parse_slice_name(name):
        metric = {metric.name: metric for metric in task_type.metrics}.get(parts.metric)
        is_worst = parts.kind == WORST_SLICE
        return GateMetric(metric, True, metric.depends_on, is_worst) if metric else None
    kind, _, rest = name.partition(".")
    if kind == "custom" and CUSTOM_NAME.fullmatch(rest):
        return GateMetric(None)
    _, dot, metric_name = rest.rpartition(".")  # a label may have dots, a metric has none
    if kind != "per_class" or not dot or metric_name not in per_class_names(task_type):
        return None
    # Groups that are not classes, such as numbers of steps ahead, have no intervals.
    has_interval = task_type.has_classes and metric_name in task_type.per_class_metrics
    metric = metrics.get(metric_name, _SUPPORT)
    options = tuple(option for option in metric.depends_on if option not in _OPTIONS_OF_ONE_CLASS)
    return GateMetric(metric, has_interval, options)


def per_class_names(task_type: TaskType) -> tuple[str, ...]:
    """Return the values that `METRIC` may have in `per_class.LABEL.METRIC`."""
    return (*task_type.per_class_metrics, _SUPPORT.name) if task_type.per_class_metrics else ()


def named_values(
    metrics: Mapping[str, float],
    *,
    quantities: Mapping[str, float | None],
    custom: Mapping[str, float],
    per_class: Mapping[str, Mapping[str, float]],
) -> dict[str, float]:
    """Return the numbers of a snapshot by the names that rules use. `quantities` are those of `QUANTITIES`."""
    return {
        **{f"custom.{name}": value for name, value in custom.items()},
        **{f"per_class.{label}.{name}": value for label, each in per_class.items() for name, value in each.items()},
        **metrics,
        **{name: value for name, value in quantities.items() if value is not None},
    }
