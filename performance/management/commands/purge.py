"""`manage.py purge`: forget what has had its time."""

from typing import Any

from django.core.management.base import BaseCommand

from models_registry.services import forget_expired


class Command(BaseCommand):
    """Deletes old idempotency keys and logins."""

    help = "Delete idempotency keys older than 24 hours and logins that have expired. To be run daily."

    def handle(self, **options: Any) -> None:
        """Delete them, and say how many."""
        keys, logins = forget_expired()
        self.stdout.write(f"Deleted {keys} idempotency keys and {logins} logins.")
