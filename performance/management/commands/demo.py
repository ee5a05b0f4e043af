"""`manage.py demo`: set up and serve the service with example data in one command."""

import argparse
import io
import json
import os
import secrets
import socket
import sys
from datetime import timedelta
from typing import TypedDict

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from rest_framework_simplejwt.tokens import AccessToken
from rich.console import Console
from rich.table import Table

from models_registry.accounts.models import Membership, ModelGrant, User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.db.secret_files import write_secret_file
from models_registry.registry.models import RegisteredModel
from models_registry.tokens.jwt import new_token
from performance.seeds.document import SeedError
from performance.seeds.files import read_document
from performance.seeds.services import load_document

SEED = settings.BASE_DIR / "fixtures" / "seed.json"
PASSWORDS = settings.BASE_DIR / "var" / "demo-passwords.json"
TOKEN_LIFETIME = timedelta(hours=12)
EXAMPLE_MODEL = "mdl-7f3a19bc92"
MAX_PORT = 65_535
SERVER_OPTIONS = (
    *("--interface", "wsgi", "--workers", "1", "--blocking-threads", "4", "--no-ws"),
    *("--workers-kill-timeout", "10"),  # a worker that is just starting misses the signal to stop
)


class Login(TypedDict):
    """A user of the demo, with a password and an access token."""

    username: str
    password: str
    role: str
    access: str


class SeededModel(TypedDict):
    """A model of the demo."""

    model_id: str
    task_type: str
    promoted_version_id: str | None


class Description(TypedDict):
    """What the command prints."""

    base_url: str
    admin_url: str
    users: list[Login]
    models: list[SeededModel]


class Command(BaseCommand):
    """Migrates, seeds, creates users, prints how to use the service, and serves it."""

    help = "Set everything up, load example data, print URLs, logins and a working curl command, and serve."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000, help="0 chooses a free one")
        parser.add_argument("--no-serve", action="store_true", help="exit after printing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *, host: str, port: int, no_serve: bool, json: bool, **options: object) -> None:
        """Set up, print and serve. Running it again changes nothing, except that the tokens are new."""
        address, port = (host, port) if no_serve else _address_to_serve(host, port)
        self.stderr.write("Preparing the database…")
        call_command("migrate", verbosity=0)
        self.stderr.write("Evaluating predictions…")
        names, model_ids = _seed()
        description = describe(_base_url(host, port), _set_passwords(names), model_ids)
        self.stdout.write(_as_json(description) if json else _as_text(description, colour=self.stdout.isatty()))
        self.stdout.flush()
        if not no_serve:
            call_command("collectstatic", interactive=False, verbosity=0)
            _serve(host, address, port)


def describe(base_url: str, users: list[tuple[User, str]], seeded: list[str]) -> Description:
    """Return the URLs, the logins with new access tokens, and the seeded models."""
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


def _seed() -> tuple[list[str], list[str]]:
    """Load the seed document; return the names of its users and the ids of its models."""
    try:
        document = read_document(SEED)
        return [user["username"] for user in document.users], load_document(document, keep_changes=True)
    except SeedError as error:
        raise CommandError(str(error)) from None


def _set_passwords(names: list[str]) -> list[tuple[User, str]]:
    """Return the seeded users with their passwords. These are random, made once and stored in a private file."""
    stored = _stored_passwords()
    passwords = {name: stored.get(name) or secrets.token_urlsafe(12) for name in names}
    write_secret_file(PASSWORDS, json.dumps(passwords))
    users = {user.username: user for user in User.objects.filter(username__in=names)}
    for name, password in passwords.items():
        if not (users[name].has_usable_password() and users[name].check_password(password)):
            users[name].set_password(password)
            users[name].save(update_fields=["password"])
    return [(users[name], password) for name, password in passwords.items()]


def _stored_passwords() -> dict[str, str]:
    """Return the passwords of the last run by user name. There are none in the first run, or if the file is damaged."""
    try:
        stored = json.loads(PASSWORDS.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _role(user: User) -> str:
    if user.is_superuser:
        return "superuser"
    roles = [f"{item.role} of {item.organization}" for item in _memberships(user)]
    grants = [f"{grant.scope} on {grant.model_id}" for grant in ModelGrant.objects.filter(user=user)]
    return ", ".join(roles + grants)


def _memberships(user: User) -> QuerySet[Membership]:
    return Membership.objects.filter(user=user).select_related("organization")


def _access(user: User) -> str:
    token = new_token(AccessToken, user, family=None, scope=ALL_SCOPES)
    token.set_exp(lifetime=TOKEN_LIFETIME)
    return str(token)


def _as_json(description: Description) -> str:
    return json.dumps(description, indent=2)


def _as_text(description: Description, *, colour: bool) -> str:
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
            f"API, to try out  {base_url}/api/docs",
            "",
            console.export_text(styles=colour),
            "How well does the promoted churn model do on its test split?",
            "",
            f"curl -H 'Authorization: Bearer {access}' {base_url}/api/v1/models/{EXAMPLE_MODEL}/performance/summary",
            "",
        ]
    )


def _base_url(host: str, port: int) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://{_in_brackets(reachable)}:{port}"


def _in_brackets(host: str) -> str:
    """Return a host as URLs and the `Host` header write it."""
    return f"[{host}]" if ":" in host else host


def _address_to_serve(host: str, port: int) -> tuple[str, int]:
    """Return the address and port to listen on, as the server accepts no host names.

    Raises `CommandError` if the port is not free.
    """
    if settings.DEBUG:
        raise CommandError("The server does not start while DEBUG is true; set it to false or unset it.")
    try:
        if port > MAX_PORT:  # getaddrinfo would take the remainder
            raise OverflowError(f"the highest port is {MAX_PORT}")
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            address = probe.getsockname()
    except (OSError, OverflowError, UnicodeError) as error:
        raise CommandError(
            f"Cannot listen on {_in_brackets(host)}:{port} ({error}); choose another with --host or --port."
        ) from None
    return str(address[0]), int(address[1])


def _serve(host: str, address: str, port: int) -> None:
    """Replace this process by the production server, so that the server gets all signals."""
    os.environ["ALLOWED_HOSTS"] = ",".join({*settings.ALLOWED_HOSTS, _in_brackets(host)})
    os.environ.setdefault("MALLOC_ARENA_MAX", "1")  # threads that take turns need no memory pool each
    server = [sys.executable, "-m", "config.serve", *SERVER_OPTIONS, "--host", address, "--port", str(port)]
    os.execv(sys.executable, [*server, "config.demo_wsgi:application"])  # noqa: S606
