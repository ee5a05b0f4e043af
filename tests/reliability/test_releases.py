"""A release: its migrations run while the service answers, and on a backup that was taken before it."""

import json
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations import AddIndex, RemoveIndex
from django.db.migrations.loader import MigrationLoader
from pytest_django.plugin import DjangoDbBlocker

from tests.database import tool
from tests.demo_data import access_token, load_demo_data
from tests.reliability.databases import connected_to, execute, new_database, printed
from tests.serving import manage, new_keys, serve

pytestmark = [pytest.mark.served, pytest.mark.django_db]

# What the release before had.
BEFORE = {"performance": "0013", "models_registry": "0007"}
CLIENTS, ENOUGH = 4, 20
PAUSE = 0.2  # seconds between two rounds of a client: without one, they take the CPU that the migrations need
MODEL = "/api/v1/models/mdl-7f3a19bc92"
SNAPSHOTS = f"{MODEL}/versions/ver-001a1/snapshots"


@dataclass
class Clients:
    """Clients that read the summary and report snapshots, and repeat what was answered 503."""

    url: str
    access: str
    statuses: Counter[int] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)

    def work(self, name: str, over: Event) -> None:
        """Read and report until it is over."""
        number = 0
        while not over.wait(PAUSE):
            self.ask("GET", f"{MODEL}/performance/summary")
            report = {"dataset_split": "train", "metrics": {"accuracy": 0.5}, "sample_count": 1}
            status, stored = self.ask("POST", SNAPSHOTS, report, **{"Idempotency-Key": f"{name} {number}"})
            if status == 201:
                self.acknowledged.add(stored["id"])
                number += 1

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Return the status and document of an answer, and count it."""
        parts = urlsplit(self.url)
        headers |= {"Authorization": f"Bearer {self.access}", "Content-Type": "application/json"}
        with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=30)) as caller:
            caller.request(method, path, json.dumps(body) if body else None, headers)
            answer = caller.getresponse()
            document = json.loads(answer.read())
        self.statuses[answer.status] += 1
        return answer.status, document

    def stored(self) -> Iterator[str]:
        """Yield the ids of all snapshots that were reported."""
        path: str | None = f"{SNAPSHOTS}?page_size=200&dataset_split=train"
        while path:
            _, page = self.ask("GET", path)
            yield from (snapshot["id"] for snapshot in page["results"])
            path = page["next"] and page["next"].removeprefix(self.url)


@dataclass(frozen=True)
class Before:
    """A filled database of this release, of which the migrations are undone."""

    url: str
    attributes: list[Any]  # of the examples, as this release stores them


@pytest.fixture(scope="module")
def before(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Before:
    """A filled database as the release before had it."""
    folder = tmp_path_factory.mktemp("before")
    url = new_database(folder)
    load_demo_data(DATABASE_URL=url)
    predictions = folder / "predictions.csv"
    predictions.write_text("actual,predicted,country,note\na,b,FR,\nb,b,DE,x\n")
    columns = json.dumps({"attributes": ["country", "note"]})
    with django_db_blocker.unblock(), connected_to(url):
        call_command("evaluate", "mdl-7f3a19bc92", "ver-001a1", str(predictions), "--columns", columns)
        attributes = stored_attributes(url)
        for app, name in BEFORE.items():
            call_command("migrate", app, name, verbosity=0)
    return Before(url, attributes)


@pytest.fixture(scope="module")
def migrated(before: Before, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Clients]]:
    """The URL of a restored backup that is migrated while the service answers, and the clients that it answered."""
    folder, over = tmp_path_factory.mktemp("restored"), Event()
    settings = {"DATABASE_URL": restore(back_up(before.url, folder), folder), **new_keys()}
    with serve(**settings) as url:
        clients = Clients(url, access_token("ed", **settings))
        with ThreadPoolExecutor(CLIENTS) as threads:
            working = [threads.submit(clients.work, str(i), over) for i in range(CLIENTS)]
            try:
                manage("migrate", **settings)
                reached = len(clients.acknowledged) + ENOUGH
                while len(clients.acknowledged) < reached and not any(each.done() for each in working):
                    over.wait(0.1)
            finally:
                over.set()
        for each in working:
            each.result()
        yield settings["DATABASE_URL"], clients


def test_a_restored_backup_is_migrated_while_the_service_answers(migrated: tuple[str, Clients]) -> None:
    database, clients = migrated
    assert set(clients.statuses) <= {200, 201, 503}, clients.statuses
    with urlopen(f"{clients.url}/readyz") as ready:  # noqa: S310
        assert ready.status == 200
    assert clients.acknowledged <= set(clients.stored())

    body = {"dataset_split": "test", "metrics": {"accuracy": 0.5}}
    assert clients.ask("POST", SNAPSHOTS, body)[0] == 201
    assert clients.ask("GET", f"{MODEL}/performance/summary")[1]["metrics"]["accuracy"] == 0.5
    with connected_to(database):
        assert "Deleted 0 audit entries." in printed("purge")


def test_the_release_before_can_show_the_examples_again(before: Before, migrated: tuple[str, Clients]) -> None:
    undone = stored_attributes(before.url)
    with pytest.raises(psycopg.Error if connection.vendor == "postgresql" else sqlite3.Error, match="never changes"):
        execute(before.url, "UPDATE performance_misclassifiedexample SET attributes = '{}'")

    assert before.attributes == [["FR", None]]
    assert undone == [{"country": "FR", "note": None}]
    assert stored_attributes(migrated[0]) == undone


def test_indexes_of_large_tables_are_added_and_removed_without_a_lock() -> None:
    of_this_release = [
        migration
        for (app, name), migration in MigrationLoader(None).disk_migrations.items()
        if name > BEFORE.get(app, "9999") and not name.startswith(BEFORE[app])
    ]
    locking = [
        (str(migration), operation.describe())
        for migration in of_this_release
        for operation in migration.operations
        if type(operation) in {AddIndex, RemoveIndex}
    ]

    assert len(of_this_release) > 1
    assert locking == []


def stored_attributes(url: str) -> list[Any]:
    """Return the attributes of the misclassified examples that have any, as the database has them."""
    stored = execute(url, "SELECT CAST(attributes AS text) FROM performance_misclassifiedexample")
    return [attributes for (text,) in stored if (attributes := json.loads(text))]


def back_up(url: str, folder: Path) -> Path:
    """Return a file with all that a database holds."""
    copy = folder / "backup"
    if connection.vendor == "postgresql":
        subprocess.run([tool("pg_dump"), "--format=custom", f"--file={copy}", url], check=True)
        return copy
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def restore(backup: Path, folder: Path) -> str:
    """Return the URL of a new database with what the backup holds."""
    url = new_database(folder)
    if connection.vendor != "postgresql":
        shutil.copyfile(backup, url.removeprefix("sqlite:///"))
        return url
    subprocess.run([tool("pg_restore"), "--no-owner", "--exit-on-error", f"--dbname={url}", backup], check=True)
    return url
