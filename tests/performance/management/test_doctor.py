"""`manage.py doctor`"""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from models_registry.accounts.scopes import Role
from models_registry.logins.provider import LoginProvider
from performance.jobs.heartbeat import Heartbeat

ROOT = Path(__file__).parents[3]


def diagnose() -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit status, and the last finding on each subject."""
    printed = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", json=True, stdout=printed)
    return int(str(ended.value.code)), {each["subject"]: each for each in json.loads(printed.getvalue())}


def test_the_doctor_says_what_is_wrong_and_what_to_do(db: None, settings: Any, tmp_path: Path) -> None:
    status, found = diagnose()
    assert (status, found["worker"]["level"], found["worker"]["hint"]) == (1, "error", "Run: manage.py worker")

    Heartbeat().report()
    settings.SECURE_SSL_REDIRECT, settings.TRUSTED_PROXIES = True, 1
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend"}}  # not that of tests
    status, found = diagnose()
    assert status == 0
    subjects = ("keys", "proxy", "migrations", "worker", "storage", "cache")
    assert {found[subject]["level"] for subject in subjects} == {"ok"}
    if connection.vendor == "postgresql":
        assert (found["database"]["level"], found["role"]["level"]) == ("ok", "warning")
    else:
        assert found["database"]["level"] == "warning"

    key = tmp_path / "jwt.pem"
    key.touch(mode=0o644)
    folder = tmp_path / "a file, no folder"
    folder.touch()
    settings.JWT_PRIVATE_KEY_FILE, settings.TRUSTED_PROXIES = str(key), 0
    settings.OIDC_LOGIN = LoginProvider(
        "https://login.example.com", "id", "secret", roles={"all": {"acme": Role.VIEWER}}
    )
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": folder}},
    }
    status, found = diagnose()
    assert status == 1
    assert {subject: found[subject]["level"] for subject in ("keys", "proxy", "storage")} == {
        "keys": "warning",
        "proxy": "warning",
        "storage": "error",
    }
    assert str(key) in found["keys"]["hint"]
    assert found["logins"]["message"].endswith("that do not exist: acme.")
    assert "TRUSTED_PROXIES" in found["proxy"]["hint"]


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"SECRET_KEY": "short"}, "error    settings    SECRET_KEY has 5 bytes"),
        ({"DATABASE_URL": "postgresql://x:y@127.0.0.1:1/z"}, "error    database    It cannot be reached"),
    ],
)
def test_the_doctor_reports_wrong_settings_and_an_unreachable_database(wrong: dict[str, str], line: str) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **wrong}
    command = [sys.executable, "manage.py", "doctor"]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (1, "")
    assert any(printed.startswith(line) for printed in ended.stdout.splitlines())
