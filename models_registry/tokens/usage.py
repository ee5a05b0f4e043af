"""Record when named tokens are used, so that their owners see which are still needed.

A process records each token at most once in `RECORD_INTERVAL`: other requests with it cost no statement.
"""

import logging
import time
from datetime import timedelta
from uuid import UUID

from django.db import Error, transaction
from django.db.models import Q
from django.utils import timezone

from models_registry.tokens.models import NamedToken

RECORD_INTERVAL = timedelta(hours=1)
MAX_REMEMBERED = 10_000  # tokens

log = logging.getLogger(__name__)
_recorded_at: dict[UUID, float] = {}  # by token, in seconds of the monotonic clock


def record_use(token_id: UUID | None) -> None:
    """Store that a token is being used now, unless this was stored within the interval.

    A database that takes no writes does not stop the request.
    """
    now = time.monotonic()
    if token_id is None or now < _recorded_at.get(token_id, float("-inf")) + RECORD_INTERVAL.total_seconds():
        return
    if len(_recorded_at) >= MAX_REMEMBERED:
        _recorded_at.clear()
    _recorded_at[token_id] = now
    try:
        _store_use(token_id)
    except Error as error:
        log.error("The use of a token is not recorded: %s", error)


def forget_uses() -> None:
    """Forget which uses are recorded, so that the next use of each token is recorded again."""
    _recorded_at.clear()


def _store_use(token_id: UUID) -> None:
    now = timezone.now()
    is_due = Q(last_used_at=None) | Q(last_used_at__lt=now - RECORD_INTERVAL)
    with transaction.atomic():
        NamedToken.objects.filter(is_due, pk=token_id).update(last_used_at=now)
