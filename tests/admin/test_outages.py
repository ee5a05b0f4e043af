"""While the cache cannot be reached, the admin answers 503 where it needs it, and works where it does not."""

from typing import Any

import pytest
from django.core.cache.backends.base import BaseCache
from django.db import OperationalError
from django.test import Client
from pytest_django import Settings

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from tests.admin_pages import list_url, logged_in
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


class Unreachable(BaseCache):
    """A cache that nobody can reach. Redis raises another error, which counts as the same."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, *_: Any, **__: Any) -> Any:
        raise OperationalError("nothing listens there")

    add = set = touch = delete = incr = get


@pytest.fixture(autouse=True)
def _no_cache(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.Unreachable"}}


@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_a_login_is_a_503_that_says_when_to_try_again(superuser: User, password: str) -> None:
    answer = Client().post("/admin/login/", {"username": "root", "password": password})

    assert (answer.status_code, answer["Content-Type"]) == (503, "text/plain; charset=utf-8")
    assert int(answer["Retry-After"]) > 0
    assert "cannot be reached" in answer.content.decode()


def test_pages_that_count_nothing_are_served(superuser: User, model: RegisteredModel) -> None:
    assert Client().get("/admin/login/").status_code == 200
    assert logged_in(superuser).get(list_url(RegisteredModel)).status_code == 200


def test_a_forged_form_stays_a_403(superuser: User) -> None:
    forger = Client(enforce_csrf_checks=True)
    forger.force_login(superuser)

    assert forger.post("/admin/logout/", {}).status_code == 403
