"""`GET …/performance/summary`: which snapshot it is of, and how it is cached."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models_registry import task_types
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.promotions import promote
from tests.api import refusal
from tests.conftest import PinnedQueries, golden
from tests.factories import EVALUATED_AT, EXAMPLE_METRICS, completed_version, snapshot
from tests.openapi import unchecked
from tests.performance.snapshots.summaries import get_summary, summary_url

SPLITS = ["train", "validation", "test"]


def test_the_summary_is_the_newest_snapshot_of_the_promoted_version_on_the_test_split(
    reader: Client, model: RegisteredModel, pinned_queries: PinnedQueries
) -> None:
    get_summary(reader, model)
    with pinned_queries("summary"):
        response = get_summary(reader, model)

    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response.json() == golden("summary")


def test_the_summary_has_its_keys_in_the_contracts_order(reader: Client, model: RegisteredModel) -> None:
    body = get_summary(reader, model).content.decode()

    assert json.dumps(json.loads(body), separators=(",", ":")) == body
    assert json.dumps(golden("summary"), separators=(",", ":")) == body


def test_the_summary_takes_the_version_and_split_asked_for(reader: Client, model: RegisteredModel) -> None:
    version = completed_version(model, number=16)
    snapshot(version, metrics={"accuracy": 0.5}, dataset_split="validation")

    body = get_summary(reader, model, version_id="ver-00010", dataset_split="validation").json()

    assert (body["version_id"], body["dataset_split"]) == ("ver-00010", "validation")
    assert body["metrics"]["accuracy"] == 0.5


def test_the_summary_follows_a_promotion_at_once(reader: Client, model: RegisteredModel) -> None:
    version = completed_version(model, number=418)
    snapshot(version, metrics={"accuracy": 0.95})
    promote(version=version, promoted_by=None, reason="better")

    assert get_summary(reader, model).json()["version_id"] == "ver-001a2"


def test_the_summary_is_the_newest_by_time_of_evaluation_then_by_order_of_arrival(
    reader: Client, model: RegisteredModel
) -> None:
    version = Version.objects.get(model=model)
    later = EVALUATED_AT + timedelta(hours=1)
    snapshot(version, metrics={"accuracy": 0.1}, evaluated_at=later)
    snapshot(version, metrics={"accuracy": 0.2}, evaluated_at=later)
    snapshot(version, metrics={"accuracy": 0.3}, evaluated_at=EVALUATED_AT - timedelta(hours=1))

    body = get_summary(reader, model).json()

    assert body["metrics"]["accuracy"] == 0.2
    assert body["evaluated_at"] == "2026-03-13T15:22:10Z"


def test_the_summary_never_falls_back_to_another_split_or_version(reader: Client, model: RegisteredModel) -> None:
    other = completed_version(model, number=418)
    snapshot(other, metrics={"accuracy": 0.9}, dataset_split="train")

    assert refusal(get_summary(reader, model, dataset_split="train")) == (404, "snapshot_not_found")
    assert refusal(get_summary(reader, model, version_id="ver-001a2")) == (404, "snapshot_not_found")


@pytest.mark.parametrize("task_type", [task_type.name for task_type in task_types.all_task_types()])
def test_the_summary_has_all_summary_metrics_of_its_task_type_in_order_and_null_for_those_not_recorded(
    reader: Client, empty_model: RegisteredModel, task_type: str
) -> None:
    names = [metric.name for metric in task_types.get(task_type).metrics]
    RegisteredModel.objects.filter(pk=empty_model.pk).update(task_type=task_type)
    snapshot(completed_version(empty_model, number=1), metrics={names[-1]: 1.0})

    body = get_summary(reader, empty_model, version_id="ver-00001").json()

    assert body["task_type"] == task_type
    assert list(body["metrics"]) == names
    assert body["metrics"] == dict.fromkeys(names) | {names[-1]: 1.0}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_metrics_are_the_stored_doubles_in_shortest_form(
    reader: Client, empty_model: RegisteredModel, number: float
) -> None:
    version, _ = Version.objects.get_or_create(
        model=empty_model, number=1, state="completed", defaults={"completed_at": EVALUATED_AT}
    )
    snapshot(version, metrics={"mae": number, "r_squared": -1.0}, evaluated_at=datetime.now(UTC))

    with unchecked():  # an error below 0, which the service doesn't store
        body = get_summary(reader, empty_model, version_id="ver-00001").content.decode()

    assert json.loads(body)["metrics"]["mae"] == number
    assert f'"mae":{number + 0.0!r}'.replace("-0.0", "0.0").removesuffix(".0") in body.replace("-0.0", "0.0")


@pytest.mark.parametrize("state", ["training", "failed"])
def test_the_summary_of_a_model_that_trains_again_is_of_its_completed_version(
    reader: Client, model: RegisteredModel, state: str
) -> None:
    Version.objects.create(model=model, number=418, state=state)

    assert get_summary(reader, model).json() == golden("summary")


def test_the_summary_of_an_archived_model_stays(reader: Client, model: RegisteredModel) -> None:
    RegisteredModel.objects.filter(pk=model.pk).update(archived_at=EVALUATED_AT)

    assert get_summary(reader, model).json() == golden("summary")


def test_the_summary_has_a_strong_etag_and_is_private(reader: Client, model: RegisteredModel) -> None:
    response = get_summary(reader, model)

    assert response["ETag"].startswith('"')
    assert set(response["Cache-Control"].split(", ")) == {"private", "no-cache"}
    assert response["Vary"] == "Authorization"


@pytest.mark.parametrize("form", ["{}", 'W/{}, "other"', "*"])
def test_an_unchanged_summary_is_a_304_without_a_body(
    reader: Client, model: RegisteredModel, pinned_queries: PinnedQueries, form: str
) -> None:
    etag = get_summary(reader, model)["ETag"]

    with pinned_queries("summary that is a 304"):
        response = reader.get(summary_url(model), headers={"If-None-Match": form.format(etag)})

    assert (response.status_code, response.content) == (304, b"")
    assert (response["ETag"], response["Vary"]) == (etag, "Authorization")
    assert response["X-Request-ID"]


def test_if_match_with_another_etag_is_a_412(reader: Client, model: RegisteredModel) -> None:
    response = reader.get(summary_url(model), headers={"If-Match": '"another"'})

    assert refusal(response) == (412, "precondition_failed")
    assert (response["Cache-Control"], response["Vary"]) == ("private, no-cache", "Authorization")


@pytest.mark.parametrize("form", ["{}", '"other", {}', "*"])
def test_if_match_with_the_present_etag_is_a_200(reader: Client, model: RegisteredModel, form: str) -> None:
    etag = get_summary(reader, model)["ETag"]

    assert reader.get(summary_url(model), headers={"If-Match": form.format(etag)}).status_code == 200


def test_a_date_is_no_condition(reader: Client, model: RegisteredModel) -> None:
    since = {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}

    assert reader.get(summary_url(model), headers=since).status_code == 200


def test_the_etag_changes_with_a_new_snapshot(reader: Client, model: RegisteredModel) -> None:
    etag = get_summary(reader, model)["ETag"]
    snapshot(Version.objects.get(model=model), metrics={**EXAMPLE_METRICS, "accuracy": 0.94})

    response = reader.get(summary_url(model), headers={"If-None-Match": etag})

    assert response.status_code == 200
    assert response["ETag"] != etag


def test_head_answers_as_get_does_without_the_body(reader: Client, model: RegisteredModel) -> None:
    head, answer = reader.head(summary_url(model)), get_summary(reader, model)

    assert (head.status_code, head.content, head["ETag"]) == (200, b"", answer["ETag"])


def test_an_error_has_no_etag_and_is_never_a_304(reader: Client, model: RegisteredModel) -> None:
    response = reader.get(summary_url(model), {"dataset_split": "train"}, headers={"If-None-Match": "*"})

    assert refusal(response) == (404, "snapshot_not_found")
    assert "ETag" not in response
