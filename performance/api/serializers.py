"""How performance is asked for and answered, the answer by task type."""

from collections.abc import Callable
from functools import cache
from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers

from models_registry import ids, task_types
from models_registry.api.pagination import MAX_PAGE_SIZE
from models_registry.serializers import UTCSecondsField
from models_registry.task_types import TaskType
from performance.comparison import Change, PairingStatus
from performance.evaluation.rates import Normalization
from performance.models import DatasetSplit, MetricSnapshot, Source

MAX_OFFSET = 999_999  # a number that any database takes


class PerformanceQuerySerializer(serializers.Serializer[Any]):
    """The query parameters of every read of performance."""

    version_id = serializers.RegexField(
        rf"^{ids.VERSION_ID_PATTERN}\Z",
        required=False,
        trim_whitespace=False,
        help_text="A version of this model; by default the promoted one.",
        error_messages={"invalid": "Must be a version id such as ver-00001."},
    )
    dataset_split = serializers.ChoiceField(
        DatasetSplit.values,
        default=DatasetSplit.TEST.value,
        help_text="The split that the metrics were measured on.",
        error_messages={"invalid_choice": f"Must be one of {', '.join(DatasetSplit.values)}, in lower case."},
    )


class ComparisonQuerySerializer(PerformanceQuerySerializer):
    """The query parameters of a comparison."""

    baseline_version_id = serializers.RegexField(
        rf"^{ids.VERSION_ID_PATTERN}\Z",
        required=False,
        trim_whitespace=False,
        help_text="The version to compare with; by default the promoted one.",
        error_messages={"invalid": "Must be a version id such as ver-00001."},
    )


class ConfusionMatrixQuerySerializer(PerformanceQuerySerializer):
    """The query parameters of a confusion matrix."""

    normalize = serializers.ChoiceField(
        list(Normalization),
        required=False,
        help_text="Adds `rates`: the counts as shares of their row (`actual`), of their column, or of all.",
        error_messages={"invalid_choice": f"Must be one of {', '.join(Normalization)}, in lower case."},
    )
    offset = serializers.IntegerField(
        default=0,
        min_value=0,
        max_value=MAX_OFFSET,
        help_text="Of a large matrix: the first row to answer with, from 0, as `next` has it.",
    )


class PageQuerySerializer(PerformanceQuerySerializer):
    """The query parameters of a list."""

    cursor = serializers.CharField(
        required=False, help_text="Where the page begins: from `next` or `previous` of another."
    )
    page_size = serializers.IntegerField(
        default=50, min_value=1, max_value=MAX_PAGE_SIZE, help_text="How many rows a page has."
    )


class ConfidenceField(serializers.FloatField):
    """A probability. The library's own field takes `nan` for a number, which is below no bound."""

    def to_internal_value(self, data: Any) -> float:
        """Return the probability. Raises `ValidationError`."""
        value = super().to_internal_value(data)
        if not 0 <= value <= 1:
            raise serializers.ValidationError("Must be a number from 0 to 1.", code="invalid")
        return value


class MisclassificationQuerySerializer(PageQuerySerializer):
    """The query parameters of the wrongly predicted examples."""

    actual = serializers.CharField(
        required=False, allow_blank=True, trim_whitespace=False, help_text="Only examples of this class."
    )
    predicted = serializers.CharField(
        required=False, allow_blank=True, trim_whitespace=False, help_text="Only examples predicted as this class."
    )
    min_confidence = ConfidenceField(
        required=False, min_value=0, max_value=1, help_text="Only examples predicted with so much confidence or more."
    )


class MisclassificationSerializer(serializers.Serializer[Any]):
    """An example of one class that was predicted as another."""

    example_id = serializers.CharField(allow_null=True, help_text="Its id, where the predictions had ids.")
    actual = serializers.CharField()
    predicted = serializers.CharField()
    confidence = serializers.FloatField(allow_null=True, help_text="The probability given to the predicted class.")
    attributes = serializers.DictField(child=serializers.CharField(allow_null=True), source="named_attributes")


class ResidualSerializer(serializers.Serializer[Any]):
    """An example with a large error."""

    example_id = serializers.CharField(allow_null=True, help_text="Its id, where the predictions had ids.")
    actual = serializers.FloatField()
    predicted = serializers.FloatField()
    residual = serializers.FloatField(help_text="predicted - actual, in the target's unit.")
    attributes = serializers.DictField(child=serializers.CharField(allow_null=True), source="named_attributes")


class HistoryQuerySerializer(PageQuerySerializer):
    """The query parameters of a metric's history."""

    metric = serializers.CharField(
        max_length=100, trim_whitespace=False, help_text="A summary metric of the task type, or a custom one."
    )
    version_id = serializers.RegexField(
        rf"^{ids.VERSION_ID_PATTERN}\Z",
        required=False,
        trim_whitespace=False,
        help_text="A version of this model; by default all that are completed.",
        error_messages={"invalid": "Must be a version id such as ver-00001."},
    )


class HistorySerializer(serializers.Serializer[Any]):
    """A metric as one snapshot has it."""

    version_id = serializers.RegexField(rf"^{ids.VERSION_ID_PATTERN}$", source="version.version_id")
    value = serializers.SerializerMethodField("recorded")
    sample_count = serializers.IntegerField(allow_null=True)
    source = serializers.ChoiceField(Source.values)  # type: ignore[assignment]  # a field of that name
    evaluated_at = UTCSecondsField()

    def recorded(self, snapshot: MetricSnapshot) -> float:
        """Return the metric that is asked for."""
        return float(snapshot.value_of(self.context["metric"]) or 0)


