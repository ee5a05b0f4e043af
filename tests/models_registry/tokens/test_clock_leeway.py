"""Clocks may differ a little: tokens issued in the near future are valid, expired tokens are not."""

import time
from typing import Any

import pytest
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.registry.models import RegisteredModel
from models_registry.tokens.jwt import new_token
from models_registry.tokens.services import open_token_family

SUMMARY = "/api/v1/models/mdl-7f3a19bc92/performance/summary"
CASES = [
    ({"iat": 8}, 200),
    ({"nbf": 8}, 200),
    ({"iat": 60}, 401),
    ({"nbf": 60}, 401),
    ({"exp": -2}, 401),
    ({"exp": -9}, 401),
]


def moved(token: Any, claims: dict[str, int]) -> str:
    for name, seconds in claims.items():
        token[name] = int(time.time()) + seconds
    return str(token)


@pytest.mark.parametrize(("claims", "status"), CASES)
def test_clock_leeway_of_access_tokens(
    viewer: User, model: RegisteredModel, claims: dict[str, int], status: int
) -> None:
    token = moved(new_token(AccessToken, viewer, family=None, scope=ALL_SCOPES), claims)
    for _ in range(2):  # the second time it is known
        assert Client(headers={"Authorization": f"Bearer {token}"}).get(SUMMARY).status_code == status


@pytest.mark.parametrize(("claims", "status"), CASES)
def test_clock_leeway_of_refresh_tokens(viewer: User, claims: dict[str, int], status: int) -> None:
    refresh: RefreshToken = open_token_family(user=viewer, scope=ALL_SCOPES)
    body = {"refresh": moved(refresh, claims)}

    answer = Client().post("/api/v1/auth/token/refresh", body, content_type="application/json")

    assert answer.status_code == status
