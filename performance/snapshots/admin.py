"""Metric snapshots in the admin, read-only: the API and the commands store them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, FieldTextFilter

from models_registry import task_types
from models_registry.accounts.model_admin import ScopedInline
from models_registry.api.model_admin import (
    ReadOnlyAdminMixin,
    TimeRangeFilter,
    link_to,
    nowrap,
    task_type_label,
)
from models_registry.registry.admin import VersionAdmin
from models_registry.registry.model_admin import PromotedFilter, VersionRecordAdmin, promoted_badge
from models_registry.registry.models import Version
from performance.formatting import format_short, format_six_digits
from performance.metrics.result import ConfusionMatrixDocument
from performance.snapshots import charts, tables
from performance.snapshots.models import MetricSnapshot

HEADLINE_METRICS = 3
MAX_MATRIX_CELLS = tables.MAX_CLASSES * 1000  # enough for the rows that are shown of a matrix of 1,000 classes


def headline(snapshot: MetricSnapshot) -> str:
    """Return the first recorded metrics of the task type, such as `Accuracy 0.934 · Precision 0.918`."""
    try:
        task_type = task_types.get(snapshot.version.model.task_type)
    except task_types.UnknownTaskTypeError as error:
        return str(error)
    recorded = [metric for metric in task_type.metrics if metric.name in snapshot.metrics]
    texts = [f"{metric.label} {format_short(snapshot.metrics[metric.name])}" for metric in recorded[:HEADLINE_METRICS]]
    return " · ".join(texts)


def snapshot_context(snapshot: MetricSnapshot) -> dict[str, object]:
    """Return the tables and charts of a snapshot for its template. Raises `UnknownTaskTypeError`."""
    task_type = task_types.get(snapshot.version.model.task_type)
    matrix = None
    if hasattr(snapshot, "detail"):
        rows: Any = MetricSnapshot.objects.select_related("detail").with_matrix_rows(0, MAX_MATRIX_CELLS)
        snapshot = rows.get(pk=snapshot.pk)
        matrix = _matrix(snapshot)
    metrics, details = snapshot.all_metrics, snapshot.details
    return {
        "metric_table": tables.metric_table(task_type, metrics, details.confidence_intervals),
        "class_table": tables.class_table(task_type, details.per_class),
        "slice_tables": tables.slice_tables(task_type, snapshot.slices.order_by("attribute", "position")),
        "confusion_matrix": tables.confusion_matrix(matrix),
        "gauges": charts.gauges(task_type, metrics, details.confidence_intervals),
        "charts": charts.charts(details.curves),
    }


def _matrix(snapshot: Any) -> ConfusionMatrixDocument | None:
    """Return the labels and the first rows of the confusion matrix, if there is one."""
    if not snapshot.matrix_labels:
        return None
    return {"labels": snapshot.matrix_labels, "counts": snapshot.matrix_counts}


class SnapshotInline(ReadOnlyAdminMixin, ScopedInline):
    """The snapshots of a version, newest first, a page at a time."""

    model = MetricSnapshot
    fields = readonly_fields = ("snapshot", "split", "headline", "sample_count")
    ordering = ("-evaluated_at", "-pk")
    per_page = 20

    def get_queryset(self, request: HttpRequest) -> QuerySet[MetricSnapshot]:
        """Return the snapshots with their model, which has the task type."""
        snapshots: QuerySet[MetricSnapshot] = super().get_queryset(request)
        return snapshots.select_related("version__model")

    @admin.display(description="evaluated at")
    def snapshot(self, snapshot: MetricSnapshot) -> str:
        """Return a link to the snapshot."""
        return link_to(snapshot)

    @admin.display(description="dataset split")
    def split(self, snapshot: MetricSnapshot) -> str:
        """Return the split's name."""
        return snapshot.dataset_split

    @admin.display(description="metrics")
    def headline(self, snapshot: MetricSnapshot) -> str:
        """Return the first metrics."""
        return headline(snapshot)


