"""`manage.py demo`, run as a newcomer does: in an empty folder, without a database."""

import errno
import gzip
import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from tests.conftest import golden
from tests.demo_data import FAST_HASHING, write_seed
from tests.forms import BOUNDARY, multipart
from tests.serving import free_port

ROOT = Path(__file__).parents[3]
BASE_URL = re.compile(r"http://(\[::1\]|127\.0\.0\.1):\d+")
PARTS = ["manage.py", "openapi.yaml", "config", "models_registry", "performance", "fixtures"]
NOT_SET = {"SECRET_KEY", "JWT_SIGNING_KEY", "DATABASE_URL", "HTTPS_ONLY", "ALLOWED_HOSTS", "DJANGO_SETTINGS_MODULE"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the service, but for hashing the passwords fast and for fewer predictions to evaluate.

    Its modules are compiled already, which would take the first process seconds.
    """
    folder = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("*.pyc.*"))  # one being written
        else:
            shutil.copy(source, folder / part)
    (folder / "config" / "fast_hashing.py").write_text(FAST_HASHING)
    write_seed(folder / "fixtures" / "seed.json")
    return folder


@pytest.fixture(scope="module")
def first(checkout: Path) -> dict[str, Any]:
    """The output of the first run."""
    return described(checkout)


@pytest.fixture(scope="module")
def second(checkout: Path, first: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """What a second run prints, at an IPv6 address."""
    return run(checkout, "demo", "--no-serve", "--json", "--host", "::1")


def environment_of_a_newcomer(**settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in NOT_SET}
    return {**kept, "DJANGO_SETTINGS_MODULE": "config.fast_hashing", **settings}


def run(checkout: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = environment_of_a_newcomer(**settings)
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def described(checkout: Path, *options: str) -> dict[str, Any]:
    finished = run(checkout, "demo", "--no-serve", "--json", *options)
    assert finished.returncode == 0, finished.stderr
    description: dict[str, Any] = json.loads(finished.stdout)
    return description


def test_demo_prints_urls_models_and_logins(first: dict[str, Any]) -> None:
    assert list(first) == ["base_url", "admin_url", "users", "models"]
    assert first["base_url"] == "http://127.0.0.1:8000"
    assert {user["username"] for user in first["users"]} >= {"admin", "vera", "ed", "ada"}
    assert all(list(user) == ["username", "password", "role", "access"] for user in first["users"])
    promoted = {model["model_id"]: model["promoted_version_id"] for model in first["models"]}
    assert promoted["mdl-7f3a19bc92"] == "ver-001a1"
    assert [user["username"] for user in first["users"] if user["role"] == "superuser"] == ["admin"]
    assert None in promoted.values()
    assert {model["task_type"] for model in first["models"]} >= {"classification", "regression"}


def test_its_keys_and_passwords_are_random_and_private(checkout: Path, first: dict[str, Any]) -> None:
    assert len({user["password"] for user in first["users"]}) == len(first["users"])
    for name in ("demo.env", "demo-passwords.json"):
        assert (checkout / "var" / name).stat().st_mode & 0o777 == 0o600


def test_run_again_has_the_same_data_and_logins_but_new_tokens(
    first: dict[str, Any], second: subprocess.CompletedProcess[str]
) -> None:
    again = json.loads(second.stdout)

    assert again["base_url"] == "http://[::1]:8000"
    assert again["models"] == first["models"]
    for before, after in zip(first["users"], again["users"], strict=True):
        assert (before["username"], before["password"]) == (after["username"], after["password"])
        assert before["access"] != after["access"]


def test_each_step_is_announced_on_standard_error(second: subprocess.CompletedProcess[str]) -> None:
    assert second.stderr.splitlines() == ["Preparing the database…", "Evaluating predictions…"]


def test_run_again_takes_no_promotion_back_and_replaces_damaged_passwords(
    checkout: Path, first: dict[str, Any], second: subprocess.CompletedProcess[str]
) -> None:
    promote = (
        "from models_registry.models import *; from models_registry.registry.promotions import promote; "
        "other = RegisteredModel.objects.get(name='diabetes'); "
        "promote(version=other.versions.get(number=2), promoted_by=None, reason='')"
    )
    keys = dict(line.split("=", 1) for line in (checkout / "var" / "demo.env").read_text().splitlines())
    finished = run(checkout, "shell", "--no-imports", "--command", promote, **keys)
    assert finished.returncode == 0, finished.stderr
    passwords = checkout / "var" / "demo-passwords.json"
    whole = passwords.read_text()
    passwords.write_text(whole[: len(whole) // 2])

    description = described(checkout, "--host", "0.0.0.0")  # noqa: S104

    assert description["base_url"] == "http://127.0.0.1:8000"
    again = {model["model_id"]: model["promoted_version_id"] for model in description["models"]}
    assert again["mdl-5ad2c7710e"] == "ver-00002"
    seeded = {model["model_id"]: model["promoted_version_id"] for model in first["models"]}
    assert {**seeded, "mdl-5ad2c7710e": "ver-00002"} == again
    assert json.loads(passwords.read_text()).keys() == json.loads(whole).keys()


def test_a_port_in_use_is_said_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "choose another" in refusal(port=taken.getsockname()[1])


def test_a_host_that_is_none_is_said_at_once() -> None:
    assert "Cannot listen on nowhere.invalid:8000" in refusal(host="nowhere.invalid")


@pytest.mark.parametrize("port", [65_536, 99_999, -1])
def test_a_port_that_is_none_is_said_at_once(port: int) -> None:
    assert f"Cannot listen on 127.0.0.1:{port}" in refusal(port=port)


@override_settings(DEBUG=True)
def test_debug_is_refused_before_anything_is_printed() -> None:
    assert "DEBUG is true" in refusal(port=free_port())


def refusal(**options: Any) -> str:
    """Return why the demo does not start in this process. It touches no database and prints nothing."""
    printed = io.StringIO()
    with pytest.raises(CommandError) as refused:
        call_command("demo", stdout=printed, stderr=printed, **options)
    assert (refused.value.returncode, printed.getvalue()) == (1, "")
    return str(refused.value)


def test_keys_in_the_file_env_come_before_its_own(checkout: Path, first: dict[str, Any]) -> None:
    file = checkout / ".env"
    file.write_text("SECRET_KEY=short\n")
    try:
        finished = run(checkout, "demo", "--no-serve")
    finally:
        file.unlink()

    assert finished.returncode == 2
    assert "SECRET_KEY has 5 bytes" in finished.stderr


@pytest.mark.served
def test_serves_at_a_name(checkout: Path, first: dict[str, Any]) -> None:
    with serving(checkout, "localhost", "localhost") as text:
        assert "http://localhost:" in text


@pytest.mark.served
def test_serves_at_any_address_and_prints_that_of_this_machine(served: str) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")

    assert BASE_URL.search(served)[1] == "[::1]"  # type: ignore[index]


def has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        return probe.connect_ex(("::1", 9)) != errno.EADDRNOTAVAIL


@pytest.fixture(scope="module")
def served(checkout: Path, first: dict[str, Any]) -> Iterator[str]:
    """The text of a demo that serves at any IPv6 address, if the machine has one."""
    host, shown = ("::", "[::1]") if has_ipv6() else ("127.0.0.1", "127.0.0.1")
    with serving(checkout, host, shown) as text:
        yield text


@contextmanager
def serving(checkout: Path, host: str, shown: str) -> Iterator[str]:
    """Serve within the context, check that the host answers as printed, and yield the output."""
    port = str(free_port())
    environment = environment_of_a_newcomer()
    output = checkout / "output.txt"
    with output.open("w") as out, (checkout / "errors.txt").open("w") as errors:
        command = [sys.executable, "manage.py", "demo", "--host", host, "--port", port]
        server = subprocess.Popen(command, cwd=checkout, env=environment, stdout=out, stderr=errors)
    try:
        _wait_for(f"http://{shown}:{port}/readyz", server)
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


@pytest.mark.served
def test_it_drops_headers_with_underscores(served: str) -> None:
    base_url = BASE_URL.search(served)
    assert base_url
    for header, heard in (("X-Request-ID", True), ("X_Request_ID", False)):
        request = urllib.request.Request(f"{base_url[0]}/healthz", headers={header: "mine"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            assert (answer.headers["X-Request-ID"] == "mine") == heard


@pytest.mark.served
@pytest.mark.parametrize(
    "path", ["/api/schema", "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"]
)
def test_the_pages_files_are_compressed(served: str, path: str) -> None:
    base_url = BASE_URL.search(served)
    assert base_url
    request = urllib.request.Request(base_url[0] + path, headers={"Accept-Encoding": "gzip"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(gzip.decompress(answer.read())) > 250_000


@pytest.mark.served
def test_it_evaluates_what_is_uploaded_without_a_worker_beside_it(first: dict[str, Any], served: str) -> None:
    base_url = BASE_URL.search(served)
    access = next(user["access"] for user in first["users"] if user["username"] == "ed")
    form = multipart(dataset_split="test", file="actual,predicted\nyes,yes\nno,yes\n").encode()
    headers = {
        "Authorization": f"Bearer {access}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Prefer": "wait=30",
    }
    assert base_url
    url = f"{base_url[0]}/api/v1/models/mdl-c41e08d5a7/versions/ver-00003/evaluations"
    with urllib.request.urlopen(urllib.request.Request(url, form, headers), timeout=60) as answer:  # noqa: S310
        assert answer.status == 201
        assert json.load(answer)["snapshot"]["metrics"]["accuracy"] == 0.5


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
