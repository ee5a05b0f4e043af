"""Validate query parameters: unknown, repeated and malformed ones are refused."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from models_registry.api.errors import FieldError, InvalidParameterError, UnknownParameterError
from models_registry.api.fields import MAX_QUOTED_NAME, list_errors


def parse_query(request: Request, serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    """Return the validated query parameters. Raises `UnknownParameterError` or `InvalidParameterError`."""
    if not request._request.META.get("QUERY_STRING"):
        return dict(_defaults(serializer))
    repeated = refuse_unknown_parameters(request, serializer.fields)
    return _validate(serializer, request.query_params.dict(), repeated)


@lru_cache
def _defaults(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    """Return the values without a query. They are constants, so one validation serves all requests.

    Raises `InvalidParameterError` if a parameter is required.
    """
    return _validate(serializer, {}, [])


def _validate(
    serializer: serializers.Serializer[Any], given: dict[str, str], repeated: list[FieldError]
) -> dict[str, Any]:
    try:
        values: dict[str, Any] = serializer.run_validation(given)
    except serializers.ValidationError as error:
        raise invalid_parameters([*list_errors(error.detail), *repeated]) from None
    if repeated:
        raise invalid_parameters(repeated)
    return values


def refuse_unknown_parameters(request: Request, known: Collection[str]) -> list[FieldError]:
    """Return an error for each repeated parameter. Raises `UnknownParameterError`, which lists them as well."""
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
    return repeated


def invalid_parameters(found: list[FieldError]) -> InvalidParameterError:
    """Return the error that lists these errors of parameters."""
    return InvalidParameterError("A query parameter is not valid; `errors` says why.", found)
