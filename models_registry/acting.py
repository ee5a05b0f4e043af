"""Who is doing what is being done, for the audit trail: kept for the request that a thread is answering."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

UNKNOWN_ADDRESS = "::"
IPV6_PREFIX = 64  # bits: the smallest network that one customer of a provider gets

_controls = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)
_user: ContextVar[Any] = ContextVar("user", default=None)


def answering(request: HttpRequest | None) -> None:
    """Note which request is being answered; nobody is known to have made it yet."""
    _request.set(request)
    _user.set(None)


@contextmanager
def acting(user: Any) -> Iterator[None]:
    """Do what is done inside in the name of a user."""
    token = _user.set(user)
    try:
        yield
    finally:
        _user.reset(token)


def present_request() -> HttpRequest | None:
    """Return the request that is being answered; `None` in a command."""
    return _request.get()


def present_user() -> Any:
    """Return the user in whose name something is done: in the admin, the one who is logged in there."""
    logged_in = getattr(_request.get(), "user", None)
    return _user.get() or (logged_in if getattr(logged_in, "username", "") else None)


def client_address(request: HttpRequest | Request) -> str:
    """Return the caller's address, believing `X-Forwarded-For` only as far as the trusted proxies wrote it.

    All whose address is not one, such as callers by a Unix socket, count as one.
    """
    return str(_address(request))


def client_network(request: HttpRequest | Request) -> str:
    """Return what failed logins and requests are counted under: an IPv4 address, or the first of an IPv6 /64.

    One machine has a whole /64 of addresses, and so may use a new one for each request.
    """
    return network_of(_address(request))


def network_of(address: IPv4Address | IPv6Address) -> str:
    """Return an IPv4 address as text, and for an IPv6 address the first address of its /64."""
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, IPV6_PREFIX), strict=False).network_address)


def _address(request: HttpRequest | Request) -> IPv4Address | IPv6Address:
    ident = BaseThrottle().get_ident(request) or ""  # type: ignore[arg-type]  # only reads headers and META
    try:
        return ip_address(ident.partition("%")[0])  # without the zone of a link-local address
    except ValueError:
        return ip_address(UNKNOWN_ADDRESS)


def one_line(text: str) -> str:
    """Return a text with its control characters written out, so that it stays on one line."""
    return _controls.sub(lambda found: repr(found[0])[1:-1], text)
