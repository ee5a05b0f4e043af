"""Serializers of stored snapshots, and of the report."""

from collections.abc import Collection
from copy import deepcopy
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from models_registry import task_types
from models_registry.api.fields import AnyField, SharedFieldsMixin, UTCDateTimeField
from models_registry.task_types.base import TaskType
from performance.snapshots.matrix_serializers import ConfusionMatrixSerializer
from performance.snapshots.models import MetricSnapshot, SnapshotSlice, Source
from performance.snapshots.serializers import (
    ByTaskType,
    IntervalSerializer,
    SerializerClass,
    make_serializer,
    metrics_serializer,
    snapshot_identity_fields,
)

_OMISSIONS = "Lists omit the intervals, the warnings and the confusion matrix; an evaluation omits the matrix."


class SnapshotDatasetSerializer(serializers.Serializer[dict[str, str | None]]):
    """The dataset that a snapshot was measured on."""

    name = serializers.CharField(allow_null=True, help_text="Null for the primary dataset.")
    version = serializers.CharField(allow_null=True)
    digest = serializers.CharField(
        allow_null=True, help_text="The SHA-256 of the examples, whatever is predicted, as hexadecimal digits."
    )


class SnapshotBatchSerializer(serializers.Serializer[dict[str, list[str]]]):
    """The snapshots that a batch stored."""

    snapshot_ids = serializers.ListField(child=serializers.CharField(), help_text="In the order of the batch.")


class WarningSerializer(serializers.Serializer[dict[str, str]]):
    """What a reader of the metrics should know about the predictions."""

    code = serializers.CharField()
    detail = serializers.CharField()


class ByNameField(serializers.DictField):
    """Values by name, in the order of the names: the databases keep different ones."""

    def to_representation(self, value: dict[str, object]) -> dict[str, object]:
        """Return the values, sorted."""
        return super().to_representation(dict(sorted(value.items())))


def detail_field(
    name: str, field: type[AnyField], *, nullable: bool = True, optional: bool = False, **options: Any
) -> AnyField:
    """Return a field for a column of a snapshot's detail. An optional one may be absent, as the OpenAPI document says.

    Others are read-only, which the OpenAPI document takes for always present.
    """
    presence: dict[str, Any] = {"required": False} if optional else {"read_only": True}
    return field(source=f"details.{name}", allow_null=nullable, **presence, **options)


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
        help_text="The SHA-256 of the file of predictions that they were computed from. `dataset.digest` identifies "
        "its examples, whatever is predicted.",
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


def reasons(name: str, help_text: str, *, optional: bool = False) -> AnyField:
    """Return a field for a detail's reasons, by metric."""
    child = serializers.CharField()
    return detail_field(name, ByNameField, nullable=False, optional=optional, child=child, help_text=help_text)


def intervals_field(*, optional: bool = False) -> AnyField:
    """Return a field for the intervals of a snapshot."""
    return detail_field(
        "confidence_intervals",
        ByNameField,
        nullable=False,
        optional=optional,
        child=IntervalSerializer(),
        help_text="By metric. Intervals of single classes, up to 50 classes, are under `per_class.LABEL.METRIC`.",
    )


def snapshot_row_serializer(task_type: TaskType) -> SerializerClass:
    """Return the serializer of a snapshot in a list. It omits what is too large for a page."""
    fields = snapshot_serializer(task_type)._declared_fields
    optional = [name for name, field in fields.items() if not (field.required or field.read_only)]
    return _snapshot_without(task_type, "SnapshotRow", optional)


def evaluated_snapshot_serializer(task_type: TaskType) -> SerializerClass:
    """Return the serializer of the snapshot of an evaluation. It omits the confusion matrix, which may be large."""
    return _snapshot_without(task_type, "EvaluatedSnapshot", ("confusion_matrix",))


def _snapshot_without(task_type: TaskType, kind: str, omitted: Collection[str]) -> SerializerClass:
    """Return a serializer that omits optional fields. The OpenAPI document has that of the whole snapshot for it."""
    whole = snapshot_serializer(task_type)
    fields = {name: deepcopy(field) for name, field in whole._declared_fields.items() if name not in omitted}
    return make_serializer(task_type, kind, {"__doc__": whole.__doc__, **fields})


