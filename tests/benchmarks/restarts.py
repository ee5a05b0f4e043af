"""Restarts the server again and again under load: no request may be lost, and no acknowledged snapshot.

uv run --group dev --group bench python -m tests.benchmarks.restarts
"""

import argparse
import signal
import sys
import time

from rich.console import Console

from config.listening import is_listening
from tests.benchmarks.live import Load, new_service
from tests.benchmarks.servers import START_WITHIN, Server, granian
from tests.serving import free_port

APPLICATION = "config.wsgi:application"
WORKERS = 2


def graceful(app: str, port: int) -> list[str]:
    """Return the command that serves the service as its image does."""
    command = granian(app, port)
    command[command.index("--workers") + 1] = str(WORKERS)
    return [*command, "--respawn-failed-workers", "--workers-kill-timeout", "10"]


def hang_up(server: Server, settings: dict[str, str]) -> Server:
    """Have the server's main process replace its workers."""
    before = {child.pid for child in server.process.children(recursive=True)}
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + START_WITHIN
    while before & {child.pid for child in server.process.children(recursive=True)}:
        if time.monotonic() > deadline:
            raise TimeoutError("The workers were not replaced.")
        time.sleep(0.1)
    return server


def replace(server: Server, settings: dict[str, str]) -> Server:
    """Start a second server on the same port, then end the first."""
    successor = Server(server.command, server.port, settings)
    deadline = time.monotonic() + START_WITHIN
    # The first server has the same port.
    while sum(is_listening(child.pid) for child in successor.process.children()) < WORKERS:
        if time.monotonic() > deadline:
            raise TimeoutError("The second server did not start.")
        time.sleep(0.1)
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(timeout=30)
    return successor


def main() -> int:
    """Print what became of the requests; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--signal", choices=("HUP", "TERM"), default="HUP")
    parser.add_argument("--restarts", type=int, default=5)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3, help="of load before and after each restart")
    options = parser.parse_args()
    restart = hang_up if options.signal == "HUP" else replace
    service = new_service()
    port = free_port()
    server = Server(graceful(APPLICATION, port), port, service.settings)
    load = Load(port, service.access)
    try:
        server.wait_until_up()
        with load.on(options.clients):
            for _ in range(options.restarts):
                time.sleep(options.seconds)
                server = restart(server, service.settings)
            time.sleep(options.seconds)
        missing = load.missing()
    finally:
        server.stop()
    console = Console(highlight=False)
    for outcome, number in load.outcomes.most_common():
        console.print(f"{number:>8,}  {outcome}")
    console.print(f"{options.restarts} restarts; {load.lost} requests lost; {missing} acknowledged snapshots missing")
    return 1 if load.lost or missing or load.failed_at else 0


if __name__ == "__main__":
    sys.exit(main())
