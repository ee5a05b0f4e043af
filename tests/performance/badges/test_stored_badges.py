"""`/api/v1/models/{model_id}/badges`: badges are created, listed and revoked."""

import re
from datetime import timedelta
from typing import Any

import pytest

from models_registry.accounts.models import User
from models_registry.accounts.scopes import Scope
from models_registry.registry.models import RegisteredModel
from performance.badges.models import Badge
from tests.api import Caller, faults, masked, refusal
from tests.conftest import golden
from tests.performance.badges.badge_requests import BADGE, BADGES, MODEL, create_badge

pytestmark = pytest.mark.django_db


def test_a_created_badge_has_a_url_and_a_time_of_expiry(ada: Caller, model: RegisteredModel) -> None:
    answer = ada.post(BADGES, {"metric": "accuracy", "lifetime_days": 90})

    body = answer.json()
    assert answer["Location"] == f"/api/v1{BADGES}/{body['id']}"
    assert ada.get(answer["Location"]).json() == body
    assert re.fullmatch(rf"http://testserver/api/v1{re.escape(BADGE)}\?signature=[\w%-]+", body["url"])
    badge = Badge.objects.get()
    assert badge.expires_at - badge.created_at == timedelta(days=90)
    assert body["expires_at"] == f"{badge.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    assert {**masked(body), "url": "<url>", "expires_at": "<expires_at>"} == golden("badge")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({}, ("lifetime_days", "required")),
        ({"lifetime_days": 0}, ("lifetime_days", "min_value")),
        ({"lifetime_days": 3651}, ("lifetime_days", "max_value")),
        ({"lifetime_days": "90"}, ("lifetime_days", "invalid")),
        ({"lifetime_days": 1.0}, ("lifetime_days", "invalid")),
        ({"lifetime_days": 1, "metric": "rmse"}, ("metric", "unknown")),
        ({"lifetime_days": 1, "metric": ""}, ("metric", "blank")),
        ({"lifetime_days": 1, "metric": None}, ("metric", "null")),
        ({"lifetime_days": 1, "metric": "<script>"}, ("metric", "unknown")),
        ({"lifetime_days": 1, "metric": "accuracy", "dataset_split": "prod"}, ("dataset_split", "invalid_choice")),
        ({"lifetime_days": 1, "dataset_split": "test"}, ("dataset_split", "invalid")),
        ({"lifetime_days": 1, "version_id": "ver-001a1"}, ("version_id", "unknown_field")),
    ],
)
def test_creating_a_badge_names_what_is_wrong_and_stores_nothing(
    ada: Caller, model: RegisteredModel, body: dict[str, Any], fault: tuple[str, str]
) -> None:
    assert faults(ada.post(BADGES, body)) == [fault]
    assert not Badge.objects.exists()


def test_creating_a_badge_is_for_admins(editor: User, admin: User, model: RegisteredModel) -> None:
    body = {"lifetime_days": 1}
    narrowed = Caller(admin, frozenset({Scope.MODEL_READ}))

    for caller in (Caller(editor), narrowed):
        assert refusal(caller.post(BADGES, body)) == (403, "permission_denied")
        assert refusal(caller.get(BADGES)) == (403, "permission_denied")
    assert not Badge.objects.exists()


def test_creating_a_badge_is_refused_on_an_archived_model_whose_badges_stay_and_may_be_revoked(
    ada: Caller, model: RegisteredModel
) -> None:
    path = create_badge(ada)
    ada.delete(MODEL)

    assert refusal(ada.post(BADGES, {"lifetime_days": 1})) == (409, "conflict")
    assert Caller().get(path).status_code == 200
    assert ada.delete(f"{BADGES}/{Badge.objects.get().pk}").status_code == 204
    assert Caller().get(path).status_code == 404


def test_stored_badges_are_listed_newest_first_also_when_they_are_no_longer_good(
    ada: Caller, model: RegisteredModel
) -> None:
    create_badge(ada, metric="accuracy")
    create_badge(ada)
    badge = Badge.objects.get(metric="")
    ada.delete(f"{BADGES}/{badge.pk}")

    results = ada.get(BADGES).json()["results"]

    assert [each["metric"] for each in results] == [None, "accuracy"]
    assert [each["dataset_split"] for each in results] == [None, "test"]
    assert [each["revoked_at"] is None for each in results] == [False, True]


def test_stored_badges_stay_revoked_from_when_they_first_were(ada: Caller, model: RegisteredModel) -> None:
    create_badge(ada)
    path = f"{BADGES}/{Badge.objects.get().pk}"
    ada.delete(path)
    revoked_at = Badge.objects.get().revoked_at

    assert ada.delete(path).status_code == 204
    assert Badge.objects.get().revoked_at == revoked_at


@pytest.mark.parametrize("badge_id", ["0", "-1", "99999999", "9" * 30, "x", "%D9%A1"])
def test_stored_badges_are_not_found_by_any_other_id(ada: Caller, model: RegisteredModel, badge_id: str) -> None:
    assert refusal(ada.get(f"{BADGES}/{badge_id}")) == (404, "not_found")
    assert refusal(ada.delete(f"{BADGES}/{badge_id}")) == (404, "not_found")


def test_stored_badges_are_not_reached_through_another_model(
    ada: Caller, model: RegisteredModel, empty_model: RegisteredModel
) -> None:
    create_badge(ada)
    elsewhere = f"/models/{empty_model.pk}/badges/{Badge.objects.get().pk}"

    assert refusal(ada.delete(elsewhere)) == (404, "not_found")
    assert Badge.objects.get().revoked_at is None
