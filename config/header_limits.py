"""Limit the headers that a request may have, before anything parses them."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse

from config.environ_keys import LONGEST_HEADER
from config.problems import problem_response
from models_registry.api.errors import HeaderTooLargeError

MAX_HEADER_LENGTH = 16 * 1024  # of each header except Authorization, whose token has its own limit
MAX_ESCAPED_COOKIE_LENGTH = 512


class HeaderLimitMiddleware:
    """Refuse long headers, and drop long cookies with escapes.

    Python before 3.11.10 and 3.12.6 decodes such a cookie in quadratic time. RFC 6265 allows no backslash in a cookie,
    and none of ours has one.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.META.get(LONGEST_HEADER, math.inf) > MAX_HEADER_LENGTH and (name := _long_header(request.META)):
            return problem_response(request, HeaderTooLargeError(_too_large(name)))
        if "\\" in request.META.get("HTTP_COOKIE", ""):
            request.META["HTTP_COOKIE"] = _without_long_escapes(request.META["HTTP_COOKIE"])
        return self.get_response(request)


def _long_header(headers: Mapping[str, Any]) -> str | None:
    """Return the name of a header that is too long, or `None`."""
    for name, value in headers.items():
        if name[:5] == "HTTP_" and len(value) > MAX_HEADER_LENGTH and name != "HTTP_AUTHORIZATION":
            return name
    return None


def _too_large(name: str) -> str:
    header = name.removeprefix("HTTP_").replace("_", "-").title()[:40]
    return f"The header {header} is over {MAX_HEADER_LENGTH} characters. Send a shorter one."


def _without_long_escapes(cookies: str) -> str:
    return ";".join(
        cookie for cookie in cookies.split(";") if "\\" not in cookie or len(cookie) <= MAX_ESCAPED_COOKIE_LENGTH
    )
