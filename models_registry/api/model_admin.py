"""Shared parts of the admin's pages: base classes, widgets, filters, badges and links."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from django.contrib.admin import FieldListFilter, ShowFacets, SimpleListFilter
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import BaseModelAdmin, IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path, quote
from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple
from django.core.exceptions import BadRequest, ValidationError
from django.core.paginator import Paginator
from django.db.models import Field, ForeignKey, ManyToManyField, Model, QuerySet
from django.forms import ModelChoiceField, ModelForm, ModelMultipleChoiceField
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.timezone import make_aware
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter, RangeDateTimeFilter
from unfold.utils import display_for_label
from unfold.views import ChangeList

from models_registry import task_types

MAX_LISTED = 10_000  # records that a list pages through; counting and skipping them takes milliseconds

# An entry of `list_filter`: a field's path, a path with the class of its filter, or a filter class.
ListFilterItem: TypeAlias = str | tuple[str, type[FieldListFilter]] | type[SimpleListFilter]


if TYPE_CHECKING:
    _AutocompleteBase = AutocompleteSelect
    _AdminBase = BaseModelAdmin[Any]
else:
    _AutocompleteBase = _AdminBase = object


def is_valid_pk(model: type[Model], value: str) -> bool:
    """Return whether a text has the form of a primary key of the model, in ASCII."""
    key = model._meta.pk
    try:
        key.run_validators(key.to_python(value))
    except ValidationError:
        return False
    return value.isascii()


def validate_pk(model: type[Model], value: str) -> None:
    """Raise `BadRequest` unless a text has the form of a primary key of the model."""
    if not is_valid_pk(model, value):
        raise BadRequest("This is not an id.")


class ValidPkMixin(_AutocompleteBase):
    """Ignores malformed ids in a submitted form, so that the form is shown again with its error."""

    def optgroups(self, name: str, value: Sequence[str], attrs: dict[str, Any] | None = None) -> Any:
        """Return the selected options, without malformed ids."""
        valid = [given for given in value if is_valid_pk(self.field.remote_field.model, given)]
        return super().optgroups(name, valid, attrs)


class ValidatedAutocompleteSelect(ValidPkMixin, AutocompleteSelect):
    """A search box for one record."""


class ValidatedAutocompleteSelectMultiple(ValidPkMixin, AutocompleteSelectMultiple):
    """A search box for any number of records."""


class ValidatedAutocompleteMixin(_AdminBase):
    """Uses the search boxes above for the `autocomplete_fields` of a page or inline."""

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Model, Model]", request: HttpRequest, **options: object
    ) -> "ModelChoiceField[Model] | None":
        """Return the form field of a relation to one record."""
        if db_field.name in self.get_autocomplete_fields(request):
            options["widget"] = ValidatedAutocompleteSelect(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **options)

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Model, Model]", request: HttpRequest, **options: object
    ) -> "ModelMultipleChoiceField[Model] | None":
        """Return the form field of a relation to many records."""
        if db_field.name in self.get_autocomplete_fields(request):
            options["widget"] = ValidatedAutocompleteSelectMultiple(db_field, self.admin_site)
        return super().formfield_for_manytomany(db_field, request, **options)


class RegistryInline(ValidatedAutocompleteMixin, TabularInline):  # type: ignore[misc]  # the library is untyped
    """Related records as table rows, without a title above each row. The option's name depends on Unfold's version."""

    if hasattr(TabularInline, "show_title"):
        show_title = False
    else:
        hide_title = True


def badge(text: str, color: str) -> str:
    """Return the HTML of a small coloured label."""
    return str(display_for_label(text, "", {text: color}))


def nowrap(text: str) -> str:
    """Return the HTML of a text that stays on one line."""
    return format_html('<span class="whitespace-nowrap">{}</span>', text)


def pretty_json(document: object) -> str:
    """Return the HTML of an indented JSON document."""
    return format_html(
        '<pre class="max-w-full overflow-auto text-xs">{}</pre>', json.dumps(document, indent=2, ensure_ascii=False)
    )


def link_to(record: Model, text: str | None = None) -> str:
    """Return the HTML of a link to a record's page in the admin, by default with the record's name as its text."""
    meta = record._meta
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[quote(str(record.pk))])
    return format_html('<a href="{}" class="text-link whitespace-nowrap">{}</a>', url, text or record)


def task_type_label(name: str) -> str:
    """Return the label of a task type, or an error message if no module declares the stored name."""
    try:
        return task_types.get(name).label
    except task_types.UnknownTaskTypeError as error:
        return str(error)


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic for the type checker only
    """Pages through the first `MAX_LISTED` records and counts no more: counting millions would take seconds."""

    @cached_property
    def count(self) -> int:
        """The number of records, at most `MAX_LISTED`."""
        records = cast("QuerySet[Model]", self.object_list)
        return records[:MAX_LISTED].count()


class RegistryChangeList(ChangeList):  # type: ignore[misc]  # the library is untyped
    """A list that handles impossible dates, such as those after the year 9999, like other invalid parameters."""

    def get_filters(self, request: HttpRequest) -> tuple[object, ...]:
        """Return the filters. Raises `IncorrectLookupParameters`."""
        try:
            filters: tuple[object, ...] = super().get_filters(request)
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error
        return filters


class RegistryAdmin(ValidatedAutocompleteMixin, ModelAdmin):  # type: ignore[misc]  # the library is untyped
    """The base of every page. It allows only declared filters, and checks ids."""

    list_filter_submit = True
    paginator = BoundedPaginator
    list_per_page = 50  # rendering 100 rows takes up to half a second
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # facets count the records of each choice, which reads the whole table

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow only the lookups of the page's filters and dates, so that nobody can probe a field by filtering."""
        return request is not None and lookup in self._declared_lookups(request)

    def get_list_filter(self, request: HttpRequest) -> list[ListFilterItem]:
        """Return the filters, without those that offer records which the user must not see."""
        return [item for item in super().get_list_filter(request) if self._may_use(item, request)]

    def autocompleted_fields(self, request: HttpRequest) -> "Iterator[Field[object, object]]":
        """Yield the relations with a search box on this page: in its form, inlines and filters."""
        for page in (self, *self.get_inline_instances(request)):
            for name in page.get_autocomplete_fields(request):
                yield page.model._meta.get_field(name)
        yield from filter(None, map(self._autocompleted, self.get_list_filter(request)))

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        """Return the class of the list."""
        return RegistryChangeList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:
        """Return the record, or `None`. Raises `BadRequest` if the id is malformed."""
        if from_field is None:
            validate_pk(self.model, object_id)
        record: Model | None = super().get_object(request, object_id, from_field)
        return record

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Model], **options: object
    ) -> HttpResponseBase | None:
        """Run the selected action on the selected records. Raises `BadRequest` if an id is malformed."""
        for value in request.POST.getlist(ACTION_CHECKBOX_NAME):
            validate_pk(self.model, value)
        response: HttpResponseBase | None = super().response_action(request, queryset, **options)
        return response

    def _declared_lookups(self, request: HttpRequest) -> set[str | None]:
        dates = {f"{self.date_hierarchy}__{part}" for part in ("year", "month", "day")} if self.date_hierarchy else ()
        return {
            *dates,
            *(name for item in self.get_list_filter(request) for name in self._parameters(item, request)),
        }

    def _parameters(self, item: ListFilterItem, request: HttpRequest) -> list[str | None]:
        """Return the query parameters of a filter."""
        if not isinstance(item, str | tuple):
            return [item.parameter_name]
        path, create = item if isinstance(item, tuple) else (item, FieldListFilter.create)
        field = get_fields_from_path(self.model, path)[-1]
        list_filter = create(field, request, {}, self.model, self, field_path=path)
        return list_filter.expected_parameters()

    def _autocompleted(self, item: ListFilterItem) -> "ForeignKey[Model, Model] | None":
        """Return the relation of a filter with a search box, or `None` for another filter."""
        if isinstance(item, tuple) and issubclass(item[1], AutocompleteSelectFilter):
            return cast("ForeignKey[Model, Model]", get_fields_from_path(self.model, item[0])[-1])
        return None

    def _may_use(self, item: ListFilterItem, request: HttpRequest) -> bool:
        field = self._autocompleted(item)
        if field is None:
            return True
        page = self.admin_site.get_model_admin(field.remote_field.model)
        return bool(page.has_view_permission(request))

    def save_model(self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", change: bool) -> None:
        """Store only the changed fields, so that changes by others since the page was loaded remain."""
        if not change:
            super().save_model(request, obj, form, change)
        elif fields := [field.name for field in obj._meta.concrete_fields if field.name in form.changed_data]:
            obj.save(update_fields=fields)


class ReadOnlyAdminMixin:
    """Makes a page or inline read-only."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Deny additions."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Deny changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Deny deletions."""
        return False


class TimeRangeFilter(RangeDateTimeFilter):  # type: ignore[misc]
    """Filters by two times in UTC. The library's own filter compares times without a time zone."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        """Keep the records from the first time on, up to the second time, or both."""
        for lookup, end in (("gte", "from"), ("lte", "to")):
            parts = [self.used_parameters.get(f"{self.parameter_name}_{end}_{i}") or "" for i in (0, 1)]
            time = parse_datetime(" ".join(parts))
            if time is not None:
                queryset = queryset.filter(**{f"{self.parameter_name}__{lookup}": make_aware(time, UTC)})
        return queryset


class RevokedFilter(DropdownFilter):  # type: ignore[misc]
    """Filters records by whether they are revoked."""

    title = "revocation"
    parameter_name = "revoked"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        """Return both choices."""
        return [("yes", "Revoked"), ("no", "Not revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        """Keep the records of the chosen kind."""
        return queryset.filter(revoked_at__isnull=self.value() == "no") if self.value() else queryset
