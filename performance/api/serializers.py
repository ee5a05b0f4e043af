"""How performance is asked for and answered, the answer by task type."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers
from rest_framework.request import Request

from models_registry import ids, task_types
from models_registry.exceptions import InvalidParameterError, UnknownParameterError
from models_registry.serializers import MAX_NAME, faults
from models_registry.task_types import TaskType
from performance.models import DatasetSplit


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


def parse_query(request: Request, serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    """Return the query's parameters, validated. Raises `UnknownParameterError` or `InvalidParameterError`."""
    given = request.query_params
    known = ", ".join(serializer.fields)
    unknown = [
        (name[:MAX_NAME], "unknown", f"Unknown parameter; use {known}.")
        for name in given
        if name not in serializer.fields
    ]
    repeated = [
        (name[:MAX_NAME], "repeated", "Give this parameter once.") for name in given if len(given.getlist(name)) > 1
    ]
    if unknown:
        raise UnknownParameterError("This route has no such query parameter; `errors` names it.", unknown + repeated)
    try:
        values: dict[str, Any] = serializer.run_validation(given.dict())
    except serializers.ValidationError as error:
        invalid = list(faults(error.detail))
        raise InvalidParameterError("A query parameter is not valid; `errors` says why.", invalid + repeated) from None
    if repeated:
        raise InvalidParameterError("A query parameter is repeated; `errors` names it.", repeated)
    return values


class UTCSecondsField(serializers.DateTimeField):
    """A moment in UTC, in whole seconds (RFC 3339): `2026-03-13T14:22:10Z`."""

    def to_representation(self, value: datetime) -> str:
        return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


class MetricsSerializer(serializers.Serializer[Any]):
    """Metrics of a task type, always all of them and in its order; one that was not recorded is null."""

    def to_representation(self, instance: dict[str, float]) -> dict[str, float | None]:
        recorded = ((str(name), instance.get(str(name))) for name in self.fields)
        return {name: None if value is None else float(value) for name, value in recorded}


def metrics_serializer(task_type: TaskType) -> type[serializers.Serializer[Any]]:
    """Return the serializer of a task type's summary metrics, each null when it was not recorded."""
    fields = {
        metric.name: serializers.FloatField(
            allow_null=True,
            label=metric.label,
            help_text=f"{metric.definition} {metric.direction.capitalize()} is better.",
            min_value=metric.lower,
            max_value=metric.upper,
        )
        for metric in task_type.metrics
    }
    return type(f"{_camel(task_type)}MetricsSerializer", (MetricsSerializer,), fields)


def summary_serializer(task_type: TaskType) -> type[serializers.Serializer[Any]]:
    """Return the serializer of the performance summary of a task type's models."""
    fields = {
        "__doc__": f"How well a model's version does on one split: {task_type.label.lower()}.",
        "model_id": serializers.RegexField(rf"^{ids.MODEL_ID_PATTERN}$"),
        "version_id": serializers.RegexField(rf"^{ids.VERSION_ID_PATTERN}$"),
        "task_type": serializers.ChoiceField([task_type.name]),
        "dataset_split": serializers.ChoiceField(DatasetSplit.values),
        "metrics": metrics_serializer(task_type)(),
        "evaluated_at": UTCSecondsField(),
    }
    return type(f"{_camel(task_type)}SummarySerializer", (serializers.Serializer,), fields)


@cache
def _summary_of(task_type: TaskType) -> serializers.Serializer[Any]:
    """Return the one serializer of all summaries of a task type: it keeps nothing of what it represents."""
    return summary_serializer(task_type)()


def represent_summary(snapshot: Any) -> dict[str, Any]:
    """Return the summary of a snapshot, as the task type of its model has it."""
    representation: dict[str, Any] = _summary_of(task_types.get(snapshot.task_type)).to_representation(snapshot)
    return representation


def summary_serializers() -> dict[str, serializers.Serializer[Any] | type[serializers.Serializer[Any]]]:
    """Return the serializer of the performance summary for each task type, by name."""
    return {task_type.name: summary_serializer(task_type) for task_type in task_types.all_task_types()}


ANY_SUMMARY = PolymorphicProxySerializer("PerformanceSummary", summary_serializers, "task_type")


def _camel(task_type: TaskType) -> str:
    return task_type.name.title().replace("_", "")
