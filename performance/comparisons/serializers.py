"""The query and the body of a comparison."""

from typing import Any

from rest_framework import serializers

from models_registry.api.fields import UTCDateTimeField
from models_registry.registry import ids
from models_registry.task_types.base import TaskType
from performance.metrics.comparison import Change, PairingStatus
from performance.snapshots.query_serializers import PerformanceQuerySerializer
from performance.snapshots.serializers import ByTaskType, IntervalSerializer, identity_fields, named


class ComparisonQuerySerializer(PerformanceQuerySerializer):
    """The query parameters of a comparison."""

    baseline_version_id = serializers.RegexField(
        rf"^{ids.VERSION_ID_PATTERN}\Z",
        required=False,
        trim_whitespace=False,
        help_text="The version to compare with; by default the promoted one.",
        error_messages={"invalid": "Must be a version id such as ver-00001."},
    )


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


def comparison_serializer(task_type: TaskType) -> type[serializers.Serializer[Any]]:
    """Return the serializer of the comparison of two versions of a task type's models."""
    metrics = {metric.name: MetricComparisonSerializer(help_text=metric.definition) for metric in task_type.metrics}
    fields = {
        **identity_fields(task_type),
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
        "evaluated_at": UTCDateTimeField(),
        "baseline_evaluated_at": UTCDateTimeField(),
    }
    return named(task_type, "Comparison", fields)


COMPARISON = ByTaskType("PerformanceComparison", comparison_serializer)
