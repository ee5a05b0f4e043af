"""`manage.py token USER`: print an access token for a user."""

import argparse
import re
from datetime import UTC, datetime, timedelta

from django.core.management.base import BaseCommand, CommandError
from rest_framework_simplejwt.tokens import AccessToken

from models_registry.accounts import scopes
from models_registry.accounts.models import User
from models_registry.audit.recorder import record_token
from models_registry.tokens.jwt import new_token

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MAX_LIFETIME = timedelta(days=365)


class Command(BaseCommand):
    """Prints an access token."""

    requires_system_checks = ()  # they would import every view, which takes a third of the time
    help = "Print an access token for a user. It expires after its lifetime, or when the user's password changes."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="the user name")
        parser.add_argument(
            "--scope",
            type=_scope,
            default=scopes.ALL_SCOPES,
            help='the scopes that narrow the token, for example "model:read"',
        )
        parser.add_argument("--lifetime", type=_lifetime, default=None, help="for example 15m, 8h or 30d, at most 365d")

    def handle(
        self, *, user: str, scope: frozenset[scopes.Scope], lifetime: timedelta | None, **options: object
    ) -> None:
        """Print the token and nothing else."""
        found = User.objects.filter(username=user, is_active=True).first()
        if found is None:
            raise CommandError(f"There is no active user {user!r}.")
        token = new_token(AccessToken, found, family=None, scope=scope)
        if lifetime is not None:
            token.set_exp(lifetime=lifetime)
        record_token(found, scope=" ".join(sorted(scope)), until=datetime.fromtimestamp(token["exp"], UTC))
        self.stdout.write(str(token))


def _scope(text: str) -> frozenset[scopes.Scope]:
    try:
        return scopes.parse(text)
    except scopes.UnknownScopeError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _lifetime(text: str) -> timedelta:
    parts = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    lifetime = timedelta(seconds=int(parts[1]) * _UNIT_SECONDS[parts[2]]) if parts else timedelta()
    if not timedelta() < lifetime <= _MAX_LIFETIME:
        raise argparse.ArgumentTypeError(f"{text!r} is not a lifetime up to 365d; use for example 15m, 8h or 30d")
    return lifetime
