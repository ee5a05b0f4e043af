"""Refuse input that no form of the admin sends, before a page reads it."""

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.contrib.admin.utils import unquote
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError

MAX_INLINE_FORMS = 200  # rows of related records on one page

_number = re.compile("[0-9]{1,9}")
_COUNTS = ("-TOTAL_FORMS", "-INITIAL_FORMS", "-MIN_NUM_FORMS", "-MAX_NUM_FORMS")


def check_input(request: HttpRequest) -> None:
    """Check the path, the parameters, the cookies and the form.

    PostgreSQL cannot store NUL. The numbers of pages and inline forms are checked, as they determine the amount of
    work. Raises `BadRequest` with the reason, or `RequestDataTooBig` before any of a large body is read.
    """
    if "\0" in unquote(request.path_info) or b"\0" in unquote_to_bytes(request.META.get("QUERY_STRING", "")):
        raise BadRequest("The address has a NUL character.")
    if any("\0" in value for value in request.COOKIES.values()):
        raise BadRequest("A cookie has a NUL character.")
    for name, value in _parameters(request):
        if "\0" in name or "\0" in value:
            raise BadRequest("The form has a NUL character.")
        if _is_page(name) and not _number.fullmatch(value):
            raise BadRequest("A page number is not a number.")
        if name.endswith(_COUNTS) and not _is_count(name, value):
            raise BadRequest(f"The form has a wrong number of rows; {MAX_INLINE_FORMS} are the most at once.")


def _parameters(request: HttpRequest) -> Iterator[tuple[str, str]]:
    if _announced_length(request) > settings.MAX_BODY_BYTES:
        raise RequestDataTooBig
    try:
        forms = (request.GET, request.POST)
    except UnreadablePostError:
        raise BadRequest("The form breaks off.") from None
    return ((name, value) for form in forms for name, values in form.lists() for value in values)


def _announced_length(request: HttpRequest) -> int:
    announced = request.META.get("CONTENT_LENGTH") or ""
    return int(announced) if announced.isascii() and announced.isdigit() else 0


def _is_page(name: str) -> bool:
    return name in {"p", "page"} or name.endswith("-page")


def _is_count(name: str, value: str) -> bool:
    """Return whether a value is a valid count of inline forms. Its bounds come from the page."""
    bounds = name.endswith(("-MIN_NUM_FORMS", "-MAX_NUM_FORMS"))
    return bool(value == "" and bounds or _number.fullmatch(value) and (bounds or int(value) <= MAX_INLINE_FORMS))
