"""`manage.py purge`: delete records and files past their retention."""

import logging
from collections.abc import Callable

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from models_registry.api.models import IdempotencyKey
from models_registry.audit.services import delete_audit_entries
from models_registry.db.purge import delete_in_batches
from models_registry.tokens.services import delete_expired_logins, delete_expired_sessions
from performance.comparisons.tasks import delete_ended_comparisons
from performance.evaluations.tasks import delete_abandoned_folders, delete_ended_evaluations, delete_orphaned_uploads
from performance.snapshots.prediction_store import delete_unreferenced_files
from performance.webhooks.delivery import delete_ended_deliveries

log = logging.getLogger(__name__)


def delete_idempotency_keys() -> int:
    """Delete the idempotency keys past their retention, and return their number."""
    return delete_in_batches(IdempotencyKey.objects.all(), "created_at", timezone.now() - IdempotencyKey.RETENTION)


PURGES: dict[str, Callable[[], int]] = {
    "idempotency keys": delete_idempotency_keys,
    "logins": delete_expired_logins,
    "sessions of the admin": delete_expired_sessions,
    "audit entries": delete_audit_entries,
    "uploads without an evaluation": delete_orphaned_uploads,
    "kept predictions without a snapshot": delete_unreferenced_files,
    "messages to webhooks": delete_ended_deliveries,
    "ended comparisons": delete_ended_comparisons,
    "evaluations": delete_ended_evaluations,
}


class Command(BaseCommand):
    """Deletes old records and files in batches, one kind after another, and prints the number of each."""

    help = (
        "Delete idempotency keys, orphaned uploads and kept predictions without a snapshot that are older than 24 "
        "hours, logins and sessions that have expired, messages to webhooks that ended more than 30 days ago, the "
        "records of comparisons that ended more than 7 days ago, evaluations that ended more than "
        "EVALUATION_RETENTION_DAYS ago, and audit entries past AUDIT_RETENTION_DAYS or AUDIT_DENIAL_RETENTION_DAYS. "
        "Run it daily. It may be interrupted at any time. If one kind cannot be deleted, the others are still deleted, "
        "and the exit status is 1."
    )

    def handle(self, **options: object) -> None:
        """Delete each kind and print a line for it. If one kind fails, go on with the others."""
        failed = []
        for name, delete in PURGES.items():
            try:
                self.stdout.write(f"Deleted {delete()} {name}.")
            except Exception:
                log.exception("Purging %s failed.", name)
                failed.append(name)
        delete_abandoned_folders()
        if failed:
            raise CommandError(f"Not all could be deleted: {', '.join(failed)}. The log says why.")
