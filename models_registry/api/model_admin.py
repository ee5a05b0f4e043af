"""What the pages of the admin are made of: badges, links, filters, and what all pages have in common."""

import json
from collections.abc import Iterator
from typing import Any

from django.contrib.admin import FieldListFilter, ShowFacets
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path, quote
from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter
from unfold.utils import display_for_label
from unfold.views import ChangeList

from models_registry import task_types


def is_id(model: type[Model], given: str) -> bool:
    """Say whether a text has the form of a primary key of the model, in ASCII."""
    key: Any = model._meta.pk
    try:
        key.run_validators(key.to_python(given))
    except ValidationError:
        return False
    return given.isascii()


def check_id(model: type[Model], given: str) -> None:
    """Raise `BadRequest` unless a text has the form of a primary key of the model."""
    if not is_id(model, given):
        raise BadRequest("This is not an id.")


class IdsOnly:
    """Mixed into search boxes: a form that was sent without an id is shown again, with its error."""

    def optgroups(self: Any, name: str, value: list[str], attr: Any = None) -> Any:
        """Return the chosen options, without what is no id."""
        chosen = [given for given in value if is_id(self.field.remote_field.model, given)]
        return super().optgroups(name, chosen, attr)  # type: ignore[misc]


class SearchBox(IdsOnly, AutocompleteSelect):  # type: ignore[misc]
    """A search box for one record."""


class MultipleSearchBox(IdsOnly, AutocompleteSelectMultiple):  # type: ignore[misc]
    """A search box for any number of records."""


class WithSearchBoxes:
    """Mixed into pages and inlines: `autocomplete_fields` are the search boxes above."""

    def formfield_for_foreignkey(self: Any, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Return the form field of a relation to one record."""
        if db_field.name in self.get_autocomplete_fields(request):
            options["widget"] = SearchBox(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **options)  # type: ignore[misc]

    def formfield_for_manytomany(self: Any, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Return the form field of a relation to many records."""
        if db_field.name in self.get_autocomplete_fields(request):
            options["widget"] = MultipleSearchBox(db_field, self.admin_site)
        return super().formfield_for_manytomany(db_field, request, **options)  # type: ignore[misc]


class Rows(WithSearchBoxes, TabularInline):  # type: ignore[misc]  # the library is untyped
    """Related records as plain rows, without a title over each: an option whose name depends on the theme's version."""

    if hasattr(TabularInline, "show_title"):
        show_title = False
    else:
        hide_title = True


def badge(text: str, color: str) -> str:
    """Return the HTML of a small coloured label."""
    return str(display_for_label(text, "", {text: color}))


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


class RegistryChangeList(ChangeList):  # type: ignore[misc]  # the library is untyped
    """A list that answers dates outside the calendar, such as the year 9999, like other values that do not fit."""

    def get_filters(self, request: HttpRequest) -> Any:
        """Return the filters. Raises `IncorrectLookupParameters`."""
        try:
            return super().get_filters(request)
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error


class RegistryAdmin(WithSearchBoxes, ModelAdmin):  # type: ignore[misc]  # the library is untyped
    """The base of every page: an allow-list of filters, checked ids, and a search that knows the ids of versions."""

    list_filter_submit = True
    show_facets = ShowFacets.NEVER  # a count for each choice reads the whole table

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Allow the lookups of the list's own filters and dates alone, so that nobody probes a field by filtering."""
        return request is not None and lookup in self._own_lookups(request)

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Return the filters, without those that choose among records that the user may not see."""
        return [listed for listed in super().get_list_filter(request) if self._may_choose(listed, request)]

    def autocompleted_fields(self, request: HttpRequest) -> Iterator[Any]:
        """Yield the relations whose records this page offers in search boxes: in forms, inlines and filters."""
        for page in (self, *self.get_inline_instances(request)):
            for name in page.get_autocomplete_fields(request):
                yield page.model._meta.get_field(name)
        yield from filter(None, map(self._autocompleted, self.get_list_filter(request)))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the class of the list."""
        return RegistryChangeList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the record, or `None`. Raises `BadRequest` when the id is none."""
        if from_field is None:
            check_id(self.model, object_id)
        return super().get_object(request, object_id, from_field)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], **options: Any) -> HttpResponseBase | None:
        """Run the chosen action on the chosen records. Raises `BadRequest` when an id is none."""
        for given in request.POST.getlist(ACTION_CHECKBOX_NAME):
            check_id(self.model, given)
        response: HttpResponseBase | None = super().response_action(request, queryset, **options)
        return response

    def _own_lookups(self, request: HttpRequest) -> set[str | None]:
        dates = {f"{self.date_hierarchy}__{part}" for part in ("year", "month", "day")} if self.date_hierarchy else ()
        return {
            *dates,
            *(name for listed in self.get_list_filter(request) for name in self._parameters(listed, request)),
        }

    def _parameters(self, listed: Any, request: HttpRequest) -> list[str | None]:
        """Return the query parameters of one of the filters."""
        if not isinstance(listed, str | tuple):
            return [listed.parameter_name]
        path, kind = listed if isinstance(listed, tuple) else (listed, FieldListFilter.create)
        field = get_fields_from_path(self.model, path)[-1]
        built = kind(field, request, {}, self.model, self, field_path=path)
        parameters: list[str | None] = built.expected_parameters()
        return parameters

    def _autocompleted(self, listed: Any) -> Any:
        """Return the relation that one of the filters offers in a search box; `None` if it has none."""
        if isinstance(listed, tuple) and issubclass(listed[1], AutocompleteSelectFilter):
            return get_fields_from_path(self.model, listed[0])[-1]
        return None

    def _may_choose(self, listed: Any, request: HttpRequest) -> bool:
        field = self._autocompleted(listed)
        if field is None:
            return True
        page = self.admin_site.get_model_admin(field.remote_field.model)
        return bool(page.has_view_permission(request))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Store what was changed on the page and nothing else: what others changed since it was loaded stays."""
        if not change:
            super().save_model(request, obj, form, change)
        elif fields := [field.name for field in obj._meta.concrete_fields if field.name in form.changed_data]:
            obj.save(update_fields=fields)


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