@cache
def snapshot_serializer(task_type: TaskType) -> SerializerClass:
    """Return the serializer of a snapshot for a task type."""
    fields = {
        "__doc__": f"The metrics of one evaluation: {task_type.label.lower()}. {_OMISSIONS}",
        "id": serializers.CharField(),
        **snapshot_identity_fields(task_type),
        "dataset": dataset_field(),
        "metrics": metrics_serializer(task_type, further=True)(source="all_metrics"),
        "custom_metrics": detail_field(
            "custom_metrics", serializers.DictField, nullable=False, child=serializers.FloatField()
        ),
        "confidence_intervals": intervals_field(optional=True),
        "metrics_unavailable": reasons("metrics_unavailable", "Why a metric is null, by metric."),
        "intervals_unavailable": reasons(
            "intervals_unavailable", "Why a metric has no interval, by metric.", optional=True
        ),
        "sample_count": serializers.IntegerField(allow_null=True),
        "confusion_matrix": detail_field("confusion_matrix", ConfusionMatrixSerializer, optional=True),
        "warnings": detail_field("warnings", WarningSerializer, nullable=False, optional=True, many=True),
        "source": serializers.ChoiceField(Source.values),
        "created_by": serializers.CharField(allow_blank=True),
        "created_at": UTCDateTimeField(),
        "evaluated_at": UTCDateTimeField(),
    }
    return make_serializer(task_type, "Snapshot", fields, SharedFieldsMixin)


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
        child=serializers.CharField(), help_text="Why a metric is null or has no interval, by metric."
    )

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "number", "nullable": True}})
    def summary_metrics(self, instance: SnapshotSlice) -> dict[str, float | None]:
        """Return all summary metrics of the task type."""
        task_type = task_types.get(instance.snapshot.version.model.task_type)
        return {metric.name: instance.metrics.get(metric.name) for metric in task_type.metrics}


class AttributeSlicesSerializer(serializers.Serializer[SnapshotSlice]):
    """The slices by one attribute. Only the worst is shown."""

    attribute = serializers.CharField()
    slice_count = serializers.IntegerField(help_text="The number of slices.")
    worst = SliceSerializer(
        source="*", help_text="The slice with the worst value of the first summary metric of the task type."
    )
    url = serializers.SerializerMethodField(
        "slices_url", help_text="The path that lists all slices by the attribute, the worst first."
    )

    def slices_url(self, instance: SnapshotSlice) -> str:
        """Return the path and query of the slices, which name the snapshot's version, split and dataset."""
        snapshot = instance.snapshot
        query = {"version_id": snapshot.version.version_id, "dataset_split": snapshot.dataset_split}
        dataset = {"dataset": snapshot.dataset} if snapshot.dataset else {}
        path = reverse("performance-slices", args=[snapshot.version.model_id])
        return f"{path}?{urlencode({**query, **dataset, 'by': instance.attribute})}"


def report_serializer(task_type: TaskType) -> SerializerClass:
    """Return the serializer of the performance report for a task type."""
    by_class = serializers.DictField(child=serializers.FloatField())
    fields = {
        "__doc__": f"Everything known about the performance of a version on one split: {task_type.label.lower()}.",
        **snapshot_identity_fields(task_type),
        "dataset": dataset_field(),
        "metrics": metrics_serializer(task_type, further=True)(source="all_metrics"),
        "custom_metrics": detail_field(
            "custom_metrics", serializers.DictField, nullable=False, child=serializers.FloatField()
        ),
        "confidence_intervals": intervals_field(),
        "metrics_unavailable": reasons("metrics_unavailable", "Why a metric is null, by metric."),
        "intervals_unavailable": reasons("intervals_unavailable", "Why a metric has no interval, by metric."),
        "per_class": detail_field(
            "per_class", serializers.DictField, nullable=False, child=by_class, help_text="By class, then by metric."
        ),
        "slices": AttributeSlicesSerializer(
            source="worst_slices",
            many=True,
            read_only=True,
            help_text="By attribute, worst first; empty unless asked for.",
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
            help_text="The share of the rows with a weight above 0 that have no prediction, from 0 to 1.",
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


SNAPSHOT = ByTaskType("Snapshot", snapshot_serializer)
EVALUATED_SNAPSHOT = ByTaskType("EvaluatedSnapshot", evaluated_snapshot_serializer)
SNAPSHOT_ROW = ByTaskType("SnapshotRow", snapshot_row_serializer)
REPORT = ByTaskType("PerformanceReport", report_serializer)
