"""Middleware for the admin's pages alone: the API knows neither sessions nor cookies, and need not pay for them."""

from collections.abc import Callable
from typing import Any

from axes.middleware import AxesMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest


class _AdminOnly:
    """Leaves every request outside the admin alone: the API knows neither sessions nor cookies."""

    get_response: Callable[[HttpRequest], Any]

    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if is_admin(request) else self.get_response(request)  # type: ignore[misc]


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
