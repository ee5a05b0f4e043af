"""Parts of the admin's forms: strictly parsed JSON, a related record without a link, and what a service refuses."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from django import forms
from django.core.exceptions import ValidationError
from django.forms.renderers import BaseRenderer
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextareaWidget

from models_registry.api.errors import APIError, InvalidInputError
from models_registry.api.field_errors import error_texts
from models_registry.api.strict_json import parse_json

if TYPE_CHECKING:
    _FormBase = forms.Form
else:
    _FormBase = object


class StrictJSONField(forms.Field):
    """A JSON document. Django's field is more lenient: for example, it accepts repeated keys and uses the last."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: object) -> str | None:
        """Return the text to edit: the submitted text, or the stored document as JSON."""
        return value if isinstance(value, str | None) else json.dumps(value, indent=2, ensure_ascii=False)

    def to_python(self, value: str | None) -> object:
        """Return the document. Raises `ValidationError`."""
        try:
            document = parse_json(value.encode()) if value else None
        except ValueError as error:
            raise ValidationError(f"This is not a JSON document that this service takes: {error}.") from None
        if value and document is None:
            raise ValidationError("This is `null`. Enter a JSON document.")
        return document


class PlainTextWidget(forms.Widget):
    """A value as text. Read-only pages show it instead of a link."""

    read_only = True

    def render(
        self,
        name: str,
        value: object,
        attrs: Mapping[str, object] | None = None,
        renderer: BaseRenderer | None = None,
    ) -> SafeString:
        """Return the text."""
        return conditional_escape("-" if value is None else str(value))


class PlainText(forms.Field):
    """A field that only shows its value."""

    widget = PlainTextWidget


class RefusedFormMixin(_FormBase):
    """A form whose content a service has refused."""

    refusals: list[str]

    def clean(self) -> dict[str, object] | None:
        """Return the values, and add the errors."""
        values = super().clean()
        self.add_error(None, self.refusals)
        return values


def refusals(error: APIError) -> list[str]:
    """Return why a service refuses to store something."""
    return (error_texts(error.errors) if isinstance(error, InvalidInputError) else []) or [error.detail]
