"""Metric snapshots in the admin, read-only: the API and the commands store them."""

from collections.abc import Iterator
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.html import format_html, format_html_join
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
from performance.snapshots import chart_tables, charts, tables
from performance.snapshots.downloads import NamedTable, requested_table
from performance.snapshots.models import MetricSnapshot
from performance.snapshots.querysets import MetricSnapshotQuerySet

HEADLINE_METRICS = 3


def headline(snapshot: MetricSnapshot) -> str:
    """Return the first recorded metrics of the task type, such as `Accuracy 0.934 · Precision 0.918`."""
    try:
        task_type = task_types.get(snapshot.version.model.task_type)
    except task_types.UnknownTaskTypeError as error:
        return str(error)
    recorded = [metric for metric in task_type.metrics if metric.name in snapshot.metrics]
    texts = [f"{metric.label} {format_short(snapshot.metrics[metric.name])}" for metric in recorded[:HEADLINE_METRICS]]
    return format_html_join(" · ", "{}{}", (_keep_number_with_word(text) for text in texts))


def _keep_number_with_word(text: str) -> tuple[str, str]:
    """Return the words before the last one, and the last one with its number, which stay on one line."""
    *words, word, number = text.split(" ")
    return "".join(f"{each} " for each in words), nowrap(f"{word} {number}")


def snapshot_context(snapshot: MetricSnapshot) -> dict[str, object]:
    """Return the tables and charts of a snapshot for its template. Raises `UnknownTaskTypeError`."""
    task_type = task_types.get(snapshot.version.model.task_type)
    matrix = None
    if hasattr(snapshot, "detail"):
        snapshots: MetricSnapshotQuerySet = MetricSnapshot.objects.select_related("detail")
        snapshot = snapshots.with_matrix_rows(0, tables.MAX_MATRIX_CELLS).get(pk=snapshot.pk)
        matrix = _matrix(snapshot)
    metrics, details = snapshot.all_metrics, snapshot.details
    return {
        "metric_table": tables.metric_table(
            task_type,
            metrics,
            details.confidence_intervals,
            unavailable=details.metrics_unavailable,
            intervals_unavailable=details.intervals_unavailable,
        ),
        "warning_table": tables.warning_table(details.warnings),
        "option_table": tables.option_table(details.evaluation_options),
        "class_table": tables.class_table(task_type, details.per_class),
        "slice_tables": tables.slice_tables(task_type, snapshot.slices.order_by("attribute", "position")),
        "confusion_matrix": tables.matrix_layout(matrix),
        "gauges": charts.gauges(task_type, metrics, details.confidence_intervals),
        "charts": [*zip(charts.charts(details.curves), chart_tables.curve_tables(details.curves), strict=True)],
    }


def _tables(context: dict[str, Any]) -> Iterator[NamedTable | None]:
    """Yield the tables of a snapshot's page, from its context."""
    yield from (context.get(f"{name}_table") for name in ("metric", "warning", "option", "class", "example"))
    if matrix := context.get("confusion_matrix"):
        yield tables.matrix_table("Confusion matrix", matrix)
    yield from context.get("slice_tables", ())
    yield from (table for _, table in context.get("charts", ()))


def _matrix(snapshot: MetricSnapshot) -> ConfusionMatrixDocument | None:
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
        return link_to(snapshot, snapshot.name)

    @admin.display(description="dataset split")
    def split(self, snapshot: MetricSnapshot) -> str:
        """Return the split's name."""
        return snapshot.dataset_split

    @admin.display(description="metrics")
    def headline(self, snapshot: MetricSnapshot) -> str:
        """Return the first metrics."""
        return headline(snapshot)


class VersionWithSnapshotsAdmin(VersionAdmin):
    """Adds the snapshots to the page of a version. `model_cards` adds to this page, and registers it."""

    inlines = (SnapshotInline,)
    readonly_fields: ClassVar[tuple[str, ...]] = ("comparison",)

    def get_fields(self, request: HttpRequest, obj: Version | None = None) -> tuple[str | tuple[str, ...], ...]:
        """Add the link to a comparison."""
        return (*super().get_fields(request, obj), "comparison")

    @admin.display(empty_value="not available until the training has completed")
    def comparison(self, version: Version) -> str | None:
        """Return a link that compares the version with the promoted one."""
        if version.state != Version.State.COMPLETED:
            return None
        url = reverse("admin:models_registry_registeredmodel_compare", args=[version.model_id])
        return format_html('<a href="{}?version_id={}" class="text-link">Compare</a>', url, version.version_id)


class MetricSnapshotAdmin(ReadOnlyAdminMixin, VersionRecordAdmin):
    """Metric snapshots, newest first. `evaluations` adds to this page, and registers it."""

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
        ("dataset_name", "dataset_version"),
        "examples_digest",
        ("created_by", "custom_metrics"),
    )
    change_form_after_template = "performance/snapshot.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[MetricSnapshot]:
        """Return the snapshots with their versions, models and organizations."""
        snapshots = cast(MetricSnapshotQuerySet, super().get_queryset(request))
        return snapshots.select_related("version__model__organization", "detail").for_list()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: object, **kwargs: object
    ) -> HttpResponseBase:
        """Add the table of metrics and the charts, or the error if the task type is unknown."""
        try:
            context |= snapshot_context(context["original"])
        except task_types.UnknownTaskTypeError as error:
            context["unknown_task_type"] = str(error)
        table = requested_table(request, context, _tables(context))
        response: HttpResponseBase = table or super().render_change_form(request, context, *args, **kwargs)
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

    @admin.display(description="dataset")
    def dataset_name(self, snapshot: MetricSnapshot) -> str:
        """Return the name of the dataset."""
        return snapshot.dataset or "primary dataset"

    @admin.display(empty_value="")
    def dataset_version(self, snapshot: MetricSnapshot) -> str | None:
        """Return the version of the dataset."""
        return snapshot.details.dataset_version

    @admin.display(description="digest of the examples", empty_value="unknown")
    def examples_digest(self, snapshot: MetricSnapshot) -> str | None:
        """Return the digest of the examples, with a link to the versions that were evaluated on them."""
        digest = snapshot.details.examples_digest
        if digest is None:
            return None
        url = reverse("admin:performance_leaderboard", args=[digest])
        return format_html(
            '<a href="{}?dataset_split={}" class="text-link" style="overflow-wrap: anywhere">{}</a>',
            url,
            snapshot.dataset_split,
            digest,
        )

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
