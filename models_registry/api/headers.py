"""Headers of responses, for the requests that come most often.

Django checks the text of each header that is set, and looks each up by its name again when the response is sent. For
the dozen headers of a summary that would take a tenth of its CPU time. Only this module knows how Django stores them.
"""

from collections.abc import Collection, Mapping

from django.http import HttpResponse, HttpResponseBase


def set_unchecked(response: HttpResponseBase, name: str, value: str) -> None:
    """Set a header without a check of its text, which must be one line of ASCII characters."""
    response.headers._store[name.lower()] = (name, value)


class ConstantHeaders:
    """Headers that many responses have. They are checked once."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        response = HttpResponse(headers={"Content-Type": "", **headers})
        del response.headers["Content-Type"]
        self._stored = response.headers._store

    def set_defaults(self, response: HttpResponseBase) -> None:
        """Add those that a response does not have."""
        response.headers._store = {**self._stored, **response.headers._store}

    def override(self, response: HttpResponseBase) -> None:
        """Set them, in place of what the response has."""
        response.headers._store |= self._stored


class UncheckedResponse(HttpResponse):
    """A response whose headers are read as they are stored."""

    def items(self) -> Collection[tuple[str, str]]:
        """Return the names and values of the headers."""
        stored: Collection[tuple[str, str]] = self.headers._store.values()
        return stored
