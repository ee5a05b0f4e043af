"""The audit trail in the admin: for whoever may see it, and changed by nobody."""

from typing import Any

from auditlog.admin import LogEntryAdmin as LogEntryAdmin  # registers its own page first
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    FieldTextFilter,
    RelatedDropdownFilter,
)

from models_registry.admin_base import ReadOnly, RegistryAdmin, badge
from models_registry.models import AuditEntry

ACTION_COLORS = {0: "success", 1: "info", 2: "warning", AuditEntry.DENIED: "danger"}

admin.site.unregister(AuditEntry)


@admin.register(AuditEntry)
class AuditAdmin(ReadOnly, RegistryAdmin):
    """The audit trail, newest first."""

    list_display = ("timestamp", "who", "action_badge", "what", "kind", "remote_addr", "code", "cid")
    list_filter = (
        ("action", ChoicesDropdownFilter),
        ("content_type", RelatedDropdownFilter),
        ("actor", AutocompleteSelectFilter),
        ("code", FieldTextFilter),
    )
    search_fields = ("object_repr", "object_pk", "actor_name", "path", "cid")
    search_help_text = "By record, user, path or request id"
    date_hierarchy = "timestamp"
    ordering = ("-timestamp", "-pk")
    show_full_result_count = False
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
        "rows": [[name, *map(_told, change if isinstance(change, list) else ["", change])] for name, change in changes],
    }


def _told(value: Any) -> str:
    return "" if value is None else str(value)
