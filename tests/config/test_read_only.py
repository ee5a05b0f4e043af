"""A database without writes, as after a failover: reads go on, and writes are 503s that say when to try again."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test import Client

from models_registry.accounts.models import Organization, User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.registry.models import RegisteredModel
from models_registry.tokens.services import open_token_family
from tests.admin_pages import add_url, list_url, logged_in, page_url
from tests.api import Caller, refusal
from tests.conftest import authenticated
from tests.demo_data import access_token, load_demo_data
from tests.factories import PASSWORD
from tests.operations import OPERATIONS, furnish
from tests.reliability.databases import new_database
from tests.serving import new_keys, serve

SUMMARY = "/models/mdl-7f3a19bc92/performance/summary"


@pytest.fixture
def read_only(request: pytest.FixtureRequest, db: None) -> Iterator[Any]:
    """Return a function after which the database takes no writes until the test ends."""

    def execute(statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    def begin() -> None:
        connection.check_constraints()  # which are deferred, and would else be a write at the end of the test
        execute("PRAGMA query_only = ON" if sqlite else "SET LOCAL transaction_read_only = on")

    sqlite = connection.vendor == "sqlite"
    yield begin
    if sqlite:
        execute("PRAGMA query_only = OFF")


@contextmanager
def undone() -> Iterator[None]:
    """Undo what is done inside, in the transaction of the test: a request has none of its own."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def assert_unavailable(answer: Any) -> None:
    assert refusal(answer) == (503, "service_unavailable")
    assert int(answer["Retry-After"]) > 0
    assert "takes no writes" in answer.json()["detail"]


def test_on_a_standby_each_operation_reads_or_is_a_503(
    read_only: Any, superuser: User, model: RegisteredModel, subtests: pytest.Subtests
) -> None:
    target = furnish(model)
    client = authenticated(superuser)
    read_only()

    for operation in OPERATIONS:
        with subtests.test(str(operation)), undone():
            answer = client.generic(
                operation.method, operation.path(target), operation.data(target), content_type=operation.content_type
            )

            if operation.writes:
                assert_unavailable(answer)
            else:
                assert answer.status_code == operation.status


def test_on_a_standby_the_token_routes_are_a_503(read_only: Any, viewer: User) -> None:
    refresh = str(open_token_family(user=viewer, scope=ALL_SCOPES))
    read_only()

    for path, body in (
        ("", {"username": "vera", "password": PASSWORD}),
        ("", {"username": "vera", "password": "wrong"}),
        ("/refresh", {"refresh": refresh}),
        ("/revoke", {"refresh": refresh}),
    ):
        with undone():
            assert_unavailable(Caller().post(f"/auth/token{path}", body))


def test_on_a_standby_a_denial_stays_a_denial(read_only: Any, outsider: User, model: RegisteredModel) -> None:
    caller = Caller(outsider)
    read_only()

    assert refusal(caller.get(SUMMARY)) == (403, "permission_denied")
    assert refusal(Caller().get(SUMMARY)) == (401, "not_authenticated")


def test_on_a_standby_the_admin_reads_and_refuses_writes(
    read_only: Any, superuser: User, model: RegisteredModel, acme: Organization
) -> None:
    client = logged_in(superuser)
    read_only()

    assert client.get(list_url(RegisteredModel)).status_code == 200
    assert client.get(page_url(acme)).status_code == 200
    for sender, path, form in (
        (client, add_url(Group), {"name": "operators"}),
        (Client(), "/admin/login/", {"username": "root", "password": PASSWORD}),
        (Client(), "/admin/login/", {"username": "root", "password": "wrong"}),
        (client, "/admin/logout/", {}),
    ):
        with undone():
            answer = sender.post(path, form)
        assert (answer.status_code, "takes no writes" in answer.content.decode()) == (503, True), answer.content
        assert int(answer["Retry-After"]) > 0


@pytest.mark.served
@pytest.mark.once
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has no failover")
@pytest.mark.django_db
def test_a_standby_is_ready_for_reads_but_not_for_writes(tmp_path: Path) -> None:
    settings = {"DATABASE_URL": new_database(tmp_path), **new_keys()}
    load_demo_data(**settings)
    access = access_token("ada", **settings)
    with psycopg.connect(settings["DATABASE_URL"], autocommit=True) as administrator:
        name = administrator.info.dbname
        administrator.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    with serve(**settings) as url:
        assert ask(f"{url}/readyz") == (200, {"status": "ready", "writable": False})
        assert ask(f"{url}/readyz?writable=true")[0] == 503
        assert ask(f"{url}/api/v1{SUMMARY}", access)[0] == 200
        status, problem = ask(f"{url}/api/v1/organizations/acme", access, method="PATCH", body={"name": "New"})
        assert (status, problem["code"]) == (503, "service_unavailable")
        assert ask(f"{url}/api/v1{SUMMARY}")[0] == 401
        assert ask(f"{url}/healthz")[0] == 200


def ask(url: str, access: str = "", *, method: str = "GET", body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {access}"} if access else {}
    data = None if body is None else json.dumps(body).encode()
    headers |= {"Content-Type": "application/json"} if data else {}
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
