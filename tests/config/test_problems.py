"""Whatever goes wrong, wherever: a problem document."""

import json
import logging
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.logs import RequestIDFilter
from config.urls import urlpatterns as real
from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from tests.api import refusal
from tests.conftest import authenticated

SECRETS = ("secret", "10.0.0.1")  # of the errors that the views below raise


class Broken(APIView):
    """A view with a bug, or with something behind it that is down."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    raises: Exception = RuntimeError()

    def get(self, request: Request) -> Response:
        raise self.raises


class NotANumber(Broken):
    """A view whose answer is no JSON."""

    def get(self, request: Request) -> Response:
        return Response({"value": float("nan")})


def broken_page(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("secret detail")


def suspicious_page(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("secret detail")


urlpatterns = [
    *real,
    path("bug", Broken.as_view(raises=RuntimeError("secret detail"))),
    path("nan", NotANumber.as_view()),
    path("down", Broken.as_view(raises=OperationalError("connection to server at 10.0.0.1 failed"))),
    path("lost", Broken.as_view(raises=InterfaceError("the connection is closed"))),
    path("page", broken_page),
    path("suspicious", suspicious_page),
]
handler400 = "config.problems.bad_request"
handler403 = "config.problems.permission_denied"
handler404 = "config.problems.page_not_found"
handler500 = "config.problems.server_error"


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def shown_secrets(response: Any) -> list[str]:
    return [secret for secret in SECRETS if secret in response.content.decode()]


@pytest.mark.parametrize(
    "address",
    ["/nope", "/api", "/api/v1", "/api/v1/", "/api/v1/models/mdl-7f3a19bc92/performance/summary/", "/healthz/"],
)
def test_an_unknown_url_is_a_404(client: Client, address: str) -> None:
    assert refusal(client.get(address)) == (404, "not_found")


def test_an_unknown_host_is_a_400(client: Client) -> None:
    assert refusal(client.get("/api/v1/auth/token", headers={"Host": "evil.example"})) == (400, "invalid_parameter")


@pytest.mark.urls("tests.config.test_problems")
@pytest.mark.parametrize("address", ["/bug", "/page", "/nan"])
def test_an_unexpected_error_is_a_500_without_details(client: Client, address: str) -> None:
    response = client.get(address)

    assert refusal(response) == (500, "internal_error")
    assert not shown_secrets(response)


@pytest.mark.urls("tests.config.test_problems")
def test_a_suspicious_request_is_a_400(client: Client) -> None:
    response = client.get("/suspicious")

    assert refusal(response) == (400, "invalid_parameter")
    assert not shown_secrets(response)


@pytest.mark.urls("tests.config.test_problems")
@pytest.mark.parametrize("address", ["/down", "/lost"])
def test_an_unreachable_database_is_a_503_with_retry_after(client: Client, address: str) -> None:
    response = client.get(address)

    assert refusal(response) == (503, "service_unavailable")
    assert not shown_secrets(response)
    assert int(response["Retry-After"]) > 0


def test_a_body_over_the_limit_is_a_413(client: Client) -> None:
    body = json.dumps({"username": "x" * settings.MAX_BODY_BYTES, "password": "x"})

    response = client.post("/api/v1/auth/token", body, content_type="application/json")

    assert refusal(response) == (413, "payload_too_large")


def test_a_form_over_the_limit_in_the_admin_is_a_413(client: Client, db: None) -> None:
    response = client.post("/admin/login/", {"username": "x" * (settings.MAX_BODY_BYTES + 1)})

    assert response.status_code == 413


def test_another_content_type_is_a_415(client: Client) -> None:
    assert refusal(client.post("/api/v1/auth/token", {"username": "a"})) == (415, "unsupported_media_type")


def test_errors_in_the_admin_are_pages(client: Client, superuser: User) -> None:
    client.force_login(superuser)

    response = client.get("/admin/nope/")

    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(("actor", "status"), [("nobody", 401), ("outsider", 403)])
def test_a_denial_is_logged_with_its_request_id_and_without_the_token(
    model: RegisteredModel, outsider: User, caplog: pytest.LogCaptureFixture, actor: str, status: int
) -> None:
    client = authenticated(outsider) if actor == "outsider" else Client()
    with caplog.at_level(logging.WARNING, "denials"):
        client.get(f"/api/v1/models/{model.pk}/performance/summary", headers={"X-Request-ID": "deploy-42"})

    (record,) = [record for record in caplog.records if record.name == "denials"]
    RequestIDFilter().filter(record)
    assert record.request_id == "deploy-42"  # type: ignore[attr-defined]
    assert str(status) in record.getMessage()
    assert f"user {outsider.pk if actor == 'outsider' else '-'} at 127.0.0.1" in record.getMessage()
    assert "Bearer" not in record.getMessage()


def test_a_line_break_makes_one_log_line() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "user %s", ("vera\nINFO forged\r",), None)
    RequestIDFilter().filter(record)

    assert record.getMessage() == "user vera\\nINFO forged\\r"


@pytest.mark.parametrize("character", ["\x1b", "\x85", "\u2028", "\0", "\x7f", *"\u202a\u202e\u2066\u2069"])
def test_no_control_character_reaches_the_log(character: str) -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "user %s", (f"vera{character}",), None)
    RequestIDFilter().filter(record)

    assert record.getMessage() == f"user vera{character!r}".replace("'", "")
