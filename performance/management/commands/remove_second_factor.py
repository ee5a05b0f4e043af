"""`manage.py remove_second_factor USER`: let a user log in with the password alone."""

import argparse

from django.core.management.base import BaseCommand, CommandError

from models_registry.accounts.models import User
from models_registry.logins.services import remove_second_factors


class Command(BaseCommand):
    """Removes the second factor of a user."""

    help = "Remove the authenticator app and the recovery codes of a user, who then logs in with the password alone."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="the user name")

    def handle(self, *, user: str, **options: object) -> None:
        """Remove the second factor. It fails without a user of that name, and for a user without one."""
        found = User.objects.filter(username=user).first()
        if found is None:
            raise CommandError(f"There is no user {user!r}.")
        if not remove_second_factors(users=[found]):
            raise CommandError(f"{user} has no second factor.")
        self.stdout.write(f"{user} logs in with the password alone, and can set up an authenticator app again.")
