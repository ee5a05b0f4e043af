"""How snapshots are reported and shown, the answer by task type."""

from copy import deepcopy
from datetime import datetime
from functools import cache, cached_property
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.utils.urls import replace_query_param

from models_registry import task_types
from models_registry.api.fields import (
    MAX_NAME,
    BoundedDictField,
    BoundedListField,
    NumberField,
    StrictSerializer,
    TextField,
    UTCDateTimeField,
    UTCSecondsField,
    WholeNumberField,
)
from models_registry.registry import ids
from models_registry.task_types.base import TaskType
from performance.metrics.statistics.rates import Normalization
from performance.snapshots.metric_names import CUSTOM_NAME, CUSTOM_NAME_IS
from performance.snapshots.models import CLOCK_SKEW, DatasetSplit, Source
from performance.snapshots.selectors import MatrixPage
from performance.snapshots.serializers import ByTaskType, IntervalSerializer, metrics_serializer, named

MAX_COUNT = 2**63 - 1
MAX_CELL = 2**53
MAX_LABELS = 1000
MAX_METRICS = 100


@extend_schema_field({"type": "object", "additionalProperties": {"type": "number", "nullable": True}})
class ReportedMetricsField(BoundedDictField):
    """Metrics of the model's task type, by name, which are validated once the model is known."""


class CustomMetricsField(BoundedDictField):
    """Up to a hundred metrics of the reporter's own, by name: finite numbers."""

    child = NumberField()
    default_error_messages = {
        "name": f"A name is {CUSTOM_NAME_IS}.",
    }

    def to_internal_value(self, data: Any) -> dict[str, float]:
        """Return the metrics. Raises `ValidationError`."""
        metrics: dict[str, float] = super().to_internal_value(data)
        if bad := [name for name in metrics if not CUSTOM_NAME.fullmatch(name)]:
            message = serializers.ErrorDetail(str(self.error_messages["name"]), code="name")
            raise serializers.ValidationError({name[:MAX_NAME]: [message] for name in bad})
        return metrics


class CountsField(BoundedListField):
    """A row of counts, of which a matrix has so many that each is only looked at by itself when it is not one."""

    def run_child_validation(self, data: Any) -> list[Any]:
        """Return the counts. Raises `ValidationError`."""
        if all(type(count) is int and 0 <= count <= MAX_CELL for count in data):
            return list(data)
        return super().run_child_validation(data)