class IntervalSerializer(serializers.Serializer[Any]):
    """What a metric may be, considering that only a sample was seen."""

    lower = serializers.FloatField()
    upper = serializers.FloatField()
    level = serializers.FloatField(help_text="The confidence level, such as 0.95.")
    method = serializers.CharField()


class MetricComparisonSerializer(serializers.Serializer[Any]):
    """How a metric differs between two snapshots."""

    value = serializers.FloatField(allow_null=True)
    baseline_value = serializers.FloatField(allow_null=True)
    difference = serializers.FloatField(allow_null=True, help_text="The value minus the baseline's.")
    relative_change = serializers.FloatField(
        allow_null=True, help_text="The difference as a fraction of the baseline's magnitude; null for a baseline of 0."
    )
    direction = serializers.ChoiceField(list(Change), help_text="Better and worse as the metric has it.")
    confidence_interval = IntervalSerializer(
        allow_null=True,
        read_only=True,
        help_text=(
            "Of the difference: paired where both were evaluated on the same examples, else `independent`, where both "
            "snapshots carry an interval. If 0 is within, the direction is inconclusive."
        ),
    )


class MetricsSerializer(serializers.Serializer[Any]):
    """Metrics of a task type, always all of them and in its order; one that was not recorded is null."""

    def to_representation(self, instance: dict[str, float]) -> dict[str, float | None]:
        recorded = ((str(name), instance.get(str(name))) for name in self.fields)
        return {name: None if value is None else float(value) for name, value in recorded}


@cache
def metrics_serializer(task_type: TaskType, *, further: bool = False) -> type[serializers.Serializer[Any]]:
    """Return the serializer of a task type's summary metrics, or of all, each null when it was not recorded."""
    fields = {
        metric.name: serializers.FloatField(
            allow_null=True,
            label=metric.label,
            help_text=f"{metric.definition} {metric.direction.capitalize()} is better.",
            min_value=metric.lower,
            max_value=metric.upper,
        )
        for metric in (task_type.all_metrics if further else task_type.metrics)
    }
    return type(f"{_camel(task_type)}{'All' if further else ''}MetricsSerializer", (MetricsSerializer,), fields)


def named(task_type: TaskType, kind: str, fields: dict[str, Any]) -> type[serializers.Serializer[Any]]:
    """Return a serializer of these fields, named after the task type and what it shows."""
    return type(f"{_camel(task_type)}{kind}Serializer", (serializers.Serializer,), fields)


def _identity(task_type: TaskType) -> dict[str, Any]:
    """Return the fields that say what an answer is about."""
    return {
        "model_id": serializers.RegexField(rf"^{ids.MODEL_ID_PATTERN}$"),
        "version_id": serializers.RegexField(rf"^{ids.VERSION_ID_PATTERN}$"),
        "task_type": serializers.ChoiceField([task_type.name]),
        "dataset_split": serializers.ChoiceField(DatasetSplit.values),
    }


def summary_serializer(task_type: TaskType) -> type[serializers.Serializer[Any]]:
    """Return the serializer of the performance summary of a task type's models."""
    fields = {
        **_identity(task_type),
        "__doc__": f"How well a model's version does on one split: {task_type.label.lower()}.",
        "metrics": metrics_serializer(task_type)(),
        "evaluated_at": UTCSecondsField(),
    }
    return named(task_type, "Summary", fields)


def comparison_serializer(task_type: TaskType) -> type[serializers.Serializer[Any]]:
    """Return the serializer of the comparison of two versions of a task type's models."""
    metrics = {metric.name: MetricComparisonSerializer(help_text=metric.definition) for metric in task_type.metrics}
    fields = {
        **_identity(task_type),
        "__doc__": f"How two versions of a model differ on one split: {task_type.label.lower()}.",
        "baseline_version_id": serializers.RegexField(rf"^{ids.VERSION_ID_PATTERN}$"),
        "metrics": named(task_type, "Comparisons", metrics)(),
        "pairing": serializers.ChoiceField(
            list(PairingStatus),
            help_text=(
                "Whether the two were compared example by example. While that is `pending`, the intervals are of "
                "independent samples: ask again. `unavailable` means that the same examples were not kept of both, "
                "that the metrics were taken in different ways, or that the comparison failed."
            ),
        ),
        "evaluated_at": UTCSecondsField(),
        "baseline_evaluated_at": UTCSecondsField(),
    }
    return named(task_type, "Comparison", fields)


class ByTaskType:
    """A serializer for each task type, which `make` returns, and `one` or `many` of any of them, called `name`.

    `among` says for which task types there is one, by default for all.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[TaskType], type[serializers.Serializer[Any]]],
        among: Callable[[TaskType], bool] = lambda _: True,
    ) -> None:
        self.among = among
        self.make = cache(make)
        # One serves for all records of a task type: it keeps nothing of what it represents.
        self.of = cache(lambda task_type: self.make(task_type)())
        self.one, self.many = self._any(name, many=False), self._any(name, many=True)

    def represent(self, record: Any, task_type: str) -> dict[str, Any]:
        """Return a record as its task type has it."""
        representation: dict[str, Any] = self.of(task_types.get(task_type)).to_representation(record)
        return representation

    def all(self) -> dict[str, serializers.Serializer[Any] | type[serializers.Serializer[Any]]]:
        """Return the serializer for each task type, by name."""
        return {each.name: self.make(each) for each in task_types.all_task_types() if self.among(each)}

    def _any(self, name: str, *, many: bool) -> Any:
        return PolymorphicProxySerializer(
            component_name=name, serializers=self.all, resource_type_field_name="task_type", many=many
        )


SUMMARY = ByTaskType("PerformanceSummary", summary_serializer)
COMPARISON = ByTaskType("PerformanceComparison", comparison_serializer)


def _camel(task_type: TaskType) -> str:
    return task_type.name.title().replace("_", "")
