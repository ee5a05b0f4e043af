"""Strict parsers of JSON and forms, for input that may be hostile."""

from collections import Counter
from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import parse_qsl

from rest_framework.exceptions import ErrorDetail, ParseError, ValidationError
from rest_framework.parsers import FormParser, JSONParser

from models_registry.api.fields import MAX_QUOTED_NAME
from models_registry.api.strict_json import parse_json

MAX_FORM_FIELDS = 100


class StrictJSONParser(JSONParser):
    """Parses JSON (RFC 8259) in UTF-8, nested at most 32 levels deep.

    It refuses what Python's parser accepts: `NaN`, numbers outside the range of a double, repeated keys, NUL and lone
    surrogates.
    """

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, object] | None = None
    ) -> Any:
        """Return the document. Raises `ParseError`."""
        try:
            return parse_json(stream.read())
        except ValueError as error:
            raise ParseError(f"The body is not a JSON document that this service takes: {error}.") from None


class StrictFormParser(FormParser):
    """Parses a form in UTF-8. It refuses repeated fields, for which DRF's parser uses the last value."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, object] | None = None
    ) -> Any:
        """Return the fields. Raises `ParseError`, or `ValidationError` for repeated fields."""
        try:
            text = stream.read().decode()
            fields = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS)
        except ValueError:
            raise ParseError(
                f"The body is not a form that this service takes: UTF-8, with up to {MAX_FORM_FIELDS} fields."
            ) from None
        repeated = [name[:MAX_QUOTED_NAME] for name, count in Counter(name for name, _ in fields).items() if count > 1]
        if repeated:
            error = ErrorDetail("Repeated field; send it once.", code="repeated_field")
            raise ValidationError({name: [error] for name in repeated})
        return dict(fields)
