"""The demo's data in a database and a storage of a test's own.

`migrate` and `seed` take seconds, so each kind of database is filled once in a run. The tests copy it, in whichever
process they run. Most of its metrics are imported: only the test split's predictions are evaluated.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.tokens.jwt import new_token
from tests.originals import copy, migrate, original, shared_folder
from tests.reliability.databases import execute
from tests.serving import ROOT, manage, new_keys, serve

FIXTURES = ROOT / "fixtures"
FAST_HASHING = """
from config.settings import *

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
"""  # a module of settings for a copy of the service, as the demo hashes the password of each of its users


def load_demo_data(**settings: str) -> None:
    """Put the demo's data into a new database, and its files into a storage if the settings name one."""
    database, storage = settings["DATABASE_URL"], settings.get("STORAGE_URL", "")
    copy(original("demo", database, _fill), database)
    if storage.startswith("file://"):
        shutil.copytree(_files(), storage.removeprefix("file://"), dirs_exist_ok=True)


@contextmanager
def serve_demo_data(database: str) -> Iterator[tuple[str, str]]:
    """Serve the demo's data from a new database while the context lasts; give the base URL and a token of its admin."""
    settings = {"DATABASE_URL": database, **new_keys()}
    load_demo_data(**settings)
    with serve(**settings) as base_url:
        yield base_url, access_token("ada", **settings)


def access_token(username: str, **settings: str) -> str:
    """Return a token of a stored user for an hour, as `manage.py token` prints it after the start of a process."""
    user = User(**dict(zip(("pk", "password"), _stored_user(username, settings["DATABASE_URL"]), strict=True)))
    token = new_token(AccessToken, user, family=None, scope=ALL_SCOPES)
    token.set_exp(lifetime=timedelta(hours=1))
    issuer = TokenBackend(
        "HS256", settings["JWT_SIGNING_KEY"], audience=api_settings.AUDIENCE, issuer=api_settings.ISSUER
    )
    return issuer.encode(token.payload)


def write_seed(file: Path, *model_ids: str) -> None:
    """Write the demo's seed document, in which only the snapshots of the test split have predictions.

    If models are named, it has only these.
    """
    document = json.loads((FIXTURES / "seed.json").read_text())
    document["models"] = [model for model in document["models"] if not model_ids or model["model_id"] in model_ids]
    for snapshot in _snapshots(document):
        if snapshot["dataset_split"] != "test":
            snapshot.pop("predictions", None)
            snapshot.pop("columns", None)
        elif "predictions" in snapshot:
            snapshot["predictions"] = str(FIXTURES / snapshot["predictions"])
    file.write_text(json.dumps(document))


def _snapshots(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for model in document["models"]:
        for version in model["versions"]:
            yield from version["snapshots"]


def _stored_user(username: str, database: str) -> tuple[int, str]:
    users = execute(database, "SELECT username, id, password FROM models_registry_user")
    return next((pk, password) for name, pk, password in users if name == username)


def _fill(database: str) -> None:
    migrate(database)
    seed = shared_folder() / "seed.json"
    write_seed(seed)
    manage("seed", str(seed), DATABASE_URL=database, STORAGE_URL=f"file://{_files()}", **new_keys())


def _files() -> Path:
    return shared_folder() / "files"
