"""The pool of connections to PostgreSQL."""

import time

import psycopg
import pytest
from django.db import connection

pytestmark = [
    pytest.mark.skipif("connection.vendor != 'postgresql'"),
    pytest.mark.django_db(transaction=True),
]


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def end_from_outside(backends: set[int]) -> None:
    address = {name: connection.get_connection_params()[name] for name in ("dbname", "host", "user")}
    with psycopg.connect(**address) as administrator:
        for pid in backends:
            administrator.execute("SELECT pg_terminate_backend(%s)", [pid])
    time.sleep(0.5)


def backends_in_turn() -> set[int]:
    """Return the pooled connections' backends: the pool, which has grown to any size by now, gives each in turn."""
    found = set()
    for _ in range(connection.settings_dict["OPTIONS"]["pool"]["max_size"]):
        found.add(backend())
        connection.close()
    return found


def test_pooled_connections_are_reused() -> None:
    assert backends_in_turn() == backends_in_turn()


def test_connections_that_the_server_closed_are_replaced_before_use() -> None:
    ended = backends_in_turn()
    end_from_outside(ended)

    assert ended.isdisjoint(backends_in_turn())
