"""Reading JSON that may be hostile."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from models_registry.strict_json import parse_json


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
