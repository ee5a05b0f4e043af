"""Logging out: the login's tokens are refused from the next request on."""

from typing import Any

import pytest
from django.test import Client

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.registry.models import RegisteredModel
from models_registry.tokens.services import open_token_family
from tests.api import refusal

TOKEN = "/api/v1/auth/token"
SUMMARY = "/api/v1/models/mdl-7f3a19bc92/performance/summary"


def pair_of(user: User) -> dict[str, str]:
    refresh = open_token_family(user=user, scope=ALL_SCOPES)
    return {"access": str(refresh.access_token), "refresh": str(refresh)}


def send(action: str, refresh: str) -> Any:
    return Client().post(f"{TOKEN}/{action}", {"refresh": refresh}, content_type="application/json")


def read_summary(access: str) -> Any:
    return Client(headers={"Authorization": f"Bearer {access}"}).get(SUMMARY)


def outcome(answer: Any) -> tuple[int, str]:
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    return refusal(answer)


def test_revoking_returns_no_content(viewer: User) -> None:
    answer = send("revoke", pair_of(viewer)["refresh"])

    assert (answer.status_code, answer.content) == (204, b"")


def test_a_revoked_logins_access_token_is_refused_at_once(viewer: User, model: RegisteredModel) -> None:
    pair = pair_of(viewer)
    assert read_summary(pair["access"]).status_code == 200

    send("revoke", pair["refresh"])

    assert outcome(read_summary(pair["access"])) == (401, "invalid_token")


def test_a_revoked_logins_refresh_token_is_refused_at_once(viewer: User) -> None:
    refresh = pair_of(viewer)["refresh"]

    send("revoke", refresh)

    assert outcome(send("refresh", refresh)) == (401, "invalid_token")


def test_a_refresh_token_that_was_used_up_still_ends_its_login(viewer: User, model: RegisteredModel) -> None:
    first = pair_of(viewer)
    second = send("refresh", first["refresh"]).json()

    assert send("revoke", first["refresh"]).status_code == 204
    assert outcome(read_summary(second["access"])) == (401, "invalid_token")


def test_revoking_a_login_again_is_refused(viewer: User) -> None:
    refresh = pair_of(viewer)["refresh"]
    send("revoke", refresh)

    assert outcome(send("revoke", refresh)) == (401, "invalid_token")


def test_the_users_other_logins_stay_valid(viewer: User, model: RegisteredModel) -> None:
    ended, other = pair_of(viewer), pair_of(viewer)

    send("revoke", ended["refresh"])

    assert read_summary(other["access"]).status_code == 200
    assert send("refresh", other["refresh"]).status_code == 200


@pytest.mark.parametrize("garbage", ["garbage", "a.b.c", "é", "."])
def test_a_malformed_token_is_refused(db: None, garbage: str) -> None:
    assert outcome(send("revoke", garbage)) == (401, "invalid_token")


def test_an_access_token_revokes_nothing(viewer: User, model: RegisteredModel) -> None:
    access = pair_of(viewer)["access"]

    assert outcome(send("revoke", access)) == (401, "invalid_token")
    assert read_summary(access).status_code == 200
