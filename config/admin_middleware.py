"""Middleware for the admin's pages alone: the API knows neither sessions nor cookies, and need not pay for them."""

import math
from collections.abc import Callable
from typing import Any

from axes.middleware import AxesMiddleware
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin

from config.denials import note_denial
from models_registry.api.throttling import LoginThrottle


class _AdminOnly:
    """Leaves every request outside the admin alone: the API knows neither sessions nor cookies."""

    get_response: Callable[[HttpRequest], Any]

    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if is_admin(request) else self.get_response(request)  # type: ignore[misc]


class AdminGuardMiddleware(_AdminOnly, MiddlewareMixin):
    """Refuses NUL, which no page expects and PostgreSQL cannot store, and a flood of logins from one address."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Answer what is refused. Raises `BadRequest`."""
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("NUL in an address of the admin")
        if "\0" in request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""):
            raise BadRequest("NUL in the cookie of a session")
        if request.method == "POST" and request.path_info == reverse("admin:login"):
            throttle = LoginThrottle()
            if not throttle.allow_request(request, None):
                return _too_many(throttle.wait())
        return None


class AdminDenialMiddleware(_AdminOnly, MiddlewareMixin):
    """Keeps logins that failed, in the log and in the audit trail."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Return the answer as it is."""
        if request.method == "POST" and request.path_info == reverse("admin:login") and response.status_code != 302:
            status, code = (429, "throttled") if response.status_code == 429 else (401, "not_authenticated")
            note_denial(request, status, code)
        return response


class AdminSessionMiddleware(_AdminOnly, SessionMiddleware):
    """Sessions, in the admin."""


class AdminAuthenticationMiddleware(_AdminOnly, AuthenticationMiddleware):
    """The logged-in user, in the admin."""


class AdminMessageMiddleware(_AdminOnly, MessageMiddleware):
    """Messages, in the admin."""


class AdminAxesMiddleware(_AdminOnly, AxesMiddleware):  # type: ignore[misc]
    """The answer to a locked-out login, in the admin."""


def is_admin(request: HttpRequest) -> bool:
    """Say whether a request is for the admin's pages."""
    return request.path_info.startswith("/admin/")


def locked_out(request: HttpRequest, original_response: HttpResponse | None, credentials: Any) -> HttpResponse:
    """Return the answer to a login in the admin after too many failures of this user from this address."""
    return _too_many(settings.AXES_COOLOFF_TIME.total_seconds())


def _too_many(wait: float) -> HttpResponse:
    seconds = max(1, math.ceil(wait))
    return HttpResponse(
        f"Too many logins. Try again in {seconds} seconds.",
        status=429,
        content_type="text/plain",
        headers={"Retry-After": str(seconds)},
    )
