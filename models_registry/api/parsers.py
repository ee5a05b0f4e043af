"""Reading JSON and forms that may be hostile."""

from collections import Counter
from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import parse_qsl

from rest_framework.exceptions import ErrorDetail, ParseError, ValidationError
from rest_framework.parsers import FormParser, JSONParser

from models_registry.api.fields import MAX_NAME
from models_registry.api.strict_json import parse_json

MAX_FORM_FIELDS = 100


class StrictJSONParser(JSONParser):
    """Parses JSON as RFC 8259 has it, in UTF-8, within 32 levels.

    Refuses what Python's reader lets through: `NaN`, numbers past a double, a repeated key, NUL and lone surrogates.
    """

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the document. Raises `ParseError`."""
        try:
            return parse_json(stream.read())
        except ValueError as error:
            raise ParseError(f"The body is not a JSON document that this service takes: {error}.") from None


class StrictFormParser(FormParser):
    """Parses a form in UTF-8. Refuses a repeated field, of which the library's own parser takes the last."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the fields. Raises `ParseError`, or `ValidationError` naming repeated fields."""
        try:
            text = stream.read().decode()
            fields = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS)
        except ValueError:
            raise ParseError(
                f"The body is not a form that this service takes: UTF-8, with up to {MAX_FORM_FIELDS} fields."
            ) from None
        repeated = [name[:MAX_NAME] for name, times in Counter(name for name, _ in fields).items() if times > 1]
        if repeated:
            fault = ErrorDetail("Repeated field; send it once.", code="repeated_field")
            raise ValidationError({name: [fault] for name in repeated})
        return dict(fields)
