"""Serializers of the performance summary and of a metric's history; how serializers are made by task type."""

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers

from models_registry import task_types
from models_registry.api.fields import UTCDateTimeField
from models_registry.registry.fields import ModelIdField, VersionIdField
from models_registry.task_types.base import TaskType
from performance.metrics.statistics.intervals import Interval
from performance.snapshots.models import DatasetSplit, MetricSnapshot, Source

if TYPE_CHECKING:
    from performance.snapshots.selectors import FoundSnapshot

SerializerClass = type[serializers.Serializer[Any]]


class HistorySerializer(serializers.Serializer[Any]):
    """The value of a metric in one snapshot."""

    version_id = VersionIdField(source="version.version_id")
    value = serializers.SerializerMethodField("metric_value")
    sample_count = serializers.IntegerField(allow_null=True)
    source = serializers.ChoiceField(Source.values)  # type: ignore[assignment]  # a field of that name
    evaluated_at = UTCDateTimeField()

    def metric_value(self, snapshot: MetricSnapshot) -> float:
        """Return the value of the requested metric."""
        return float(snapshot.value_of(self.context["metric"]) or 0)


class MappingSerializer(serializers.Serializer[Any]):
    """A stored mapping, in the order of the fields.

    The fields' own methods are not called, as the values were validated when they were stored.
    """

    @cached_property
    def names(self) -> list[str]:
        """The names of the fields."""
        return [str(name) for name in self.fields]


class IntervalSerializer(MappingSerializer):
    """A confidence interval: where a value may lie, given that it was measured on a sample."""

    lower = serializers.FloatField()
    upper = serializers.FloatField()
    level = serializers.FloatField(help_text="The confidence level, such as 0.95.")
    method = serializers.CharField()

    def to_representation(self, instance: Interval | Mapping[str, object]) -> dict[str, object]:
        document = instance.as_document() if isinstance(instance, Interval) else instance
        return {name: document.get(name) for name in self.names}


class MetricsSerializer(MappingSerializer):
    """All metrics of a task type, in its order. A metric that was not recorded is null."""

    def to_representation(self, instance: dict[str, float]) -> dict[str, float | None]:
        return {name: None if (value := instance.get(name)) is None else float(value) for name in self.names}


@cache
def metrics_serializer(task_type: TaskType, *, further: bool = False) -> type[MetricsSerializer]:
    """Return the serializer of a task type's summary metrics or, with `further`, of all its metrics."""
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


class SummarySerializer(serializers.Serializer["FoundSnapshot"]):
    """The performance summary. A subclass for each task type declares its fields.

    The fields' own methods are not called: they would take as long as the statement, and have nothing to convert.
    """

    def to_representation(self, instance: "FoundSnapshot") -> dict[str, object]:
        return {
            "model_id": instance.model_id,
            "version_id": instance.version_id,
            "task_type": instance.task_type,
            "dataset_split": instance.dataset_split,
            "metrics": self.fields["metrics"].to_representation(instance.metrics),
            "evaluated_at": self.fields["evaluated_at"].to_representation(instance.evaluated_at),
        }


def make_serializer(
    task_type: TaskType, kind: str, attributes: Mapping[str, object], base: SerializerClass = serializers.Serializer
) -> SerializerClass:
    """Return a serializer class with these attributes, whose name is made of the task type and the kind."""
    return type(f"{_camel(task_type)}{kind}Serializer", (base,), dict(attributes))


def identity_fields(task_type: TaskType) -> dict[str, object]:
    """Return the fields that identify the model, the version and the split."""
    return {
        "model_id": ModelIdField(),
        "version_id": VersionIdField(),
        "task_type": serializers.ChoiceField([task_type.name]),
        "dataset_split": serializers.ChoiceField(DatasetSplit.values),
    }


def snapshot_identity_fields(task_type: TaskType) -> dict[str, object]:
    """Return the same fields for a `MetricSnapshot`."""
    return {
        "model_id": ModelIdField(source="version.model_id"),
        "version_id": VersionIdField(source="version.version_id"),
        "task_type": serializers.ChoiceField([task_type.name], source="version.model.task_type"),
        "dataset_split": serializers.ChoiceField(DatasetSplit.values),
    }


def summary_serializer(task_type: TaskType) -> SerializerClass:
    """Return the serializer of the performance summary for a task type."""
    fields = {
        **identity_fields(task_type),
        "__doc__": f"The summary metrics of a version on one split: {task_type.label.lower()}.",
        "metrics": metrics_serializer(task_type)(),
        "evaluated_at": UTCDateTimeField(),
    }
    return make_serializer(task_type, "Summary", fields, SummarySerializer)


class TaskTypeProxySerializer(PolymorphicProxySerializer):
    """A component for each task type. The library's own class keeps the task types that it finds first."""

    @property
    def serializers(self) -> Any:
        return self._serializers()

    @serializers.setter
    def serializers(self, value: Any) -> None:
        self._serializers = value


class ByTaskType:
    """The serializers of one kind of response, by the name of the task type.

    Args:
        name: the name of the response in the OpenAPI document.
        make: returns the serializer of a task type.
        among: says which task types have such a response; by default all.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[TaskType], SerializerClass],
        among: Callable[[TaskType], bool] = lambda _: True,
    ) -> None:
        self._among = among
        self._make = cache(make)
        self.one, self.many = self._any(name, many=False), self._any(name, many=True)

    def __getitem__(self, task_type: str) -> SerializerClass:
        """Return the serializer of a task type."""
        return self._make(task_types.get(task_type))

    def all(self) -> dict[str, serializers.Serializer[Any] | SerializerClass]:
        """Return the serializer of each task type that has such a response."""
        return {each.name: self[each.name] for each in task_types.all_task_types() if self._among(each)}

    def _any(self, name: str, *, many: bool) -> TaskTypeProxySerializer:
        return TaskTypeProxySerializer(
            component_name=name, serializers=self.all, resource_type_field_name="task_type", many=many
        )


@cache
def shared_serializer(serializer_class: SerializerClass) -> serializers.Serializer[Any]:
    """Return one instance of a serializer for all records: it keeps no state, and creating one takes long."""
    return serializer_class()


SUMMARY = ByTaskType("PerformanceSummary", summary_serializer)


def _camel(task_type: TaskType) -> str:
    return task_type.name.title().replace("_", "")
