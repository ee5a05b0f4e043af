"""`GET /healthz` and `GET /readyz`"""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.tokens.jwt import new_token
from performance.jobs.heartbeat import Heartbeat
from tests.serving import free_port, serve

ROOT = Path(__file__).parents[2]


def test_the_liveness_probe_takes_no_query(client: Client) -> None:
    response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "alive"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
def test_health_probes_allow_only_get_and_head(path: str, method: str) -> None:
    response = Client(enforce_csrf_checks=True).generic(method, path)

    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")
    assert response.json()["code"] == "method_not_allowed"


@pytest.mark.django_db(transaction=True)
def test_a_service_is_ready_when_the_database_is_reachable_and_migrated(client: Client) -> None:
    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (200, {"status": "ready", "writable": True})

    response = client.get("/readyz?include=worker")
    assert (response.status_code, "manage.py worker" in response.json()["detail"]) == (503, True)

    heartbeat = Heartbeat()
    heartbeat.report()
    response = client.get("/readyz?include=worker")
    assert (response.status_code, response.json()["worker"]) == (200, True)
    heartbeat.end()
    assert client.get("/readyz?include=worker").status_code == 503


@pytest.mark.served
class TestServed:
    """On a server of its own, with a database that is not ready."""

    def test_a_service_is_alive_but_not_ready_before_the_migrations(self, tmp_path: Path) -> None:
        with serve(DATABASE_URL=f"sqlite:///{tmp_path}/empty.sqlite3") as base_url:
            assert status(f"{base_url}/healthz") == 200
            assert status(f"{base_url}/readyz") == 503
            assert "manage.py migrate" in body(f"{base_url}/readyz")

    def test_an_unreachable_database_is_reported_as_not_ready_within_two_seconds(self) -> None:
        with serve(DATABASE_URL=f"postgresql://nobody:x@127.0.0.1:{free_port()}/none") as base_url:
            started = time.monotonic()
            assert status(f"{base_url}/readyz") == 503
            assert time.monotonic() - started < 5  # as the machine may have other work
            assert status(f"{base_url}/healthz") == 200

    def test_a_read_without_a_database_is_a_503_with_retry_after(self) -> None:
        access = str(new_token(AccessToken, User(pk=1, password="x"), family=None, scope=ALL_SCOPES))
        unreachable = f"postgresql://nobody:x@127.0.0.1:{free_port()}/none"
        with serve(DATABASE_URL=unreachable, JWT_SIGNING_KEY=str(settings.SIMPLE_JWT["SIGNING_KEY"])) as base_url:
            read = urllib.request.Request(  # noqa: S310
                f"{base_url}/api/v1/models/mdl-7f3a19bc92/performance/summary",
                headers={"Authorization": f"Bearer {access}"},
            )
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(read, timeout=10)  # noqa: S310

        assert refused.value.code == 503
        assert int(refused.value.headers["Retry-After"]) > 0
        assert json.loads(refused.value.read())["code"] == "service_unavailable"


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def body(url: str) -> str:
    try:
        urllib.request.urlopen(url, timeout=10)  # noqa: S310
    except urllib.error.HTTPError as error:
        return error.read().decode()
    return ""
