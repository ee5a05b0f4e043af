"""Serializers of the curves of stored snapshots."""

from functools import cached_property

from rest_framework import serializers

from models_registry.api.fields import UTCDateTimeField
from models_registry.task_types.base import TaskType
from performance.snapshots.serializers import (
    ByTaskType,
    SerializerClass,
    make_serializer,
    snapshot_identity_fields,
)


class PointSerializer(serializers.Serializer[dict[str, float | None]]):
    """A point to draw. A response has thousands, so each value is only converted to its type."""

    def to_representation(self, instance: dict[str, float | None]) -> dict[str, float | None]:
        return {
            name: None if (value := instance[name]) is None else convert(value) for name, convert in self._converters
        }

    @cached_property
    def _converters(self) -> list[tuple[str, type[int] | type[float]]]:
        """The type of each value, by name."""
        return [
            (str(name), int if isinstance(field, serializers.IntegerField) else float)
            for name, field in self.fields.items()
        ]


class ROCPointSerializer(PointSerializer):
    """The error rates if examples with at least the threshold's score are predicted as the class."""

    false_positive_rate = serializers.FloatField(min_value=0, max_value=1)
    true_positive_rate = serializers.FloatField(min_value=0, max_value=1)
    threshold = serializers.FloatField(
        allow_null=True, help_text="The score; null if no example is predicted as the class."
    )


class PrecisionRecallPointSerializer(PointSerializer):
    """Precision and recall if examples with at least the threshold's score are predicted as the class."""

    recall = serializers.FloatField(min_value=0, max_value=1)
    precision = serializers.FloatField(min_value=0, max_value=1)
    threshold = serializers.FloatField(
        allow_null=True, help_text="The score; null if no example is predicted as the class."
    )


class CalibrationBinSerializer(PointSerializer):
    """The examples whose predicted class has a probability within a range."""

    lower = serializers.FloatField(min_value=0, max_value=1)
    upper = serializers.FloatField(min_value=0, max_value=1)
    confidence = serializers.FloatField(min_value=0, max_value=1, help_text="The mean probability.")
    accuracy = serializers.FloatField(min_value=0, max_value=1, help_text="The share that was predicted correctly.")
    count = serializers.IntegerField()


class ResidualBinSerializer(PointSerializer):
    """The examples whose residual, predicted - actual, is at least `lower` and less than `upper`."""

    lower = serializers.FloatField(help_text="In the target's unit; the same as `upper` if all residuals are the same.")
    upper = serializers.FloatField()
    count = serializers.IntegerField()


class PredictedVersusActualSerializer(PointSerializer):
    """The examples of one actual value, or of a small range of them."""

    actual = serializers.FloatField(help_text="The mean actual value.")
    predicted = serializers.FloatField(help_text="The mean predicted value.")
    count = serializers.IntegerField()


def curves_serializer(task_type: TaskType) -> SerializerClass:
    """Return the serializer of the curves for a task type. A curve that was not computed is empty."""
    class_curves = {
        "roc": _by_class(ROCPointSerializer, "ROC curves, by class."),
        "precision_recall": _by_class(PrecisionRecallPointSerializer, "Precision-recall curves, by class."),
        "calibration": CalibrationBinSerializer(many=True, read_only=True, default=list),
    }
    residual_curves = {
        "residual_histogram": ResidualBinSerializer(many=True, read_only=True, default=list),
        "predicted_versus_actual": PredictedVersusActualSerializer(many=True, read_only=True, default=list),
    }
    curves = (class_curves if task_type.has_classes else {}) | (residual_curves if task_type.has_residuals else {})
    fields = {
        "__doc__": f"The curves of a version on one split: {task_type.label.lower()}.",
        **snapshot_identity_fields(task_type),
        "curves": make_serializer(task_type, "Points", curves)(source="details.curves"),
        "evaluated_at": UTCDateTimeField(),
    }
    return make_serializer(task_type, "Curves", fields)


def _by_class(point: type[PointSerializer], help_text: str) -> serializers.DictField:
    return serializers.DictField(child=point(many=True), read_only=True, default=dict, help_text=help_text)


CURVES = ByTaskType("PerformanceCurves", curves_serializer, among=lambda task_type: task_type.has_curves)
