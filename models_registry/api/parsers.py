"""Reading JSON that may be hostile."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from models_registry.exceptions import PayloadTooLargeError
from models_registry.strict_json import parse_json


class StrictJSONParser(JSONParser):
    """Parses JSON as RFC 8259 has it, in UTF-8, within `MAX_BODY_BYTES` and 32 levels.

    Refuses what Python's reader lets through: `NaN`, numbers past a double, a repeated key, NUL and lone surrogates.
    """

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the document. Raises `ParseError` or `PayloadTooLargeError`."""
        body = _read_bounded(stream)
        try:
            return parse_json(body)
        except ValueError as error:
            raise ParseError(f"The body is not a JSON document that this service takes: {error}.") from None


def _read_bounded(stream: IO[bytes]) -> bytes:
    limit = settings.MAX_BODY_BYTES
    request = getattr(stream, "_request", stream)
    declared = request.META.get("CONTENT_LENGTH") if isinstance(request, HttpRequest) else None
    body = b"" if declared and int(declared) > limit else stream.read(limit + 1)
    if len(body) > limit or (declared and int(declared) > limit):
        raise PayloadTooLargeError(f"The body is over {limit} bytes. Send less at a time.")
    return body
