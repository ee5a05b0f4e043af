"""Connections to PostgreSQL, and the prepared queries that run on them."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, close_old_connections, connection, transaction
from django.db.models import BigIntegerField, CharField, Func, Value
from django.db.transaction import TransactionManagementError

from models_registry.accounts.models import Organization
from models_registry.db.prepared import Parameter, PreparedQuery, insert

pytestmark = [
    pytest.mark.skipif("connection.vendor != 'postgresql'"),
    pytest.mark.django_db(transaction=True),
]


class Sleep(Func):
    """Waits on the server for some seconds."""

    function = "pg_sleep"
    output_field = CharField()


def by_slug() -> PreparedQuery:
    return PreparedQuery(Organization.objects.filter(slug=Parameter("slug", CharField())).values("name"))


def sleeping(seconds: int) -> PreparedQuery:
    return PreparedQuery(Organization.objects.values(slept=Sleep(Value(seconds))))


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def begin_request() -> None:
    """Do with the connection what Django does at the beginning of each request."""
    close_old_connections()


def end_from_outside(pid: int) -> None:
    address = {name: connection.get_connection_params()[name] for name in ("dbname", "host", "user")}
    with psycopg.connect(**address) as administrator:
        administrator.execute("SELECT pg_terminate_backend(%s, 30000)", [pid])


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def answer_timeout(monkeypatch: pytest.MonkeyPatch, seconds: int) -> Iterator[None]:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "answer_timeout", seconds)
    connection.close()
    yield
    connection.close()


def test_a_thread_keeps_its_connection_from_request_to_request() -> None:
    first = backend()
    begin_request()

    assert backend() == first


def test_a_connection_that_the_server_closed_is_replaced_before_use() -> None:
    ended = backend()
    end_from_outside(ended)
    begin_request()

    assert backend() != ended


def test_a_prepared_query_uses_a_new_connection_after_the_server_closed_its_own(acme: Organization) -> None:
    query = by_slug()
    assert query.first(slug="acme") == {"name": "Acme"}
    end_from_outside(backend())
    begin_request()

    assert query.first(slug="acme") == {"name": "Acme"}


def test_a_prepared_query_raises_an_operational_error_if_its_backend_dies_meanwhile(acme: Organization) -> None:
    pid = backend()
    killer = threading.Timer(0.3, end_from_outside, [pid])
    killer.start()

    with pytest.raises(OperationalError):
        sleeping(4).all()
    killer.join()
    begin_request()

    assert backend() != pid


def test_a_connection_to_a_frozen_server_is_given_up(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    with answer_timeout(monkeypatch, 1):
        pid = backend()
        with frozen(pid):
            start = time.monotonic()
            with pytest.raises(OperationalError):
                by_slug().first(slug="acme")
            assert time.monotonic() - start < 60
            begin_request()

            assert backend() != pid


def test_a_prepared_query_raises_an_operational_error_if_it_takes_too_long(acme: Organization) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 100")
    try:
        with pytest.raises(OperationalError, match="statement timeout"):
            sleeping(4).all()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET statement_timeout")


def test_a_prepared_query_runs_after_the_driver_forgot_all_statements(acme: Organization) -> None:
    query = by_slug()
    query.first(slug="acme")
    with transaction.atomic():
        backend()
        transaction.set_rollback(True)  # whereupon the driver deallocates what it prepared

    assert query.first(slug="acme") == {"name": "Acme"}


def test_prepared_queries_keep_their_names_apart_after_the_driver_forgot_all_statements(acme: Organization) -> None:
    named = Organization.objects.filter(slug=Parameter("slug", CharField()))
    first, second = PreparedQuery(named.values("name")), PreparedQuery(named.values("pk"))
    first.first(slug="acme")
    with transaction.atomic():
        for _ in range(10):
            first.first(slug="acme")
        transaction.set_rollback(True)
    second.first(slug="acme")  # is prepared now

    assert first.first(slug="acme") == {"name": "Acme"}  # is prepared again
    assert second.first(slug="acme") == {"pk": acme.pk}


@pytest.mark.parametrize("number", [1, 2**15, 2**31, 2**62])
def test_a_prepared_query_takes_integers_of_any_size_in_any_order(acme: Organization, number: int) -> None:
    by_id = PreparedQuery(Organization.objects.filter(pk=Parameter("pk", BigIntegerField())).values("slug"))

    assert by_id.first(pk=number) in (None, {"slug": "acme"})
    assert by_id.first(pk=acme.pk) == {"slug": "acme"}


def test_a_prepared_query_runs_in_a_transaction_after_the_driver_forgot_all_statements(acme: Organization) -> None:
    query = by_slug()
    with transaction.atomic():
        for _ in range(10):  # by then the driver has prepared it
            query.first(slug="acme")
        with transaction.atomic():
            backend()
            transaction.set_rollback(True)  # to the savepoint

        assert query.first(slug="acme") == {"name": "Acme"}


def test_a_prepared_query_sees_what_its_transaction_wrote_and_nobody_else_does(acme: Organization) -> None:
    query = by_slug()
    query.first(slug="acme")
    with transaction.atomic():
        assert query.first(slug="acme") == {"name": "Acme"}  # begins the transaction
        Organization.objects.filter(slug="acme").update(name="Other")
        assert query.first(slug="acme") == {"name": "Other"}
        transaction.set_rollback(True)

    assert query.first(slug="acme") == {"name": "Acme"}


def test_an_insert_is_undone_with_the_transaction_that_it_began(acme: Organization) -> None:
    with transaction.atomic():
        insert(Organization(slug="new", name="New"))
        transaction.set_rollback(True)

    assert by_slug().first(slug="new") is None


def test_a_prepared_query_is_refused_in_a_broken_transaction(acme: Organization) -> None:
    query = by_slug()
    with transaction.atomic():
        with pytest.raises(IntegrityError), transaction.atomic(savepoint=False):
            insert(Organization(slug="acme", name="Again"))
        with pytest.raises(TransactionManagementError):
            query.first(slug="acme")
        transaction.set_rollback(True)

    assert query.first(slug="acme") == {"name": "Acme"}


def test_a_connection_that_ends_amid_a_transaction_is_an_operational_error(acme: Organization) -> None:
    query = by_slug()
    with transaction.atomic():
        query.first(slug="acme")
        end_from_outside(backend())
        with pytest.raises(OperationalError):
            query.first(slug="acme")
        transaction.set_rollback(True)
    begin_request()

    assert query.first(slug="acme") == {"name": "Acme"}
