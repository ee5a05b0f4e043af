"""Denied requests: log them, record them in the audit trail, and count them for the sender's network."""

import logging

from django.db import Error
from django.http import HttpRequest
from prometheus_client import Counter
from rest_framework.request import Request

from models_registry.api.client_address import client_address
from models_registry.api.throttling import DenialThrottle, RefusalThrottle
from models_registry.audit.recorder import record_denial
from models_registry.db.outages import CACHE_ERRORS

STORAGE_ERRORS: tuple[type[Exception], ...] = (Error, *CACHE_ERRORS)

DENIALS = Counter("registry_denials", "Requests that were refused.", ["status", "code"])

log = logging.getLogger(__name__)
denials = logging.getLogger("denials")


def note_denial(request: HttpRequest | Request, status: int, code: str) -> None:
    """Log a denial and record it in the audit trail.

    It names the user only if the request is already authenticated. The request stays denied even if the audit trail is
    unavailable. Beyond the throttle's rate, a denial is only logged.
    """
    user = getattr(getattr(request, "_user", None), "pk", None)
    sender = f"user {user or '-'} at {client_address(request)}"
    denials.warning("%s %s: %s %s, %s", request.method, request.path, status, code, sender)
    DENIALS.labels(status, code).inc()
    try:
        if DenialThrottle().allow_request(request, None):
            record_denial(code, user=user)
    except STORAGE_ERRORS as error:
        log.error("A denial is missing in the audit trail: %s", error)


def seconds_to_wait(request: HttpRequest | Request) -> float:
    """Count a 401 or 403 response. Return the seconds that its sender must wait, or 0 if there were not too many."""
    throttle = RefusalThrottle()
    try:
        return 0 if throttle.allow_request(request, None) else throttle.wait()
    except STORAGE_ERRORS as error:
        log.error("A refusal is not counted: %s", error)
        return 0
