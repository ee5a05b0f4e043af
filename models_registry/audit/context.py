"""Who is doing what is being done, for the audit trail: kept for the request that a thread is answering."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest

_controls = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)
_user: ContextVar[Any] = ContextVar("user", default=None)


def set_current_request(request: HttpRequest | None) -> None:
    """Note which request is being answered; nobody is known to have made it yet."""
    _request.set(request)
    _user.set(None)


@contextmanager
def acting_user(user: Any) -> Iterator[None]:
    """Do what is done inside in the name of a user."""
    token = _user.set(user)
    try:
        yield
    finally:
        _user.reset(token)


def current_request() -> HttpRequest | None:
    """Return the request that is being answered; `None` in a command."""
    return _request.get()


def current_user() -> Any:
    """Return the user in whose name something is done: in the admin, the one who is logged in there."""
    logged_in = getattr(_request.get(), "user", None)
    return _user.get() or (logged_in if getattr(logged_in, "username", "") else None)


def escape_controls(text: str) -> str:
    """Return a text with its control characters written out, so that it stays on one line."""
    return _controls.sub(lambda found: repr(found[0])[1:-1], text)
