"""Logging in to the admin, also with hostile input."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from rest_framework.settings import api_settings

from models_registry.accounts.models import User
from models_registry.api.throttling import LoginThrottle
from tests.admin_pages import logged_in

LOGIN = "/admin/login/"


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def log_in(**credentials: str) -> Any:
    return Client().post(LOGIN, {"username": "vera", "password": "wrong", **credentials})


@pytest.mark.parametrize("length", [150, 151, 256, 100_000])
def test_a_login_with_a_long_name_fails_as_any_other(db: None, length: int) -> None:
    assert log_in(username="q" * length).status_code == 200


@pytest.mark.parametrize("name", ["\udcff", "\u202e", ""])
def test_a_login_with_any_name_fails_as_any_other(db: None, name: str) -> None:
    assert (
        Client()
        .post(
            LOGIN,
            f"username={name}&password=x".encode("utf-8", "surrogatepass"),
            content_type="application/x-www-form-urlencoded",
        )
        .status_code
        == 200
    )


def test_the_tenth_failure_locks_out_and_says_for_how_long(viewer: User) -> None:
    answers = [log_in() for _ in range(10)]

    assert [answer.status_code for answer in answers] == [200] * 9 + [429]
    assert int(answers[-1]["Retry-After"]) == 15 * 60


def test_logins_from_one_address_are_throttled_for_all_users_together(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoginThrottle, "THROTTLE_RATES", {**api_settings.DEFAULT_THROTTLE_RATES, "login": "3/day"})

    answers = [log_in(username=f"user{number}") for number in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1]["Retry-After"]) > 0


@pytest.mark.parametrize(
    "path",
    [
        "/admin/models_registry/registeredmodel/?state=%00",
        "/admin/models_registry/registeredmodel/?task_type__exact=%00",
        "/admin/models_registry/registeredmodel/?name__exact=%00",
        "/admin/models_registry/registeredmodel/mdl-%00/change/",
        "/admin/models_registry/version/?state__exact=%00",
        "/admin/autocomplete/?app_label=models_registry&model_name=modelgrant&field_name=user&term=%00",
    ],
)
def test_nul_in_an_address_is_refused(superuser: User, path: str) -> None:
    assert logged_in(superuser).get(path).status_code == 400


def test_an_unknown_state_in_the_admins_filter_is_ignored(superuser: User) -> None:
    assert logged_in(superuser).get("/admin/models_registry/registeredmodel/?state=none").status_code == 200
