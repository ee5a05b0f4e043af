"""The audit trail in the admin: for whoever may see it, and changed by nobody."""

from datetime import UTC
from functools import cached_property
from typing import Any

from auditlog.admin import LogEntryAdmin as LogEntryAdmin  # registers its own page first
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.dateparse import parse_datetime
from django.utils.timezone import make_aware
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
    TextFilter,
)

from models_registry.api.model_admin import ReadOnly, RegistryAdmin, badge
from models_registry.audit.models import AuditEntry
from models_registry.audit.selectors import MAX_FOUND, find_audit_entries, having, is_common_path_prefix

MAX_LISTED = 10_000  # entries that the list pages through; counting and skipping them takes milliseconds

# By which filter a list is ordered first, if by several then by the rarest: by which index it is read.
FILTERED = {"code": "code", "actor__": "actor_id", "content_type__": "content_type_id", "action__": "action"}

ACTION_COLORS = {
    0: "success",
    1: "info",
    2: "warning",
    AuditEntry.DENIED: "danger",
    AuditEntry.LOGGED_IN: "info",
    AuditEntry.LOGGED_OUT: "default",
}

admin.site.unregister(AuditEntry)


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages through the first entries and counts no further: counting millions would take seconds."""

    @cached_property
    def count(self) -> int:
        """The number of entries, at most `MAX_LISTED`."""
        entries: Any = self.object_list  # a queryset
        return int(entries[:MAX_LISTED].count())


class TimestampFilter(RangeDateTimeFilter):  # type: ignore[misc]
    """Keeps the entries between two moments in UTC. The library's own filter compares moments without a time zone."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the entries from the one moment, to the other, or both."""
        for lookup, end in (("gte", "from"), ("lte", "to")):
            parts = [self.used_parameters.get(f"{self.parameter_name}_{end}_{i}") or "" for i in (0, 1)]
            moment = parse_datetime(" ".join(parts))
            if moment is not None:
                queryset = queryset.filter(**{f"timestamp__{lookup}": make_aware(moment, UTC)})
        return queryset


class IndexedFilter:
    """Mixed into a filter by one value of a field: has PostgreSQL read the field's own index."""

    used_parameters: dict[str, Any]
    field: Any

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the entries with the value. Raises `IncorrectLookupParameters` for one that the field cannot have."""
        for name, value in self.used_parameters.items():
            one = value[-1] if isinstance(value, list) else value
            if name.endswith("__isnull"):
                queryset = queryset.filter(**{name: one})
                continue
            try:
                prepared = self.field.get_prep_value(one)
            except (TypeError, ValueError) as error:
                raise IncorrectLookupParameters(error) from error
            queryset = having(queryset, self.field.attname, prepared)
        return queryset


class ActionFilter(IndexedFilter, ChoicesDropdownFilter):  # type: ignore[misc]
    """Keeps the entries of one action."""


class KindFilter(IndexedFilter, RelatedDropdownFilter):  # type: ignore[misc]
    """Keeps the entries of one kind of record."""


class ActorFilter(IndexedFilter, AutocompleteSelectFilter):  # type: ignore[misc]
    """Keeps the entries of one user."""


class CodeFilter(TextFilter):  # type: ignore[misc]
    """Keeps the denials with exactly this code."""

    title = "code"
    parameter_name = "code"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the denials with the code."""
        return having(queryset, "code", self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditAdmin(ReadOnly, RegistryAdmin):
    """The audit trail, newest first.

    It stays fast with millions of entries: every filter and search uses an index, nothing is counted past a limit, and
    there is neither a date hierarchy nor sorting by other columns, which would read the whole table.
    """

    list_display = ("timestamp", "who", "action_badge", "what", "kind", "remote_addr", "code", "cid")
    list_filter = (
        ("action", ActionFilter),
        ("content_type", KindFilter),
        ("actor", ActorFilter),
        CodeFilter,
        ("timestamp", TimestampFilter),
    )
    search_fields = ("object_repr", "object_pk", "actor_name", "path", "cid")  # shows the search: see below
    search_help_text = (
        "A user's name, a record's name or key, or a request id, as a whole; or how a path begins. "
        f"Finds the newest {MAX_FOUND:,}."
    )
    ordering = ("-timestamp", "-pk")
    sortable_by = ()
    show_full_result_count = False
    paginator = BoundedPaginator
    fields = (
        ("timestamp", "cid"),
        ("who", "remote_addr"),
        ("action_badge", "code"),
        ("what", "kind"),
        ("method", "path"),
    )
    change_form_after_template = "models_registry/changes_table.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        """Return the entries with the kinds of their records."""
        entries: QuerySet[AuditEntry] = super().get_queryset(request)
        return entries.select_related("content_type")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the order of the list: newest first, in the order of the index that serves its filter."""
        given = [column for start, column in FILTERED.items() if any(name.startswith(start) for name in request.GET)]
        return (*given[:1], *self.ordering)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find entries by exact values, and by the beginning of a path."""
        text = search_term.strip()
        if not text:
            return queryset, False
        if is_common_path_prefix(text):
            messages.warning(request, "Too many paths begin with this text, so only this exact path was searched for.")
        return queryset.filter(pk__in=find_audit_entries(queryset, text)), False

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Add the table of what changed."""
        context["changes_table"] = changes_table(context["original"])
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    @admin.display(ordering="actor_name")
    def who(self, entry: AuditEntry) -> str:
        """Return the user's name, as it was then."""
        return entry.actor_name

    @admin.display(description="action", ordering="action")
    def action_badge(self, entry: AuditEntry) -> str:
        """Return the action in its colour."""
        return badge(entry.get_action_display(), ACTION_COLORS[entry.action])

    @admin.display(description="record or path", ordering="object_repr")
    def what(self, entry: AuditEntry) -> str:
        """Return what was written, or which request was denied."""
        return entry.object_repr or f"{entry.method} {entry.path}"

    @admin.display(ordering="content_type")
    def kind(self, entry: AuditEntry) -> str:
        """Return what kind of record was written."""
        return entry.content_type.name if entry.content_type else ""


def changes_table(entry: AuditEntry) -> dict[str, Any]:
    """Return each changed field before and after, for `unfold/components/table.html`."""
    changes = (entry.changes or {}).items()
    return {
        "headers": ["Field", "Before", "After"],
        "rows": [
            [name, *map(_change_text, change if isinstance(change, list) else ["", change])] for name, change in changes
        ],
    }


def _change_text(value: Any) -> str:
    return "" if value is None else str(value)
