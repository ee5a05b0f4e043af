"""Give every request an id, in its response, its problem document and its log lines."""

import logging
import random
import re
from collections.abc import Callable
from contextvars import ContextVar
from time import perf_counter

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from config.metrics.requests import count_request
from models_registry.audit.context import escape_controls, set_current_request

HEADER = "X-Request-ID"

_acceptable = re.compile(r"[A-Za-z0-9._-]{1,64}")
Observer = Callable[[HttpRequest, HttpResponse, float], None]
_current: ContextVar[str] = ContextVar("request_id", default="-")


def current_request_id() -> str:
    """Return the id of the current request."""
    return _current.get()


class RequestIDMiddleware:
    """Use the caller's request id if it is well-formed, or create one, and return it in the response."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.observers = _observers()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _acceptable.fullmatch(given) else f"{random.getrandbits(128):032x}"  # noqa: S311
        _current.set(request_id)
        set_current_request(request)
        started = perf_counter()
        try:
            response = self.get_response(request)
        finally:
            set_current_request(None)
        response[HEADER] = request_id
        for observe in self.observers:
            observe(request, response, perf_counter() - started)
        return response


def _observers() -> list[Observer]:
    """Return what is called after each request: nothing, unless the settings ask for it."""
    return [count_request] if settings.METRICS_TOKEN else []


class RequestIDFilter(logging.Filter):
    """Add the request id to log records, and keep each message on one line. A traceback follows on its own lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_request_id()
        record.msg = escape_controls(record.getMessage())
        record.args = ()
        return True
