"""Serializers of stored snapshots: what a client reports, and the report, confusion matrix and curves."""

from copy import deepcopy
from datetime import datetime
from functools import cache, cached_property
from typing import Any, Unpack

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.utils.urls import replace_query_param

from models_registry import task_types
from models_registry.api.fields import (
    MAX_QUOTED_NAME,
    ONE_LINE,
    BoundedDictField,
    BoundedListField,
    FieldOptions,
    StrictCharField,
    StrictFloatField,
    StrictIntegerField,
    StrictSerializer,
    UTCDateTimeField,
)
from models_registry.registry.fields import ModelIdField, VersionIdField
from models_registry.task_types.base import TaskType
from performance.metrics.inputs.options import AVERAGINGS, MAX_K
from performance.metrics.statistics.intervals import CONFIDENCE_LEVEL, Interval
from performance.metrics.statistics.rates import Normalization
from performance.snapshots.fields import DatasetNameField
from performance.snapshots.metric_names import CUSTOM_NAME, CUSTOM_NAME_IS
from performance.snapshots.models import CLOCK_SKEW, DatasetSplit, MetricSnapshot, SnapshotSlice, Source
from performance.snapshots.selectors import MatrixPage
from performance.snapshots.serializers import (
    ByTaskType,
    IntervalSerializer,
    SerializerClass,
    make_serializer,
    metrics_serializer,
)

MAX_COUNT = 2**63 - 1
MAX_CELL = 2**53
MAX_LABELS = 1000
MAX_METRICS = 100
MAX_LABEL = 200  # characters
MAX_INTERVALS = 1000
MAX_METHOD = 100  # characters

AnyField = serializers.Field[Any, Any, Any, Any]


@extend_schema_field({"type": "object", "additionalProperties": {"type": "number", "nullable": True}})
class ReportedMetricsField(BoundedDictField):
    """Metrics of the model's task type, by name. They are validated later, when the model is known."""


class CustomMetricsField(BoundedDictField):
    """Up to a hundred custom metrics, by name: finite numbers."""

    child = StrictFloatField()
    default_error_messages = {
        "name": f"A name is {CUSTOM_NAME_IS}.",
    }

    def to_internal_value(self, data: object) -> dict[str, float]:
        """Return the metrics. Raises `ValidationError`."""
        metrics: dict[str, float] = super().to_internal_value(data)
        if invalid := [name for name in metrics if not CUSTOM_NAME.fullmatch(name)]:
            message = serializers.ErrorDetail(str(self.error_messages["name"]), code="name")
            raise serializers.ValidationError({name[:MAX_QUOTED_NAME]: [message] for name in invalid})
        return metrics


class CountsField(BoundedListField):
    """A row of counts. A matrix may have a million: each is validated by itself only if the row has an invalid one."""

    def run_child_validation(self, data: Any) -> list[Any]:
        """Return the counts. Raises `ValidationError`."""
        if all(type(count) is int and 0 <= count <= MAX_CELL for count in data):
            return list(data)
        return super().run_child_validation(data)


