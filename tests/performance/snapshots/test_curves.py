"""`GET …/performance/curves`: the points that an evaluation stored."""

import csv
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from models_registry import task_types
from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel, Version
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
from tests.api import Caller, faults, refusal
from tests.conftest import PinnedQueries, golden
from tests.factories import EXAMPLE_METRICS, completed_version, snapshot

CURVES = "/models/mdl-7f3a19bc92/performance/curves"
OF_CLASSES: dict[str, Any] = {"roc": {}, "precision_recall": {}, "calibration": []}
OF_RESIDUALS: dict[str, Any] = {"residual_histogram": [], "predicted_versus_actual": []}
DRAWN: dict[str, Any] = {
    "classification": OF_CLASSES,
    "regression": OF_RESIDUALS,
    "forecasting": OF_RESIDUALS,
}
DIABETES = Path(__file__).parents[3] / "fixtures" / "predictions" / "diabetes" / "ver-00001-test.csv"

pytestmark = pytest.mark.django_db


def computed(version: Version, curves: dict[str, Any]) -> MetricSnapshot:
    """Return a snapshot with these curves."""
    stored = snapshot(version, metrics={}, source="computed")
    SnapshotDetail.objects.create(snapshot=stored, curves=curves, engine="duckdb")
    return stored


@pytest.fixture
def vera(viewer: User, model: RegisteredModel) -> Caller:
    computed(completed_version(model, number=418), golden("curves")["curves"])
    return Caller(viewer)


def test_curves_have_the_points_of_each_curve(vera: Caller) -> None:
    answer = vera.get(CURVES, {"version_id": "ver-001a2"})

    assert answer.status_code == 200
    assert answer.json() == golden("curves")
    assert list(answer.json()) == list(golden("curves"))
    assert list(answer.json()["curves"]) == list(OF_CLASSES)


def test_curves_are_sent_again_only_if_they_change(vera: Caller, model: RegisteredModel) -> None:
    query = {"version_id": "ver-001a2"}
    tag = vera.get(CURVES, query).headers["ETag"]

    assert vera.get(CURVES, query, If_None_Match=tag).status_code == 304
    computed(Version.objects.get(number=418), {"calibration": []})
    assert vera.get(CURVES, query, If_None_Match=tag).status_code == 200


@pytest.mark.parametrize("name", [task_type.name for task_type in task_types.all_task_types()])
def test_each_task_type_has_curves_of_its_own_or_none(vera: Caller, acme: Organization, name: str) -> None:
    model = RegisteredModel.objects.create(organization=acme, name=name, task_type=name)
    computed(completed_version(model, number=1), {})

    answer = vera.get(f"/models/{model.pk}/performance/curves?version_id=ver-00001")

    if name in DRAWN:
        assert answer.json()["task_type"] == name
        assert answer.json()["curves"] == DRAWN[name]
        assert list(answer.json()["curves"]) == list(DRAWN[name])
    else:
        assert refusal(answer) == (404, "not_available_for_task_type")


def test_an_evaluation_of_numbers_draws_its_errors(vera: Caller, empty_model: RegisteredModel) -> None:
    completed_version(empty_model, number=1)
    call_command("evaluate", empty_model.pk, "ver-00001", str(DIABETES))
    with DIABETES.open() as file:
        rows = list(csv.DictReader(file))

    curves = vera.get(f"/models/{empty_model.pk}/performance/curves?version_id=ver-00001").json()["curves"]

    assert sum(each["count"] for each in curves["residual_histogram"]) == len(rows)
    assert {each["actual"] for each in curves["predicted_versus_actual"]} == {float(row["actual"]) for row in rows}


def test_doubles_stay_doubles_however_large(vera: Caller, empty_model: RegisteredModel) -> None:
    histogram = [{"lower": -1e44, "upper": 2.0, "count": 3}]
    computed(completed_version(empty_model, number=1), {"residual_histogram": histogram})

    answer = vera.get(f"/models/{empty_model.pk}/performance/curves?version_id=ver-00001")

    assert b'{"lower":-1e+44,"upper":2.0,"count":3}' in answer.content.replace(b" ", b"")


def test_reported_metrics_have_no_curves(vera: Caller) -> None:
    answer = vera.get(CURVES)

    assert refusal(answer) == (404, "not_found")
    assert "only snapshots of evaluated predictions" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("version_id=ver-001a3", 422, "version_not_trained"),
        ("version_id=ver-00001", 404, "version_not_found"),
        ("dataset_split=train", 404, "snapshot_not_found"),
        ("label=yes", 400, "unknown_parameter"),
        ("dataset_split=Test", 400, "invalid_parameter"),
    ],
)
def test_curves_are_refused_as_the_summary_is(
    vera: Caller, model: RegisteredModel, query: str, status: int, code: str
) -> None:
    Version.objects.create(model=model, number=419)

    assert refusal(vera.get(f"{CURVES}?{query}")) == (status, code)


def test_curves_of_an_unknown_split_are_refused(vera: Caller) -> None:
    assert faults(vera.get(f"{CURVES}?dataset_split=")) == [("dataset_split", "invalid_choice")]


def test_curves_are_for_those_who_may_read_the_model(vera: Caller, outsider: User, grantee: User) -> None:
    query = {"version_id": "ver-001a2"}

    assert Caller(grantee).get(CURVES, query).status_code == 200
    assert refusal(Caller(outsider).get(CURVES, query)) == (403, "permission_denied")
    assert refusal(Caller().get(CURVES, query)) == (401, "not_authenticated")


def test_curves_take_two_statements(vera: Caller, pinned_queries: PinnedQueries) -> None:
    vera.get(CURVES, {"version_id": "ver-001a2"})
    with pinned_queries("curves"):
        vera.get(CURVES, {"version_id": "ver-001a2"})


def test_the_newest_snapshot_answers_even_if_it_has_none(vera: Caller) -> None:
    snapshot(Version.objects.get(number=418), metrics=EXAMPLE_METRICS)

    assert refusal(vera.get(CURVES, {"version_id": "ver-001a2"})) == (404, "not_found")
