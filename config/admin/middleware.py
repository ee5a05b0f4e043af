"""Middleware for the admin's pages alone: the API knows neither sessions nor cookies, and need not pay for them."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from axes.middleware import AxesMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import BadRequest
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin

from config.admin.input_guard import check_input
from models_registry.api.errors import BusyError
from models_registry.api.throttling import LoginThrottle
from models_registry.audit.denials import note_denial, seconds_to_wait
from models_registry.db.outages import RETRY_AFTER_OUTAGE, is_outage, outage_detail
from models_registry.tokens.lockout import login_capacity, login_wait

_OUTAGE = "The database or cache cannot be reached at present. Try again in a moment."


class _AdminOnly:
    """Runs a middleware in the admin alone. Responds with 503 while the database or the cache is unreachable.

    Any other request passes all such middleware that stands in a row in one step, as each costs the API 2 % of a
    summary. Django's wrapper of a middleware takes over its attributes, so `outside_admin` is found through it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)  # type: ignore[call-arg]  # Django's middleware
        self.get_response = get_response
        self.outside_admin = getattr(get_response, "outside_admin", get_response)

    def __call__(self, request: HttpRequest) -> Any:
        if not is_admin(request):
            return self.outside_admin(request)
        try:
            return self._respond(request)
        except Exception as error:
            if (page := _unavailable(error)) is None:
                raise
            return page

    def _respond(self, request: HttpRequest) -> Any:
        return super().__call__(request)  # type: ignore[misc]


class AdminGuardMiddleware(_AdminOnly, MiddlewareMixin):
    """Refuses input that no page expects or the database cannot hold, and a flood of logins from one address."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Return a 429 for a login too many. Raises `BadRequest` for input that no page expects."""
        check_input(request)
        if _is_login(request):
            throttle = LoginThrottle()
            if not throttle.allow_request(request, None):
                return too_many_requests("logins", throttle.wait())
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return a 503 while the database or the cache is unreachable.

        Raises `BadRequest` for a value that the database cannot hold.
        """
        if not is_admin(request):  # Django calls this for every request
            return None
        if (page := _unavailable(exception)) is not None:
            return page
        if isinstance(exception, (DataError, OverflowError)):  # such as a number of a hundred digits
            raise BadRequest("A value is out of range.") from exception
        return None


class AdminDenialMiddleware(_AdminOnly, MiddlewareMixin):
    """Notes failed logins in the log and in the audit trail."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Return the response, or a 429 if this network was refused too often."""
        if not _is_login(request):
            return response
        if response.status_code == 200 and (wait := seconds_to_wait(request)):
            response = too_many_requests("logins", wait)
        if response.status_code == 200:
            note_denial(request, 401, "not_authenticated")
        elif response.status_code == 429:
            note_denial(request, 429, "throttled")
        return response


class AdminLoginMiddleware(_AdminOnly, MiddlewareMixin):
    """Lets few threads of the process do logins at a time, and refuses others before they cost anything more.

    A login is all that it reads and writes: failures, session, user and audit trail.
    """

    def _respond(self, request: HttpRequest) -> Any:
        with login_capacity() if _is_login(request) else nullcontext():
            return self.get_response(request)


class AdminSessionMiddleware(_AdminOnly, SessionMiddleware):
    """Sessions, in the admin."""


class AdminAuthenticationMiddleware(_AdminOnly, AuthenticationMiddleware):
    """The logged-in user, in the admin."""


class AdminMessageMiddleware(_AdminOnly, MessageMiddleware):
    """Messages, in the admin."""


class AdminAxesMiddleware(_AdminOnly, AxesMiddleware):  # type: ignore[misc]
    """Responds to a locked-out login in the admin."""


def is_admin(request: HttpRequest) -> bool:
    """Return whether a request is for a page of the admin."""
    return request.path_info.startswith("/admin/")


def _is_login(request: HttpRequest) -> bool:
    return request.method == "POST" and request.path_info == reverse("admin:login")


def locked_out(request: HttpRequest, original_response: HttpResponse | None, credentials: object) -> HttpResponse:
    """Return the response to a login in the admin after too many failures of this user."""
    return too_many_requests("logins", login_wait(request))


def too_many_requests(what: str, wait: float) -> HttpResponse:
    """Return a 429 page, which says after how many seconds to try again."""
    seconds = max(1, math.ceil(wait))
    return _page(429, f"Too many {what}. Try again in {seconds} seconds.", seconds)


def _unavailable(error: Exception) -> HttpResponse | None:
    """Return a 503 page if the error is an outage or a lack of capacity, otherwise `None`."""
    if isinstance(error, BusyError):
        return _page(503, str(error.detail), error.wait)
    if is_outage(error):
        return _page(503, outage_detail(error) or _OUTAGE, RETRY_AFTER_OUTAGE)
    return None


def _page(status: int, text: str, wait: int) -> HttpResponse:
    headers = {"Retry-After": str(wait)}
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8", headers=headers)
