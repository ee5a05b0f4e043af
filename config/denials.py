"""Requests that were denied: each in the log, and in the audit trail."""

import logging
from contextlib import suppress

from django.db import Error
from django.http import HttpRequest
from rest_framework.request import Request

from models_registry.acting import client_address
from models_registry.api.throttling import DenialThrottle
from models_registry.audit import record_denial

denials = logging.getLogger("denials")
outages = logging.getLogger("outages")

CACHE_ERRORS: tuple[type[Exception], ...] = ()
with suppress(ImportError):  # installed where CACHE_URL is a Redis
    from redis.exceptions import RedisError

    CACHE_ERRORS = (RedisError,)


UNREACHABLE: tuple[type[Exception], ...] = (Error, *CACHE_ERRORS)


def note_denial(request: HttpRequest | Request, status: int, code: str) -> None:
    """Log and keep who was denied what, as far as it is known by now: nobody is authenticated for it.

    The denial stands even when the audit trail cannot be reached. Of a flood of them, the log alone has all.
    """
    user = getattr(getattr(request, "_user", None), "pk", None)
    where = f"user {user or '-'} at {client_address(request)}"
    denials.warning("%s %s: %s %s, %s", request.method, request.path, status, code, where)
    try:
        if DenialThrottle().allow_request(request, None):
            record_denial(code, user=user)
    except UNREACHABLE as error:
        outages.error("A denial is missing in the audit trail: %s", error)