class ConfusionMatrixInput(StrictSerializer):
    """How often examples of each class were predicted as each class."""

    labels = BoundedListField(child=TextField(max_length=200), min_length=2, most=MAX_LABELS)
    counts = BoundedListField(
        child=CountsField(child=WholeNumberField(min_value=0, max_value=MAX_CELL), most=MAX_LABELS),
        most=MAX_LABELS,
        help_text="`counts[actual][predicted]`, in the order of the labels.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse repeated labels, and counts that are not one row and one column a label."""
        labels, counts = attrs["labels"], attrs["counts"]
        if len(set(labels)) < len(labels):
            raise serializers.ValidationError({"labels": "Each label may be given once."})
        if len(counts) != len(labels) or any(len(row) != len(labels) for row in counts):
            raise serializers.ValidationError({"counts": f"Must be {len(labels)} rows of {len(labels)} counts."})
        return attrs


class SnapshotInput(StrictSerializer):
    """The metrics of one evaluation of a version."""

    dataset_split = serializers.ChoiceField(DatasetSplit.choices)
    metrics = ReportedMetricsField(
        most=MAX_METRICS, help_text="Metrics of the task type; null or left out when not recorded."
    )
    custom_metrics = CustomMetricsField(
        most=MAX_METRICS, required=False, help_text="Metrics that the task type does not know."
    )
    sample_count = WholeNumberField(required=False, min_value=1, max_value=MAX_COUNT)
    confusion_matrix = ConfusionMatrixInput(required=False)
    evaluated_at = UTCDateTimeField(required=False, help_text="By default now.")

    def validate_evaluated_at(self, value: datetime) -> datetime:
        """Refuse the future: such a snapshot would stay the newest until then. A clock a little ahead is set back."""
        now = timezone.now().replace(microsecond=0)
        if value > now + CLOCK_SKEW:
            raise serializers.ValidationError("Must not be in the future.", code="future")
        return min(value, now)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a confusion matrix of another number of examples; take their number from it when it is not given."""
        if "confusion_matrix" in attrs:
            total = sum(map(sum, attrs["confusion_matrix"]["counts"]))
            if not 1 <= total <= MAX_COUNT or attrs.setdefault("sample_count", total) != total:
                raise serializers.ValidationError(
                    {"confusion_matrix": f"Its counts sum up to {total}, not sample_count."}
                )
        return attrs


class StoredListField(serializers.ListField):
    """A list that was validated when it was stored. It may have a million items: they are given out as they are."""

    def to_representation(self, data: Any) -> Any:
        """Return the list."""
        return data


class ConfusionMatrixSerializer(serializers.Serializer[Any]):
    """How often examples of each class were predicted as each class."""

    labels = StoredListField(child=serializers.CharField())
    counts = StoredListField(child=serializers.ListField(child=serializers.IntegerField()))


class NextRowsField(serializers.URLField):
    """The URL of the next rows of a matrix; null after the last."""

    def get_attribute(self, instance: MatrixPage) -> str | None:
        if instance.next_offset is None:
            return None
        return replace_query_param(self.context["url"], "offset", instance.next_offset)


class RatesField(StoredListField):
    """The counts of a matrix as shares of what the query's `normalize` names."""

    def get_attribute(self, instance: MatrixPage) -> list[list[float]]:
        return instance.rates(Normalization(self.context["normalize"]))


class StoredMatrixSerializer(serializers.Serializer[Any]):
    """The confusion matrix of a version on one split, with the shares that were asked for."""

    model_id = serializers.RegexField(rf"^{ids.MODEL_ID_PATTERN}$", source="snapshot.version.model_id")
    version_id = serializers.RegexField(rf"^{ids.VERSION_ID_PATTERN}$", source="snapshot.version.version_id")
    task_type = serializers.ChoiceField(
        [each.name for each in task_types.all_task_types() if each.has_classes],
        source="snapshot.version.model.task_type",
    )
    dataset_split = serializers.ChoiceField(DatasetSplit.values, source="snapshot.dataset_split")
    labels = StoredListField(child=serializers.CharField())
    offset = serializers.IntegerField(
        required=False,
        min_value=0,
        help_text="Only in a part of a large matrix: the label of the first row, from 0, as its place in `labels`.",
    )
    next = NextRowsField(
        required=False,
        allow_null=True,
        help_text="Only in a part of a large matrix: where its next rows are; null after the last.",
    )
    counts = StoredListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="`counts[actual][predicted]`, in the order of the labels.",
    )
    rates = RatesField(
        required=False,
        child=serializers.ListField(child=serializers.FloatField(min_value=0, max_value=1)),
        help_text="Only with `normalize`: the counts as shares.",
    )
    evaluated_at = UTCSecondsField(source="snapshot.evaluated_at")

    def get_fields(self) -> dict[str, Any]:
        """Return the fields: without the shares unless asked for, and without `next` of a whole matrix."""
        fields = super().get_fields()
        if "normalize" in self.context and self.context["normalize"] is None:
            del fields["rates"]
        if isinstance(self.instance, MatrixPage) and self.instance.is_whole:
            del fields["offset"], fields["next"]
        return fields


def detail(
    name: str, field: type[serializers.Field[Any, Any, Any, Any]], *, nullable: bool = True, **options: Any
) -> Any:
    """Return the field of what a snapshot's detail holds under a name."""
    return field(source=f"details.{name}", read_only=True, allow_null=nullable, **options)


