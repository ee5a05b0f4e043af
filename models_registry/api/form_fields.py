"""Form fields of the admin: strictly parsed JSON, and a related record without a link."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget

from models_registry.api.strict_json import parse_json


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

    def render(self, name: str, value: object, attrs: Any = None, renderer: Any = None) -> Any:
        """Return the text."""
        return "-" if value is None else str(value)


class PlainText(forms.Field):
    """A field that only shows its value."""

    widget = PlainTextWidget
