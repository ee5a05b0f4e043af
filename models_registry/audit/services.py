"""Deletion of audit entries after their retention period."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from models_registry.audit.models import AuditEntry
from models_registry.db.purge import delete_in_batches

_FOREVER = 0  # days, in the settings
_SQLITE_TRIGGER = "models_registry_auditentry_no_DELETE"


def delete_audit_entries() -> int:
    """Delete the audit entries that are older than their retention period, and return their number."""
    return sum(
        delete_in_batches(AuditEntry.objects.filter(action=action), "timestamp", before, delete=_delete_audit_entries)
        for action, before in _retention_cutoffs()
    )


def _retention_cutoffs() -> Iterator[tuple[int, datetime]]:
    """Yield each action with limited retention, and the time before which its entries have expired."""
    now = _database_now()
    for action, _ in AuditEntry.ACTIONS:
        is_denial = action == AuditEntry.DENIED
        days = settings.AUDIT_DENIAL_RETENTION_DAYS if is_denial else settings.AUDIT_RETENTION_DAYS
        if days != _FOREVER:
            yield action, now - timedelta(days=days)


def _database_now() -> datetime:
    """Return the database's time: it refuses to delete young entries, and this machine's clock may be ahead."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        (now,) = cursor.fetchone()
    return now  # type: ignore[no-any-return]


def _delete_audit_entries(entries: QuerySet[AuditEntry]) -> None:
    """Delete a batch of audit entries in the only way that the database allows."""
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
