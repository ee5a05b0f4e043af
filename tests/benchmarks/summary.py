"""How many summaries a second the service answers, beside the same endpoint written otherwise: see README.md."""

import argparse
import http.client
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import psutil
from rich.console import Console
from rich.table import Table

from tests.benchmarks.dataset import Dataset, make_dataset
from tests.benchmarks.load import UnexpectedAnswerError, run_load
from tests.benchmarks.servers import WSGI_SERVERS, Server, cpu_seconds, postgresql_process, running, uvicorn

SUMMARY = "/api/v1/models/{model}/performance/summary"
REQUESTS = 512
TABLE_WIDTH = 160
SHORT_WARM_UP_SECONDS = 0.3
PACKAGES = ("django", "djangorestframework", "granian", "gunicorn", "psycopg", "fastapi", "asyncpg", "uvicorn")


@dataclass(frozen=True, slots=True)
class Target:
    """Something that is measured: an application, and what is asked of it."""

    name: str
    app: str
    path: str = SUMMARY
    middleware: str = ""
    conditional: bool = False
    folder: str = "."

    @property
    def expected(self) -> int:
        """The status of every answer."""
        return 304 if self.conditional else 200


TARGETS = [
    Target("summary", "config.wsgi:application"),
    Target("summary 304", "config.wsgi:application", conditional=True),
    Target("floor", "tests.benchmarks.rivals.floor:application", path="/constant/{model}"),
    Target("floor + prepared select", "tests.benchmarks.rivals.floor:application", path="/selected/{model}"),
    Target("naive DRF", "tests.benchmarks.rivals.naive:application"),
    Target("naive DRF, default middleware", "tests.benchmarks.rivals.naive:application", middleware="default"),
    Target("FastAPI", "tests.benchmarks.rivals.fastapi_app:app"),
]
RATIOS = ("FastAPI", "naive DRF", "floor")


@dataclass(slots=True)
class Result:
    """What the rounds of a target came to."""

    rates: list[float] = field(default_factory=list)  # requests a second, by round
    cpu: list[float] = field(default_factory=list)  # milliseconds of the server for a request, by round
    database_cpu: list[float] = field(default_factory=list)  # milliseconds of PostgreSQL for a request, by round
    latencies: list[float] = field(default_factory=list)

    def add_round(self, latencies: list[float], seconds: float, *, cpu: float, database_cpu: float) -> None:
        """Add what a round measured: the latencies, and the CPU time in seconds."""
        self.rates.append(len(latencies) / seconds)
        self.cpu.append(1000 * cpu / len(latencies))
        self.database_cpu.append(1000 * database_cpu / len(latencies))
        self.latencies += latencies

    def ratios(self, other: "Result") -> list[str]:
        """Return this rate and this CPU time, divided by the other's in the same round: the medians over all rounds."""
        rates = [own / others for own, others in zip(self.rates, other.rates, strict=True)]
        cpu = [own / others for own, others in zip(self.cpu, other.cpu, strict=True)]
        return [f"{median(rates):.2f}", f"{median(cpu):.2f}"]

    def row(self) -> list[str]:
        """Return the median rate, its range, two percentiles and the CPU time of a request, as the table shows them."""
        milliseconds = [1000 * part for part in quantiles(self.latencies, n=100)]
        return [
            f"{median(self.rates):,.0f}",
            f"{min(self.rates):,.0f}–{max(self.rates):,.0f}",
            f"{milliseconds[49]:.2f}",
            f"{milliseconds[98]:.2f}",
            f"{median(self.cpu):.3f}",
            f"{median(self.database_cpu):.3f}",
        ]


def main() -> None:
    """Measure, and print the table."""
    options = _options()
    console = Console()
    console.width = max(TABLE_WIDTH, console.width)
    targets = [target for target in TARGETS if not options.only or target.name in options.only]
    console.print(_circumstances())
    with console.status(f"Filling a PostgreSQL with {options.snapshots:,} snapshots"):
        dataset = make_dataset(options.snapshots)
    with TemporaryDirectory() as folder, ExitStack() as stack:
        if options.against:
            check_out(options.against, folder)
            targets.append(Target(options.against, "config.wsgi:application", folder=folder))
        servers = stack.enter_context(_served(targets, options))
        check_answers(dataset, {target.name: servers[target.name] for target in targets if _answers_summary(target)})
        results = measure(targets, servers, dataset, options, console)
    console.print(_table(results, options))


def check_out(commit: str, folder: str) -> None:
    """Put the files of a commit into a folder."""
    archive = subprocess.run(["git", "archive", commit], stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "--extract", "--directory", folder], input=archive.stdout, check=True)


def check_answers(dataset: Dataset, servers: dict[str, Server]) -> None:
    """Check that all servers give the same bodies, and the same statuses to what is refused. Raises `SystemExit`."""
    allowed, refused = dataset.tokens[0], dataset.outsider
    paths = [SUMMARY.format(model=model) for model in dataset.models[:8]]
    queries = ("", "?version_id=ver-00001", "?dataset_split=train")
    good = [(f"{path}{query}", allowed) for path in paths for query in queries]
    bad = [(paths[0], ""), (paths[0], allowed[:-4] + "AAAA"), (paths[0], refused)]
    bad += [(paths[0] + query, allowed) for query in ("?dataset_split=all", "?version_id=ver-fffff", "?version_id=1")]
    bad += [(SUMMARY.format(model="mdl-ffffffffff"), allowed)]
    for path, token in good:
        _check_same(path, {name: _get(server, path, token)[:2] for name, server in servers.items()})
    for path, token in bad:
        _check_same(path, {name: _get(server, path, token)[0] for name, server in servers.items()})


