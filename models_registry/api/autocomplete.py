"""The search boxes of the admin's forms and filters, and the records that they offer."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import urlencode

from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import ForeignKey, ManyToManyField, Model, QuerySet
from django.forms import ModelChoiceField, ModelMultipleChoiceField
from django.http import HttpRequest
from unfold.contrib.filters.forms import AutocompleteDropdownForm

if TYPE_CHECKING:
    _AutocompleteBase = AutocompleteSelect
    _AdminBase = BaseModelAdmin[Any]
else:
    _AutocompleteBase = _AdminBase = object

Relation: TypeAlias = "ForeignKey[Model, Model] | ManyToManyField[Model, Model]"


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

    offered_in: tuple[str, str] | None = None  # "form" or "filter", and the page's model

    def optgroups(
        self, name: str, value: Sequence[str], attrs: dict[str, object] | None = None
    ) -> list[tuple[str | None, list[dict[str, object]], int | None]]:
        """Return the selected options, without malformed ids."""
        valid = [given for given in value if is_valid_pk(self.field.remote_field.model, given)]
        return super().optgroups(name, valid, attrs)

    def get_url(self) -> str:
        """Return the address that the search box asks for records. It names the page, which decides what is offered."""
        return f"{super().get_url()}?{urlencode([self.offered_in])}" if self.offered_in else super().get_url()


class ValidatedAutocompleteSelect(ValidPkMixin, AutocompleteSelect):
    """A search box for one record."""


class ValidatedAutocompleteSelectMultiple(ValidPkMixin, AutocompleteSelectMultiple):
    """A search box for any number of records."""


SearchBox = TypeVar("SearchBox", ValidatedAutocompleteSelect, ValidatedAutocompleteSelectMultiple)


class FilterForm(AutocompleteDropdownForm):  # type: ignore[misc]  # the library is untyped
    """The search box of a filter. It names the chosen record only to those whom it offers that record."""

    widget = ValidatedAutocompleteSelect

    def __init__(
        self, *, name: str, field: Relation, request: HttpRequest, model_admin: Any, **options: object
    ) -> None:
        super().__init__(name=name, field=field, request=request, model_admin=model_admin, **options)
        box = self.fields[name]
        box.queryset = model_admin.filter_choices(request, field)
        box.widget.offered_in = ("filter", model_admin.model._meta.label_lower)


class AutocompleteMixin(_AdminBase):
    """Uses the search boxes above for the `autocomplete_fields` of a page or inline."""

    parent_model: type[Model]  # of an inline

    def form_choices(self, request: HttpRequest, field: Relation) -> QuerySet[Model] | None:
        """Return the records that a search box in the form offers: those that the caller may see on their own page."""
        return viewable(self, request, field)

    def form_relations(self, request: HttpRequest) -> Iterator[Relation]:
        """Yield the relations with a search box in the form."""
        for name in self.get_autocomplete_fields(request):
            yield self.model._meta.get_field(name)

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Model, Model]", request: HttpRequest, **options: object
    ) -> "ModelChoiceField[Model] | None":
        """Return the form field of a relation to one record."""
        if db_field.name in self.get_autocomplete_fields(request):
            options["widget"] = self._search_box(ValidatedAutocompleteSelect, db_field)
        return super().formfield_for_foreignkey(db_field, request, **options)

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Model, Model]", request: HttpRequest, **options: object
    ) -> "ModelMultipleChoiceField[Model] | None":
        """Return the form field of a relation to many records."""
        if db_field.name in self.get_autocomplete_fields(request):
            options["widget"] = self._search_box(ValidatedAutocompleteSelectMultiple, db_field)
        return super().formfield_for_manytomany(db_field, request, **options)

    def _search_box(self, widget: type[SearchBox], field: Relation) -> SearchBox:
        box = widget(field, self.admin_site)
        box.offered_in = ("form", getattr(self, "parent_model", self.model)._meta.label_lower)
        return box


def viewable(page: "BaseModelAdmin[Model]", request: HttpRequest, field: Relation) -> QuerySet[Model] | None:
    """Return the records that the caller may see on the page of their own, or `None` without a right to that page."""
    own = page.admin_site.get_model_admin(field.related_model)
    return own.get_queryset(request) if own.has_view_permission(request) else None
