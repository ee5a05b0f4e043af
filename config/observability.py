"""Give every request an id, in its response, its problem document and its log lines; log and count it."""

import logging
import random
import re
from collections.abc import Callable
from time import perf_counter

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.functional import LazyObject

from config.logs import current_id
from config.metrics.requests import count_request, method_of, route_of
from models_registry.api.client_address import client_address
from models_registry.api.headers import set_unchecked
from models_registry.audit.context import set_current_request

HEADER = "X-Request-ID"

access = logging.getLogger("access")

_acceptable = re.compile(r"[A-Za-z0-9._-]{1,64}")
Observer = Callable[[HttpRequest, HttpResponse, float], None]


class RequestIDMiddleware:
    """Use the caller's request id if it is well-formed, or create one, and return it in the response."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.observers = _observers()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _acceptable.fullmatch(given) else f"{random.getrandbits(128):032x}"  # noqa: S311
        current_id.set(request_id)
        set_current_request(request)
        started = perf_counter()
        try:
            response = self.get_response(request)
        finally:
            set_current_request(None)
        set_unchecked(response, HEADER, request_id)
        for observe in self.observers:
            observe(request, response, perf_counter() - started)
        return response


def _observers() -> list[Observer]:
    """Return what is called after each request: nothing, unless the settings ask for it."""
    counting: list[Observer] = [count_request] if settings.METRICS_TOKEN else []
    return [*counting, log_request] if settings.ACCESS_LOG else counting


def log_request(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    """Log a request that was answered, without its path, query and headers, which may hold secrets."""
    fields = {
        "method": method_of(request),
        "route": route_of(request),
        "status": response.status_code,
        "seconds": round(seconds, 6),
        "user": _user_id(request),
        "client": client_address(request),
    }
    access.info("%(method)s %(route)s %(status)s in %(seconds).4f s, user %(user)s at %(client)s", fields, extra=fields)


def _user_id(request: HttpRequest) -> int | None:
    """Return the key of the caller if it is known: to find it out would cost a query."""
    known = vars(request).get("_cached_user") or vars(request).get("user")
    return None if isinstance(known, LazyObject) else getattr(known, "pk", None)