class ProvenanceSerializer(serializers.Serializer[Any]):
    """Where the numbers of a snapshot come from."""

    source = serializers.ChoiceField(Source.values)  # type: ignore[assignment]  # a field of that name
    engine = detail("engine", serializers.CharField, help_text="What computed them here.")
    engine_version = detail("engine_version", serializers.CharField)
    dataset_digest = detail(
        "dataset_digest", serializers.CharField, help_text="Of the predictions that they were computed from."
    )
    predictions_digest = detail(
        "predictions_digest",
        serializers.CharField,
        help_text="Of what is kept of the predictions, to compare versions example by example; null where nothing is.",
    )
    created_by = serializers.CharField(allow_blank=True, help_text="The name of the user who stored them.")
    created_at = UTCSecondsField()


def snapshot_row_serializer(task_type: TaskType) -> type[serializers.Serializer[Any]]:
    """Return the serializer of a snapshot in a list: without its confusion matrix, of which a page had too much."""
    whole = snapshot_serializer(task_type)._declared_fields
    fields = {name: deepcopy(field) for name, field in whole.items() if name != "confusion_matrix"}
    return named(task_type, "SnapshotRow", {"__doc__": snapshot_serializer(task_type).__doc__, **fields})


@cache
def snapshot_serializer(task_type: TaskType) -> type[serializers.Serializer[Any]]:
    """Return the serializer of the snapshots of a task type's models."""
    fields = {
        "__doc__": f"The metrics of one evaluation: {task_type.label.lower()}.",
        "id": serializers.CharField(),
        **_identity(task_type),
        "metrics": metrics_serializer(task_type, further=True)(source="all_metrics"),
        "custom_metrics": detail(
            "custom_metrics", serializers.DictField, nullable=False, child=serializers.FloatField()
        ),
        "sample_count": serializers.IntegerField(allow_null=True),
        "confusion_matrix": detail("confusion_matrix", ConfusionMatrixSerializer),
        "source": serializers.ChoiceField(Source.values),
        "created_by": serializers.CharField(allow_blank=True),
        "created_at": UTCSecondsField(),
        "evaluated_at": UTCSecondsField(),
    }
    return named(task_type, "Snapshot", fields)


def report_serializer(task_type: TaskType) -> type[serializers.Serializer[Any]]:
    """Return the serializer of a whole snapshot of a task type's models."""
    by_class = serializers.DictField(child=serializers.FloatField())
    fields = {
        "__doc__": f"All that is known of how well a version does on one split: {task_type.label.lower()}.",
        **_identity(task_type),
        "metrics": metrics_serializer(task_type, further=True)(source="all_metrics"),
        "custom_metrics": detail(
            "custom_metrics", serializers.DictField, nullable=False, child=serializers.FloatField()
        ),
        "confidence_intervals": detail(
            "confidence_intervals",
            serializers.DictField,
            nullable=False,
            child=IntervalSerializer(),
            help_text="By metric; that of a class under `per_class.LABEL.METRIC`, where there are at most 50 classes.",
        ),
        "per_class": detail(
            "per_class", serializers.DictField, nullable=False, child=by_class, help_text="By class, then by metric."
        ),
        "sample_count": serializers.IntegerField(allow_null=True, help_text="The examples that were scored."),
        "row_count": detail(
            "row_count", serializers.IntegerField, help_text="All, with those left out for having no prediction."
        ),
        "misclassified_count": detail(
            "misclassified_count", serializers.IntegerField, help_text="All of them, of which the worst are listed."
        ),
        "positive_class": detail("positive_class", serializers.CharField),
        "averaging": detail("averaging", serializers.CharField),
        "provenance": ProvenanceSerializer(source="*"),
        "evaluated_at": UTCSecondsField(),
    }
    return named(task_type, "Report", fields)


