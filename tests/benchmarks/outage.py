"""Restarts and freezes PostgreSQL under load: only 503s, soon over, and nothing acknowledged is gone.

uv run --group dev --group bench python -m tests.benchmarks.outage
"""

import argparse
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial

import psutil
import psycopg
from rich.console import Console

from tests.benchmarks.live import Load, new_service
from tests.benchmarks.servers import granian, postgresql_process, running
from tests.database import tool

APPLICATION = "config.wsgi:application"


def make_durable(url: str) -> None:
    """Have PostgreSQL acknowledge only what it has written, unlike for the tests."""
    with psycopg.connect(url, autocommit=True) as administrator:
        administrator.execute("ALTER SYSTEM RESET ALL")
        administrator.execute("SELECT pg_reload_conf()")


def crash(url: str) -> float:
    """End PostgreSQL's processes at once and start it anew; return when it was up again."""
    with psycopg.connect(url) as asked:
        row = asked.execute("SHOW data_directory").fetchone()
    assert row is not None  # noqa: S101
    owner = postgresql_process(url).uids().real
    command = [str(tool("pg_ctl")), "restart", "--mode=immediate", "--wait", "--silent", f"--pgdata={row[0]}"]
    subprocess.run([*command, f"--log={row[0]}/log"], user=owner, cwd="/", check=True)
    return time.monotonic()


def freeze(url: str, seconds: float) -> float:
    """Stop PostgreSQL's processes for a while, as a machine without memory or disk would; return when they went on."""
    server = postgresql_process(url)
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # its connection was just being closed
            process.suspend()
    time.sleep(seconds)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.resume()
    return time.monotonic()


def main() -> int:
    """Print what became of the requests; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outages", type=int, default=3)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3, help="of load before and after each outage")
    parser.add_argument("--frozen", type=float, default=12, metavar="SECONDS", help="that PostgreSQL stands still")
    parser.add_argument("--limit", type=float, default=2, metavar="SECONDS", help="in which all is as before")
    options = parser.parse_args()
    service = new_service()
    url = service.settings["DATABASE_URL"]
    make_durable(url)
    with running(granian, APPLICATION, service.settings) as server:
        workers = server.process.children(recursive=True)
        load = Load(server.port, service.access)
        recovery = 0.0
        with load.on(options.clients):
            for _ in range(options.outages):
                time.sleep(options.seconds)
                for disturb in (crash, partial(freeze, seconds=options.frozen)):
                    up_again = disturb(url)
                    time.sleep(options.seconds)
                    recovery = max([recovery, *(failed - up_again for failed in load.failed_at)])
        missing = load.missing()
        unchanged = server.process.children(recursive=True) == workers
    console = Console(highlight=False)
    for outcome, number in load.outcomes.most_common():
        console.print(f"{number:>8,}  {outcome}")
    console.print(
        f"The last failure came {recovery:.2f} s after PostgreSQL was up; {missing} acknowledged are missing."
    )
    only_503 = set(load.outcomes) <= {"200", "201", "503"}
    return 0 if only_503 and unchanged and not missing and recovery <= options.limit else 1


if __name__ == "__main__":
    sys.exit(main())
