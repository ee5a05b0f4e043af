"""Code hosts, such as GitHub: a comment on the pull request of a CI job, and a status of its commit.

A CI job says by its environment where it runs. There is a module for each code host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Protocol

import httpx

from performance_registry.connections import Connection
from performance_registry.credentials import GivenToken
from performance_registry.errors import CodeHostError, ConnectionFailedError
from performance_registry.requests import Caller, Request, send
from performance_registry.text import check_token, escape_controls

TIMEOUT, PATIENCE = 30.0, 60.0  # seconds for one response, and for which a request is repeated
PAGE_SIZE = 100
_SHOWN = 300  # characters of a refusal

Json = Mapping[str, object]


class State(str, Enum):
    """The state of a commit, in the words of GitHub."""

    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"
    PENDING = "pending"


@dataclass(frozen=True)
class Status:
    """A status of a commit.

    Attributes:
        context: what distinguishes it from other statuses of the commit.
        target_url: where one reads more.
    """

    state: State
    context: str
    description: str
    target_url: str | None = None


class CodeHost(Protocol):
    """The commit of a CI job, and its pull request."""

    comment_limit: int  # characters

    @property
    def has_pull_request(self) -> bool:
        """Whether the job runs for a pull request."""

    def set_status(self, status: Status) -> None:
        """Set a status of the commit."""

    def own_comments(self) -> Iterator[tuple[int, str]]:
        """Return the ids and texts of the comments that this job's token has written on the pull request."""

    def add_comment(self, text: str) -> None:
        """Comment on the pull request."""

    def edit_comment(self, id: int, text: str) -> None:
        """Replace the text of a comment."""


class Api:
    """The HTTP API of a code host."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url.rstrip("/")
        self._headers = headers
        self._connection = Connection(Caller(url, GivenToken(""), PATIENCE), timeout=TIMEOUT)

    def ask(self, method: str, path: str, body: Json | None = None, **params: object) -> object:
        """Return the JSON of a response. Raises `CodeHostError`."""
        is_repeatable = method != "POST"
        request = Request(
            method, f"{self._url}{path}", params, body, headers=self._headers, is_repeatable=is_repeatable
        )
        try:
            response = self._connection.run(send(request, PATIENCE))
        except ConnectionFailedError as error:
            raise CodeHostError(str(error)) from error
        return _read(request, response)

    def rows(self, path: str) -> Iterator[Json]:
        """Return the rows of all pages of a list."""
        for page in count(1):
            rows = self.ask("GET", path, per_page=PAGE_SIZE, page=page)
            if not isinstance(rows, list):
                raise CodeHostError(f"{self._url}{path} answered with something that is no list.")
            yield from rows
            if len(rows) < PAGE_SIZE:
                return

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()


def put_comment(host: CodeHost, marker: str, text: str) -> None:
    """Comment on the pull request; replace the comment that begins with the marker, if there is one."""
    body = _shorten(f"{marker}\n{text}", host.comment_limit)
    found = next((id for id, old in host.own_comments() if old.startswith(marker)), None)
    if found is None:
        host.add_comment(body)
    else:
        host.edit_comment(found, body)


def variable(environment: Mapping[str, str], name: str, meaning: str) -> str:
    """Return a variable of the CI job. Raises `CodeHostError`."""
    value = environment.get(name)
    if not value:
        raise CodeHostError(f"{name} is not set: {meaning}.")
    return value


def secret(environment: Mapping[str, str], name: str, meaning: str) -> str:
    """Return a token of the CI job. Raises `CodeHostError`, which does not show it."""
    token = variable(environment, name, meaning).strip()
    check_token(token, name, CodeHostError)
    return token


def _read(request: Request, response: httpx.Response) -> object:
    """Return the JSON of a response. Raises `CodeHostError` if it is none, or a refusal."""
    if not response.is_success:
        said = escape_controls(response.text[:_SHOWN].strip())
        raise CodeHostError(f"{request.method} {request.url} was answered with {response.status_code}: {said}")
    try:
        return response.json()
    except ValueError:
        raise CodeHostError(f"{request.method} {request.url} was not answered with JSON.") from None


def _shorten(text: str, limit: int) -> str:
    """Return as many whole lines as are allowed."""
    if len(text) <= limit:
        return text
    return text[:limit].rpartition("\n")[0] + "\n\nThe rest is too long for a comment."
