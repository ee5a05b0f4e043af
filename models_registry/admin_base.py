"""What the pages of the admin are made of: badges, links, filters, and what all pages have in common."""

import json
from typing import Any

from django.contrib.admin.utils import quote
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import DropdownFilter
from unfold.utils import display_for_label

from models_registry import ids, task_types
from models_registry.models import Version

MODEL_STATES = {"draft": "default", "training": "info", "ready": "success", "archived": "warning"}
VERSION_STATES = {"training": "info", "completed": "success", "failed": "danger"}


class Rows(TabularInline):  # type: ignore[misc]  # the library is untyped
    """Related records as plain rows, without a title over each: an option whose name depends on the theme's version."""

    if hasattr(TabularInline, "show_title"):
        show_title = False
    else:
        hide_title = True


def badge(text: str, color: str) -> str:
    """Return the HTML of a small coloured label."""
    return str(display_for_label(text, "", {text: color}))


def promoted_badge(version: Version) -> str:
    """Return the mark of a version that its model has promoted, or nothing."""
    return badge("promoted", "primary") if version.model.promoted_version_id == version.pk else ""


def unbroken(text: str) -> str:
    """Return the HTML of a text that stays on one line."""
    return format_html('<span class="whitespace-nowrap">{}</span>', text)


def pretty(document: Any) -> str:
    """Return the HTML of a JSON document, a line a field."""
    return format_html(
        '<pre class="max-w-full overflow-auto text-xs">{}</pre>', json.dumps(document, indent=2, ensure_ascii=False)
    )


def link_to(record: Model) -> str:
    """Return the HTML of a link to a record's page in the admin."""
    meta = record._meta
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[quote(str(record.pk))])
    return format_html('<a href="{}" class="text-link whitespace-nowrap">{}</a>', url, record)


def task_type_label(name: str) -> str:
    """Return the label of a task type, or what is wrong with a stored name that no module declares."""
    try:
        return task_types.get(name).label
    except task_types.UnknownTaskTypeError as error:
        return str(error)


class RegistryAdmin(ModelAdmin):  # type: ignore[misc]  # the library is untyped
    """What all pages have in common: filters in a sheet, and a search that knows the ids of versions."""

    list_filter_submit = True
    version_number = ""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Store what was changed on the page and nothing else: what others changed since it was loaded stays."""
        if not change:
            super().save_model(request, obj, form, change)
        elif fields := [field.name for field in obj._meta.concrete_fields if field.name in form.changed_data]:
            obj.save(update_fields=fields)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by the search fields and, where `version_number` is set, by the ids of versions."""
        words = search_term.split()
        version_ids = [word for word in words if self.version_number and ids.is_version_id(word)]
        for version_id in version_ids:
            queryset = queryset.filter(**{self.version_number: ids.version_number(version_id)})
        others = " ".join(word for word in words if word not in version_ids)
        found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, others)
        return found


class ReadOnly:
    """Mixed into the pages of what is only looked at here, and written elsewhere."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is added here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is changed here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is deleted here."""
        return False


class StateFilter(DropdownFilter):  # type: ignore[misc]
    """Keeps the models in one derived state."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the states."""
        return [(state, state.capitalize()) for state in MODEL_STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the models in the chosen state."""
        return queryset.filter(state=self.value()) if self.value() in MODEL_STATES else queryset


class PromotedFilter(DropdownFilter):  # type: ignore[misc]
    """Keeps what belongs to promoted versions; the queryset has a method `promoted`."""

    title = "promotion"
    parameter_name = "promoted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the one choice there is beside all."""
        return [("yes", "Promoted")]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Any]:
        """Keep what is of promoted versions, when asked to."""
        kept: QuerySet[Any] = queryset.promoted() if self.value() == "yes" else queryset
        return kept


class RevokedFilter(DropdownFilter):  # type: ignore[misc]
    """Keeps the logins that were revoked, or those that were not."""

    title = "revocation"
    parameter_name = "revoked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return both choices."""
        return [("yes", "Revoked"), ("no", "Not revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the chosen logins."""
        return queryset.filter(revoked_at__isnull=self.value() == "no") if self.value() else queryset
