"""Delete records that have outlived their retention.

There may be millions of them. Each batch is a transaction of its own, so memory stays flat, no lock is held for long,
and a purge that breaks off has only to be run again.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from auditlog.context import disable_auditlog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from models_registry.models import AuditEntry, IdempotencyKey, TokenFamily

BATCH = 2_000  # rows that are deleted in one transaction: some tens of milliseconds

_FOREVER = 0
_SQLITE_TRIGGER = "models_registry_auditentry_no_DELETE"


def delete_idempotency_keys() -> int:
    """Delete the idempotency keys past their time. Return their number."""
    return delete_in_batches(IdempotencyKey.objects.all(), "created_at", timezone.now() - IdempotencyKey.KEPT)


def delete_expired_logins() -> int:
    """Delete the logins whose refresh tokens have expired. Return their number."""
    with disable_auditlog():
        return delete_in_batches(TokenFamily.objects.all(), "expires_at", timezone.now())


def delete_expired_sessions() -> int:
    """Delete the sessions of the admin that have expired. Return their number."""
    return delete_in_batches(Session.objects.all(), "expire_date", timezone.now())


def delete_audit_entries() -> int:
    """Delete the audit entries past the retention of writes, or of denials. Return their number."""
    return sum(
        delete_in_batches(AuditEntry.objects.filter(action=action), "timestamp", before, delete=_delete_audit_entries)
        for action, before in _ends_of_retention()
    )


def delete_in_batches(
    records: QuerySet[Any],
    moment: str,
    before: datetime,
    *,
    delete: Callable[[QuerySet[Any]], object] = QuerySet.delete,
) -> int:
    """Delete the records whose `moment` is earlier than `before`, oldest first. Return their number.

    Args:
        records: the records, of one table.
        moment: the name of an indexed date field.
        before: the end of the retention.
        delete: what deletes a batch, in its transaction.
    """
    count = 0
    last: datetime | None = None  # so that no batch walks again through the index entries of rows that are deleted
    while True:
        expired = records.filter(**{f"{moment}__lt": before}, **({f"{moment}__gte": last} if last else {}))
        batch = list(expired.order_by(moment).values_list("pk", moment)[:BATCH])
        if not batch:
            return count
        with transaction.atomic():
            delete(expired.filter(pk__in=[pk for pk, _ in batch]))
        count, last = count + len(batch), batch[-1][1]


def _ends_of_retention() -> Iterator[tuple[int, datetime]]:
    """Yield each action whose entries are not kept for ever, and since when they are kept."""
    now = _now_of_database()
    for action, _ in AuditEntry.ACTIONS:
        is_denial = action == AuditEntry.DENIED
        days = settings.AUDIT_DENIAL_RETENTION_DAYS if is_denial else settings.AUDIT_RETENTION_DAYS
        if days != _FOREVER:
            yield action, now - timedelta(days=days)


def _now_of_database() -> datetime:
    """Return the time by which the database refuses to delete young entries: this machine's clock may be ahead."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        (now,) = cursor.fetchone()
    return now  # type: ignore[no-any-return]


def _delete_audit_entries(entries: QuerySet[Any]) -> None:
    """Delete a batch of audit entries by the one way that the database allows."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL models_registry.purges_audit_trail = 'on'")
            entries.delete()
            return
        cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = %s", [_SQLITE_TRIGGER])
        (trigger,) = cursor.fetchone()
        cursor.execute(f"DROP TRIGGER {_SQLITE_TRIGGER}")
        entries.delete()
        cursor.execute(trigger)
