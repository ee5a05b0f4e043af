"""One body of the largest size costs little, whoever sends it and whatever is in it."""

import json
from typing import Any

import pytest
from django.conf import settings

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from tests.api import Caller, faults

pytestmark = pytest.mark.django_db
SNAPSHOTS = "/models/mdl-7f3a19bc92/versions/ver-001a1/snapshots"
MANY = 100_000


def snapshot(**more: Any) -> dict[str, Any]:
    return {"dataset_split": "test", "metrics": {"accuracy": 0.5}, **more}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/models", {"organization": "acme", "name": "x", "task_type": "ranking", "tags": [""] * MANY}, "tags"),
        (SNAPSHOTS, snapshot(metrics={f"m{at}": 1 for at in range(MANY // 2)}), "metrics"),
        (SNAPSHOTS, snapshot(custom_metrics={f"m{at}": "x" for at in range(MANY // 2)}), "custom_metrics"),
        (SNAPSHOTS, snapshot(confusion_matrix={"labels": [0] * MANY, "counts": []}), "confusion_matrix.labels"),
        (
            SNAPSHOTS,
            snapshot(confusion_matrix={"labels": ["a", "b"], "counts": [[]] * MANY}),
            "confusion_matrix.counts",
        ),
        (
            SNAPSHOTS,
            snapshot(confusion_matrix={"labels": ["a", "b"], "counts": [[-1] * MANY]}),
            "confusion_matrix.counts.0",
        ),
    ],
)
def test_a_too_long_list_is_one_error(
    editor: User, model: RegisteredModel, path: str, body: dict[str, Any], field: str
) -> None:
    assert len(json.dumps(body, separators=(",", ":"))) <= settings.MAX_BODY_BYTES

    assert [named for named, _ in faults(Caller(editor).post(path, body))] == [field]


def test_only_the_first_errors_of_many_are_reported(editor: User, model: RegisteredModel) -> None:
    wrong = {"labels": [f"l{at}" for at in range(300)], "counts": [[-1] * 300] * 300}

    found = faults(Caller(editor).post(SNAPSHOTS, snapshot(confusion_matrix=wrong)))

    assert len(found) == 20
    assert found[0] == ("confusion_matrix.counts.0.0", "min_value")


def test_a_matrix_of_many_classes_is_stored(editor: User, model: RegisteredModel) -> None:
    labels, counts = [f"{at}" for at in range(500)], [[0] * 500 for _ in range(500)]
    counts[7][8] = 3

    matrix = {"labels": labels, "counts": counts}
    answer = Caller(editor).post(SNAPSHOTS, snapshot(metrics={"accuracy": 0}, confusion_matrix=matrix))

    assert answer.status_code == 201
    assert answer.json()["confusion_matrix"]["counts"] == counts
    assert answer.json()["sample_count"] == 3
