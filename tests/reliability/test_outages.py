"""The database goes away under the service: only 503s, and the first request after it is back is answered."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection

from tests.demo_data import access_token, write_seed
from tests.originals import migrate, name_of
from tests.reliability.databases import new_database
from tests.serving import manage, new_keys, serve

pytestmark = [pytest.mark.served, pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no server")]

SUMMARY = "/api/v1/models/mdl-7f3a19bc92/performance/summary"
THREADS = 4  # of the server
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = %s"


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
END_WAITING = WAITING.replace("count(*)", "pg_terminate_backend(pid)")


class Service:
    """A served database that can be taken from the service."""

    def __init__(self, base_url: str, token: str, database: str) -> None:
        self.port, self.token, self.database = urlsplit(base_url).port, token, database

    def ask(self, *_: object) -> int:
        """Return the status of a summary."""
        asking = HTTPConnection("127.0.0.1", self.port, timeout=60)
        asking.request("GET", SUMMARY, headers={"Authorization": f"Bearer {self.token}"})
        status = asking.getresponse().status
        asking.close()
        return status

    def ask_together(self) -> list[int]:
        """Return the statuses of as many summaries at once as the server has threads."""
        with ThreadPoolExecutor(THREADS) as clients:
            return list(clients.map(self.ask, range(THREADS)))

    def backends(self) -> list[int]:
        """Return the processes of PostgreSQL that serve the database."""
        return [pid for (pid,) in administer(BACKENDS, [self.database])]

    def end_backends(self) -> None:
        for pid in self.backends():
            administer("SELECT pg_terminate_backend(%s, 30000)", [pid])

    def end_waiting(self) -> None:
        """End the backends that wait for a lock. Some requests may have given up by themselves."""
        administer(END_WAITING, [self.database])


def wait_until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def administer(statement: str, params: list[Any]) -> list[Any]:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as administrator:
        found = administrator.execute(statement, params)
        return found.fetchall() if found.description else []


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("outages")
    settings = {"DATABASE_URL": new_database(folder), "STORAGE_URL": f"file://{folder}", **new_keys()}
    migrate(settings["DATABASE_URL"])
    write_seed(folder / "seed.json", "mdl-7f3a19bc92")
    manage("seed", str(folder / "seed.json"), **settings)
    with serve(**settings) as base_url:
        yield Service(base_url, access_token("ada", **settings), name_of(settings["DATABASE_URL"]))


def test_requests_do_not_notice_that_the_server_closed_their_connections(service: Service) -> None:
    assert service.ask_together() == [200] * THREADS
    service.end_backends()

    assert service.ask_together() == [200] * THREADS


def test_requests_whose_connection_ends_meanwhile_get_a_503_and_the_next_ones_an_answer(service: Service) -> None:
    holder = psycopg.connect(os.environ["DATABASE_URL"], dbname=service.database)
    holder.execute("LOCK TABLE models_registry_registeredmodel IN ACCESS EXCLUSIVE MODE")
    with ThreadPoolExecutor(THREADS) as clients:
        answers = [clients.submit(service.ask) for _ in range(THREADS)]
        wait_until(lambda: administer(WAITING, [service.database]) == [(THREADS,)] or answers[0].done())
        service.end_waiting()
        statuses = [answer.result() for answer in answers]
    holder.close()

    assert statuses == [503] * THREADS

    assert service.ask_together() == [200] * THREADS


def test_requests_get_a_503_while_the_database_takes_no_connections(service: Service) -> None:
    name = service.database
    administer(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", [])
    service.end_backends()
    try:
        assert service.ask_together() == [503] * THREADS
    finally:
        administer(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true", [])

    assert service.ask_together() == [200] * THREADS


@contextmanager
def frozen(processes: list[int]) -> Iterator[None]:
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


def test_requests_on_a_frozen_connection_get_a_503_and_the_next_ones_a_new_connection(service: Service) -> None:
    service.ask_together()

    with frozen(service.backends()):
        assert 503 in service.ask_together()
        assert service.ask_together() == [200] * THREADS
