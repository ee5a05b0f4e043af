"""Serializers of stored snapshots: the report and the confusion matrix."""

from copy import deepcopy
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.utils.urls import replace_query_param

from models_registry import task_types
from models_registry.api.fields import AnyField, SharedFieldsMixin, UTCDateTimeField
from models_registry.registry.fields import ModelIdField, VersionIdField
from models_registry.task_types.base import TaskType
from performance.metrics.statistics.rates import Normalization
from performance.snapshots.matrix_selectors import MatrixPage
from performance.snapshots.models import DatasetSplit, MetricSnapshot, SnapshotSlice, Source
from performance.snapshots.serializers import (
    ByTaskType,
    IntervalSerializer,
    SerializerClass,
    make_serializer,
    metrics_serializer,
    snapshot_identity_fields,
)


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
    """The counts of a matrix as shares. `normalize` in the query names the total."""

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


def reasons(name: str, help_text: str) -> AnyField:
    """Return a read-only field for a detail's reasons, by metric."""
    return detail_field(name, serializers.DictField, nullable=False, child=serializers.CharField(), help_text=help_text)


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
        **snapshot_identity_fields(task_type),
        "dataset": dataset_field(),
        "metrics": metrics_serializer(task_type, further=True)(source="all_metrics"),
        "custom_metrics": detail_field(
            "custom_metrics", serializers.DictField, nullable=False, child=serializers.FloatField()
        ),
        "metrics_unavailable": reasons("metrics_unavailable", "Why a metric is null, by metric."),
        "sample_count": serializers.IntegerField(allow_null=True),
        "confusion_matrix": detail_field("confusion_matrix", ConfusionMatrixSerializer),
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


class WarningSerializer(serializers.Serializer[dict[str, str]]):
    """What a reader of the metrics should know about the predictions."""

    code = serializers.CharField()
    detail = serializers.CharField()


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
SNAPSHOT_ROW = ByTaskType("SnapshotRow", snapshot_row_serializer)
REPORT = ByTaskType("PerformanceReport", report_serializer)
