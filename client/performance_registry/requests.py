"""What the client does, without input or output.

An operation is a generator. It yields a `Request` and gets the response, or yields a `Pause`; it returns its result.
`connections` runs operations with or without `await`, so each is written once.
"""

from __future__ import annotations

import json
import logging
import random
import time
import uuid
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from performance_registry.errors import ConnectionFailedError, CredentialsError, response_error
from performance_registry.text import check_token

if TYPE_CHECKING:
    from performance_registry.credentials import Credentials

T = TypeVar("T")
log = logging.getLogger("performance_registry")

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_NEVER_POSSIBLE = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
_PASSING = {429, 503}  # the request was not processed
_PROXIES = {502, 504}  # the request may have been processed
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0  # seconds


@dataclass(frozen=True)
class Request:
    """An HTTP request.

    Attributes:
        url: the whole address.
        params: the query; `None` is left out.
        body: sent as JSON.
        form: the fields of a form.
        file: sent as a field of the form.
        is_repeatable: whether it does no harm if the registry gets the request twice.
    """

    method: str
    url: str
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    form: Mapping[str, str] | None = None
    file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = True

    def with_headers(self, **headers: str) -> Request:
        """Return the request with more headers."""
        return replace(self, headers={**self.headers, **headers})


@dataclass(frozen=True)
class Pause:
    """A pause of some seconds."""

    seconds: float


Operation = Generator["Request | Pause", Any, T]


class Caller:
    """Sends the requests of operations: each with a token, each POST with an idempotency key."""

    def __init__(self, url: str, credentials: Credentials, patience: float) -> None:
        self.url = url
        self.credentials = credentials
        self.patience = patience

    def call(
        self, method: str, path: str, *, accepted: Collection[str] = (), **parts: Any
    ) -> Operation[httpx.Response]:
        """Return the response to a request below `/api/v1`.

        The parts are those of a `Request`. If `accepted` names types of content, the response has one of them, also
        if a gate refuses (409). Raises `ProblemError` if the registry refuses, and `ConnectionFailedError` if it cannot
        be reached.
        """
        request = Request(method, f"{self.url}/api/v1{path}", **parts)
        if method == "POST":
            request = request.with_headers(**{"Idempotency-Key": uuid.uuid4().hex})
        token = yield from self.credentials.token()
        response = yield from self._send(request, token)
        if response.status_code == 401:
            other = yield from self.credentials.token(refused=token)
            response = response if other == token else (yield from self._send(request, other))
        is_rendered = response.status_code in {200, 409} and _content_type(response) in accepted
        if is_rendered or (response.is_success and not accepted):
            return response
        raise response_error(response)

    def _send(self, request: Request, token: str) -> Operation[httpx.Response]:
        return send(request.with_headers(**bearer(token)), self.patience)


def bearer(token: str) -> dict[str, str]:
    """Return the header of an access token. Raises `CredentialsError` if the text cannot be a token."""
    check_token(token, "The token", CredentialsError)
    return {"Authorization": f"Bearer {token}"}


def send(request: Request, patience: float) -> Operation[httpx.Response]:
    """Return the response to a request, and send it again for `patience` seconds while that may help.

    A connection that breaks, a busy registry (429, 503 with `Retry-After`) and a request under the same idempotency
    key that is still running pass. Raises `ConnectionFailedError`.
    """
    deadline = time.monotonic() + patience
    for attempt in count():
        response, error = yield from _attempt(request)
        if response is not None and not _passes(request, response):
            return response
        delay = _delay(attempt, response)
        if time.monotonic() + delay > deadline or (error is not None and not _may_repeat(request, error)):
            break
        log.warning("%s; trying again in %.1f s", _what_happened(request, response, error), delay)
        yield Pause(delay)
    if response is None:
        raise ConnectionFailedError(f"{_what_happened(request, response, error)}.") from error
    return response


def encode(body: Any) -> bytes:
    """Return a value as strict JSON. Scalars of NumPy become numbers. Raises `ValueError` for NaN and infinity."""
    return json.dumps(body, allow_nan=False, default=_scalar, ensure_ascii=False).encode()


def _attempt(request: Request) -> Operation[tuple[httpx.Response | None, httpx.RequestError | None]]:
    try:
        return (yield request), None
    except httpx.RequestError as error:
        return None, error


def _passes(request: Request, response: httpx.Response) -> bool:
    if response.status_code == 409:
        return '"idempotency_in_progress"' in response.text
    return response.status_code in _PASSING or (request.is_repeatable and response.status_code in _PROXIES)


def _may_repeat(request: Request, error: httpx.RequestError) -> bool:
    if isinstance(error, _NEVER_POSSIBLE):
        return False
    return request.is_repeatable or isinstance(error, _NEVER_SENT)


def _content_type(response: httpx.Response) -> str:
    return str(response.headers.get("Content-Type", "")).partition(";")[0]


def _delay(attempt: int, response: httpx.Response | None) -> float:
    """Return how many seconds to wait: what the registry asks for, or a random share of a doubling time."""
    asked = response.headers.get("Retry-After", "") if response is not None else ""
    if asked.isascii() and asked.isdigit():
        return float(asked)
    longest = min(_FIRST_DELAY * 2.0 ** min(attempt, 10), _LONGEST_DELAY)
    return longest * random.uniform(0.5, 1)  # noqa: S311


def _what_happened(request: Request, response: httpx.Response | None, error: httpx.RequestError | None) -> str:
    where = str(httpx.URL(request.url).copy_with(query=None))
    if response is not None:
        return f"{where} answered {response.status_code}"
    return f"{where} cannot be reached ({type(error).__name__}: {error})"


def _scalar(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")