def measure(
    targets: list[Target], servers: dict[str, Server], dataset: Dataset, options: argparse.Namespace, console: Console
) -> dict[str, Result]:
    """Run the load against each target in turn, round by round."""
    requests = {target.name: _requests(target, servers[target.name], dataset) for target in targets}
    results = {target.name: Result() for target in targets}
    postgresql = postgresql_process(dataset.url)
    for target in targets:
        _load(target, servers, requests, options.connections, options.seconds / 2)
    for number in range(1, options.rounds + 1):
        for target in targets:
            with console.status(f"Round {number} of {options.rounds}: {target.name}"):
                _load(target, servers, requests, options.connections, SHORT_WARM_UP_SECONDS)
                server = servers[target.name].process
                cpu, database_cpu = cpu_seconds(server), cpu_seconds(postgresql)
                latencies = _load(target, servers, requests, options.connections, options.seconds)
                results[target.name].add_round(
                    latencies,
                    options.seconds,
                    cpu=cpu_seconds(server) - cpu,
                    database_cpu=cpu_seconds(postgresql) - database_cpu,
                )
    return results


def _load(
    target: Target, servers: dict[str, Server], requests: dict[str, list[bytes]], connections: int, seconds: float
) -> list[float]:
    try:
        return run_load(
            servers[target.name].port,
            requests[target.name],
            expected=target.expected,
            connections=connections,
            seconds=seconds,
        )
    except (OSError, UnexpectedAnswerError) as error:
        raise SystemExit(f"{target.name}: {error}") from None


@contextmanager
def _served(targets: list[Target], options: argparse.Namespace) -> Iterator[dict[str, Server]]:
    """Start each application once, and return each target's server by the target's name."""
    with ExitStack() as stack:
        servers: dict[tuple[str, str, str], Server] = {}
        for target in targets:
            served = target.app, target.middleware, target.folder
            if served not in servers:
                server = uvicorn if target.name == "FastAPI" else WSGI_SERVERS[options.server]
                command = partial(server, workers=options.workers)
                settings = {"MIDDLEWARE": target.middleware}
                servers[served] = stack.enter_context(running(command, target.app, settings, target.folder))
        yield {target.name: servers[target.app, target.middleware, target.folder] for target in targets}


def _requests(target: Target, server: Server, dataset: Dataset) -> list[bytes]:
    """Return requests of many callers for many models, as they go over the wire."""
    paths = [target.path.format(model=model) for model in dataset.models]
    tags = [_get(server, path, dataset.tokens[0])[2] if target.conditional else "" for path in paths]
    return [
        _request(path, dataset.tokens[number % len(dataset.tokens)], tag)
        for number, (path, tag) in enumerate(list(zip(paths, tags, strict=True)) * (REQUESTS // len(paths) + 1))
    ]


def _request(path: str, token: str, tag: str) -> bytes:
    condition = f"If-None-Match: {tag}\r\n" if tag else ""
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nAuthorization: Bearer {token}\r\n"
    return f"{head}{condition}\r\n".encode()


def _get(server: Server, path: str, token: str) -> tuple[int, bytes, str]:
    """Return the status, body and ETag of one answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body, answer.headers.get("ETag", "")


def _check_same(path: str, answers: dict[str, object]) -> None:
    if len(set(answers.values())) > 1:
        lines = [f"{name}: {answer}" for name, answer in answers.items()]
        raise SystemExit("\n".join([f"The answers to {path} differ:", *lines]))


def _answers_summary(target: Target) -> bool:
    return target.path == SUMMARY and not target.conditional


def _table(results: dict[str, Result], options: argparse.Namespace) -> Table:
    load = f"{options.connections} connections, {options.rounds} × {options.seconds:g} s"
    table = Table(title=f"{options.snapshots:,} snapshots, {load}, Django under {options.server}")
    ratios = [name for name in (*RATIOS, options.against) if name in results]
    columns = ["requests/s", "lowest–highest", "p50 ms", "p99 ms", "CPU ms", "PostgreSQL CPU ms"]
    columns += [f"{what} × {name}" for name in ratios for what in ("requests/s", "CPU")]
    table.add_column("one worker process" if options.workers == 1 else f"{options.workers} worker processes")
    for column in columns:
        table.add_column(column, justify="right")
    for name, result in results.items():
        table.add_row(name, *result.row(), *(ratio for other in ratios for ratio in result.ratios(results[other])))
    return table


def _circumstances() -> str:
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return f"{psutil.cpu_count()} cores (load {load}), Python {platform.python_version()}, {versions}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.summary", description=__doc__)
    parser.add_argument("--snapshots", type=int, default=100_000, help="rows in the table of snapshots")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each target in each round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1, help="processes of each server")
    parser.add_argument("--server", choices=sorted(WSGI_SERVERS), default="granian", help="of the Django targets")
    parser.add_argument("--only", nargs="+", choices=[target.name for target in TARGETS], metavar="NAME", default=[])
    parser.add_argument("--against", metavar="COMMIT", help="an earlier commit to measure as well, on today's tables")
    return parser.parse_args()


if __name__ == "__main__":
    main()
