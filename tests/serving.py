"""The service behind its production server, for tests that need a real one."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent
STARTS_WITHIN = 180


@contextmanager
def serve(**settings: str) -> Iterator[str]:
    """Serve with these settings while the context lasts; give the base URL."""
    port = free_port()
    server = start_server(port, **settings)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)


@contextmanager
def run_worker(**settings: str) -> Iterator[None]:
    """Run a worker with these settings while the context lasts."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "HTTPS_ONLY": "false", **settings}
    worker = subprocess.Popen([sys.executable, "manage.py", "worker"], cwd=ROOT, env=environment)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(timeout=30)


def start_server(port: int, log: IO[bytes] | None = None, /, **settings: str) -> subprocess.Popen[bytes]:
    """Return a server with these settings that answers; it and its workers are a process group of their own.

    Its log goes to `log`, by default to the standard error of this process.
    """
    environment = {
        **os.environ,
        **new_keys(),
        "HTTPS_ONLY": "false",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        **settings,
    }
    command = [
        sys.executable,
        "-m",
        "config.serve",
        "--interface",
        "wsgi",
        "--port",
        str(port),
        "--blocking-threads",
        "4",
    ]
    server = subprocess.Popen(
        [*command, "config.wsgi:application"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=log,
        start_new_session=True,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/healthz", server)
    except BaseException:
        kill(server)
        raise
    return server


def kill(server: subprocess.Popen[bytes]) -> None:
    """End a server and its workers at once, as a lost machine or the kernel out of memory would."""
    os.killpg(server.pid, signal.SIGKILL)
    server.wait(timeout=30)


def manage(*arguments: str, **settings: str) -> str:
    """Return what a management command prints with these settings."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "HTTPS_ONLY": "false", **settings}
    command = [sys.executable, "manage.py", *arguments]
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, f"manage.py {arguments} ended with {finished.returncode}:\n{finished.stderr}"
    return finished.stdout


def new_keys() -> dict[str, str]:
    """Return the settings of the keys, random."""
    return {name: secrets.token_urlsafe(50) for name in ("SECRET_KEY", "JWT_SIGNING_KEY")}


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the server did not come up (exit status {server.poll()})")
