"""The request and the user that the audit trail records, one pair for each context (thread or task)."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from django.http import HttpRequest

from models_registry.api.visible_text import DECEPTIVE_CHARACTERS

if TYPE_CHECKING:  # the logging configuration imports this module before Django can load models
    from django.contrib.auth.models import AbstractUser

_deceptive = re.compile(f"[{DECEPTIVE_CHARACTERS}]")
_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)
_user: ContextVar["AbstractUser | None"] = ContextVar("user", default=None)


def set_current_request(request: HttpRequest | None) -> None:
    """Set the request that is being answered, and clear the user."""
    _request.set(request)
    _user.set(None)


@contextmanager
def acting_user(user: "AbstractUser | None") -> Iterator[None]:
    """Attribute the writes inside the block to a user."""
    token = _user.set(user)
    try:
        yield
    finally:
        _user.reset(token)


def current_request() -> HttpRequest | None:
    """Return the request that is being answered, or `None` in a command."""
    return _request.get()


def current_user() -> "AbstractUser | None":
    """Return the user to whom writes are attributed. In the admin, this is the user who is logged in."""
    logged_in = getattr(_request.get(), "user", None)
    return _user.get() or (logged_in if getattr(logged_in, "username", "") else None)


def escape_controls(text: str) -> str:
    """Return a text whose control characters are escaped, so that it stays on one line and in its order."""
    return _deceptive.sub(lambda match: repr(match[0])[1:-1], text)
