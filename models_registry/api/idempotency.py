"""`Idempotency-Key`: a POST that is repeated under the same key does its work once, and gets the same answer."""

import hashlib
import json
import re
from collections.abc import Callable, Collection
from typing import Any

from django.db import connection
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from models_registry.api.errors import IdempotencyInProgressError, IdempotencyMismatchError
from models_registry.api.etags import json_response
from models_registry.api.models import IdempotencyKey
from models_registry.api.query import invalid_parameters

HEADER = "Idempotency-Key"
_HEADERS = ("Content-Security-Policy", "Content-Type", "ETag", "Location")

_key = re.compile(r"[ -~]{1,255}")


def check_key(request: Request) -> None:
    """Refuse a key that is not 1 to 255 printable ASCII characters. Raises `InvalidParameterError`."""
    given = request.headers.get(HEADER)
    if given is not None and not _key.fullmatch(given):
        raise invalid_parameters([(HEADER, "invalid", "Must be 1 to 255 printable ASCII characters.")])


def run_idempotent(
    request: Request,
    user_id: int,
    fingerprint: Callable[[], Any],
    work: Callable[[], HttpResponse],
    *,
    shown_once: Collection[str] = (),
) -> HttpResponse:
    """Answer with what `work` does, or did under the request's key in the last 24 hours.

    `fingerprint` gives what tells the request from another to the same path, as JSON has it. Of the answer's members
    that are `shown_once` nothing is kept: they are null in a repeated answer.
    To be called in the transaction of the work, so that the answer is kept if and only if the work is done; a refusal
    is not kept, and may be tried again. Raises `IdempotencyMismatchError` when the key was used with another request,
    and `IdempotencyInProgressError` while the first request is under way.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return work()
    _claim(user_id, request.path, key)
    first = replayed(request, user_id, fingerprint)
    if first is not None:
        return first
    IdempotencyKey.objects.filter(user=user_id, route=request.path, key=key).delete()  # past its 24 hours
    response = work()
    IdempotencyKey.objects.create(
        user_id=user_id,
        route=request.path,
        key=key,
        digest=_digest(fingerprint),
        status=response.status_code,
        headers={name: response[name] for name in _HEADERS if name in response},
        body=_without(shown_once, response.content).decode(),
    )
    return response


def replayed(request: Request, user_id: int, fingerprint: Callable[[], Any]) -> HttpResponse | None:
    """Return the answer that is stored under the request's key; `None` if there is none.

    Work that takes long and must not be in a transaction comes after this look-up. `once` then looks again, as another
    request with the key may have been answered meanwhile. Raises `IdempotencyMismatchError`.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    since = timezone.now() - IdempotencyKey.RETENTION
    keys = IdempotencyKey.objects.filter(user=user_id, route=request.path, key=key, created_at__gt=since)
    first = keys.first()
    return None if first is None else _replay(first, _digest(fingerprint))


def _digest(fingerprint: Callable[[], Any]) -> str:
    return hashlib.sha256(json.dumps(fingerprint(), sort_keys=True).encode()).hexdigest()


def _claim(*parts: Any) -> None:
    """Hold a key until the transaction ends. Raises `IdempotencyInProgressError` when another request holds it.

    SQLite needs no lock, as there transactions that write follow each other.
    """
    if connection.vendor != "postgresql":
        return
    name = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [int.from_bytes(name, signed=True)])
        if not cursor.fetchone()[0]:
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
