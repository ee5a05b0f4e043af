"""Logging in: a pair of tokens for a name and a password, limited by scopes. Refusals reveal nothing."""

from typing import Any, ClassVar

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client
from pytest_django import Settings

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from tests.api import refusal
from tests.factories import PASSWORD, new_user

TOKEN = "/api/v1/auth/token"
ROUTES = (TOKEN, f"{TOKEN}/refresh", f"{TOKEN}/revoke")
SUMMARY = "/api/v1/models/mdl-7f3a19bc92/performance/summary"


def post(path: str, body: Any, content_type: str = "application/json") -> Any:
    return Client().post(path, body, content_type=content_type)


def log_in(user: User, **fields: Any) -> Any:
    return post(TOKEN, {"username": user.username, "password": PASSWORD, **fields})


def read_summary(access: str) -> Any:
    return Client(headers={"Authorization": f"Bearer {access}"}).get(SUMMARY)


def test_a_name_and_a_password_get_an_access_token_that_opens_the_summary(viewer: User, model: RegisteredModel) -> None:
    answer = log_in(viewer)

    assert answer.status_code == 200
    assert list(answer.json()) == ["access", "refresh"]
    assert read_summary(answer.json()["access"]).status_code == 200


def test_a_refresh_token_is_refused_as_an_access_token(viewer: User, model: RegisteredModel) -> None:
    assert read_summary(log_in(viewer).json()["refresh"]).status_code == 401


def test_responses_with_tokens_forbid_caching(viewer: User) -> None:
    given = log_in(viewer)
    rotated = post(f"{TOKEN}/refresh", {"refresh": given.json()["refresh"]})

    assert [answer.headers["Cache-Control"] for answer in (given, rotated)] == ["no-store", "no-store"]


# Narrowed tokens


@pytest.mark.parametrize("rotations", [0, 2])
@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ("model:read", 200),
        ("organization:viewer", 200),
        ("organization:editor", 200),
        ("organization:admin", 200),
        ("model:write  model:read", 200),
        ("model:write", 403),
        ("model:promote", 403),
        ("model:promote model:write model:write", 403),
    ],
)
def test_a_scope_limits_the_token_and_survives_rotation(
    admin: User, model: RegisteredModel, scope: str, status: int, rotations: int
) -> None:
    pair = log_in(admin, scope=scope).json()
    for _ in range(rotations):
        pair = post(f"{TOKEN}/refresh", {"refresh": pair["refresh"]}).json()

    answer = read_summary(pair["access"])

    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "permission_denied"
        assert "model:read" in answer.json()["detail"]


@pytest.mark.parametrize("scope", ["model:read", "organization:admin"])
def test_a_scope_gives_no_right_that_the_user_lacks(outsider: User, model: RegisteredModel, scope: str) -> None:
    assert read_summary(log_in(outsider, scope=scope).json()["access"]).status_code == 403


# Bodies


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"username": ...}, "username", "required"),
        ({"password": ...}, "password", "required"),
        ({"username": ""}, "username", "blank"),
        ({"password": ""}, "password", "blank"),
        ({"username": None}, "username", "null"),
        ({"username": 5}, "username", "invalid"),
        ({"username": 1.5}, "username", "invalid"),
        ({"username": True}, "username", "invalid"),
        ({"username": ["vera"]}, "username", "invalid"),
        ({"password": {"is": "an object"}}, "password", "invalid"),
        ({"password": 12345678}, "password", "invalid"),
        ({"username": "v" * 151}, "username", "max_length"),
        ({"password": "p" * 1025}, "password", "max_length"),
        ({"scope": ""}, "scope", "blank"),
        ({"scope": "  "}, "scope", "blank"),
        ({"scope": None}, "scope", "null"),
        ({"scope": ["model:read"]}, "scope", "invalid"),
        ({"scope": "model:delete"}, "scope", "unknown_scope"),
        ({"scope": "model:read model:delete"}, "scope", "unknown_scope"),
        ({"scope": "MODEL:READ"}, "scope", "unknown_scope"),
        ({"scope": "model:read,model:write"}, "scope", "unknown_scope"),
        ({"is_superuser": True}, "is_superuser", "unknown_field"),
        ({"Username": "vera"}, "Username", "unknown_field"),
    ],
)
def test_a_field_that_is_missing_wrong_or_unknown_is_refused_by_name(
    viewer: User, changes: dict[str, Any], field: str, code: str
) -> None:
    body = {"username": viewer.username, "password": PASSWORD, **changes}

    answer = post(TOKEN, {name: value for name, value in body.items() if value is not ...})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_body")
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]
    assert all(error["detail"] for error in answer.json()["errors"])


@pytest.mark.parametrize("path", ROUTES)
def test_a_query_parameter_is_refused_by_name(db: None, path: str) -> None:
    answer = post(f"{path}?username=vera", {"username": "vera", "password": PASSWORD})

    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")
    assert [error["field"] for error in answer.json()["errors"]] == ["username"]


# Refusals that reveal nothing


def test_every_failed_login_gets_the_same_response(viewer: User) -> None:
    new_user("gone", is_active=False)
    User.objects.create_user("sso")
    guesses = [("vera", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD), ("gone", "wrong"), ("sso", "wrong")]

    answers = [post(TOKEN, {"username": name, "password": password}) for name, password in guesses]

    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert bodies == [bodies[0]] * len(guesses)
    assert (bodies[0]["status"], bodies[0]["code"]) == (401, "not_authenticated")
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}
    assert {refusal(answer) for answer in answers} == {(401, "not_authenticated")}


class CountingHasher(MD5PasswordHasher):
    """Counts password hashes, which take most of a login's time."""

    hashed: ClassVar[list[str]] = []

    def encode(self, password: str, salt: str) -> str:
        self.hashed.append(password)
        return super().encode(password, salt)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("vera", PASSWORD),
        ("vera", "wrong"),
        ("nobody", "wrong"),
        ("gone", PASSWORD),
        ("gone", "wrong"),
        ("sso", "wrong"),
    ],
)
def test_every_login_hashes_exactly_one_password(viewer: User, settings: Settings, name: str, password: str) -> None:
    new_user("gone", is_active=False)
    User.objects.create_user("sso")
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    CountingHasher.hashed.clear()

    post(TOKEN, {"username": name, "password": password})

    assert len(CountingHasher.hashed) == 1


# Other methods, media types and paths


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_the_token_route_allows_only_post(db: None, path: str, method: str) -> None:
    answer = Client().generic(method, path)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "application/xml", "json"],
)
def test_the_token_route_accepts_only_json(db: None, path: str, content_type: str) -> None:
    answer = post(path, "username=vera&password=x", content_type)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_a_path_with_a_trailing_slash_is_not_found(db: None) -> None:
    answer = post(f"{TOKEN}/", {"username": "vera", "password": PASSWORD})

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
