"""Guessing passwords leads to a lockout, too many requests are throttled, and nobody else is affected."""

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.db.models import F
from django.test import Client
from pytest_django import Settings

from models_registry.accounts.models import User
from models_registry.api.throttling import CallerThrottle, LoginThrottle
from models_registry.registry.models import RegisteredModel
from tests.api import refusal
from tests.conftest import authenticated
from tests.factories import PASSWORD, new_user

TOKEN = "/api/v1/auth/token"
SUMMARY = "/api/v1/models/mdl-7f3a19bc92/performance/summary"
LOCKED_BY_TEN = [401] * 9 + [429]  # the tenth failure locks, and says so
HERE, ELSEWHERE = "198.51.100.7", "203.0.113.9"


def log_in(name: str = "vera", password: str = PASSWORD, address: str = HERE, **headers: str) -> Any:
    body = {"username": name, "password": password}
    return Client(REMOTE_ADDR=address).post(TOKEN, body, content_type="application/json", headers=headers)


def fail(times: int, **call: Any) -> list[int]:
    return [log_in(**{"password": "wrong", **call}).status_code for _ in range(times)]


def assert_throttled(answer: Any) -> None:
    assert refusal(answer) == (429, "throttled")
    assert int(answer.headers["Retry-After"]) > 0


# The lockout


@pytest.mark.parametrize("name", ["vera", "nobody"])
def test_after_ten_failures_the_eleventh_login_must_wait_even_with_the_right_password(viewer: User, name: str) -> None:
    assert fail(10, name=name) == LOCKED_BY_TEN

    assert_throttled(log_in(name))
    assert_throttled(log_in(name, "wrong"))


def test_after_nine_failures_the_right_password_still_works(viewer: User) -> None:
    fail(9)

    assert log_in().status_code == 200


def test_a_successful_login_resets_the_failures(viewer: User) -> None:
    fail(9)
    log_in()

    assert fail(9) == [401] * 9
    assert log_in().status_code == 200


@pytest.mark.parametrize(("minutes", "status"), [(14, 429), (16, 200)])
def test_the_lock_ends_after_fifteen_minutes(viewer: User, minutes: int, status: int) -> None:
    fail(10)

    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=minutes))

    assert log_in().status_code == status


def test_a_locked_out_user_can_log_in_from_another_address(viewer: User) -> None:
    fail(11)

    assert log_in(address=ELSEWHERE).status_code == 200


def test_another_user_can_log_in_from_a_locked_out_address(viewer: User, editor: User) -> None:
    fail(11)

    assert log_in("ed").status_code == 200


def test_failures_of_several_users_are_not_added_up(viewer: User) -> None:
    for number in range(10):
        fail(1, name=f"user{number}")

    assert log_in().status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "User-Agent"])
def test_no_header_evades_the_lock(viewer: User, header: str) -> None:
    for number, status in enumerate(LOCKED_BY_TEN):
        assert fail(1, **{header: f"203.0.113.{number}"}) == [status]

    assert_throttled(log_in(**{header: "203.0.113.200"}))


# Behind a proxy, which provides the address


@pytest.fixture
def _behind_a_proxy(settings: Settings) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}


@pytest.mark.usefixtures("_behind_a_proxy")
def test_behind_a_proxy_only_the_proxys_entry_counts(viewer: User) -> None:
    for number, status in enumerate(LOCKED_BY_TEN):
        assert fail(1, **{"X-Forwarded-For": f"203.0.113.{number}, {HERE}"}) == [status]

    assert_throttled(log_in(**{"X-Forwarded-For": f"{ELSEWHERE}, {HERE}"}))
    assert log_in(**{"X-Forwarded-For": f"{HERE}, {ELSEWHERE}"}).status_code == 200


@pytest.mark.usefixtures("_behind_a_proxy")
@pytest.mark.parametrize("entry", ["unknown", "198.51.100.7:4711", ""])
def test_a_malformed_forwarded_address_is_locked_as_well(viewer: User, entry: str) -> None:
    assert fail(10, **{"X-Forwarded-For": f"{ELSEWHERE}, {entry}"}) == LOCKED_BY_TEN

    assert_throttled(log_in(**{"X-Forwarded-For": f"{ELSEWHERE}, {entry}"}))


@pytest.mark.parametrize("address", ["", "unix:", "fe80::1%eth0"])
def test_a_client_with_any_peer_address_is_locked_out(viewer: User, address: str) -> None:
    assert fail(10, address=address) == LOCKED_BY_TEN

    assert_throttled(log_in(address=address))


@pytest.mark.usefixtures("_behind_a_proxy")
def test_two_spellings_of_an_address_are_locked_out_together(viewer: User) -> None:
    fail(5, **{"X-Forwarded-For": "2001:db8::7"})
    fail(5, **{"X-Forwarded-For": "2001:0DB8:0:0:0:0:0:0007"})

    assert_throttled(log_in(**{"X-Forwarded-For": "2001:db8::7"}))


# The throttles


@pytest.fixture
def _two_logins_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoginThrottle, "rate", "2/day", raising=False)


@pytest.fixture
def _two_requests_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CallerThrottle, "rate", "2/day", raising=False)


@pytest.mark.usefixtures("_two_logins_a_day")
def test_logins_from_one_address_are_throttled(viewer: User) -> None:
    assert [log_in().status_code for _ in range(2)] == [200, 200]

    assert_throttled(log_in())
    assert_throttled(log_in(**{"X-Forwarded-For": ELSEWHERE}))
    assert log_in(address=ELSEWHERE).status_code == 200


@pytest.mark.usefixtures("_two_logins_a_day")
@pytest.mark.parametrize("action", ["refresh", "revoke"])
def test_all_token_routes_share_the_login_throttle(db: None, action: str) -> None:
    for _ in range(2):
        Client().post(f"{TOKEN}/{action}", {"refresh": "garbage"}, content_type="application/json")

    assert_throttled(Client().post(TOKEN, {}, content_type="application/json"))


@pytest.mark.usefixtures("_two_requests_a_day")
def test_one_caller_is_throttled_across_tokens_and_addresses(viewer: User, model: RegisteredModel) -> None:
    assert [authenticated(viewer).get(SUMMARY).status_code for _ in range(2)] == [200, 200]

    assert_throttled(authenticated(viewer).get(SUMMARY))
    assert_throttled(authenticated(viewer).get(SUMMARY, REMOTE_ADDR=ELSEWHERE))


@pytest.mark.usefixtures("_two_requests_a_day")
def test_callers_are_throttled_independently(viewer: User, editor: User, model: RegisteredModel) -> None:
    for _ in range(3):
        authenticated(viewer).get(SUMMARY)

    assert authenticated(editor).get(SUMMARY).status_code == 200
    assert authenticated(new_user("new")).get(SUMMARY).status_code == 403
