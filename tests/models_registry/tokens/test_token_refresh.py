"""Rotating refresh tokens: each works once, and a second use ends the login."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from rest_framework_simplejwt.tokens import RefreshToken

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.registry.models import RegisteredModel
from models_registry.tokens.services import open_token_family
from tests.api import refusal
from tests.factories import new_user

REFRESH = "/api/v1/auth/token/refresh"
SUMMARY = "/api/v1/models/mdl-7f3a19bc92/performance/summary"


def pair_of(user: User) -> dict[str, str]:
    refresh = open_token_family(user=user, scope=ALL_SCOPES)
    return {"access": str(refresh.access_token), "refresh": str(refresh)}


def rotate(refresh: str) -> Any:
    return Client().post(REFRESH, {"refresh": refresh}, content_type="application/json")


def read_summary(access: str) -> Any:
    return Client(headers={"Authorization": f"Bearer {access}"}).get(SUMMARY)


def test_a_refresh_token_is_exchanged_for_a_new_pair_again_and_again(viewer: User, model: RegisteredModel) -> None:
    pairs = [pair_of(viewer)]
    for _ in range(3):
        answer = rotate(pairs[-1]["refresh"])
        assert answer.status_code == 200
        pairs.append(answer.json())

    assert len({pair["refresh"] for pair in pairs}) == len({pair["access"] for pair in pairs}) == 4
    assert read_summary(pairs[-1]["access"]).status_code == 200


def test_using_a_refresh_token_again_is_refused_and_ends_the_login_at_once(
    viewer: User, model: RegisteredModel
) -> None:
    first = pair_of(viewer)
    second = rotate(first["refresh"]).json()

    assert refusal(rotate(first["refresh"])) == (401, "invalid_token")
    assert refusal(read_summary(first["access"])) == (401, "invalid_token")
    assert refusal(read_summary(second["access"])) == (401, "invalid_token")
    assert refusal(rotate(second["refresh"])) == (401, "invalid_token")


def test_the_end_of_one_login_leaves_the_users_others_alone(viewer: User, model: RegisteredModel) -> None:
    stolen, other = pair_of(viewer), pair_of(viewer)
    rotate(stolen["refresh"])
    rotate(stolen["refresh"])

    assert read_summary(other["access"]).status_code == 200
    assert rotate(other["refresh"]).status_code == 200


def change_password(user: User) -> None:
    user.set_password("another one")
    user.save()


def deactivate(user: User) -> None:
    user.is_active = False
    user.save()


def delete(user: User) -> None:
    user.delete()


@pytest.mark.parametrize("happens", [change_password, deactivate, delete])
def test_a_refresh_token_ends_with_its_user_and_password(viewer: User, happens: Callable[[User], None]) -> None:
    refresh = pair_of(viewer)["refresh"]

    happens(viewer)

    assert refusal(rotate(refresh)) == (401, "invalid_token")


def test_an_access_token_is_refused_as_a_refresh_token(viewer: User) -> None:
    assert refusal(rotate(pair_of(viewer)["access"])) == (401, "invalid_token")


def test_an_expired_refresh_token_is_refused_as_expired(viewer: User) -> None:
    refresh = open_token_family(user=viewer, scope=ALL_SCOPES)
    refresh.set_exp(lifetime=-timedelta(seconds=1))

    assert refusal(rotate(str(refresh))) == (401, "token_expired")


def test_a_refresh_token_of_no_login_is_refused(viewer: User) -> None:
    assert refusal(rotate(str(RefreshToken.for_user(viewer)))) == (401, "invalid_token")


@pytest.mark.parametrize("path", [REFRESH, "/api/v1/auth/token/revoke"])
@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "refresh", "required"),
        ({"refresh": ""}, "refresh", "blank"),
        ({"refresh": None}, "refresh", "null"),
        ({"refresh": 5}, "refresh", "invalid"),
        ({"refresh": ["x.y.z"]}, "refresh", "invalid"),
        ({"refresh": "x.y.z", "access": "x.y.z"}, "access", "unknown_field"),
    ],
)
def test_a_field_that_is_missing_wrong_or_unknown_is_refused_by_name(
    db: None, path: str, body: dict[str, Any], field: str, code: str
) -> None:
    answer = Client().post(path, body, content_type="application/json")

    assert refusal(answer) == (400, "invalid_body")
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]


@pytest.mark.usefixtures("rows_can_be_cleaned_up")
@pytest.mark.django_db(transaction=True)
def test_of_eight_simultaneous_uses_of_a_refresh_token_exactly_one_succeeds() -> None:
    refresh = pair_of(new_user("vera"))["refresh"]
    together = Barrier(8)

    def use(_: int) -> int:
        together.wait()
        try:
            return int(rotate(refresh).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        statuses = sorted(threads.map(use, range(8)))

    assert statuses == [200] + [401] * 7
