"""`GET …/performance/history?metric=`: a metric over versions and re-evaluations."""

from datetime import timedelta
from typing import Any

import pytest

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel, Version
from tests.api import Caller, faults, refusal
from tests.conftest import golden
from tests.factories import EVALUATED_AT, completed_version, snapshot
from tests.performance.snapshots.reports import GOOD, SNAPSHOTS

pytestmark = pytest.mark.django_db
HISTORY = "/models/mdl-7f3a19bc92/performance/history"


@pytest.fixture
def vera(viewer: User, model: RegisteredModel) -> Caller:
    """A viewer of a model with two evaluated versions, one of them twice, and a third in training."""
    first = Version.objects.get()
    second = completed_version(model, number=418)
    training = Version.objects.create(model=model, number=419)
    snapshot(first, metrics={"accuracy": 0.94}, evaluated_at=EVALUATED_AT + timedelta(days=2))
    snapshot(second, metrics={"accuracy": 0.96, "roc_auc": 0.99}, evaluated_at=EVALUATED_AT + timedelta(days=1))
    snapshot(second, metrics={"accuracy": 0.99}, dataset_split="train")
    snapshot(training, metrics={"accuracy": 0.5}, dataset_split="train")
    return Caller(viewer)


def timeline(caller: Caller, **query: str) -> list[tuple[str, float]]:
    answer = caller.get(HISTORY, query)
    assert answer.status_code == 200, answer.content
    return [(each["version_id"], each["value"]) for each in answer.json()["results"]]


def test_a_history_is_oldest_first(vera: Caller) -> None:
    assert vera.get(HISTORY, {"metric": "accuracy"}).json() == golden("history")
    assert timeline(vera, metric="accuracy") == [
        ("ver-001a1", 0.9341),
        ("ver-001a2", 0.96),
        ("ver-001a1", 0.94),
    ]


def test_a_history_has_only_snapshots_that_recorded_the_metric(vera: Caller) -> None:
    assert timeline(vera, metric="roc_auc") == [("ver-001a1", 0.9678), ("ver-001a2", 0.99)]


def test_a_history_may_be_of_one_version(vera: Caller) -> None:
    assert timeline(vera, metric="accuracy", version_id="ver-001a1") == [
        ("ver-001a1", 0.9341),
        ("ver-001a1", 0.94),
    ]


def test_a_history_is_of_one_split_and_of_completed_versions(vera: Caller) -> None:
    assert timeline(vera, metric="accuracy", dataset_split="train") == [("ver-001a2", 0.99)]
    assert timeline(vera, metric="accuracy", dataset_split="validation") == []


def test_a_history_needs_no_promoted_version(vera: Caller, empty_model: RegisteredModel) -> None:
    snapshot(completed_version(empty_model, number=1), metrics={"rmse": 2.5})

    results = vera.get(f"/models/{empty_model.pk}/performance/history?metric=rmse").json()["results"]

    assert [each["value"] for each in results] == [2.5]


def test_a_history_may_be_of_a_custom_metric(vera: Caller, editor: User) -> None:
    Caller(editor).post(SNAPSHOTS, {**GOOD, "custom_metrics": {"profit per call": 3}, "sample_count": 7})

    results: list[dict[str, Any]] = vera.get(HISTORY, {"metric": "profit per call"}).json()["results"]

    assert [(each["value"], each["sample_count"], each["source"]) for each in results] == [(3.0, 7, "reported")]


@pytest.mark.parametrize("name", ["7", "1_0", "3000000000", "99999999999999999999", "0"])
def test_a_custom_metric_may_be_named_by_a_number(vera: Caller, editor: User, name: str) -> None:
    Caller(editor).post(SNAPSHOTS, {**GOOD, "custom_metrics": {name: 0.25}})

    assert timeline(vera, metric=name) == [("ver-001a1", 0.25)]


@pytest.mark.parametrize("metric", ["acuracy", "rmse", "profit", "accuracy'", "a__lt", "$.accuracy", "0"])
def test_an_unknown_metric_is_named_with_those_that_there_are(vera: Caller, metric: str) -> None:
    answer = vera.get(HISTORY, {"metric": metric})

    assert faults(answer) == [("metric", "unknown")]
    assert "accuracy, precision" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize("query", ["", "metric=", "metric=" + "x" * 101, "metric=accuracy&metric=recall"])
def test_one_metric_must_be_given(vera: Caller, query: str) -> None:
    assert [field for field, _ in faults(vera.get(f"{HISTORY}?{query}"))] == ["metric"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("version_id=ver-001a3", 422, "version_not_trained"),
        ("version_id=ver-00001", 404, "version_not_found"),
        ("version_id=x", 400, "invalid_parameter"),
        ("dataset_split=all", 400, "invalid_parameter"),
        ("baseline_version_id=ver-001a1", 400, "unknown_parameter"),
        ("ordering=value", 400, "unknown_parameter"),
    ],
)
def test_a_history_is_refused_as_the_summary_is(vera: Caller, query: str, status: int, code: str) -> None:
    assert refusal(vera.get(f"{HISTORY}?metric=accuracy&{query}")) == (status, code)


def test_a_model_that_was_never_trained_has_no_history(vera: Caller, empty_model: RegisteredModel) -> None:
    answer = vera.get(f"/models/{empty_model.pk}/performance/history?metric=rmse")

    assert refusal(answer) == (422, "no_trained_version")
