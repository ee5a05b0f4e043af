"""Denials are written behind the answers: a refusal waits for no write, and none is lost without being counted."""

import json
import signal
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from models_registry.audit.denial_writer import NOT_RECORDED, DenialWriter, denial_writer
from models_registry.audit.models import AuditEntry
from tests.originals import migrate
from tests.reliability.databases import url_of_the_tests
from tests.serving import free_port, new_keys, start_server

AT_ONCE = 10.0  # seconds: more than any answer takes on a busy machine, and half of what SQLite waits for a lock


@contextmanager
def write_lock() -> Iterator[None]:
    """Let nobody else write to the audit trail of the tests' database."""
    holder: Any
    if connection.vendor == "sqlite":
        holder = sqlite3.connect(url_of_the_tests(), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
    else:
        holder = psycopg.connect(url_of_the_tests())
        holder.execute("LOCK TABLE models_registry_auditentry IN EXCLUSIVE MODE")
    try:
        yield
    finally:
        holder.rollback()
        holder.close()


def eventually(condition: Callable[[], Any], within: float = 30) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)


def ask(url: str, body: Any = None) -> tuple[int, float]:
    """Return the status of an answer, and how many seconds it took."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310
    started = time.monotonic()
    try:
        status = urllib.request.urlopen(request, timeout=30).status  # noqa: S310
    except urllib.error.HTTPError as error:
        status = error.code
    return status, time.monotonic() - started


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("rows_can_be_cleaned_up")
def test_denials_past_the_queue_are_counted_in_one_row_in_their_place(settings: Settings) -> None:
    settings.DENIALS_WRITTEN_BEHIND, settings.DENIALS_PENDING = True, 5
    client = Client()

    def deny(*numbers: int) -> None:
        for number in numbers:
            assert client.get(f"/api/v1/models/mdl-{number:010x}").status_code == 401

    with write_lock():
        deny(0)
        time.sleep(0.5)  # in which the thread takes this row alone, so that it counts the others together
        deny(*range(1, 20))
    eventually(lambda: AuditEntry.objects.count() >= 6)
    later = count(20)

    def is_recorded_again() -> bool:  # once the thread has taken the stored rows out of its full queue
        deny(next(later))
        time.sleep(0.1)
        return bool(AuditEntry.objects.exclude(code=NOT_RECORDED).count() >= 6)

    eventually(is_recorded_again)

    rows = list(AuditEntry.objects.order_by("pk").values_list("path", "code", "object_repr"))
    paths = [int(path[-10:], 16) for path, code, _ in rows if code != NOT_RECORDED]
    assert paths[:5] == [0, 1, 2, 3, 4]
    assert rows[5][1] == NOT_RECORDED
    assert rows[5][2].startswith("15 denials were not recorded")
    assert sum(int(text.split()[0]) for _, code, text in rows if code == NOT_RECORDED) == paths[5] - 5


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("rows_can_be_cleaned_up")
def test_a_row_that_the_database_never_takes_costs_no_other_row(settings: Settings) -> None:
    settings.DENIALS_WRITTEN_BEHIND = True
    client = Client()
    with write_lock():
        assert client.get("/api/v1/models").status_code == 401
        time.sleep(0.2)  # in which the thread takes this row alone
        client.get("/api/v1/organizations")
        denial_writer.add(AuditEntry(action=-1))  # which the table refuses
        denial_writer.add(AuditEntry(action=AuditEntry.DENIED, path="\ud800"))  # which cannot be encoded
        client.get("/api/v1/models/a")
    eventually(lambda: AuditEntry.objects.count() >= 3)
    client.get("/api/v1/models/b")
    eventually(lambda: AuditEntry.objects.count() >= 4)

    paths = AuditEntry.objects.order_by("pk").values_list("path", flat=True)
    assert list(paths) == ["/api/v1/models", "/api/v1/organizations", "/api/v1/models/a", "/api/v1/models/b"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("rows_can_be_cleaned_up")
def test_without_a_free_thread_a_refusal_stays_one_and_its_row_is_written_later(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    settings.DENIALS_WRITTEN_BEHIND = True
    monkeypatch.setattr("models_registry.audit.recorder.denial_writer", DenialWriter())
    with monkeypatch.context() as short_of_threads:
        short_of_threads.setattr(threading.Thread, "start", fail)
        assert [Client().get(f"/api/v1/models/{number}").status_code for number in range(2)] == [401, 401]
    assert Client().get("/api/v1/models/2").status_code == 401

    eventually(lambda: AuditEntry.objects.count() >= 3)
    paths = AuditEntry.objects.order_by("pk").values_list("path", flat=True)
    assert list(paths) == [f"/api/v1/models/{number}" for number in range(3)]


@pytest.mark.served
class TestServed:
    """On SQLite, whose one write lock somebody else holds."""

    @pytest.fixture
    def database(self, tmp_path: Path) -> Path:
        return tmp_path / "registry.sqlite3"

    @pytest.fixture
    def settings_of_server(self, database: Path) -> dict[str, str]:
        settings = {"DATABASE_URL": f"sqlite:///{database}", **new_keys()}
        migrate(settings["DATABASE_URL"])
        return settings

    def test_no_refusal_and_no_probe_waits_for_a_write_and_shutdown_writes_what_waits(
        self, database: Path, settings_of_server: dict[str, str]
    ) -> None:
        port = free_port()
        server = start_server(port, **settings_of_server)
        url = f"http://127.0.0.1:{port}"
        holder = sqlite3.connect(database, isolation_level=None)
        try:
            holder.execute("BEGIN IMMEDIATE")
            with ThreadPoolExecutor(8) as pool:
                logins = [
                    pool.submit(ask, f"{url}/api/v1/auth/token", {"username": "nobody", "password": "x"})
                    for _ in range(8)
                ]
                refusals = [ask(f"{url}/api/v1/models/mdl-{number:010x}") for number in range(20)]
                probes = [ask(f"{url}/healthz") for _ in range(5)]
                statuses = {login.result()[0] for login in logins}
            holder.execute("ROLLBACK")
        finally:
            holder.close()
            server.send_signal(signal.SIGTERM)
            assert server.wait(timeout=30) is not None

        assert {status for status, _ in refusals} == {401}
        assert {status for status, _ in probes} == {200}
        assert max(seconds for _, seconds in refusals + probes) < AT_ONCE
        assert statuses == {503}  # one waited for the lock, the others for nothing
        assert self.paths(database) == [f"/api/v1/models/mdl-{number:010x}" for number in range(20)]

    def paths(self, database: Path) -> list[str]:
        reader = sqlite3.connect(database)
        try:
            rows = reader.execute("SELECT path FROM models_registry_auditentry WHERE action = 4 ORDER BY id").fetchall()
        finally:
            reader.close()
        return [path for (path,) in rows if path != "/api/v1/auth/token"]
