"""Limits on simultaneous logins, on guesses from many networks, and on callers who are refused repeatedly."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any

import psycopg
import pytest
from axes.models import AccessAttempt
from django.conf import settings as configured
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.cache import cache
from django.db import connection, connections
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from models_registry.accounts.models import User
from models_registry.api.throttling import LoginThrottle, RefusalThrottle
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from models_registry.tokens.lockout import login_capacity
from tests.admin_pages import logged_in
from tests.concurrency.together import WAITING
from tests.conftest import authenticated
from tests.factories import PASSWORD, new_user
from tests.reliability.databases import url_of_the_tests
from tests.reliability.test_denials import eventually

TOKEN, LOGIN = "/api/v1/auth/token", "/admin/login/"
SUMMARY = "/api/v1/models/mdl-7f3a19bc92/performance/summary"
HERE = "198.51.100.7"


def by_token(name: str = "vera", password: str = PASSWORD, address: str = HERE) -> Any:
    body = {"username": name, "password": password}
    return Client(REMOTE_ADDR=address).post(TOKEN, body, content_type="application/json")


def by_form(name: str = "root", password: str = PASSWORD, address: str = HERE) -> Any:
    return Client(REMOTE_ADDR=address).post(LOGIN, {"username": name, "password": password})


def close(call: Callable[[], Any]) -> Any:
    try:
        return call()
    finally:
        connections.close_all()


# Hashing


@pytest.fixture
def hashing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Event, Event]]:
    """Hash as in production, but pause each hash. Return an event for its start and an event that lets it finish."""
    begun, may_end = Event(), Event()

    def hold(self: Any, password: str, salt: str, iterations: int | None = None) -> str:
        begun.set()
        assert may_end.wait(30)
        return real(self, password, salt, 1)

    real = PBKDF2PasswordHasher.encode
    settings.PASSWORD_HASHERS = ["models_registry.tokens.hashers.BoundedPasswordHasher"]
    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", hold)
    yield begun, may_end
    may_end.set()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("rows_can_be_cleaned_up")
@pytest.mark.parametrize("name", ["nobody", "vera"])
def test_logins_during_another_hash_are_refused_and_do_not_count_as_failures(
    hashing: tuple[Event, Event], name: str
) -> None:
    begun, may_end = hashing
    User.objects.create(username="vera", password="pbkdf2_sha256$1$salt$hash", is_active=False)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(close, lambda: by_token(name, "wrong"))
        assert begun.wait(10)
        refused = [by_token(), by_token("nobody"), by_form()]
        may_end.set()
        assert first.result().status_code == 401

    for answer in refused:
        assert (answer.status_code, answer["Retry-After"]) == (503, "1")
        assert b"Try again" in answer.content
    assert refused[0].json()["code"] == "service_unavailable"
    assert AccessAttempt.objects.values_list("username", "failures_since_start").get() == (name, 1)
    assert not AuditEntry.objects.filter(action=AuditEntry.DENIED, path=LOGIN).exists()
    assert by_token(name, "wrong").status_code == 401  # the share is free again


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("rows_can_be_cleaned_up")
def test_changing_a_password_uses_the_same_hashing_limit(hashing: tuple[Event, Event]) -> None:
    begun, may_end = hashing
    root = User.objects.create(username="root", password="pbkdf2_sha256$1$salt$hash", is_staff=True, is_superuser=True)
    client = logged_in(root)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(close, lambda: by_token("nobody"))
        assert begun.wait(10)
        answer = client.post("/admin/password_change/", {"old_password": "x", "new_password1": "y"})
        may_end.set()
        first.result()

    assert (answer.status_code, answer["Retry-After"]) == (503, "1")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("rows_can_be_cleaned_up")
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite's one lock is held by no row")
@pytest.mark.parametrize("waiting", [by_token, by_form])
def test_a_login_occupies_its_slot_until_its_last_write(waiting: Callable[..., Any]) -> None:
    root = new_user("root", is_staff=True, is_superuser=True)
    table = connection.ops.quote_name(AuditEntry._meta.db_table)
    with psycopg.connect(url_of_the_tests()) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")  # which the row of a login comes up against
        first = pool.submit(close, lambda: waiting("root"))
        eventually(lambda: holder.execute(WAITING).fetchone() != (0,))
        refused = [by_token("root"), by_form("root")]
        holder.rollback()
        assert first.result().status_code in {200, 302}

    assert [(answer.status_code, b"busy" in answer.content) for answer in refused] == [(503, True)] * 2
    assert root.token_families.count() == (waiting is by_token)


@pytest.mark.django_db
def test_a_busy_admin_login_is_refused_without_a_query(
    django_assert_num_queries: Any,
) -> None:
    with login_capacity(), django_assert_num_queries(0):
        answer = Client(enforce_csrf_checks=True).post(LOGIN, {"username": "root", "password": PASSWORD})

    assert (answer.status_code, answer["Retry-After"]) == (503, "1")


# Networks


@pytest.mark.parametrize("call", [by_token, by_form])
def test_addresses_of_one_ipv6_network_are_locked_out_together(superuser: User, call: Callable[..., Any]) -> None:
    for number in range(10):
        call("root", "wrong", f"2001:db8:1:2::{number:x}")

    assert call("root", PASSWORD, "2001:db8:1:2:ffff::1").status_code == 429
    assert call("root", PASSWORD, "2001:db8:1:3::1").status_code in {200, 302}
    assert "2001:db8:1:2::5" in AuditEntry.objects.filter(action=AuditEntry.DENIED).values_list(
        "remote_addr", flat=True
    )


def test_ipv4_addresses_in_ipv6_form_are_distinguished(viewer: User) -> None:
    for _ in range(10):
        by_token(password="wrong", address="::ffff:198.51.100.7")

    assert by_token(address="198.51.100.7").status_code == 429
    assert by_token(address="::ffff:198.51.100.8").status_code == 200


@pytest.mark.parametrize(("throttle", "path"), [(LoginThrottle, TOKEN), (RefusalThrottle, SUMMARY)])
def test_throttles_count_one_ipv6_network_as_one(
    db: None, monkeypatch: pytest.MonkeyPatch, throttle: type, path: str
) -> None:
    monkeypatch.setattr(throttle, "rate", "2/day", raising=False)

    def ask(address: str) -> int:
        client = Client(REMOTE_ADDR=address)
        answer = client.post(path, {}, content_type="application/json") if path == TOKEN else client.get(path)
        return answer.status_code

    first, *others = [ask(f"2001:db8:1:2::{number}") for number in range(3)]
    assert (others, ask("2001:db8:1:3::1")) == ([first, 429], first)


# Guessing from many networks


def guess(call: Callable[..., Any], name: str, times: int) -> list[int]:
    return [call(name, "wrong", f"203.0.113.{number}").status_code for number in range(times)]


def pass_time(**time: int) -> None:
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(**time))


@pytest.mark.parametrize(("call", "name"), [(by_token, "root"), (by_form, "root"), (by_token, "nobody")])
def test_guesses_from_many_networks_are_slowed_down_and_the_right_password_gets_in(
    superuser: User, settings: Settings, call: Callable[..., Any], name: str
) -> None:
    settings.ACCOUNT_FAILURE_LIMIT = 5
    assert 429 not in guess(call, name, 5)

    answer = call(name, "wrong", "203.0.113.200")
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= configured.ACCOUNT_ATTEMPT_INTERVAL.total_seconds()
    assert call(name, PASSWORD, "203.0.113.201").status_code == 429

    pass_time(seconds=11)  # which the refused attempts did not prolong
    if name == "root":
        assert call(name, PASSWORD, "203.0.113.202").status_code in {200, 302}
    else:
        assert call(name, "wrong", "203.0.113.202").status_code == 401


def test_an_account_under_attack_is_never_locked_for_a_network_that_is_familiar(
    viewer: User, settings: Settings
) -> None:
    settings.ACCOUNT_FAILURE_LIMIT = 5
    assert by_token(address="2001:db8:5::1").status_code == 200
    guess(by_token, "vera", 5)

    assert by_token(address="2001:db8:5::2").status_code == 200
    assert by_token(address="2001:db8:6::1").status_code == 429


@pytest.mark.parametrize("call", [by_token, by_form])
def test_a_network_stays_familiar_however_much_the_user_does_elsewhere(
    superuser: User, settings: Settings, call: Callable[..., Any]
) -> None:
    settings.ACCOUNT_FAILURE_LIMIT = 5
    assert call("root", address=HERE).status_code in {200, 302}
    elsewhere = {"actor": superuser, "remote_addr": "203.0.113.250", "path": "/api/v1/models"}
    AuditEntry.objects.bulk_create(AuditEntry(action=0, **elsewhere) for _ in range(2000))
    guess(by_token, "root", 5)

    assert call("root", address=HERE).status_code in {200, 302}
    assert call("root", address="203.0.113.250").status_code == 429  # where no login was


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="the plan is PostgreSQL's")
def test_familiar_networks_are_read_by_an_index(superuser: User, settings: Settings) -> None:
    settings.ACCOUNT_FAILURE_LIMIT = 5
    by_token("root")
    AuditEntry.objects.bulk_create(AuditEntry(action=0, actor=superuser, path="/api/v1/models") for _ in range(5000))
    guess(by_token, "root", 5)
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as queries:
        assert by_token("root").status_code == 200
        [sql] = [each["sql"] for each in queries if "/api/v1/auth/token" in each["sql"] and "SELECT" in each["sql"][:6]]
        cursor.execute(f"ANALYZE {AuditEntry._meta.db_table}")
        cursor.execute(f"EXPLAIN {sql}")
        assert "audit_logins_by_actor" in str(cursor.fetchall())


def test_old_failures_do_not_delay_a_login(viewer: User, settings: Settings) -> None:
    settings.ACCOUNT_FAILURE_LIMIT = 5
    guess(by_token, "vera", 5)
    pass_time(minutes=16)

    assert by_token(address="203.0.113.200").status_code == 200


# Refused callers


@pytest.fixture
def _two_refusals_a_day(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(RefusalThrottle, "rate", "2/day", raising=False)
    cache.clear()
    yield
    cache.clear()


@pytest.mark.usefixtures("_two_refusals_a_day")
@pytest.mark.parametrize(("actor", "status"), [("nobody", 401), ("forger", 401), ("outsider", 403)])
def test_a_flood_of_refused_requests_becomes_429(
    outsider: User, viewer: User, model: RegisteredModel, actor: str, status: int
) -> None:
    clients = {
        "nobody": Client(),
        "forger": Client(headers={"Authorization": "Bearer e30.e30.e30"}),
        "outsider": authenticated(outsider),
    }
    answers = [clients[actor].get(SUMMARY) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [status, status, 429]
    assert answers[-1].json()["code"] == "throttled"
    assert int(answers[-1]["Retry-After"]) > 0
    assert authenticated(viewer).get(SUMMARY).status_code == 200  # from the same address


@pytest.mark.usefixtures("_two_refusals_a_day")
def test_refusals_in_the_admin_count_as_well(superuser: User) -> None:
    assert [by_form(password="wrong").status_code for _ in range(3)] == [200, 200, 429]
    answer = Client(enforce_csrf_checks=True, REMOTE_ADDR=HERE).post(LOGIN, {})
    assert (answer.status_code, int(answer["Retry-After"]) > 0) == (429, True)


@pytest.mark.usefixtures("_two_refusals_a_day")
def test_successful_requests_do_not_count_as_refusals(viewer: User, model: RegisteredModel) -> None:
    client = authenticated(viewer)
    assert [client.get(SUMMARY).status_code for _ in range(5)] == [200] * 5
