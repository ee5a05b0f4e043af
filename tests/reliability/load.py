"""A production server under attack by cost, and how long its light requests take meanwhile."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Event, Timer
from typing import Any

import psycopg

from tests.reliability.large_records import SUMMARIZED
from tests.serving import ROOT, free_port, kill, new_keys, start_server

LIMIT = 0.25  # seconds, at the 99th percentile
SECONDS = 5.0  # of a round: a hundred questions of each probe, so that the 99th percentile leaves one out
BEFORE = 0.3  # seconds of attack before the first question
LONGEST = 8.0  # seconds of attack after the first question, if light requests are not answered
SETTLES_WITHIN = 10  # seconds
ENDS_WITHIN = 60  # seconds, an answer to an attacker
UNBOUNDED = "100000000/minute"


@dataclass(frozen=True)
class Service:
    """A service with large records, and what it takes to attack it."""

    port: int
    settings: Mapping[str, str]
    tokens: Mapping[str, str]
    server_pid: int

    def client(self, user: str = "") -> "Client":
        """Return a new connection of a user, or of nobody."""
        return Client(self.port, {"Authorization": f"Bearer {self.tokens[user]}"} if user else {})

    def measure(self, seconds: float = SECONDS) -> "Figures":
        """Return how long the light requests take."""
        probes = {
            "healthz": {"path": "/healthz", "headers": {}},
            "summary": {
                "path": f"/api/v1/models/{SUMMARIZED}/performance/summary",
                "headers": {"Authorization": f"Bearer {self.tokens['vera']}"},
            },
        }
        poller = subprocess.run(
            [sys.executable, "-m", "tests.reliability.poller"],
            cwd=ROOT,
            input=json.dumps({"port": self.port, "seconds": seconds, "probes": probes}),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return Figures(**json.loads(poller.stdout))

    def query(self, statement: str) -> Any:
        """Return the one value that PostgreSQL answers with."""
        with psycopg.connect(self.settings["DATABASE_URL"]) as connection:
            row = connection.execute(statement.encode()).fetchone()
        return row and row[0]

    def until_evaluated(self, within: float) -> None:
        """Return once no evaluation is queued or running. Raises `AssertionError` if that takes longer."""
        deadline = time.monotonic() + within
        while unfinished := self.query("SELECT count(*) FROM performance_evaluationjob WHERE finished_at IS NULL"):
            assert time.monotonic() < deadline, f"{unfinished} evaluations have not ended within {within} s"
            time.sleep(0.2)

    def settle(self) -> None:
        """Return once the server answers quickly, or after some time."""
        deadline = time.monotonic() + SETTLES_WITHIN
        while time.monotonic() < deadline and not self.measure(0.4).are_within():
            time.sleep(0.5)


@dataclass(frozen=True)
class Figures:
    """The latencies of both light requests, and the answers that were not 200."""

    healthz: Mapping[str, Any]
    summary: Mapping[str, Any]

    def are_within(self, limit: float = LIMIT) -> bool:
        """Say whether both take no longer than the limit, in seconds, and no request failed."""
        return all(
            percentile(each["latencies"], 99) <= limit and not each["failures"] for each in (self.healthz, self.summary)
        )

    def __str__(self) -> str:
        return f"/healthz {shown(self.healthz)}; summary {shown(self.summary)}"


def percentile(latencies: list[float], percent: int) -> float:
    """Return a percentile by the nearest rank."""
    ordered = sorted(latencies)
    return ordered[-(-len(ordered) * percent // 100) - 1]


def shown(probe: Mapping[str, Any]) -> str:
    """Return the milliseconds at the median, at the 99th percentile and at most, and what failed."""
    figures = " / ".join(f"{percentile(probe['latencies'], percent) * 1000:,.0f}" for percent in (50, 99, 100))
    return f"{figures} ms" + (f" {dict(Counter(probe['failures']))}" if probe["failures"] else "")


class Client:
    """A connection that is kept open, and made again when the server has closed it. To be closed in the end."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self.headers = headers
        self.connection = HTTPConnection("127.0.0.1", port, timeout=ENDS_WITHIN)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        """Return the status and the body of an answer; status 0 when the server closed the connection."""
        try:
            self.connection.request(method, path, body, {**self.headers, **headers})
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException) as error:
            self.close()
            return 0, repr(error).encode()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def json(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Return the status and the content of an answer to a request with a JSON body."""
        content = None if body is None else json.dumps(body)
        status, answer = self.ask(method, path, content, **{"Content-Type": "application/json", **headers})
        return status, json.loads(answer) if status else answer.decode()


@dataclass
class Blows:
    """What became of an attack's requests."""

    statuses: Counter[int] = field(default_factory=Counter)
    largest: int = 0  # bytes of an answer

    def note(self, status: int, body: bytes) -> None:
        """Add an answer."""
        self.statuses[status] += 1
        self.largest = max(self.largest, len(body))


Strike = Callable[[Service, int, Event, Blows], None]  # by one attacker of that number, until the event is set


@dataclass(frozen=True)
class Attack:
    """Many connections that do something expensive, again and again, while light requests are measured."""

    name: str
    strike: Strike
    answers: frozenset[int]  # the statuses that an attacker may get
    connections: int = 16
    prepare: Callable[[Service, int], None] = lambda service, round_number: None
    check: Callable[[Service, Blows], None] = lambda service, blows: None  # raises `AssertionError`

    def __str__(self) -> str:
        return self.name

    def round(self, service: Service, number: int, seconds: float = SECONDS) -> tuple[Figures, Blows]:
        """Attack once; return the figures of the light requests and what became of the expensive ones.

        The attack lasts until the light requests are answered: one that waits for its end is as late as that.
        """
        self.prepare(service, number)
        over, blows = Event(), Blows()
        limit = Timer(BEFORE + max(seconds, LONGEST), over.set)
        limit.start()
        with ThreadPoolExecutor(self.connections) as threads:
            under_way = [threads.submit(self.strike, service, each, over, blows) for each in range(self.connections)]
            try:
                time.sleep(BEFORE)
                figures = service.measure(seconds)
            finally:
                over.set()
                limit.cancel()
        for one in under_way:
            one.result()
        return figures, blows


def repeat(user: str, *paths: str, method: str = "GET", **headers: str) -> Strike:
    """Return a strike that asks for the paths in turn, on one connection, as fast as it is answered."""

    def strike(service: Service, number: int, over: Event, blows: Blows) -> None:
        with closing(service.client(user)) as client:
            while not over.is_set():
                blows.note(*client.ask(method, paths[number % len(paths)], **headers))
                number += 1

    return strike


@contextmanager
def serving(folder: Path, database: str, *, workers: int, large: bool = True) -> Iterator[Service]:
    """Serve small and large records as the container does, with a worker for the evaluations.

    The limits on requests a minute are off: an attacker may have many addresses and accounts.
    """
    for name in ("files", "server", "work"):
        (folder / name).mkdir()
    settings = {
        "DATABASE_URL": database,
        "STORAGE_URL": f"file://{folder}/files",
        "THROTTLE_RATE": UNBOUNDED,
        "LOGIN_THROTTLE_RATE": UNBOUNDED,
        "GRANIAN_WORKERS": str(workers),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "HTTPS_ONLY": "false",
        **new_keys(),
    }
    tokens = json.loads(_run(settings, "-m", "tests.reliability.large_records", *(["--large"] if large else [])))
    port = free_port()
    with (folder / "log").open("wb") as log:
        server = start_server(port, log, **settings, TMPDIR=f"{folder}/server")
        worker = subprocess.Popen(
            [sys.executable, "manage.py", "worker"],
            cwd=ROOT,
            env={**os.environ, **settings, "TMPDIR": f"{folder}/work"},
            start_new_session=True,
            stderr=log,
        )
        try:
            yield Service(port, settings, tokens, server.pid)
        finally:
            kill(server)
            kill(worker)


def _run(settings: Mapping[str, str], *command: str) -> str:
    environment = {**os.environ, **settings}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
