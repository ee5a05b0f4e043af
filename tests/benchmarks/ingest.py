"""How fast snapshots come in: over HTTP with every guarantee on, and through `seed`, against bare `bulk_create`.

uv run --group dev --group bench python -m tests.benchmarks.ingest
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from tests.benchmarks.live import SNAPSHOTS, Client, Service, new_service
from tests.benchmarks.servers import granian, running
from tests.serving import ROOT

METRICS = {"accuracy": 0.9341, "precision": 0.9185, "recall": 0.924, "f1_score": 0.9212, "roc_auc": 0.9678}
BODY = {"dataset_split": "train", "metrics": METRICS, "sample_count": 5000}
MOMENT = "2026-03-13T14:22:10Z"
SNAPSHOTS_OF_MODEL = 1000
RATIOS = ("one ÷ bulk", "each ÷ bulk", "batches ÷ bulk")
BARE = """
import sys, time, django
django.setup()
from django.utils import timezone
from models_registry.registry.models import Version
from performance.models import MetricSnapshot
version, now, rows = Version.objects.filter(state="completed").first(), timezone.now(), int(sys.argv[1])
made = dict(version=version, dataset_split="train", metrics={metrics}, sample_count=5000, evaluated_at=now)
started = time.perf_counter()
for start in range(0, rows, 1000):
    MetricSnapshot.objects.bulk_create(MetricSnapshot(**made) for _ in range(min(1000, rows - start)))
print(time.perf_counter() - started)
"""


def report(service: Service, port: int, paths: Sequence[str], seconds: float) -> float:
    """Return how many snapshots a second are reported by a client for each path, each under an idempotency key."""
    deadline = time.monotonic() + seconds

    def keep_reporting(name: int, path: str) -> int:
        client = Client(port, service.access)
        for number in count():
            if time.monotonic() > deadline:
                return number
            post(client, path, BODY, **{"Idempotency-Key": f"{deadline} {name} {number}"})
        raise AssertionError("counting has no end")

    with ThreadPoolExecutor(len(paths)) as threads:
        return sum(threads.map(keep_reporting, count(), paths)) / seconds


def make_versions(service: Service, port: int, number: int) -> list[str]:
    """Register so many models with a version each, and return the paths of the versions' snapshots."""
    client, paths = Client(port, service.access), []
    for position in range(number):
        about = {"organization": "acme", "name": f"reported {position}", "task_type": "classification"}
        model = post(client, "/api/v1/models", about)["model_id"]
        version = post(client, f"/api/v1/models/{model}/versions", {})["version_id"]
        paths.append(f"/api/v1/models/{model}/versions/{version}/snapshots")
    return paths


def post(client: Client, path: str, body: object, **headers: str) -> Any:
    """Create something, and return it. Raises `RuntimeError` if it was not created."""
    status, content = client.ask("POST", path, body, **headers)
    if status != 201:
        raise RuntimeError(f"{status}: {content}")
    return content


def report_batches(service: Service, port: int, seconds: float) -> float:
    """Return how many snapshots a second one client reports, a thousand at a time, each batch under a key."""
    client, body, stored, started = Client(port, service.access), {"snapshots": [BODY] * 1000}, 0, time.monotonic()
    while (passed := time.monotonic() - started) < seconds:
        post(client, f"{SNAPSHOTS}:batch", body, **{"Idempotency-Key": f"{started} {stored}"})
        stored += 1000
    return stored / passed


def bulk_create(service: Service, rows: int) -> float:
    """Return how many rows a second the ORM stores by itself, a thousand at a time, each thousand for good."""
    script = BARE.format(metrics=METRICS)
    command = [sys.executable, "-c", script, str(rows)]
    environment = {**os.environ, **service.settings}
    seconds = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    return rows / float(seconds)


