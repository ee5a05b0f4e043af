"""`manage.py demo`: the service with real data, in one command."""

import argparse
import io
import json
import os
import secrets
import socket
import sys
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rest_framework_simplejwt.tokens import AccessToken
from rich.console import Console
from rich.table import Table

from models_registry.models import Membership, ModelGrant, RegisteredModel, User
from models_registry.private_files import write_private
from models_registry.scopes import ALL_SCOPES
from models_registry.tokens import new_token
from performance.seeding.document import read

SEED = settings.BASE_DIR / "fixtures" / "seed.json"
PASSWORDS = settings.BASE_DIR / "var" / "demo-passwords.json"
TOKEN_LIFETIME = timedelta(hours=12)
EXAMPLE_MODEL = "mdl-7f3a19bc92"
SERVER_OPTIONS = ("--interface", "wsgi", "--workers", "1", "--blocking-threads", "4", "--no-ws")


class Command(BaseCommand):
    """Migrates, seeds, makes users, prints how to use the service, and serves it."""

    help = "Set everything up, load real data, print URLs, logins and a curl that works as pasted, and serve."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--no-serve", action="store_true", help="end after printing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *, host: str, port: int, no_serve: bool, json: bool, **options: Any) -> None:
        """Do everything; running it again changes nothing but makes new tokens."""
        if not no_serve:
            _check_port(host, port)
        call_command("migrate", verbosity=0)
        call_command("seed", str(SEED), verbosity=0)
        description = describe(f"http://{_address(host)}:{port}", _give_passwords())
        self.stdout.write(_as_json(description) if json else _as_text(description, colour=self.stdout.isatty()))
        self.stdout.flush()
        if not no_serve:
            _serve(host, port)


def describe(base_url: str, users: list[tuple[User, str]]) -> dict[str, Any]:
    """Return what a newcomer needs: URLs, logins with fresh access tokens, and the seeded models."""
    seeded = [model["model_id"] for model in read(SEED)["models"]]
    models = RegisteredModel.objects.filter(pk__in=seeded).select_related("promoted_version").order_by("name")
    return {
        "base_url": base_url,
        "admin_url": f"{base_url}/admin/",
        "users": [
            {"username": user.username, "password": password, "role": _role(user), "access": _access(user)}
            for user, password in users
        ],
        "models": [
            {
                "model_id": model.pk,
                "task_type": model.task_type,
                "promoted_version_id": model.promoted_version and model.promoted_version.version_id,
            }
            for model in models
        ],
    }


def _give_passwords() -> list[tuple[User, str]]:
    """Return the seeded users with their passwords, which are random, made once, and kept in a private file."""
    kept = json.loads(PASSWORDS.read_text()) if PASSWORDS.exists() else {}
    names = [user["username"] for user in read(SEED)["users"]]
    passwords = {name: kept.get(name) or secrets.token_urlsafe(12) for name in names}
    write_private(PASSWORDS, json.dumps(passwords))
    users = {user.username: user for user in User.objects.filter(username__in=names)}
    for name, password in passwords.items():
        if not users[name].check_password(password):
            users[name].set_password(password)
            users[name].save(update_fields=["password"])
    return [(users[name], password) for name, password in passwords.items()]


def _role(user: User) -> str:
    if user.is_superuser:
        return "superuser"
    roles = [f"{item.role} of {item.organization}" for item in _memberships(user)]
    grants = [f"{grant.scope} on {grant.model_id}" for grant in ModelGrant.objects.filter(user=user)]
    return ", ".join(roles + grants)


def _memberships(user: User) -> Any:
    return Membership.objects.filter(user=user).select_related("organization")


def _access(user: User) -> str:
    token = new_token(AccessToken, user, family=None, scope=ALL_SCOPES)
    token.set_exp(lifetime=TOKEN_LIFETIME)
    return str(token)


def _as_json(description: dict[str, Any]) -> str:
    return json.dumps(description, indent=2)


def _as_text(description: dict[str, Any], *, colour: bool) -> str:
    base_url = description["base_url"]
    table = Table("user", "password", "may", title="Logins")
    for user in description["users"]:
        table.add_row(user["username"], user["password"], user["role"])
    console = Console(record=True, file=io.StringIO(), width=100)
    console.print(table)
    access = next(user["access"] for user in description["users"] if user["username"] == "vera")
    return "\n".join(
        [
            f"Admin            {description['admin_url']}",
            f"API              {base_url}/api/v1",
            f"API, to try out  {base_url}/api/docs",
            "",
            console.export_text(styles=colour),
            "How well does the promoted churn model do on its test split?",
            "",
            f"curl -H 'Authorization: Bearer {access}' {base_url}/api/v1/models/{EXAMPLE_MODEL}/performance/summary",
            "",
        ]
    )


def _address(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104


def _check_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Cannot listen on {host}:{port} ({error}); choose another with --host or --port."
            ) from None


def _serve(host: str, port: int) -> None:
    """Become the production server, which so gets every signal itself."""
    os.environ["ALLOWED_HOSTS"] = ",".join({*settings.ALLOWED_HOSTS, host})
    server = [sys.executable, "-m", "granian", *SERVER_OPTIONS, "--host", host, "--port", str(port)]
    os.execv(sys.executable, [*server, "config.wsgi:application"])  # noqa: S606
