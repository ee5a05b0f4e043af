"""Middleware for the admin's pages alone: the API knows neither sessions nor cookies, and need not pay for them."""

import math
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from allauth.account.middleware import AccountMiddleware
from axes.middleware import AxesMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import BadRequest
from django.db import DataError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin

from config.admin.input_guard import check_input
from models_registry.api.errors import BusyError
from models_registry.api.throttling import LoginThrottle
from models_registry.audit.denials import note_denial, seconds_to_wait
from models_registry.db.outages import RETRY_AFTER_OUTAGE, is_outage, outage_detail
from models_registry.logins.sessions import code_page, must_set_up_factor, owes_code
from models_registry.tokens.lockout import login_capacity, login_wait

_LOGIN = ("/admin/login/", "/admin/logout/")
_SETUP = ("/admin/two-factor/", "/admin/confirm/")
_OUTAGE = "The database or cache cannot be reached at present. Try again in a moment."
MiddlewareResponse: TypeAlias = HttpResponseBase | Awaitable[HttpResponseBase]

if TYPE_CHECKING:
    _MiddlewareBase = MiddlewareMixin
else:
    _MiddlewareBase = object


class _AdminOnly(_MiddlewareBase):
    """Runs a middleware in the admin alone. Responds with 503 while the database or the cache is unreachable."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        super().__init__(get_response)
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> MiddlewareResponse:
        if not is_admin(request):
            return self.get_response(request)
        try:
            return self._respond(request)
        except Exception as error:
            if (page := _unavailable(error)) is None:
                raise
            return page

    def _respond(self, request: HttpRequest) -> MiddlewareResponse:
        return super().__call__(request)


class AdminGuardMiddleware(_AdminOnly, MiddlewareMixin):
    """Refuses input that no page expects or the database cannot hold, and a flood of logins from one address."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Return a 429 for a login too many. Raises `BadRequest` for input that no page expects."""
        check_input(request)
        if _is_login(request) or request.path_info in _other_attempts():
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


class AdminCsrfMiddleware(_AdminOnly, CsrfViewMiddleware):
    """Protects forms, in the admin. Requests outside it have no session that could be abused."""


class AdminDenialMiddleware(_AdminOnly, MiddlewareMixin):
    """Notes failed logins in the log and in the audit trail."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Return the response, or a 429 if this network was refused too often."""
        failed = _is_failure(request, response)
        if failed and (wait := seconds_to_wait(request)):
            response = too_many_requests("logins", wait)
        elif failed:
            note_denial(request, 401, "not_authenticated")
        if response.status_code == 429 and _is_login(request):
            note_denial(request, 429, "throttled")
        return response


class AdminLoginMiddleware(_AdminOnly, MiddlewareMixin):
    """Lets few threads of the process do logins at a time, and refuses others before they cost anything more.

    A login is all that it reads and writes: failures, session, user and audit trail.
    """

    def _respond(self, request: HttpRequest) -> MiddlewareResponse:
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


class AdminAccountMiddleware(_AdminOnly):
    """Tells allauth about the request, in the admin, and responds to what its views raise."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.account = AccountMiddleware(get_response)

    def _respond(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = self.account(request)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the response that an exception of allauth stands for, such as to ask for the password once more."""
        return self.account.process_exception(request, exception) if is_admin(request) else None


class AdminTwoFactorMiddleware(_AdminOnly, MiddlewareMixin):
    """Leads people to the page where they prove their second factor, or set one up if they must.

    A session may be older than the user's second factor. It was opened with a password only, which may be stolen.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Return a redirect, unless the page is one that is needed for this.

        The page that confirms the password is not needed to prove a factor. It runs the request that it interrupted,
        below this middleware, and that request may be older than the factor.
        """
        if request.path_info.startswith(_LOGIN):
            return None
        if owes_code(request):
            is_code_page = request.path == reverse("mfa_reauthenticate")
            return None if is_code_page else HttpResponseRedirect(code_page(request))
        if must_set_up_factor(request) and not request.path_info.startswith(_SETUP):
            return HttpResponseRedirect(reverse("mfa_index"))
        return None


def is_admin(request: HttpRequest) -> bool:
    """Return whether a request is for a page of the admin."""
    return request.path_info.startswith("/admin/")


def _is_login(request: HttpRequest) -> bool:
    return request.method == "POST" and request.path_info in _login_pages()


def _is_failure(request: HttpRequest, response: HttpResponse) -> bool:
    """Return whether a login failed. One that succeeds redirects."""
    if request.path_info == reverse("openid_connect_callback"):
        return response.status_code == 403
    return response.status_code == 200 and _is_login(request)


@cache
def _login_pages() -> frozenset[str]:
    """Return the pages that check a password or a code."""
    names = ("admin:login", "mfa_authenticate", "account_reauthenticate", "mfa_reauthenticate")
    return frozenset(map(reverse, names))


@cache
def _other_attempts() -> frozenset[str]:
    """Return the pages that anybody can make store something, send mail, or ask the OpenID provider."""
    names = ("admin_password_reset", "openid_connect_login", "openid_connect_callback")
    return frozenset(map(reverse, names))


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
