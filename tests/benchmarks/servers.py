"""Servers, by default with one worker process, that run for as long as a benchmark needs them."""

import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import psycopg

THREADS = "4"
START_WITHIN = 180  # seconds, as the machine may have other work


class ServerFailedError(Exception):
    """A server ended, or did not answer in time."""


class Server:
    """A server that was started here, with what it costs."""

    def __init__(self, command: list[str], port: int, settings: dict[str, str], folder: str = ".") -> None:
        self.port = port
        self.command = command
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  # open as long as the server runs
        environment = {**os.environ, **settings}
        self.process = psutil.Popen(command, cwd=folder, env=environment, stdout=self.log, stderr=self.log)

    def wait_until_up(self) -> None:
        """Return once the server takes connections. Raises `ServerFailedError`."""
        deadline = time.monotonic() + START_WITHIN
        while self.process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        self.log.seek(0)
        raise ServerFailedError(f"{' '.join(self.command)} did not start:\n{self.log.read().decode()}")

    def stop(self) -> None:
        """End the server and what it started."""
        if self.process.poll() is None:
            processes = [*self.process.children(recursive=True), self.process]
            self.process.terminate()
            _, alive = psutil.wait_procs(processes, timeout=5)
            for process in alive:
                process.kill()
        self.log.close()


def granian(app: str, port: int, workers: int = 1) -> list[str]:
    """Return the command that serves a WSGI application as the service is served."""
    options = ["--interface", "wsgi", "--workers", str(workers), "--blocking-threads", THREADS, "--no-ws"]
    return [sys.executable, "-m", "config.serve", *options, "--log-level", "error", "--port", str(port), app]


def gunicorn(app: str, port: int, workers: int = 1) -> list[str]:
    """Return the command that serves a WSGI application with threads, as most Django services are."""
    options = ["--worker-class", "gthread", "--workers", str(workers), "--threads", THREADS, "--keep-alive", "60"]
    return [sys.executable, "-m", "gunicorn", *options, "--log-level", "error", "--bind", f"127.0.0.1:{port}", app]


def uvicorn(app: str, port: int, workers: int = 1) -> list[str]:
    """Return the command that serves an ASGI application at its fastest."""
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error"]
    options += ["--workers", str(workers)]
    return [sys.executable, "-m", "uvicorn", *options, "--port", str(port), app]


WSGI_SERVERS = {"granian": granian, "gunicorn": gunicorn}


@contextmanager
def running(
    command: Callable[[str, int], list[str]], app: str, settings: dict[str, str], folder: str = "."
) -> Iterator[Server]:
    """Serve an application that is in a folder, on a free port, for the time of the block."""
    port = _free_port()
    server = Server(command(app, port), port, settings, folder)
    try:
        server.wait_until_up()
        yield server
    finally:
        server.stop()


def postgresql_process(url: str) -> psutil.Process:
    """Return the parent of all processes of the PostgreSQL at `url`."""
    with psycopg.connect(url) as connection:
        parent = psutil.Process(connection.info.backend_pid).parent()
    if parent is None:
        raise ServerFailedError("PostgreSQL ended.")
    return parent


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time that a process and its descendants have taken, with the children that ended."""
    times = process.cpu_times()
    own = times.user + times.system + times.children_user + times.children_system
    return float(own + sum(map(_cpu_seconds_if_alive, process.children(recursive=True))))


def _cpu_seconds_if_alive(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
