"""The API's own way to its views: its responses have the headers of pages, and its hosts and schemes are checked."""

import pytest
from django.conf import settings
from django.test import Client, override_settings

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from tests.conftest import authenticated

HEADERS = ("X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy")
TRANSPORT = "Strict-Transport-Security"
PATHS = [
    "/api/v1/models",
    "/api/v1/nothing",
    "/api/v1/models/mdl-7f3a19bc92/performance/summary",
    "/api/v1/models/mdl-7f3a19bc92/performance/badge.svg?metric=accuracy",
]


def test_middleware_that_does_not_run_for_the_api_is_known() -> None:
    """`APIMiddleware` does what these do, or the API has no need of it."""
    after = settings.MIDDLEWARE[settings.MIDDLEWARE.index("config.api_middleware.APIMiddleware") + 1 :]

    assert {name for name in after if not name.startswith("config.admin.middleware.")} == {
        "config.content_security.ContentSecurityPolicyMiddleware",
        "config.header_limits.HeaderLimitMiddleware",
        "django.middleware.security.SecurityMiddleware",
        "whitenoise.middleware.WhiteNoiseMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    }


@pytest.mark.parametrize("path", PATHS)
def test_responses_of_the_api_have_the_headers_of_pages(viewer: User, model: RegisteredModel, path: str) -> None:
    page = Client().get("/healthz")
    for client in (authenticated(viewer), Client()):
        answer = client.get(path)

        assert {name: answer[name] for name in HEADERS} == {name: page[name] for name in HEADERS}
        assert answer["Content-Length"] == str(len(answer.content))


@pytest.mark.parametrize("path", PATHS)
def test_only_responses_over_https_ask_for_https(db: None, path: str) -> None:
    with override_settings(SECURE_HSTS_SECONDS=60, SECURE_HSTS_PRELOAD=True):
        client = Client()

        assert client.get(path, secure=True)[TRANSPORT] == client.get("/healthz", secure=True)[TRANSPORT]
        assert TRANSPORT not in client.get(path)


@pytest.mark.parametrize("path", PATHS[1:])  # the first is in the OpenAPI document, which has no redirects
def test_a_request_without_https_is_redirected_if_it_is_required(db: None, path: str) -> None:
    with override_settings(SECURE_SSL_REDIRECT=True):
        client = Client()
        answer = client.get(path)

        assert (answer.status_code, answer["Location"]) == (301, f"https://testserver{path}")
        assert client.get(path, secure=True).status_code in {401, 404}


@pytest.mark.parametrize("host", ["here.test", "HERE.test", "here.test:8000", "a.all.test", ".all.test", "[::1]:80"])
def test_a_host_of_the_service_is_answered(db: None, host: str) -> None:
    with override_settings(ALLOWED_HOSTS=["here.test", ".all.test", "[::1]"]):
        assert Client(HTTP_HOST=host).get(PATHS[0]).status_code == 401


@pytest.mark.parametrize(
    "host", ["", "*", "there.test", "here.test:x", "here.test/", "a.here.test", "here.test@b.test"]
)
def test_any_other_host_is_refused(db: None, host: str) -> None:
    with override_settings(ALLOWED_HOSTS=["here.test", ".all.test"]):
        answer = Client(HTTP_HOST=host).get(PATHS[0])

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize(("host", "status"), [("anything.test", 401), ("*", 400)])
def test_a_star_allows_every_host_but_is_no_host(db: None, host: str, status: int) -> None:
    with override_settings(ALLOWED_HOSTS=["*"]):
        assert Client(HTTP_HOST=host).get(PATHS[0]).status_code == status
