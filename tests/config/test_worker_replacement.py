"""Replace the server's workers while callers connect."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import ROOT, free_port, kill

pytestmark = [pytest.mark.served, pytest.mark.once]
SLOW = """
import os, time
time.sleep({seconds})
def application(environ, start_response):
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"""
STARTS_WITHIN = 120  # seconds


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Two workers, each of which needs a second to start, and would be replaced after a hundredth of it."""
    (tmp_path / "slow_application.py").write_text(SLOW.format(seconds=1))
    port = free_port()
    options = ["--interface", "wsgi", "--workers", "2", "--respawn-interval", "0.01", "--port", str(port)]
    command = [sys.executable, "-m", "config.serve", *options, "slow_application:application"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    running = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True)
    try:
        yield running, port
    finally:
        kill(running)


def worker_that_answers(port: int) -> int | None:
    """Return the process that answers on a new connection; `None` if it ends meanwhile."""
    caller = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        caller.request("GET", "/")
        return int(caller.getresponse().read())
    except (ConnectionResetError, BrokenPipeError, http.client.HTTPException):
        return None
    finally:
        caller.close()


def wait_for_workers(port: int, old: set[int | None]) -> set[int | None]:
    """Return both workers once each has answered. Raises `ConnectionRefusedError`."""
    deadline, found = time.monotonic() + STARTS_WITHIN, set[int | None]()
    while len(found) < 2:
        assert time.monotonic() < deadline
        found |= {worker_that_answers(port)} - old - {None}
    return found


def test_no_connection_is_refused_while_slow_workers_are_replaced(
    server: tuple[subprocess.Popen[bytes], int],
) -> None:
    running, port = server
    while True:
        try:
            old = wait_for_workers(port, set())
        except ConnectionRefusedError:
            assert running.poll() is None
            time.sleep(0.05)
        else:
            break

    running.send_signal(signal.SIGHUP)

    assert len(wait_for_workers(port, old)) == 2
