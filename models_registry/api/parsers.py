"""Reading JSON that may be hostile."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from models_registry.exceptions import PayloadTooLargeError

MAX_DEPTH = 32


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
            return parse_json(body.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The body is not a JSON document that this service takes: {_reason(error)}.") from None


def parse_json(text: str) -> Any:
    """Return the strict JSON document in `text`. Raises `ValueError` or `RecursionError`."""
    document = json.loads(
        text,
        object_pairs_hook=_object_without_repeats,
        parse_constant=_refuse_constant,
        parse_float=_finite,
    )
    _check(document, depth=1)
    return document


def _read_bounded(stream: IO[bytes]) -> bytes:
    limit = settings.MAX_BODY_BYTES
    request = getattr(stream, "_request", stream)
    declared = request.META.get("CONTENT_LENGTH") if isinstance(request, HttpRequest) else None
    body = b"" if declared and int(declared) > limit else stream.read(limit + 1)
    if len(body) > limit or (declared and int(declared) > limit):
        raise PayloadTooLargeError(f"The body is over {limit} bytes. Send less at a time.")
    return body


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key is repeated in one object")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"a number is too large for a double: {text[:20]}")
    return number


def _check(node: Any, *, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    if isinstance(node, str):
        _check_text(node)
    elif isinstance(node, dict):
        for key, value in node.items():
            _check_text(key)
            _check(value, depth=depth + 1)
    elif isinstance(node, list):
        for value in node:
            _check(value, depth=depth + 1)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("a text holds NUL")
    if not text.isascii():
        text.encode("utf-8")  # a lone surrogate has no UTF-8 form


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return f"it is nested deeper than {MAX_DEPTH} levels"
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    return str(error)