def seed(service: Service, file: Path) -> tuple[float, float]:
    """Return how many seconds loading a file takes, and the most MiB of memory of its own that it has meanwhile."""
    command = [sys.executable, "manage.py", "seed", str(file)]
    started = time.perf_counter()
    loading = psutil.Popen(command, cwd=ROOT, env={**os.environ, **service.settings}, stdout=subprocess.DEVNULL)
    most = 0
    while loading.poll() is None:
        try:
            memory = loading.memory_info()
            most = max(most, memory.rss - memory.shared)  # the file itself is mapped, which is the system's to keep
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)
    if loading.wait() != 0:
        raise RuntimeError(f"seed ended with {loading.returncode}")
    return time.perf_counter() - started, most / 2**20


def write_document(file: Path, snapshots: int, *, name: str) -> None:
    """Write a seed document of so many snapshots, a thousand a model."""
    with file.open("w") as document:
        document.write('{"models": [')
        document.writelines(_models(snapshots // SNAPSHOTS_OF_MODEL, name))
        document.write("]}")


def _models(number: int, name: str) -> Iterator[str]:
    reported = [{**BODY, "sample_count": sample_count, "evaluated_at": MOMENT} for sample_count in range(1, 1001)]
    version = {"version_id": "ver-00001", "state": "completed", "completed_at": MOMENT, "snapshots": reported}
    rest = {"organization": "acme", "task_type": "classification", "versions": [version]}
    for position in range(number):
        model_id = f"mdl-{hash((name, position)) % 16**10:010x}"
        yield f"{',' if position else ''}{json.dumps({'model_id': model_id, 'name': f'{name} {position}', **rest})}"


def durable(url: str) -> None:
    """Have PostgreSQL write to the disk before it says that something is stored."""
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = on")
        connection.execute("SELECT pg_reload_conf()")


def measure_http(service: Service, options: Any, print_: Callable[..., None]) -> None:
    """Print reports a second, one by one and in batches, beside rows a second, in turn."""
    table = Table("round", "of one model/s", "of a model each/s", "in batches/s", "by bulk_create/s", *RATIOS)
    with running(granian, "config.wsgi:application", service.settings) as server:
        one, each_their_own = [SNAPSHOTS] * options.clients, make_versions(service, server.port, options.clients)
        report(service, server.port, one, options.seconds / 5)  # warms up
        for number in range(1, options.rounds + 1):
            rates = (
                report(service, server.port, one, options.seconds),
                report(service, server.port, each_their_own, options.seconds),
                report_batches(service, server.port, options.seconds),
            )
            bare = bulk_create(service, options.rows)
            ratios = (f"{rate / bare:.3f}" for rate in rates)
            table.add_row(str(number), *(f"{rate:,.0f}" for rate in (*rates, bare)), *ratios)
    print_(table)


def measure_seed(service: Service, options: Any, print_: Callable[..., None]) -> None:
    """Print what a tenth and the whole of the snapshots take through `seed`, and by `bulk_create`."""
    table = Table("snapshots", "seconds", "snapshots/s", "of bulk_create", "most memory, MiB")
    with tempfile.TemporaryDirectory() as folder:
        for snapshots in (options.snapshots // 10, options.snapshots):
            file = Path(folder) / "seed.json"
            write_document(file, snapshots, name=f"of {snapshots}")
            seconds, memory = seed(service, file)
            bare = bulk_create(service, min(snapshots, 100_000))
            speed = snapshots / seconds
            table.add_row(f"{snapshots:,}", f"{seconds:.0f}", f"{speed:,.0f}", f"{speed / bare:.2f}", f"{memory:.0f}")
    print_(table)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=50_000, help="stored by bulk_create in each round")
    parser.add_argument("--snapshots", type=int, default=1_000_000, help="loaded by seed; 0 leaves that out")
    options = parser.parse_args()
    console = Console(highlight=False)
    service = new_service()
    durable(service.settings["DATABASE_URL"])
    measure_http(service, options, console.print)
    if options.snapshots:
        measure_seed(service, options, console.print)


if __name__ == "__main__":
    main()
