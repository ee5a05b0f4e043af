"""Limit the headers that a request may have, before anything parses them."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

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
        for name, value in request.META.items():
            if name.startswith("HTTP_") and len(value) > MAX_HEADER_LENGTH and name != "HTTP_AUTHORIZATION":
                return problem_response(request, HeaderTooLargeError(_too_large(name)))
        if "\\" in request.META.get("HTTP_COOKIE", ""):
            request.META["HTTP_COOKIE"] = _without_long_escapes(request.META["HTTP_COOKIE"])
        return self.get_response(request)


def _too_large(name: str) -> str:
    header = name.removeprefix("HTTP_").replace("_", "-").title()[:40]
    return f"The header {header} is over {MAX_HEADER_LENGTH} characters. Send a shorter one."


def _without_long_escapes(cookies: str) -> str:
    return ";".join(
        cookie for cookie in cookies.split(";") if "\\" not in cookie or len(cookie) <= MAX_ESCAPED_COOKIE_LENGTH
    )
