"""What a worker takes for a small file, from the upload to the snapshot.

uv run --group dev --group bench python -m tests.benchmarks.worker
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from typing import Any

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from tests.benchmarks.live import MODEL, Service, new_service
from tests.benchmarks.servers import cpu_seconds, granian, postgresql_process, running
from tests.forms import BOUNDARY, multipart
from tests.serving import ROOT

EVALUATIONS = f"{MODEL}/versions/ver-001a1/evaluations"
ENDS_WITHIN = 120  # seconds
PARTS = "whole", "until accepted", "until begun", "until the snapshot is stored"


def predictions(rows: int) -> str:
    """Return a CSV file of a binary classification."""
    lines = (
        f"{i},{'yes' if i % 3 else 'no'},{'yes' if i % 5 else 'no'},{i * 7919 % 1009 / 1009:.6f}" for i in range(rows)
    )
    return "\n".join(["example_id,actual,predicted,score", *lines])


@contextmanager
def working(service: Service) -> Iterator[psutil.Process]:
    """Run a worker for the time of the block."""
    worker = psutil.Popen([sys.executable, "manage.py", "worker"], cwd=ROOT, env={**os.environ, **service.settings})
    try:
        yield worker
    finally:
        worker.terminate()
        worker.wait(timeout=30)


def evaluate(client: HTTPConnection, access: str, database: Any, content: str) -> list[float]:
    """Return the seconds of each of the `PARTS` of an evaluation."""
    form = multipart(dataset_split="test", file=content).encode()
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    sent = time.time()
    client.request("POST", EVALUATIONS, form, {"Authorization": f"Bearer {access}", "Content-Type": content_type})
    answer = client.getresponse()
    document = json.loads(answer.read())
    accepted = time.time()
    if answer.status != 202:
        raise RuntimeError(f"{answer.status}: {document}")
    state, begun, ended = _end_of(database, document["id"])
    if state != "succeeded":
        raise RuntimeError(f"The evaluation has {state}.")
    return [ended - sent, accepted - sent, max(begun - accepted, 0.0), ended - max(begun, accepted)]


def _end_of(database: Any, evaluation: str) -> tuple[str, float, float]:
    """Return how an evaluation ended, and when it began and ended."""
    query = (
        "SELECT state, extract(epoch FROM started_at)::float8, extract(epoch FROM finished_at)::float8 "
        "FROM performance_evaluationjob WHERE id = %s AND finished_at IS NOT NULL"
    )
    deadline = time.monotonic() + ENDS_WITHIN
    while time.monotonic() < deadline:
        if (row := database.execute(query, [evaluation]).fetchone()) is not None:
            return row  # type: ignore[no-any-return]
        time.sleep(0.005)
    raise RuntimeError("The evaluation does not end.")


def measure(service: Service, rows: int, rounds: int) -> Table:
    """Return a table of the seconds that evaluations take, one after the other, and of the CPU time of each process."""
    content, url = predictions(rows), service.settings["DATABASE_URL"]
    with (
        running(granian, "config.wsgi:application", service.settings) as server,
        working(service) as worker,
        closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as client,
        psycopg.connect(url, autocommit=True) as database,
    ):
        evaluate(client, service.access, database, content)  # compiles the code, and reads it from the disk
        processes = {"worker": worker, "server": server.process, "PostgreSQL": postgresql_process(url)}
        before = {name: cpu_seconds(process) for name, process in processes.items()}
        times = [evaluate(client, service.access, database, content) for _ in range(rounds)]
        cpu = {name: (cpu_seconds(process) - before[name]) / rounds for name, process in processes.items()}
    table = Table("", "median, s", "lowest, s", "highest, s")
    for part, seconds in zip(PARTS, zip(*times, strict=True), strict=True):
        table.add_row(part, *(f"{each:.3f}" for each in (statistics.median(seconds), min(seconds), max(seconds))))
    for name, average in cpu.items():
        table.add_row(f"CPU of the {name}", f"{average:.3f} on average")
    return table


def main() -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    Console(highlight=False).print(measure(new_service(), options.rows, options.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