admin.site.unregister(Version)


@admin.register(Version)
class VersionWithSnapshotsAdmin(VersionAdmin):
    """Adds the snapshots to the page of a version. The registry's own admin does not know them."""

    inlines = (SnapshotInline,)


@admin.register(MetricSnapshot)
class MetricSnapshotAdmin(ReadOnlyAdminMixin, VersionRecordAdmin):
    """Metric snapshots, newest first."""

    list_display = (
        "evaluated_at",
        "organization",
        "model_name",
        "version_name",
        "promoted",
        "dataset_split",
        "dataset",
        "headline",
        "sample_count",
    )
    list_filter = (
        ("version__model__organization", AutocompleteSelectFilter),
        ("version__model__task_type", ChoicesDropdownFilter),
        ("dataset_split", ChoicesDropdownFilter),
        ("dataset", FieldTextFilter),
        ("source", ChoicesDropdownFilter),
        PromotedFilter,
        ("evaluated_at", TimeRangeFilter),
    )
    ordering = ("-evaluated_at", "-pk")
    fields = (
        ("organization", "dataset_split"),
        ("model_link", "sample_count"),
        ("version", "evaluated_at"),
        ("promoted", "created_at"),
        ("task", "source"),
        ("dataset", "dataset_version"),
        ("created_by", "custom_metrics"),
    )
    change_form_after_template = "performance/snapshot.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[MetricSnapshot]:
        """Return the snapshots with their versions, models and organizations."""
        snapshots: Any = super().get_queryset(request)
        listed: QuerySet[MetricSnapshot] = snapshots.select_related("version__model__organization", "detail").for_list()
        return listed

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: object, **kwargs: object
    ) -> HttpResponse:
        """Add the table of metrics and the charts, or the error if the task type is unknown."""
        try:
            context |= snapshot_context(context["original"])
        except task_types.UnknownTaskTypeError as error:
            context["unknown_task_type"] = str(error)
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    @admin.display(ordering="version__model__organization__name")
    def organization(self, snapshot: MetricSnapshot) -> str:
        """Return the organization that owns the model."""
        return str(snapshot.version.model.organization)

    @admin.display(description="model", ordering="version__model__name")
    def model_name(self, snapshot: MetricSnapshot) -> str:
        """Return the model's name."""
        return str(snapshot.version.model)

    @admin.display(description="model")
    def model_link(self, snapshot: MetricSnapshot) -> str:
        """Return a link to the model."""
        return link_to(snapshot.version.model)

    @admin.display(description="version", ordering="version__number")
    def version_name(self, snapshot: MetricSnapshot) -> str:
        """Return the version's public id."""
        return nowrap(snapshot.version.version_id)

    @admin.display(description="task type")
    def task(self, snapshot: MetricSnapshot) -> str:
        """Return the task type's label."""
        return task_type_label(snapshot.version.model.task_type)

    @admin.display(empty_value="")
    def dataset_version(self, snapshot: MetricSnapshot) -> str:
        """Return the version of the dataset, and the digest of its examples."""
        details = snapshot.details
        return " · ".join(part for part in (details.dataset_version, details.examples_digest) if part)

    @admin.display(description="custom metrics", empty_value="")
    def custom_metrics(self, snapshot: MetricSnapshot) -> str:
        """Return the custom metrics."""
        custom = snapshot.detail.custom_metrics if hasattr(snapshot, "detail") else {}
        return " · ".join(f"{name} {format_six_digits(value)}" for name, value in custom.items())

    @admin.display(description="promotion")
    def promoted(self, snapshot: MetricSnapshot) -> str:
        """Return a badge if the version is promoted."""
        return promoted_badge(snapshot.version)

    @admin.display(description="metrics")
    def headline(self, snapshot: MetricSnapshot) -> str:
        """Return the first metrics."""
        return headline(snapshot)
