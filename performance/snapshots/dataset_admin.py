"""Datasets in the admin, read-only: the API and snapshots declare them."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from models_registry.accounts.model_admin import ScopedAdmin, ScopedInline
from models_registry.accounts.scopes import Scope
from models_registry.api.model_admin import ReadOnlyAdminMixin, link_to
from performance.snapshots.models import Dataset, DatasetVersion, MetricSnapshot

MAX_LISTED_SNAPSHOTS = 20
READ_DATASETS = {"view": Scope.ORGANIZATION_VIEWER}


class DatasetVersionInline(ReadOnlyAdminMixin, ScopedInline):
    """The versions of a dataset, newest first, a page at a time."""

    model = DatasetVersion
    scopes = READ_DATASETS
    fields = readonly_fields = ("version", "digest", "first_seen_at")
    ordering = ("-pk",)
    per_page = 20


@admin.register(Dataset)
class DatasetAdmin(ReadOnlyAdminMixin, ScopedAdmin):
    """Datasets, by organization and name."""

    scopes = READ_DATASETS
    owner_lookups = ("organization",)

    list_display = ("name", "organization", "created_by", "created_at")
    list_filter = (("organization", AutocompleteSelectFilter),)
    list_select_related = ("organization",)
    search_fields = ("name", "organization__name")
    search_help_text = "By name, and by name of the organization"
    ordering = ("organization__name", "name")
    inlines = (DatasetVersionInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dataset]:
        """Return the datasets; a list does not show their descriptions."""
        datasets: QuerySet[Dataset] = super().get_queryset(request)
        return datasets.defer("description")

    def get_fields(self, request: HttpRequest, obj: Dataset | None = None) -> tuple[str | tuple[str, ...], ...]:
        """Add the snapshots for those who may see them."""
        sees_snapshots = self.admin_site.get_model_admin(MetricSnapshot).has_view_permission(request)
        fields: tuple[str | tuple[str, ...], ...] = (
            ("organization", "name"),
            ("created_by", "created_at"),
            "description",
        )
        return (*fields, "newest_snapshots") if sees_snapshots else fields

    @admin.display(description=f"newest {MAX_LISTED_SNAPSHOTS} snapshots", empty_value="none")
    def newest_snapshots(self, dataset: Dataset) -> SafeString:
        """Return links to the snapshots that were measured on the dataset."""
        snapshots = MetricSnapshot.objects.filter(
            version__model__organization=dataset.organization_id, dataset=dataset.name
        )
        newest = snapshots.select_related("version__model").order_by("-evaluated_at", "-pk")[:MAX_LISTED_SNAPSHOTS]
        rows = ((each.version.model, each.version.version_id, link_to(each)) for each in newest)
        return format_html_join("", "<div>{} {} {}</div>", rows)