class ConfusionMatrixInput(StrictSerializer):
    """How often examples of each class were predicted as each class."""

    labels = BoundedListField(child=StrictCharField(max_length=MAX_LABEL), min_length=2, max_length=MAX_LABELS)
    counts = BoundedListField(
        child=CountsField(child=StrictIntegerField(min_value=0, max_value=MAX_CELL), max_length=MAX_LABELS),
        max_length=MAX_LABELS,
        help_text="`counts[actual][predicted]`, in the order of the labels.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse repeated labels, and counts without exactly one row and one column for each label."""
        labels, counts = attrs["labels"], attrs["counts"]
        if len(set(labels)) < len(labels):
            raise serializers.ValidationError({"labels": "Each label may be given once."})
        if len(counts) != len(labels) or any(len(row) != len(labels) for row in counts):
            raise serializers.ValidationError({"counts": f"Must be {len(labels)} rows of {len(labels)} counts."})
        return attrs


class DatasetInput(StrictSerializer):
    """The dataset that metrics were measured on."""

    name = DatasetNameField()
    version = DatasetNameField(required=False)
    digest = serializers.RegexField(
        r"^[0-9a-f]{64}\Z",
        required=False,
        help_text="The SHA-256 of the examples, as 64 hexadecimal digits in lower case.",
        error_messages={"invalid": "Must be 64 hexadecimal digits in lower case."},
    )


class IntervalInput(StrictSerializer):
    """A confidence interval that someone reports. Rules judge 95% intervals, so there are no others."""

    lower = StrictFloatField()
    upper = StrictFloatField()
    level = StrictFloatField(default=CONFIDENCE_LEVEL)
    method = StrictCharField(default="reported", max_length=MAX_METHOD, validators=[ONE_LINE])

    def validate_level(self, value: float) -> float:
        """Refuse other levels: an interval of another level cannot be converted without knowing its method."""
        if value != CONFIDENCE_LEVEL:
            raise serializers.ValidationError(
                f"Must be {CONFIDENCE_LEVEL}. Report that interval, or the standard error instead."
            )
        return value

    def validate(self, attrs: dict[str, Any]) -> Interval:
        """Return the interval. Raises `ValidationError` if its ends are swapped."""
        if attrs["lower"] > attrs["upper"]:
            raise serializers.ValidationError({"lower": f"Must be at most `upper`, which is {attrs['upper']!r}."})
        return Interval(**attrs)


class ClassMetricsField(BoundedDictField):
    """Metrics by class, then by name: at most a thousand classes, with labels of at most 200 characters."""

    default_error_messages = {"label": "A label has 1 to {max_length} characters."}

    def __init__(self, **options: Unpack[FieldOptions]) -> None:
        metrics = BoundedDictField(child=StrictFloatField(), max_length=MAX_METRICS)
        super().__init__(child=metrics, max_length=MAX_LABELS, **options)

    def to_internal_value(self, data: object) -> dict[str, dict[str, float]]:
        """Return the metrics. Raises `ValidationError`."""
        classes: dict[str, dict[str, float]] = super().to_internal_value(data)
        if any(not 1 <= len(label) <= MAX_LABEL for label in classes):
            self.fail("label", max_length=MAX_LABEL)
        return classes


class EvaluationOptionsInput(StrictSerializer):
    """How the metrics were computed. Which options mean something follows from the task type."""

    positive_class = StrictCharField(required=False, max_length=MAX_LABEL)
    averaging = serializers.ChoiceField(AVERAGINGS, required=False)
    threshold = StrictFloatField(required=False)
    k = StrictIntegerField(required=False, min_value=1, max_value=MAX_K)


class SnapshotInput(StrictSerializer):
    """The metrics of one evaluation of a version."""

    dataset_split = serializers.ChoiceField(DatasetSplit.choices)
    metrics = ReportedMetricsField(
        max_length=MAX_METRICS, help_text="Metrics of the task type. Omit a metric that was not recorded, or send null."
    )
    custom_metrics = CustomMetricsField(
        max_length=MAX_METRICS, required=False, help_text="Metrics that the task type does not know."
    )
    sample_count = StrictIntegerField(required=False, min_value=1, max_value=MAX_COUNT)
    confusion_matrix = ConfusionMatrixInput(
        required=False,
        help_text="Metrics that follow from it are added. A metric that contradicts it is refused.",
    )
    evaluated_at = UTCDateTimeField(required=False, help_text="By default now.")
    dataset = DatasetInput(required=False, help_text="By default the primary dataset, which has no name.")
    confidence_intervals = BoundedDictField(
        child=IntervalInput(),
        max_length=MAX_INTERVALS,
        required=False,
        help_text="95% intervals, by metric, such as `accuracy` or `per_class.LABEL.recall`.",
    )
    standard_errors = BoundedDictField(
        child=StrictFloatField(),
        max_length=MAX_INTERVALS,
        required=False,
        help_text="Standard errors of metrics without an interval, by metric. They become intervals.",
    )
    per_class = ClassMetricsField(required=False, help_text="By class, then by metric; also `support`.")
    evaluation_options = EvaluationOptionsInput(required=False)

    def validate_evaluated_at(self, value: datetime) -> datetime:
        """Refuse a time in the future: the snapshot would stay the newest until then.

        A time within `CLOCK_SKEW` becomes now.
        """
        now = timezone.now().replace(microsecond=0)
        if value > now + CLOCK_SKEW:
            raise serializers.ValidationError("Must not be in the future.", code="future")
        return min(value, now)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a confusion matrix whose counts don't add up to `sample_count`, which defaults to their sum."""
        if "confusion_matrix" in attrs:
            total = sum(map(sum, attrs["confusion_matrix"]["counts"]))
            if not 1 <= total <= MAX_COUNT or attrs.setdefault("sample_count", total) != total:
                raise serializers.ValidationError(
                    {"confusion_matrix": f"Its counts sum up to {total}, not sample_count."}
                )
        return attrs


class SnapshotDatasetSerializer(serializers.Serializer[dict[str, str | None]]):
    """The dataset that a snapshot was measured on."""

    name = serializers.CharField(allow_null=True, help_text="Null for the primary dataset.")
    version = serializers.CharField(allow_null=True)
    digest = serializers.CharField(
        allow_null=True, help_text="The SHA-256 of the examples, whatever is predicted, as hexadecimal digits."
    )


class StoredListField(serializers.ListField):
    """A list that was validated when it was stored. It may have a million items, so it is not converted again."""

    def to_representation(self, data: list[object]) -> list[object]:
        """Return the list unchanged."""
        return data


class ConfusionMatrixSerializer(serializers.Serializer[dict[str, object]]):
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
    """The counts of a matrix as shares. `normalize` in the query says of which total."""

    def get_attribute(self, instance: MatrixPage) -> list[list[float]]:
        return instance.rates(Normalization(self.context["normalize"]))


class StoredMatrixSerializer(serializers.Serializer[MatrixPage]):
    """The confusion matrix of a version on one split, with `rates` if `normalize` was given."""

    model_id = ModelIdField(source="snapshot.version.model_id")
    version_id = VersionIdField(source="snapshot.version.version_id")
    task_type = serializers.ChoiceField(
        [each.name for each in task_types.all_task_types() if each.has_classes],
        source="snapshot.version.model.task_type",
    )
    dataset_split = serializers.ChoiceField(DatasetSplit.values, source="snapshot.dataset_split")
    labels = StoredListField(child=serializers.CharField())
    offset = serializers.IntegerField(
        required=False,
        min_value=0,
        help_text="The index in `labels` of the first row. Present only if a large matrix is returned in parts.",
    )
    next = NextRowsField(
        required=False,
        allow_null=True,
        help_text="The URL of the next rows; null after the last. Present only if a large matrix is returned in parts.",
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
    evaluated_at = UTCDateTimeField(source="snapshot.evaluated_at")

    def get_fields(self) -> dict[str, AnyField]:
        """Return the fields: `rates` only if it was asked for, `offset` and `next` only for a part of a matrix."""
        fields = super().get_fields()
        if "normalize" in self.context and self.context["normalize"] is None:
            del fields["rates"]
        if isinstance(self.instance, MatrixPage) and self.instance.is_whole:
            del fields["offset"], fields["next"]
        return fields


def detail_field(name: str, field: type[AnyField], *, nullable: bool = True, **options: Any) -> AnyField:
    """Return a read-only field for a column of a snapshot's detail."""
    return field(source=f"details.{name}", read_only=True, allow_null=nullable, **options)


def dataset_field() -> AnyField:
    """Return a read-only field for the dataset of a snapshot."""
    return SnapshotDatasetSerializer(
        source="dataset_identity", read_only=True, allow_null=True, help_text="Null if nothing is known about it."
    )


class ProvenanceSerializer(serializers.Serializer[MetricSnapshot]):
    """Where the numbers of a snapshot come from."""

    source = serializers.ChoiceField(Source.values)  # type: ignore[assignment]  # a field of that name
    engine = detail_field(
        "engine", serializers.CharField, help_text="The engine that computed them; null if they were reported."
    )
    engine_version = detail_field("engine_version", serializers.CharField)
    dataset_digest = detail_field(
        "dataset_digest",
        serializers.CharField,
        help_text="The SHA-256 of the predictions that they were computed from.",
    )
    predictions_digest = detail_field(
        "predictions_digest",
        serializers.CharField,
        help_text=(
            "The SHA-256 of the stored predictions, from which versions are compared example by example; null if none "
            "are stored."
        ),
    )
    created_by = serializers.CharField(allow_blank=True, help_text="The name of the user who stored them.")
    created_at = UTCDateTimeField()


def snapshot_row_serializer(task_type: TaskType) -> SerializerClass:
    """Return the serializer of a snapshot in a list. It omits the confusion matrix, which is too large for a page."""
    whole = snapshot_serializer(task_type)._declared_fields
    fields = {name: deepcopy(field) for name, field in whole.items() if name != "confusion_matrix"}
    return make_serializer(task_type, "SnapshotRow", {"__doc__": snapshot_serializer(task_type).__doc__, **fields})


@cache
def snapshot_serializer(task_type: TaskType) -> SerializerClass:
    """Return the serializer of a snapshot for a task type."""
    fields = {
        "__doc__": f"The metrics of one evaluation: {task_type.label.lower()}.",
        "id": serializers.CharField(),
        **_identity(task_type),
        "dataset": dataset_field(),
        "metrics": metrics_serializer(task_type, further=True)(source="all_metrics"),
        "custom_metrics": detail_field(
            "custom_metrics", serializers.DictField, nullable=False, child=serializers.FloatField()
        ),
        "sample_count": serializers.IntegerField(allow_null=True),
        "confusion_matrix": detail_field("confusion_matrix", ConfusionMatrixSerializer),
        "source": serializers.ChoiceField(Source.values),
        "created_by": serializers.CharField(allow_blank=True),
        "created_at": UTCDateTimeField(),
        "evaluated_at": UTCDateTimeField(),
    }
    return make_serializer(task_type, "Snapshot", fields)


class WarningSerializer(serializers.Serializer[dict[str, str]]):
    """What a reader of the metrics should know about the predictions."""

    code = serializers.CharField()
    detail = serializers.CharField()


def reasons(name: str, help_text: str) -> AnyField:
    """Return a read-only field for a detail's reasons, by metric."""
    return detail_field(name, serializers.DictField, nullable=False, child=serializers.CharField(), help_text=help_text)


def report_serializer(task_type: TaskType) -> SerializerClass:
    """Return the serializer of the performance report for a task type."""
    by_class = serializers.DictField(child=serializers.FloatField())
    fields = {
        "__doc__": f"Everything known about the performance of a version on one split: {task_type.label.lower()}.",
        **_identity(task_type),
        "dataset": dataset_field(),
        "metrics": metrics_serializer(task_type, further=True)(source="all_metrics"),
        "custom_metrics": detail_field(
            "custom_metrics", serializers.DictField, nullable=False, child=serializers.FloatField()
        ),
        "confidence_intervals": detail_field(
            "confidence_intervals",
            serializers.DictField,
            nullable=False,
            child=IntervalSerializer(),
            help_text="By metric. Intervals of single classes, up to 50 classes, are under `per_class.LABEL.METRIC`.",
        ),
        "metrics_unavailable": reasons("metrics_unavailable", "Why a metric is null, by metric."),
        "intervals_unavailable": reasons("intervals_unavailable", "Why a metric has no interval, by metric."),
        "per_class": detail_field(
            "per_class", serializers.DictField, nullable=False, child=by_class, help_text="By class, then by metric."
        ),
        "sample_count": serializers.IntegerField(allow_null=True, help_text="The number of examples that were scored."),
        "effective_sample_size": detail_field(
            "effective_sample_size",
            serializers.FloatField,
            help_text="The number of unweighted, independent examples that tell as much.",
        ),
        "missing_fraction": detail_field(
            "missing_fraction",
            serializers.FloatField,
            help_text="The share of the rows without a prediction, from 0 to 1.",
        ),
        "train_overlap": detail_field(
            "train_overlap",
            serializers.FloatField,
            help_text="The share of the examples whose ids are in the version's training data too, from 0 to 1; null "
            "unless both were evaluated here with ids.",
        ),
        "row_count": detail_field(
            "row_count",
            serializers.IntegerField,
            help_text="The number of all rows, including those left out because they have no prediction.",
        ),
        "misclassified_count": detail_field(
            "misclassified_count",
            serializers.IntegerField,
            help_text="The number of all wrongly predicted examples. Only the worst are listed.",
        ),
        "positive_class": detail_field("positive_class", serializers.CharField),
        "averaging": detail_field("averaging", serializers.CharField),
        "evaluation_options": detail_field(
            "evaluation_options",
            serializers.DictField,
            nullable=False,
            help_text="Everything that the evaluation was asked for or chose.",
        ),
        "warnings": detail_field("warnings", WarningSerializer, nullable=False, many=True),
        "provenance": ProvenanceSerializer(source="*"),
        "evaluated_at": UTCDateTimeField(),
    }
    return make_serializer(task_type, "Report", fields)


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
        **_identity(task_type),
        "curves": make_serializer(task_type, "Points", curves)(source="details.curves"),
        "evaluated_at": UTCDateTimeField(),
    }
    return make_serializer(task_type, "Curves", fields)


def _by_class(point: type[PointSerializer], help_text: str) -> serializers.DictField:
    return serializers.DictField(child=point(many=True), read_only=True, default=dict, help_text=help_text)


def _identity(task_type: TaskType) -> dict[str, object]:
    """Return the fields that identify the model, the version and the split of a snapshot."""
    return {
        "model_id": ModelIdField(source="version.model_id"),
        "version_id": VersionIdField(source="version.version_id"),
        "task_type": serializers.ChoiceField([task_type.name], source="version.model.task_type"),
        "dataset_split": serializers.ChoiceField(DatasetSplit.values),
    }


class SliceSerializer(serializers.Serializer[Any]):
    """The summary metrics of the examples with one value of an attribute."""

    value = serializers.CharField(
        allow_null=True,
        help_text=(
            "The value; `(missing)` if it is null or blank, and null for all values past the 50 most frequent ones, "
            "which count together."
        ),
    )
    sample_count = serializers.IntegerField()
    metrics = serializers.SerializerMethodField(
        "summary_metrics", help_text="The summary metrics, in order; null if undefined."
    )
    confidence_intervals = serializers.DictField(child=IntervalSerializer(), help_text="By metric.")
    intervals_unavailable = serializers.DictField(
        child=serializers.CharField(), help_text="Why a metric has no interval, by metric."
    )

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "number", "nullable": True}})
    def summary_metrics(self, instance: SnapshotSlice) -> dict[str, float | None]:
        """Return all summary metrics of the task type."""
        return {metric.name: instance.metrics.get(metric.name) for metric in self.context["task_type"].metrics}


SNAPSHOT = ByTaskType("Snapshot", snapshot_serializer)
SNAPSHOT_ROW = ByTaskType("SnapshotRow", snapshot_row_serializer)
REPORT = ByTaskType("PerformanceReport", report_serializer)
CURVES = ByTaskType("PerformanceCurves", curves_serializer, among=lambda task_type: task_type.has_curves)
