"""A seeded service for the scripts that disturb it, and clients that keep count of what became of their requests."""

import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import count
from pathlib import Path
from typing import Any

from tests.database import start_postgresql
from tests.serving import ROOT, manage, new_keys

MODEL = "/api/v1/models/mdl-7f3a19bc92"
SUMMARY = f"{MODEL}/performance/summary"
SNAPSHOTS = f"{MODEL}/versions/ver-001a1/snapshots"
REPORT = {"dataset_split": "train", "metrics": {"accuracy": 0.5}, "custom_metrics": {"cost": 1}}


@dataclass(frozen=True, slots=True)
class Service:
    """What a server of a new, seeded PostgreSQL is set up with, and an editor's token for it."""

    settings: dict[str, str]
    access: str


def new_service() -> Service:
    """Start a PostgreSQL that ends with this process, and fill it with the seed's organizations and models.

    The seed's metrics are imported: evaluating its predictions takes half a minute.
    """
    settings = {
        "DATABASE_URL": start_postgresql(),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "HTTPS_ONLY": "false",
        "THROTTLE_RATE": "10000000/minute",
        **new_keys(),
    }
    manage("migrate", **settings)
    with tempfile.TemporaryDirectory() as folder:
        manage("seed", str(_write_seed(Path(folder))), **settings)
    return Service(settings, manage("token", "ed", "--lifetime", "1d", **settings).strip())


def _write_seed(folder: Path) -> Path:
    document = json.loads((ROOT / "fixtures" / "seed.json").read_text())
    for model in document["models"]:
        model.pop("gate_policy", None)  # imported metrics have no intervals, which it asks for
        for version in model["versions"]:
            for snapshot in version["snapshots"]:
                snapshot.pop("predictions", None)
                snapshot.pop("columns", None)
    file = folder / "seed.json"
    file.write_text(json.dumps(document))
    return file


class Client:
    """A keep-alive connection, made again when the server ended it."""

    def __init__(self, port: int, access: str) -> None:
        self.headers = {"Authorization": f"Bearer {access}"}
        self.connection = HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Return the status and the content of an answer. Raises `OSError` or `HTTPException` when there is none."""
        content = None if body is None else json.dumps(body)
        sent = {**self.headers, "Content-Type": "application/json", **headers}
        try:
            self.connection.request(method, path, content, sent)
            answer = self.connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, HTTPException):
            self.connection.close()
            raise


@dataclass
class Load:
    """Clients that read summaries and report snapshots in turn, and what became of each request."""

    port: int
    access: str
    outcomes: Counter[str] = field(default_factory=Counter)
    failed_at: list[float] = field(default_factory=list)  # when an answer was not as it should be
    acknowledged: list[str] = field(default_factory=list)  # the ids of the snapshots
    over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def on(self, clients: int) -> Iterator[None]:
        """Keep up the load for the time of the block."""
        with ThreadPoolExecutor(clients) as threads:
            under_way = [threads.submit(self._run) for _ in range(clients)]
            try:
                yield
            finally:
                self.over.set()
        for one in under_way:
            one.result()

    def _run(self) -> None:
        client = Client(self.port, self.access)
        for number in count():
            if self.over.is_set():
                return
            self._note(*self._insist(client, reporting=number % 2 == 0))

    def _insist(self, client: Client, *, reporting: bool) -> tuple[int, Any]:
        """Ask, and once more on a new connection when a kept one was closed before it answered, as HTTP clients do."""
        fresh = client.connection.sock is None
        try:
            return _ask(client, reporting=reporting)
        except (OSError, HTTPException) as error:
            if fresh:
                return 0, type(error).__name__
        self.outcomes["closed before the answer, asked again"] += 1
        try:
            return _ask(client, reporting=reporting)
        except (OSError, HTTPException) as error:
            return 0, type(error).__name__

    def _note(self, status: int, content: Any) -> None:
        self.outcomes[f"{status}" if status else f"lost: {content}"] += 1
        if status == 201:
            self.acknowledged.append(content["id"])
        elif status != 200:
            self.failed_at.append(time.monotonic())

    @property
    def lost(self) -> int:
        """How many requests got no answer."""
        return sum(number for outcome, number in self.outcomes.items() if outcome.startswith("lost"))

    def missing(self) -> int:
        """Return how many acknowledged snapshots are not there."""
        stored, client = set(), Client(self.port, self.access)
        url: str | None = f"{SNAPSHOTS}?page_size=200&dataset_split=train"
        while url:
            _, page = client.ask("GET", url)
            stored |= {snapshot["id"] for snapshot in page["results"]}
            url = page["next"]
        return len(set(self.acknowledged) - stored)


def _ask(client: Client, *, reporting: bool) -> tuple[int, Any]:
    return client.ask("POST", SNAPSHOTS, REPORT) if reporting else client.ask("GET", SUMMARY)
