"""What no form of the admin sends: refused before a page reads it."""

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.contrib.admin.utils import unquote
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError

MAX_INLINE_FORMS = 200  # rows of related records that one page may send

_number = re.compile("[0-9]{1,9}")
_COUNTS = ("-TOTAL_FORMS", "-INITIAL_FORMS", "-MIN_NUM_FORMS", "-MAX_NUM_FORMS")


def check_input(request: HttpRequest) -> None:
    """Check the address, the parameters, the cookies and the form.

    PostgreSQL stores no NUL, and no page expects one. The numbers of pages and of inline forms decide how much is done.
    Raises `BadRequest` saying what is wrong, or `RequestDataTooBig` before anything of a large body is read.
    """
    if "\0" in unquote(request.path_info) or b"\0" in unquote_to_bytes(request.META.get("QUERY_STRING", "")):
        raise BadRequest("The address has a NUL character.")
    if any("\0" in value for value in request.COOKIES.values()):
        raise BadRequest("A cookie has a NUL character.")
    for name, value in _sent(request):
        if "\0" in name or "\0" in value:
            raise BadRequest("The form has a NUL character.")
        if _is_page(name) and not _number.fullmatch(value):
            raise BadRequest("The number of a page is none.")
        if name.endswith(_COUNTS) and not _is_count(name, value):
            raise BadRequest(f"The form has a wrong number of rows; {MAX_INLINE_FORMS} are the most at once.")


def _sent(request: HttpRequest) -> Iterator[tuple[str, str]]:
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
    """Say whether a count of inline forms is one; their bounds are the page's own, and 1000 by default."""
    bounds = name.endswith(("-MIN_NUM_FORMS", "-MAX_NUM_FORMS"))
    return bool(value == "" and bounds or _number.fullmatch(value) and (bounds or int(value) <= MAX_INLINE_FORMS))
