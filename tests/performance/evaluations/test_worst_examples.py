"""`GET …/performance/misclassifications` and `…/residuals`: the worst predictions."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, transaction

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel, Version
from performance.evaluations.models import MisclassifiedExample, ResidualExample
from tests.api import Caller, faults, refusal
from tests.conftest import PinnedQueries
from tests.factories import completed_version, snapshot

DIGITS = Path(__file__).parents[3] / "fixtures" / "predictions" / "digits" / "ver-00003-train.csv"
WORST = ["example_id", "actual", "predicted", "confidence", "attributes"]

pytestmark = pytest.mark.django_db


def evaluated(acme: Organization, task_type: str, folder: Path, rows: list[dict[str, Any]], **columns: Any) -> str:
    """Evaluate predictions of a model, and return the path of its performance."""
    model = RegisteredModel.objects.create(organization=acme, name=task_type, task_type=task_type)
    completed_version(model, number=1)
    file = folder / "predictions.csv"
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    call_command("evaluate", model.pk, "ver-00001", str(file), "--columns", json.dumps(columns))
    return f"/models/{model.pk}/performance"


@pytest.fixture
def vera(viewer: User) -> Caller:
    return Caller(viewer)


ROWS: list[dict[str, Any]] = [
    {"example_id": "a", "actual": "no", "predicted": "no", "score": 0.1, "country": "NL"},
    {"example_id": "b", "actual": "no", "predicted": "yes", "score": 0.6, "country": "BE"},
    {"example_id": "c", "actual": "yes", "predicted": "no", "score": 0.05, "country": ""},
    {"example_id": "d", "actual": "no", "predicted": "yes", "score": 0.9, "country": "DE"},
    {"example_id": "e", "actual": "yes", "predicted": "yes", "score": 0.7, "country": "DE"},
    {"example_id": "f", "actual": "no", "predicted": "yes", "score": 0.6, "country": "BE"},
]


@pytest.fixture
def classified(acme: Organization, tmp_path: Path) -> str:
    return evaluated(acme, "classification", tmp_path, ROWS, attributes=["country"])


def listed(vera: Caller, path: str, query: str = "") -> list[str]:
    return [row["example_id"] for row in vera.get(f"{path}?version_id=ver-00001{query}").json()["results"]]


def test_the_most_confidently_wrong_comes_first(vera: Caller, classified: str) -> None:
    answer = vera.get(f"{classified}/misclassifications?version_id=ver-00001")

    assert answer.status_code == 200
    assert list(answer.json()) == ["next", "previous", "results"]
    rows = answer.json()["results"]
    assert [list(row) for row in rows] == [WORST] * 4
    assert [(row["example_id"], row["confidence"]) for row in rows] == [("c", 0.95), ("d", 0.9), ("b", 0.6), ("f", 0.6)]
    assert rows[0]["attributes"] == {"country": None}
    assert rows[1] == {
        "example_id": "d",
        "actual": "no",
        "predicted": "yes",
        "confidence": 0.9,
        "attributes": {"country": "DE"},
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("&actual=no", ["d", "b", "f"]),
        ("&predicted=no", ["c"]),
        ("&actual=no&predicted=no", []),
        ("&min_confidence=0.9", ["c", "d"]),
        ("&min_confidence=0.95", ["c"]),
        ("&actual=No", []),
        ("&actual=", []),
    ],
)
def test_the_list_of_worst_examples_may_be_filtered(
    vera: Caller, classified: str, query: str, found: list[str]
) -> None:
    assert listed(vera, f"{classified}/misclassifications", query) == found


def test_the_list_of_worst_examples_comes_in_pages(vera: Caller, classified: str) -> None:
    first = vera.get(f"{classified}/misclassifications?version_id=ver-00001&page_size=3").json()
    second = vera.get(first["next"].partition("/api/v1")[2]).json()

    assert [row["example_id"] for row in second["results"]] == ["f"]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("min_confidence=nan", "min_confidence"),
        ("min_confidence=1.1", "min_confidence"),
        ("min_confidence=%D9%A1", "min_confidence"),
        ("min_confidence=", "min_confidence"),
        ("cursor=x", "cursor"),
        ("page_size=0", "page_size"),
        ("actual=a%00b", "actual"),
        ("actual=a&actual=b", "actual"),
    ],
)
def test_the_list_of_worst_examples_refuses_invalid_filters(
    vera: Caller, classified: str, query: str, field: str
) -> None:
    answer = vera.get(f"{classified}/misclassifications?version_id=ver-00001&{query}")

    assert refusal(answer) == (400, "invalid_parameter")
    assert [fault[0] for fault in faults(answer)] == [field]


def test_examples_without_scores_are_ordered_by_id(vera: Caller, acme: Organization, tmp_path: Path) -> None:
    rows = [{name: row[name] for name in ("example_id", "actual", "predicted")} for row in reversed(ROWS)]
    path = evaluated(acme, "classification", tmp_path, rows)

    found = vera.get(f"{path}/misclassifications?version_id=ver-00001").json()["results"]

    assert [(row["example_id"], row["confidence"]) for row in found] == [(name, None) for name in "bcdf"]


def test_scores_that_are_no_probabilities_are_no_confidence(vera: Caller, acme: Organization, tmp_path: Path) -> None:
    path = evaluated(acme, "classification", tmp_path, [{**row, "score": row["score"] * 9} for row in ROWS])

    found = vera.get(f"{path}/misclassifications?version_id=ver-00001").json()["results"]

    assert {row["confidence"] for row in found} == {None}


def test_the_confidence_of_many_classes_is_the_score_of_the_predicted_one(
    vera: Caller, acme: Organization, tmp_path: Path
) -> None:
    with DIGITS.open() as file:
        rows = list(csv.DictReader(file))
    wrong = [row for row in rows if row["actual"] != row["predicted"]]
    path = evaluated(acme, "classification", tmp_path, rows)

    found = vera.get(f"{path}/misclassifications?version_id=ver-00001&page_size=200").json()["results"]

    assert len(found) == min(len(wrong), 200)
    confidences = [float(row[f"score_{row['predicted']}"]) for row in wrong]
    assert [row["confidence"] for row in found] == sorted(confidences, reverse=True)[:200]
    assert vera.get(f"{path}/report?version_id=ver-00001").json()["misclassified_count"] == len(wrong)


def test_a_thousand_are_kept_and_all_are_counted(vera: Caller, acme: Organization, tmp_path: Path) -> None:
    rows = [{"example_id": n, "actual": "a", "predicted": "b", "score": n / 2000} for n in range(1500)]
    rows.append({"example_id": 1500, "actual": "b", "predicted": "b", "score": 1})
    path = evaluated(acme, "classification", tmp_path, rows)

    assert MisclassifiedExample.objects.count() == 1000
    assert vera.get(f"{path}/report?version_id=ver-00001").json()["misclassified_count"] == 1500


def test_residuals_are_those_of_the_largest_errors(vera: Caller, acme: Organization, tmp_path: Path) -> None:
    rows = [
        {"example_id": name, "actual": 10, "predicted": predicted}
        for name, predicted in [("a", 10), ("b", 13), ("c", 5.5), ("d", 7)]
    ]
    path = evaluated(acme, "regression", tmp_path, rows)

    found = vera.get(f"{path}/residuals?version_id=ver-00001").json()["results"]

    assert [(row["example_id"], row["residual"]) for row in found] == [("c", -4.5), ("b", 3.0), ("d", -3.0), ("a", 0.0)]
    assert found[0] == {"example_id": "c", "actual": 10.0, "predicted": 5.5, "residual": -4.5, "attributes": {}}


def test_each_is_available_for_its_task_types_alone(
    vera: Caller, classified: str, empty_model: RegisteredModel
) -> None:
    assert refusal(vera.get(f"{classified}/residuals")) == (404, "not_available_for_task_type")
    path = f"/models/{empty_model.pk}/performance/misclassifications"
    assert refusal(vera.get(path)) == (404, "not_available_for_task_type")


def test_reported_metrics_have_no_examples(vera: Caller, model: RegisteredModel) -> None:
    answer = vera.get("/models/mdl-7f3a19bc92/performance/misclassifications")

    assert refusal(answer) == (404, "not_found")
    assert "only snapshots of evaluated predictions" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("version_id=ver-001a3", 422, "version_not_trained"),
        ("version_id=ver-00009", 404, "version_not_found"),
        ("dataset_split=train", 404, "snapshot_not_found"),
        ("min_confidence=0.5&confidence=1", 400, "unknown_parameter"),
    ],
)
def test_the_list_of_worst_examples_is_refused_as_the_summary_is(
    vera: Caller, model: RegisteredModel, query: str, status: int, code: str
) -> None:
    Version.objects.create(model=model, number=419)

    assert refusal(vera.get(f"/models/{model.pk}/performance/misclassifications?{query}")) == (status, code)


def test_the_list_of_worst_examples_takes_three_statements(
    vera: Caller, classified: str, pinned_queries: PinnedQueries
) -> None:
    listed(vera, f"{classified}/misclassifications")
    with pinned_queries("misclassifications"):
        listed(vera, f"{classified}/misclassifications", "&actual=no")


def test_the_database_refuses_to_change_or_delete_one(classified: str) -> None:
    for write in (
        lambda: MisclassifiedExample.objects.update(actual="yes"),
        lambda: MisclassifiedExample.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
            write()


def test_the_database_refuses_to_change_or_delete_a_residual(model: RegisteredModel) -> None:
    stored = snapshot(completed_version(model, number=2), metrics={})
    ResidualExample.objects.create(snapshot=stored, rank=1, actual=1, predicted=2, residual=1)
    for write in (lambda: ResidualExample.objects.update(actual=3), lambda: ResidualExample.objects.all().delete()):
        with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
            write()


@pytest.mark.parametrize("read", ["misclassifications", "residuals"])
def test_the_query_of_another_method_is_not_looked_at(vera: Caller, model: RegisteredModel, read: str) -> None:
    answer = vera.post(f"/models/{model.pk}/performance/{read}?page_size=none&no_such=1")

    assert refusal(answer) == (405, "method_not_allowed")
