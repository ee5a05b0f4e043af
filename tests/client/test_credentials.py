"""Tokens and addresses that cannot be used are refused without being shown."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from performance_registry import CredentialsError, Registry, logins
from performance_registry.credentials import GivenToken, find_credentials

URL = "http://127.0.0.1:9"  # nothing listens there


@pytest.mark.parametrize("token", ["secret\nvalue", "secret-é", "secret\0value"])
def test_a_token_that_no_header_can_contain_is_not_shown(token: str, caplog: pytest.LogCaptureFixture) -> None:
    with Registry(URL, token) as registry, pytest.raises(CredentialsError, match="contains a line break") as refused:
        registry.rows("/models")

    assert "secret" not in str(refused.value) + caplog.text


def test_a_token_may_end_with_a_line_break(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_TOKEN", " token\n")

    assert find_credentials(URL, None, 0) == GivenToken("token")


@pytest.mark.parametrize("url", ["https://ada:secret@registry.example.com", "ada:secret@registry", "http://a@b@[::"])
def test_an_address_with_a_login_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(CredentialsError) as refused:
        Registry(url, "x")

    assert "secret" not in str(refused.value)


def test_a_folder_without_locks_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl", reason="there are no locks on Windows")
    held = logins.try_lock()
    assert held is not None
    assert logins.try_lock() is None
    held.close()

    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock = logins.try_lock()
    assert lock is not None
    lock.close()


def test_an_error_that_nobody_expected_is_no_refusal_of_the_registry(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    file.write_text("[" * 100_000)
    command = [sys.executable, "-m", "performance_registry", "register", "acme/churn", "--parameters", str(file)]
    environment = {**os.environ, "REGISTRY_URL": URL, "REGISTRY_TOKEN": "x"}

    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert (ended.returncode, "RecursionError" in ended.stderr) == (2, True)
