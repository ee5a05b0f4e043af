"""The audit trail in the admin, read-only."""

from typing import Any
from urllib.parse import urlencode

from auditlog.admin import LogEntryAdmin as LogEntryAdmin  # registers the library's page, which is replaced below
from auditlog.registry import auditlog
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.contenttypes.models import ContentType
from django.db.models import Field, Model, OrderBy, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    RelatedDropdownFilter,
    TextFilter,
)

from models_registry.api.model_admin import ReadOnlyAdminMixin, RegistryAdmin, TimeRangeFilter, badge
from models_registry.audit.models import AuditEntry
from models_registry.audit.selectors import MAX_FOUND, find_audit_entries, is_common_path_prefix, with_value

# The column of each filter, the most selective first. The list is ordered by the first column that is filtered, so that
# PostgreSQL reads that column's index.
FILTERED_COLUMNS = {"code": "code", "actor__": "actor_id", "content_type__": "content_type_id", "action__": "action"}

ACTION_COLORS = {
    0: "success",
    1: "info",
    2: "warning",
    AuditEntry.DENIED: "danger",
    AuditEntry.LOGGED_IN: "info",
    AuditEntry.LOGGED_OUT: "default",
}

admin.site.unregister(AuditEntry)


class IndexedFilterMixin:
    """Makes PostgreSQL read the field's own index for a filter by one value."""

    used_parameters: dict[str, object]
    field: "Field[object, object]"

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Keep the entries with the value. Raises `IncorrectLookupParameters` if the field cannot have it."""
        for name, value in self.used_parameters.items():
            single = value[-1] if isinstance(value, list) else value
            if name.endswith("__isnull"):
                queryset = queryset.filter(**{name: single})
                continue
            try:
                prepared = self.field.get_prep_value(single)
            except (TypeError, ValueError) as error:
                raise IncorrectLookupParameters(error) from error
            queryset = with_value(queryset, self.field.attname, prepared)
        return queryset


class ActionFilter(IndexedFilterMixin, ChoicesDropdownFilter):  # type: ignore[misc]
    """Filters by action."""


class ContentTypeFilter(IndexedFilterMixin, RelatedDropdownFilter):  # type: ignore[misc]
    """Filters by the kind of record."""


class ActorFilter(IndexedFilterMixin, AutocompleteSelectFilter):  # type: ignore[misc]
    """Filters by user."""


class CodeFilter(TextFilter):  # type: ignore[misc]
    """Filters denials by their whole code."""

    title = "code"
    parameter_name = "code"

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Keep the denials with the code."""
        return with_value(queryset, "code", self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditAdmin(ReadOnlyAdminMixin, RegistryAdmin):
    """The audit trail, newest first.

    It stays fast with millions of entries: every filter and search uses an index, and no count exceeds a limit. A date
    hierarchy and sorting by other columns would read the whole table, so the page has neither.
    """

    list_display = ("timestamp", "who", "action_badge", "what", "kind", "remote_addr", "code", "cid")
    list_filter = (
        ("action", ActionFilter),
        ("content_type", ContentTypeFilter),
        ("actor", ActorFilter),
        CodeFilter,
        ("timestamp", TimeRangeFilter),
    )
    search_fields = (
        "object_repr",
        "object_pk",
        "actor_name",
        "path",
        "cid",
    )  # makes the search box appear; see `get_search_results`
    search_help_text = (
        "A whole user name, record name, record key or request id, or the beginning of a path. "
        f"Finds the newest {MAX_FOUND:,} entries."
    )
    ordering = ("-timestamp", "-pk")
    sortable_by = ()
    fields = (
        ("timestamp", "cid"),
        ("who", "remote_addr"),
        ("action_badge", "code"),
        ("what", "kind"),
        ("method", "path"),
    )
    change_form_after_template = "models_registry/changes_table.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        """Return the entries with their content types."""
        entries: QuerySet[AuditEntry] = super().get_queryset(request)
        return entries.select_related("content_type")

    def record_url(self, request: HttpRequest, record: Model) -> str | None:
        """Return the address of a record's entries; `None` for callers who may not see them, and if there are none."""
        if not auditlog.contains(type(record)) or not self.has_view_permission(request):
            return None
        kind = ContentType.objects.get_for_model(record)
        query = urlencode({"content_type__id__exact": kind.pk, "q": record.pk})
        return f"{reverse('admin:models_registry_auditentry_changelist')}?{query}"

    def get_ordering(self, request: HttpRequest) -> tuple[str | OrderBy, ...]:
        """Return the ordering: the column of the active filter, whose index serves it, then the newest first.

        What a search found is sorted by an expression. Otherwise PostgreSQL often reads the index of all timestamps to
        come upon the newest of the keys, and so most of the table for a user who left two years ago.
        """
        if request.GET.get(SEARCH_VAR):
            return (Coalesce("timestamp", "timestamp").desc(), "-pk")
        columns = [
            column
            for prefix, column in FILTERED_COLUMNS.items()
            if any(name.startswith(prefix) for name in request.GET)
        ]
        return (*columns[:1], *self.ordering)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """Find entries by exact values, or by the beginning of a path."""
        text = search_term.strip()
        if not text:
            return queryset, False
        if is_common_path_prefix(text):
            messages.warning(
                request, "Too many paths begin with this text, so the search was for this exact path only."
            )
        return queryset.filter(pk__in=find_audit_entries(queryset, text)), False

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: object, **kwargs: object
    ) -> HttpResponseBase:
        """Add the table of changed fields."""
        context["changes_table"] = changes_table(context["original"])
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(ordering="actor_name")
    def who(self, entry: AuditEntry) -> str:
        """Return the user's name at the time."""
        return entry.actor_name

    @admin.display(description="action", ordering="action")
    def action_badge(self, entry: AuditEntry) -> str:
        """Return the action as a coloured badge."""
        return badge(entry.get_action_display(), ACTION_COLORS[entry.action])

    @admin.display(description="record or path", ordering="object_repr")
    def what(self, entry: AuditEntry) -> str:
        """Return the record that was written, or the request that was denied."""
        return entry.object_repr or f"{entry.method} {entry.path}"

    @admin.display(ordering="content_type")
    def kind(self, entry: AuditEntry) -> str:
        """Return the kind of the record that was written."""
        return entry.content_type.name if entry.content_type else ""


def changes_table(entry: AuditEntry) -> dict[str, list[object]]:
    """Return each changed field before and after, as data for `unfold/components/table.html`."""
    changes = (entry.changes or {}).items()
    return {
        "headers": ["Field", "Before", "After"],
        "rows": [
            [name, *map(_change_text, change if isinstance(change, list) else ["", change])] for name, change in changes
        ],
    }


def _change_text(value: object) -> str:
    return "" if value is None else str(value)
