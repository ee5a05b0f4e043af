"""Validate query parameters: unknown, repeated and malformed ones are refused."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from rest_framework import serializers
from rest_framework.request import Request

from models_registry.api.errors import InvalidParameterError, UnknownParameterError
from models_registry.api.field_errors import FieldError
from models_registry.api.fields import MAX_QUOTED_NAME, list_errors


def parse_query(
    request: Request, serializer: serializers.Serializer[Any], checked: Collection[str] = ()
) -> dict[str, Any]:
    """Return the validated query parameters. Raises `UnknownParameterError` or `InvalidParameterError`.

    Args:
        request: the request.
        serializer: validates the parameters.
        checked: parameters that may be given as well, and are checked elsewhere.
    """
    if not request._request.META.get("QUERY_STRING"):
        return dict(_defaults(serializer))
    repeated = refuse_unknown_parameters(request, [*serializer.fields, *checked])
    return _validate(serializer, request.query_params.dict(), repeated)


@lru_cache
def _defaults(serializer: serializers.Serializer[Any]) -> dict[str, object]:
    """Return the values without a query. They are constants, so one validation serves all requests.

    Raises `InvalidParameterError` if a parameter is required.
    """
    return _validate(serializer, {}, [])


def _validate(
    serializer: serializers.Serializer[Any], given: dict[str, str], repeated: list[FieldError]
) -> dict[str, object]:
    try:
        values: dict[str, object] = serializer.run_validation(given)
    except serializers.ValidationError as error:
        raise invalid_parameters([*list_errors(error.detail), *repeated]) from None
    if repeated:
        raise invalid_parameters(repeated)
    return values


def refuse_unknown_parameters(request: Request, known: Collection[str]) -> list[FieldError]:
    """Return an error for each repeated parameter.

    Raises `UnknownParameterError`, which lists them as well, or `InvalidParameterError` if the query is not UTF-8.
    """
    given = request.query_params
    repeated = [
        (name[:MAX_QUOTED_NAME], "repeated", "Give this parameter once.")
        for name in given
        if len(given.getlist(name)) > 1
    ]
    instead = f"use {', '.join(known)}" if known else "this route has none"
    unknown = [
        (name[:MAX_QUOTED_NAME], "unknown", f"Unknown parameter; {instead}.") for name in given if name not in known
    ]
    if unknown:
        raise UnknownParameterError("This route has no such query parameter; `errors` names it.", unknown + repeated)
    _refuse_other_encoding(request._request.META.get("QUERY_STRING", ""))
    return repeated


def _refuse_other_encoding(query: str) -> None:
    """Raise `InvalidParameterError` if a query is not UTF-8. Django replaces what it cannot read."""
    try:
        unquote_to_bytes(query.encode("iso-8859-1")).decode()
    except UnicodeError:
        raise InvalidParameterError("The query is not UTF-8. Encode its parameters in UTF-8.") from None


def invalid_parameters(found: list[FieldError]) -> InvalidParameterError:
    """Return the error that lists these errors of parameters."""
    return InvalidParameterError("A query parameter is not valid; `errors` says why.", found)
