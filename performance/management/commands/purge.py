"""`manage.py purge`: forget what has had its time."""

from typing import Any

from django.core.management.base import BaseCommand

from models_registry.services import forget_expired
from performance.evaluating import forget_orphans


class Command(BaseCommand):
    """Deletes old idempotency keys, logins, and uploads that nobody evaluates any more."""

    help = (
        "Delete idempotency keys and orphaned uploads older than 24 hours, and logins that have expired. Run it daily."
    )

    def handle(self, **options: Any) -> None:
        """Delete them, and say how many."""
        keys, logins = forget_expired()
        self.stdout.write(
            f"Deleted {keys} idempotency keys, {logins} logins and {forget_orphans()} uploads without an evaluation."
        )
