"""Requests that were denied: each in the log, in the audit trail, and counted against whoever sent it."""

import logging

from django.db import Error
from django.http import HttpRequest
from rest_framework.request import Request

from models_registry.api.client_address import client_address
from models_registry.api.throttling import DenialThrottle, RefusalThrottle
from models_registry.audit.recorder import record_denial
from models_registry.db.outages import CACHE_ERRORS

UNRECORDABLE: tuple[type[Exception], ...] = (Error, *CACHE_ERRORS)

logger = logging.getLogger(__name__)
denials = logging.getLogger("denials")


def note_denial(request: HttpRequest | Request, status: int, code: str) -> None:
    """Log and record who was denied what. The user is named if known so far; nobody is authenticated for it.

    The denial stands even if the audit trail cannot be reached. Past the throttle's rate only the log has it.
    """
    user = getattr(getattr(request, "_user", None), "pk", None)
    where = f"user {user or '-'} at {client_address(request)}"
    denials.warning("%s %s: %s %s, %s", request.method, request.path, status, code, where)
    try:
        if DenialThrottle().allow_request(request, None):
            record_denial(code, user=user)
    except UNRECORDABLE as error:
        logger.error("A denial is missing in the audit trail: %s", error)


def seconds_to_wait(request: HttpRequest | Request) -> float:
    """Count a 401 or 403, and return how long its sender must wait if there were too many; 0 if not."""
    throttle = RefusalThrottle()
    try:
        return 0 if throttle.allow_request(request, None) else throttle.wait()
    except UNRECORDABLE as error:
        logger.error("A refusal is not counted: %s", error)
        return 0
