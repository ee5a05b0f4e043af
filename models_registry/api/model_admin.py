"""Shared parts of the admin's pages: base classes, widgets, filters, badges and links."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC
from functools import cached_property, partial
from typing import Any, TypeAlias, cast

from auditlog import get_logentry_model
from django.contrib.admin import FieldListFilter, ShowFacets, SimpleListFilter
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path, quote, unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import ForeignKey, Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.timezone import make_aware
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter, RangeDateTimeFilter
from unfold.utils import display_for_label
from unfold.views import ChangeList

from models_registry import task_types
from models_registry.api.autocomplete import AutocompleteMixin, FilterForm, Relation, validate_pk, viewable
from models_registry.api.deletion import is_in_use
from models_registry.api.errors import APIError
from models_registry.api.form_fields import PlainText, RefusedFormMixin, refusals
from models_registry.api.list_download import MAX_DOWNLOADED, list_download

MAX_LISTED = 10_000  # records that a list pages through; counting and skipping them takes milliseconds

# An entry of `list_filter`: a field's path, a path with the class of its filter, or a filter class.
ListFilterItem: TypeAlias = str | tuple[str, type[FieldListFilter]] | type[SimpleListFilter]


class RegistryInline(AutocompleteMixin, TabularInline):  # type: ignore[misc]  # the library is untyped
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
    """A list whose filters offer only what the caller may see.

    It handles impossible dates, such as those after the year 9999, like other invalid parameters.
    """

    def get_filters(self, request: HttpRequest) -> tuple[object, ...]:
        """Return the filters. Raises `IncorrectLookupParameters`."""
        try:
            filters, *others = super().get_filters(request)
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error
        for each in filters:
            if isinstance(each, AutocompleteSelectFilter):
                each.form_class = FilterForm
        return (filters, *others)


class RegistryAdmin(AutocompleteMixin, ModelAdmin):  # type: ignore[misc]  # the library is untyped
    """The base of every page. It allows only declared filters, and checks ids."""

    list_filter_submit = True
    paginator = BoundedPaginator
    list_per_page = 50  # rendering 100 rows takes up to half a second
    show_full_result_count = False
    list_after_template = "models_registry/list_download.html"
    max_downloaded = MAX_DOWNLOADED
    show_facets = ShowFacets.NEVER  # facets count the records of each choice, which reads the whole table

    def get_urls(self) -> list[URLPattern]:
        """Return the URL of the list as CSV, before those of the theme, which match any path."""
        view = self.admin_site.admin_view(partial(list_download, self))
        return [path("csv/", view, name=f"{self.opts.app_label}_{self.opts.model_name}_csv"), *super().get_urls()]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow only the lookups of the page's filters and dates, so that nobody can probe a field by filtering."""
        return request is not None and lookup in self._declared_lookups(request)

    def get_list_filter(self, request: HttpRequest) -> list[ListFilterItem]:
        """Return the filters, without those that offer records which the user must not see."""
        return [item for item in super().get_list_filter(request) if self._may_use(item, request)]

    def filter_choices(self, request: HttpRequest, field: Relation) -> QuerySet[Model] | None:
        """Return the records that a filter offers: those that the caller may see on their own page."""
        return viewable(self, request, field)

    def filter_relations(self, request: HttpRequest) -> "Iterator[Relation]":
        """Yield the relations with a search box in a filter."""
        yield from filter(None, map(self._autocompleted, self.get_list_filter(request)))

    def autocompleted_fields(self, request: HttpRequest) -> "Iterator[Relation]":
        """Yield the relations with a search box on this page: in its form, inlines and filters."""
        for page in (self, *self.get_inline_instances(request)):
            yield from page.form_relations(request)
        yield from self.filter_relations(request)

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
        return field is None or self.may_filter_by(request, field)

    def may_filter_by(self, request: HttpRequest, field: Relation) -> bool:
        """Return whether a filter has records to offer to the caller."""
        return self._may_view(request, field.remote_field.model)

    def _may_view(self, request: HttpRequest, model: type[Model]) -> bool:
        page = self.admin_site.get_model_admin(model)
        return bool(page.has_view_permission(request))

    def changeform_view(self, request: HttpRequest, *args: object, **options: object) -> HttpResponseBase:
        """Show the form, or store what was sent. If a service refuses it, show the form again and say why."""
        try:
            return super().changeform_view(request, *args, **options)  # type: ignore[no-any-return]
        except APIError as error:
            if request.method != "POST" or error.status_code >= 500:
                raise
            vars(request)["refusals"] = refusals(error)
            return super().changeform_view(request, *args, **options)  # type: ignore[no-any-return]

    def get_form(self, request: HttpRequest, obj: Model | None = None, change: bool = False, **options: object) -> Any:
        """Return the form's class. What a service has refused is not valid."""
        form = super().get_form(request, obj, change, **options)
        refused = vars(request).get("refusals")
        return type(form.__name__, (RefusedFormMixin, form), {"refusals": refused}) if refused else form

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: object, **kwargs: object
    ) -> HttpResponseBase:
        """Render the form, without links and buttons that lead the caller nowhere."""
        record = context.get("original")
        if record is not None:
            context["show_history"] = self.history_url(request, record) is not None
            context["show_delete"] = self.has_delete_permission(request, record) and not is_in_use(record)
        self._drop_links(request, context["adminform"].form)
        response: HttpResponseBase = super().render_change_form(request, context, *args, **kwargs)
        return response

    def _drop_links(self, request: HttpRequest, form: "ModelForm[Model]") -> None:
        """Show related records whose pages the caller may not see without a link."""
        for field in self.opts.fields:
            target = field.related_model
            if field.name in form.fields or target is None or not self.admin_site.is_registered(target):
                continue
            if not self._may_view(request, target):
                form.fields[field.name] = PlainText(required=False)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, object] | None = None
    ) -> HttpResponseBase:
        """Redirect to the record's entries in the audit trail. Raises `PermissionDenied`."""
        record = self.get_object(request, unquote(object_id))
        if record is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[no-any-return]
        address = self.history_url(request, record)
        if address is None:
            raise PermissionDenied
        return redirect(address)

    def history_url(self, request: HttpRequest, record: Model) -> str | None:
        """Return the address of a record's entries in the audit trail, or `None` if the caller may not see any."""
        trail: Any = self.admin_site.get_model_admin(get_logentry_model())
        address: str | None = trail.record_url(request, record)
        return address

    def get_deleted_objects(
        self, objs: QuerySet[Model] | Sequence[Model], request: HttpRequest
    ) -> tuple[list[object], dict[str, int], set[str], list[str]]:
        """Return what would be deleted. What belongs to a record and is read-only goes with it, as over HTTP."""
        listed, counts, refused, protected = super().get_deleted_objects(objs, request)
        pages = self.admin_site._registry.values()
        read_only = {page.opts.verbose_name for page in pages if isinstance(page, ReadOnlyAdminMixin)}
        return listed, counts, refused - read_only, protected

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
