"""The pool of connections to PostgreSQL, and statements that are prepared in them."""

import threading
import time

import psycopg
import pytest
from django.db import OperationalError, connection
from django.db.models import BigIntegerField, CharField, Func, Value

from models_registry.accounts.models import Organization
from models_registry.db.prepared import Parameter, PreparedQuery

pytestmark = [
    pytest.mark.skipif("connection.vendor != 'postgresql'"),
    pytest.mark.django_db(transaction=True),
]


class Sleep(Func):
    """Waits on the server for some seconds."""

    function = "pg_sleep"
    output_field = CharField()


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


def test_a_prepared_query_uses_a_new_connection_after_the_server_closed_its_own(acme: Organization) -> None:
    by_slug = PreparedQuery(Organization.objects.filter(slug=Parameter("slug", CharField())).values("name"))
    assert by_slug.first(slug="acme") == {"name": "Acme"}
    end_from_outside(backends_in_turn())

    assert by_slug.first(slug="acme") == {"name": "Acme"}


def test_a_prepared_query_raises_an_operational_error_if_its_backend_dies_meanwhile(acme: Organization) -> None:
    slow = PreparedQuery(Organization.objects.values(slept=Sleep(Value(4))))
    pid = backend()
    killer = threading.Timer(0.3, end_from_outside, [{pid}])
    killer.start()

    with pytest.raises(OperationalError):
        slow.all()
    connection.close()
    killer.join()

    assert backend() != pid


def test_a_prepared_query_raises_an_operational_error_if_it_takes_too_long(acme: Organization) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 100")
    try:
        with pytest.raises(OperationalError, match="statement timeout"):
            PreparedQuery(Organization.objects.values(slept=Sleep(Value(4)))).all()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET statement_timeout")


@pytest.mark.parametrize("number", [1, 2**15, 2**31, 2**62, None])
def test_a_prepared_query_takes_integers_of_any_size_and_null(acme: Organization, number: int | None) -> None:
    by_id = PreparedQuery(Organization.objects.filter(pk=Parameter("pk", BigIntegerField())).values("slug"))

    assert by_id.first(pk=number) in (None, {"slug": "acme"})
    assert by_id.first(pk=acme.pk) == {"slug": "acme"}
