"""`manage.py purge`: forget what has had its time."""

from typing import Any

from django.core.management.base import BaseCommand

from models_registry.services import forget_expired
from performance.delivering import forget_ended
from performance.evaluating import delete_ended, forget_orphans
from performance.kept_files import forget_unnamed


class Command(BaseCommand):
    """Deletes old idempotency keys, logins and messages to webhooks, and files that nothing needs any more."""

    help = (
        "Delete idempotency keys, orphaned uploads and kept predictions of no snapshot that are older than 24 hours, "
        "logins that have expired, messages to webhooks that ended more than 30 days ago, and evaluations that ended "
        "more than EVALUATION_RETENTION_DAYS ago. Run it daily."
    )

    def handle(self, **options: Any) -> None:
        """Delete them, and say how many."""
        keys, logins = forget_expired()
        self.stdout.write(
            f"Deleted {keys} idempotency keys, {logins} logins, {forget_orphans()} uploads without an evaluation, "
            f"{forget_unnamed()} kept predictions without a snapshot, {forget_ended()} messages to webhooks and "
            f"{delete_ended()} evaluations."
        )
