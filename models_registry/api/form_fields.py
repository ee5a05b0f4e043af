"""Form fields that parse JSON strictly."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget

from models_registry.api.strict_json import parse_json


class StrictJSONField(forms.Field):
    """JSON without what the library's own field lets through: above all a repeated key, of which it takes the last."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        """Return the text to edit: what was typed, or the stored document."""
        return value if isinstance(value, str | None) else json.dumps(value, indent=2, ensure_ascii=False)

    def to_python(self, value: Any) -> Any:
        """Return the document. Raises `ValidationError`."""
        try:
            document = parse_json(value.encode()) if value else None
        except ValueError as error:
            raise ValidationError(f"This is not a JSON document that this service takes: {error}.") from None
        if value and document is None:
            raise ValidationError("This is `null`, which is no document.")
        return document
