"""Doing many things at once, each in a thread with a connection and a client of its own."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BoundedSemaphore
from typing import Any, TypeVar

from django.db import connection, connections, transaction
from django.test import Client

from models_registry.accounts.models import Organization
from models_registry.registry.models import RegisteredModel

T = TypeVar("T")

OVERLOADED = 503
# Other processes of the run have databases of their own on the same server.
WAITING = """
SELECT count(*) FROM pg_locks waiting WHERE NOT granted AND EXISTS (
    SELECT FROM pg_locks own JOIN pg_database ON own.database = pg_database.oid
    WHERE own.pid = waiting.pid AND pg_database.datname = current_database()
)
"""
PATIENCE = 60
_server_threads = BoundedSemaphore(16)  # each with a connection, of PostgreSQL's 100


def together(work: Sequence[Callable[[], T]]) -> list[T]:
    """Do all the work at once; return what each came to, in order."""
    ready = Barrier(len(work))

    def begin(one: Callable[[], T]) -> T:
        ready.wait()
        return alone(one)

    with ThreadPoolExecutor(len(work)) as threads:
        return list(threads.map(begin, work))


def alone(work: Callable[[], T]) -> T:
    """Do the work, then give the thread's connection back, as the server does after each request."""
    try:
        return work()
    finally:
        connections.close_all()


def ask(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Return the answer to a request, repeated as its 503 says. As many are asked at once as a server has threads."""
    data = "" if body is None else json.dumps(body)
    give_up = time.monotonic() + PATIENCE
    while True:
        with _server_threads:
            answer = alone(lambda: client.generic(method, f"/api/v1{path}", data, "application/json", headers=headers))
        if answer.status_code != OVERLOADED or time.monotonic() > give_up:
            return answer
        time.sleep(0.05)


def in_turn(locked: RegisteredModel | Organization, requests: Iterable[Callable[[], T]]) -> list[T]:
    """Let requests queue up for a locked row, one behind the other, then let them go; return their answers in order."""
    requests = [*requests]
    with ThreadPoolExecutor(len(requests)) as threads:
        with transaction.atomic():
            type(locked).objects.select_for_update().get(pk=locked.pk)
            under_way = []
            for request in requests:
                under_way.append(threads.submit(alone, request))
                wait_for_waiting(len(under_way))
        return [one.result() for one in under_way]


def wait_for_waiting(number: int) -> None:
    """Return once so many connections wait for a lock. Raises `TimeoutError`."""
    give_up = time.monotonic() + PATIENCE
    while _waiting() < number:
        if time.monotonic() > give_up:
            raise TimeoutError(f"{_waiting()} connections wait for a lock, not {number}")
        time.sleep(0.01)


def _waiting() -> int:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return int(cursor.fetchone()[0])
