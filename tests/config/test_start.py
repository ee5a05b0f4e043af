"""Commands and the production server start with right settings only."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.config.conftest import ROOT

KEY = "a key of more than thirty-two bytes, for this test only"
Start = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Return a function that runs Python in a process of its own, with right settings but for those that are given."""
    right = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": KEY,
        "JWT_SIGNING_KEY": f"another {KEY}",
        "DATABASE_URL": f"sqlite:///{tmp_path}/registry.sqlite3",
    }

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**right, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def test_the_service_starts_with_valid_settings(start: Start) -> None:
    ended = start("manage.py", "check")

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("command", ["check", "migrate", "runserver", "seed", "gate"])
def test_a_wrong_setting_ends_any_command_with_exit_status_2_and_one_line(start: Start, command: str) -> None:
    ended = start("manage.py", command, SECRET_KEY="")

    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("Wrong settings: SECRET_KEY is missing; set it to ")
    assert "set -a; . var/demo.env; set +a" in line


@pytest.mark.parametrize(
    ("environment", "named"),
    [({"DEBUG": "true"}, "DEBUG is true"), ({"SECRET_KEY": ""}, "SECRET_KEY is missing"), ({}, "")],
)
def test_the_production_server_refuses_debug_and_wrong_settings(
    start: Start, environment: dict[str, str], named: str
) -> None:
    ended = start("-c", "import config.wsgi", **environment)

    assert (ended.returncode == 0) == (not environment)
    assert named in ended.stderr.strip().rpartition("\n")[2]
