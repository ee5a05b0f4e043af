"""Each kind of answer has the content security policy of its kind; sessions and cookies are kept short and close."""

import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, override_settings

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from tests.admin_pages import logged_in
from tests.conftest import authenticated
from tests.factories import PASSWORD


def policy(answer: Any) -> dict[str, list[str]]:
    """Return the directives of an answer's policy."""
    directives = [directive.split() for directive in answer["Content-Security-Policy"].split(";")]
    return {name: sources for name, *sources in directives}


def is_strict(found: dict[str, list[str]]) -> bool:
    """Say whether the page can neither be framed nor have its base changed."""
    return (found["base-uri"], found["frame-ancestors"]) == (["'none'"], ["'none'"])


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/admin/models_registry/user/", "/admin/nope/"])
def test_the_admin_runs_only_its_own_scripts(superuser: User, path: str) -> None:
    found = policy(logged_in(superuser).get(path))

    assert found["script-src"] == ["'self'", "'unsafe-eval'"]
    assert (found["default-src"], found["object-src"], found["form-action"]) == (["'self'"], ["'none'"], ["'self'"])
    assert is_strict(found)


@pytest.mark.parametrize("path", ["/api/docs", "/api/redoc"])
def test_the_documentation_runs_only_its_own_scripts(client: Client, db: None, path: str) -> None:
    answer = client.get(path)
    found = policy(answer)

    assert "script-src" not in found
    assert (found["default-src"], found["object-src"]) == (["'self'"], ["'none'"])
    assert is_strict(found)


def test_the_pages_of_gates_and_badges_run_no_scripts(admin: User, model: RegisteredModel) -> None:
    address = f"/api/v1/models/{model.pk}/performance/gate"
    page = authenticated(admin).get(address, headers={"Accept": "text/html"})
    badge = authenticated(admin).get(f"/api/v1/models/{model.pk}/performance/badge.svg", {"metric": "accuracy"})

    for answer in (page, badge):
        assert answer.status_code == 200, answer.content
        assert policy(answer)["default-src"] == ["'none'"]
        assert "script-src" not in policy(answer)
    assert is_strict(policy(page))
    assert policy(page)["form-action"] == ["'none'"]


@pytest.mark.parametrize("path", ["/nothing", "/", "/healthz", "/static/models_registry/favicon.svg", "/api"])
def test_every_other_response_allows_no_scripts(client: Client, db: None, path: str) -> None:
    answer = client.get(path)
    answer.close()

    assert policy(answer)["default-src"] == ["'none'"]
    assert "script-src" not in policy(answer)


@pytest.mark.parametrize("path", ["/api/v1/models", "/api/v1/nothing"])
def test_json_responses_allow_no_content(viewer: User, path: str) -> None:
    for client in (authenticated(viewer), Client()):
        assert client.get(path)["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


class TestSessions:
    @pytest.fixture
    def cookie(self, superuser: User) -> Any:
        answer = Client().post("/admin/login/", {"username": "root", "password": PASSWORD})
        return answer.cookies["sessionid"]

    def test_admin_sessions_end_with_the_browser_and_after_12_hours(self, superuser: User) -> None:
        client = Client()
        cookie = client.post("/admin/login/", {"username": "root", "password": PASSWORD}).cookies["sessionid"]

        assert (cookie["max-age"], cookie["expires"]) == ("", "")
        assert client.session.get_expiry_age() == 12 * 3600

    def test_session_cookies_are_http_only_and_same_site(self, cookie: Any) -> None:
        assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")

    def test_session_cookies_are_secure_if_https_is_required(self, superuser: User) -> None:
        with override_settings(SESSION_COOKIE_SECURE=True, CSRF_COOKIE_SECURE=True):
            client = Client()
            client.get("/admin/login/")
            answer = client.post("/admin/login/", {"username": "root", "password": PASSWORD})
        assert answer.cookies["sessionid"]["secure"] is True

    def test_session_cookies_are_safe_by_default(self) -> None:
        """The settings that serve, not those of the tests, which have no HTTPS."""
        program = (
            "from config import settings; "
            "print(settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE, settings.SESSION_COOKIE_AGE)"
        )
        keys = {"SECRET_KEY": settings.SECRET_KEY, "JWT_SIGNING_KEY": settings.SECRET_KEY[::-1]}
        shown = subprocess.run([sys.executable, "-c", program], env=keys, capture_output=True, text=True, check=True)
        assert shown.stdout.split() == ["True", "True", "43200"]
