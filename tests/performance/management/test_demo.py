"""`manage.py demo`, run as a newcomer does: on nothing, in a folder of its own."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import golden

ROOT = Path(__file__).parents[3]
PARTS = ["manage.py", "config", "models_registry", "performance", "fixtures"]
NOT_SET = {"SECRET_KEY", "JWT_SIGNING_KEY", "DATABASE_URL", "HTTPS_ONLY", "ALLOWED_HOSTS", "DJANGO_SETTINGS_MODULE"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the service, as cloned."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__", "predictions"))
        else:
            shutil.copy(source, folder / part)
    return folder


@pytest.fixture(scope="module")
def first(checkout: Path) -> dict[str, Any]:
    """What the first run says."""
    return described(checkout)


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in NOT_SET}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def described(checkout: Path) -> dict[str, Any]:
    finished = run(checkout, "demo", "--no-serve", "--json")
    assert finished.returncode == 0, finished.stderr
    description: dict[str, Any] = json.loads(finished.stdout)
    return description


def test_says_where_what_and_who(first: dict[str, Any]) -> None:
    assert list(first) == ["base_url", "admin_url", "users", "models"]
    assert first["base_url"] == "http://127.0.0.1:8000"
    assert {user["username"] for user in first["users"]} >= {"admin", "vera", "ed", "ada"}
    assert all(list(user) == ["username", "password", "role", "access"] for user in first["users"])
    promoted = {model["model_id"]: model["promoted_version_id"] for model in first["models"]}
    assert promoted["mdl-7f3a19bc92"] == "ver-001a1"
    assert None in promoted.values()
    assert {model["task_type"] for model in first["models"]} >= {"classification", "regression"}


def test_its_keys_and_passwords_are_random_and_private(checkout: Path, first: dict[str, Any]) -> None:
    assert len({user["password"] for user in first["users"]}) == len(first["users"])
    for name in ("demo.env", "demo-passwords.json"):
        assert (checkout / "var" / name).stat().st_mode & 0o777 == 0o600


def test_run_again_has_the_same_data_and_logins_but_new_tokens(checkout: Path, first: dict[str, Any]) -> None:
    again = described(checkout)

    assert again["models"] == first["models"]
    for before, after in zip(first["users"], again["users"], strict=True):
        assert (before["username"], before["password"]) == (after["username"], after["password"])
        assert before["access"] != after["access"]


def test_a_port_in_use_is_said_at_once(checkout: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        finished = run(checkout, "demo", "--port", str(taken.getsockname()[1]))

    assert finished.returncode == 1
    assert "choose another" in finished.stderr


@pytest.fixture
def served(checkout: Path) -> Iterator[str]:
    """The text of a demo that serves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if name not in NOT_SET}
    output = checkout / "output.txt"
    with output.open("w") as out, (checkout / "errors.txt").open("w") as errors:
        command = [sys.executable, "manage.py", "demo", "--port", port]
        server = subprocess.Popen(command, cwd=checkout, env=environment, stdout=out, stderr=errors)
    try:
        _wait_for(f"http://127.0.0.1:{port}/readyz", server)
        yield output.read_text()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)


@pytest.mark.served
def test_the_curl_it_prints_works_as_pasted(served: str) -> None:
    (curl,) = [line for line in served.splitlines() if line.startswith("curl ")]
    if shutil.which("curl"):
        body = subprocess.run(shlex.split(curl), capture_output=True, check=True, timeout=30).stdout
    else:
        _, _, header, url = shlex.split(curl)
        name, _, value = header.partition(": ")
        body = urllib.request.urlopen(urllib.request.Request(url, headers={name: value}), timeout=30).read()  # noqa: S310

    assert json.loads(body) == golden("summary")


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2)  # noqa: S310
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"the demo did not come up (exit status {server.poll()})")
