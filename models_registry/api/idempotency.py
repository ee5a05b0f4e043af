"""Run the work of a POST once for each `Idempotency-Key`, and repeat its response."""

import hashlib
import json
import re
from collections.abc import Callable, Collection
from functools import cache

from django.db import connection
from django.db.models import BigIntegerField, CharField
from django.http import HttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from models_registry.api.errors import IdempotencyInProgressError, IdempotencyMismatchError
from models_registry.api.etags import json_response
from models_registry.api.models import IdempotencyKey
from models_registry.api.query import invalid_parameters
from models_registry.db.prepared import Parameter, PositionalStatement, PreparedQuery, columns_of, insert

HEADER = "Idempotency-Key"
_HEADERS = ("Content-Security-Policy", "Content-Type", "ETag", "Location")

_USER = Parameter("user", BigIntegerField())
_ROUTE = Parameter("route", CharField())
_KEY = Parameter("key", CharField())
_LOCK = PositionalStatement("SELECT pg_try_advisory_xact_lock(%s)")

_key = re.compile(r"[ -~]{1,255}")


def check_key(request: Request) -> None:
    """Raise `InvalidParameterError` if the key is not 1 to 255 printable ASCII characters."""
    given = request.headers.get(HEADER)
    if given is not None and not _key.fullmatch(given):
        raise invalid_parameters([(HEADER, "invalid", "Must be 1 to 255 printable ASCII characters.")])


def run_idempotent(
    request: Request, user_id: int, body: object, work: Callable[[], HttpResponse], *, shown_once: Collection[str] = ()
) -> HttpResponse:
    """Run `work` and return its response, or repeat the response of the last 24 hours under the request's key.

    Call this in the transaction of the work, so that the response is stored if and only if the work is done. A refusal
    is not stored, and the caller may try again.

    Args:
        request: the request, which may have a key.
        user_id: the primary key of the caller.
        body: what distinguishes the request from others to the same path, as JSON.
        work: writes, and returns the response.
        shown_once: members of the response that are not stored. A repeated response has them as null.

    Raises:
        IdempotencyMismatchError: the key was used with another body.
        IdempotencyInProgressError: the first request under the key has not ended.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return work()
    _claim(user_id, request.path, key)
    first = _stored(request, user_id, key)
    if first is not None and first.is_current:
        return _replay(first, _digest(body))
    if first is not None:
        first.delete()
    response = work()
    insert(
        IdempotencyKey(
            user_id=user_id,
            route=request.path,
            key=key,
            digest=_digest(body),
            status=response.status_code,
            headers={name: response[name] for name in _HEADERS if name in response},
            body=_without(shown_once, response.content).decode(),
        )
    )
    return response


def stored_response(request: Request, user_id: int, body: object) -> HttpResponse | None:
    """Return the response that is stored under the request's key, or `None`.

    Call this before long work that must not run in a transaction. `run_idempotent` looks again, as another request with
    the key may have ended meanwhile. Raises `IdempotencyMismatchError`.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    first = _stored(request, user_id, key)
    return _replay(first, _digest(body)) if first is not None and first.is_current else None


def _stored(request: Request, user_id: int, key: str) -> IdempotencyKey | None:
    stored: IdempotencyKey | None = _keys().first_instance(user=user_id, route=request.path, key=key)
    return stored


@cache
def _keys() -> PreparedQuery:
    keys = IdempotencyKey.objects.filter(user=_USER, route=_ROUTE, key=_KEY)
    return PreparedQuery(keys.values(*columns_of(IdempotencyKey)))


def _digest(body: object) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _claim(*parts: object) -> None:
    """Lock a key until the transaction ends. Raises `IdempotencyInProgressError` if another request holds it.

    SQLite needs no lock, because it runs one writing transaction at a time.
    """
    if connection.vendor != "postgresql":
        return
    name = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    ((is_free,),) = _LOCK.execute([int.from_bytes(name, signed=True)], connection)
    if not is_free:
        raise IdempotencyInProgressError("The first request of this key is under way. Ask again in a second.")


def _without(names: Collection[str], body: bytes) -> bytes:
    return json_response({**json.loads(body), **dict.fromkeys(names)}).content if names else body


def _replay(first: IdempotencyKey, digest: str) -> HttpResponse:
    if first.digest != digest:
        raise IdempotencyMismatchError("This Idempotency-Key was used for another request. Choose a new key.")
    return HttpResponse(
        first.body,
        status=first.status,
        headers={"Content-Type": JSONRenderer.media_type, **first.headers, "Idempotency-Replayed": "true"},
    )