class PointSerializer(serializers.Serializer[Any]):
    """A point to draw. There are thousands in an answer, so each value is only given its type."""

    def to_representation(self, instance: dict[str, float | None]) -> dict[str, Any]:
        return {name: None if instance[name] is None else convert(instance[name]) for name, convert in self._converters}

    @cached_property
    def _converters(self) -> list[tuple[str, Any]]:
        """What makes each value one of its type, by name."""
        return [
            (str(name), int if isinstance(field, serializers.IntegerField) else float)
            for name, field in self.fields.items()
        ]


class ROCPointSerializer(PointSerializer):
    """What comes of taking an example for the class from a score upwards: errors and hits."""

    false_positive_rate = serializers.FloatField(min_value=0, max_value=1)
    true_positive_rate = serializers.FloatField(min_value=0, max_value=1)
    threshold = serializers.FloatField(allow_null=True, help_text="The score; null where none is taken for the class.")


class PrecisionRecallPointSerializer(PointSerializer):
    """What comes of taking an example for the class from a score upwards: completeness and purity."""

    recall = serializers.FloatField(min_value=0, max_value=1)
    precision = serializers.FloatField(min_value=0, max_value=1)
    threshold = serializers.FloatField(allow_null=True, help_text="The score; null where none is taken for the class.")


class CalibrationBinSerializer(PointSerializer):
    """The examples whose predicted class was given a probability within a range."""

    lower = serializers.FloatField(min_value=0, max_value=1)
    upper = serializers.FloatField(min_value=0, max_value=1)
    confidence = serializers.FloatField(min_value=0, max_value=1, help_text="The mean probability.")
    accuracy = serializers.FloatField(min_value=0, max_value=1, help_text="The share that was predicted rightly.")
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


def curves_serializer(task_type: TaskType) -> type[serializers.Serializer[Any]]:
    """Return the serializer of the curves of a task type's models: all that there may be, empty where unknown."""
    of_classes = {
        "roc": _by_class(ROCPointSerializer, "ROC curves, by class."),
        "precision_recall": _by_class(PrecisionRecallPointSerializer, "Precision-recall curves, by class."),
        "calibration": CalibrationBinSerializer(many=True, read_only=True, default=list),
    }
    of_residuals = {
        "residual_histogram": ResidualBinSerializer(many=True, read_only=True, default=list),
        "predicted_versus_actual": PredictedVersusActualSerializer(many=True, read_only=True, default=list),
    }
    points = (of_classes if task_type.has_classes else {}) | (of_residuals if task_type.has_residuals else {})
    fields = {
        "__doc__": f"Curves of how a version does on one split: {task_type.label.lower()}.",
        **_identity(task_type),
        "curves": named(task_type, "Points", points)(source="details.curves"),
        "evaluated_at": UTCSecondsField(),
    }
    return named(task_type, "Curves", fields)


def _by_class(point: type[PointSerializer], meaning: str) -> Any:
    return serializers.DictField(child=point(many=True), read_only=True, default=dict, help_text=meaning)


def _identity(task_type: TaskType) -> dict[str, Any]:
    """Return the fields that say what a stored snapshot is of."""
    return {
        "model_id": serializers.RegexField(rf"^{ids.MODEL_ID_PATTERN}$", source="version.model_id"),
        "version_id": serializers.RegexField(rf"^{ids.VERSION_ID_PATTERN}$", source="version.version_id"),
        "task_type": serializers.ChoiceField([task_type.name], source="version.model.task_type"),
        "dataset_split": serializers.ChoiceField(DatasetSplit.values),
    }


SNAPSHOT = ByTaskType("Snapshot", snapshot_serializer)
SNAPSHOT_ROW = ByTaskType("SnapshotRow", snapshot_row_serializer)
REPORT = ByTaskType("PerformanceReport", report_serializer)
CURVES = ByTaskType("PerformanceCurves", curves_serializer, among=lambda task_type: task_type.has_curves)
