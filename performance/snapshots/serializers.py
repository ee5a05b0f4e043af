"""How performance is asked for and answered, the answer by task type."""

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers

from models_registry import task_types
from models_registry.api.fields import UTCSecondsField
from models_registry.registry import ids
from models_registry.task_types.base import TaskType
from performance.snapshots.models import DatasetSplit, MetricSnapshot, Source


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


class MetricsSerializer(serializers.Serializer[Any]):
    """Metrics of a task type, always all of them and in its order; one that was not recorded is null."""

    def to_representation(self, instance: dict[str, float]) -> dict[str, float | None]:
        return {name: None if (value := instance.get(name)) is None else float(value) for name in self._names}

    @cached_property
    def _names(self) -> list[str]:
        return [str(name) for name in self.fields]


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


def identity_fields(task_type: TaskType) -> dict[str, Any]:
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
        **identity_fields(task_type),
        "__doc__": f"How well a model's version does on one split: {task_type.label.lower()}.",
        "metrics": metrics_serializer(task_type)(),
        "evaluated_at": UTCSecondsField(),
    }
    return named(task_type, "Summary", fields)


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
        make: Callable[[TaskType], type[serializers.Serializer[Any]]],
        among: Callable[[TaskType], bool] = lambda _: True,
    ) -> None:
        self._among = among
        self._make = cache(make)
        self.one, self.many = self._any(name, many=False), self._any(name, many=True)

    def __getitem__(self, task_type: str) -> type[serializers.Serializer[Any]]:
        """Return the serializer of a task type."""
        return self._make(task_types.get(task_type))

    def all(self) -> dict[str, serializers.Serializer[Any] | type[serializers.Serializer[Any]]]:
        """Return the serializer of each task type that has such a response."""
        return {each.name: self[each.name] for each in task_types.all_task_types() if self._among(each)}

    def _any(self, name: str, *, many: bool) -> Any:
        return PolymorphicProxySerializer(
            component_name=name, serializers=self.all, resource_type_field_name="task_type", many=many
        )


@cache
def shared_serializer(serializer_class: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """Return one instance of a serializer for all records: it keeps no state, and creating one takes long."""
    return serializer_class()


SUMMARY = ByTaskType("PerformanceSummary", summary_serializer)


def _camel(task_type: TaskType) -> str:
    return task_type.name.title().replace("_", "")
