"""Serializers of a comparison: its query parameters and its response."""

from rest_framework import serializers

from models_registry.api.fields import UTCDateTimeField
from models_registry.registry.fields import VersionIdField
from models_registry.task_types.base import TaskType
from performance.metrics.comparison import Change, MetricComparison, PairingStatus
from performance.snapshots.query_serializers import PerformanceQuerySerializer
from performance.snapshots.serializers import (
    ByTaskType,
    IntervalSerializer,
    SerializerClass,
    identity_fields,
    make_serializer,
)


class ComparisonQuerySerializer(PerformanceQuerySerializer):
    """The query parameters of a comparison."""

    baseline_version_id = VersionIdField(
        required=False,
        trim_whitespace=False,
        help_text="The version to compare with; by default the promoted one.",
    )


class MetricComparisonSerializer(serializers.Serializer[MetricComparison]):
    """How a metric differs between two snapshots."""

    value = serializers.FloatField(allow_null=True)
    baseline_value = serializers.FloatField(allow_null=True)
    difference = serializers.FloatField(allow_null=True, help_text="The value minus the baseline's.")
    relative_change = serializers.FloatField(
        allow_null=True, help_text="The difference as a fraction of the baseline's magnitude; null for a baseline of 0."
    )
    direction = serializers.ChoiceField(
        list(Change),
        help_text=(
            "`improved` or `regressed`: the value is better or worse, and the interval of the difference does not "
            "contain 0; without an interval, the two values alone decide. "
            "`unchanged`: the values are equal, but the difference may lie anywhere in its interval, unless the "
            "method is `identical`. `inconclusive`: the interval contains 0, so chance alone may explain the "
            "difference; or a value is missing, or the values are not comparable."
        ),
    )
    confidence_interval = IntervalSerializer(
        allow_null=True,
        read_only=True,
        help_text=(
            "The interval of the difference. It is paired if both versions were evaluated on the same examples; "
            "otherwise it is `independent`, if both metrics have an interval."
        ),
    )
    detail = serializers.CharField(
        allow_null=True,
        help_text=(
            "What limits the result: why a value is missing, why the values are not comparable, why the difference "
            "has no interval or no paired one, or that equal values may still differ. Null if nothing does."
        ),
    )


def comparison_serializer(task_type: TaskType) -> SerializerClass:
    """Return the serializer of a comparison of two versions for a task type."""
    metrics = {metric.name: MetricComparisonSerializer(help_text=metric.definition) for metric in task_type.metrics}
    fields = {
        **identity_fields(task_type),
        "__doc__": f"The differences between two versions of a model on one split: {task_type.label.lower()}.",
        "baseline_version_id": VersionIdField(),
        "metrics": make_serializer(task_type, "Comparisons", metrics)(),
        "pairing": serializers.ChoiceField(
            list(PairingStatus),
            help_text=(
                "Whether the two were compared example by example. While it is `pending`, the intervals are those of "
                "independent samples: ask again. `unavailable` means that they cannot be: see `pairing_detail`."
            ),
        ),
        "pairing_detail": serializers.CharField(
            allow_null=True,
            help_text=(
                "Why the two cannot be compared example by example: the predictions of one are not stored, the "
                "examples or the options of the evaluation differ, the examples give no paired interval, or the "
                "comparison failed. Null unless `pairing` is `unavailable`."
            ),
        ),
        "evaluated_at": UTCDateTimeField(),
        "baseline_evaluated_at": UTCDateTimeField(),
    }
    return make_serializer(task_type, "Comparison", fields)


COMPARISON = ByTaskType("PerformanceComparison", comparison_serializer)
