"""`GET …/performance/confusion-matrix`: how often each class was predicted as each class."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from models_registry.models import RegisteredModel, User, Version
from performance.evaluation.rates import Normalization, rates
from performance.models import SnapshotDetail
from tests.api import Caller, faults, refusal
from tests.conftest import golden
from tests.factories import EXAMPLE_METRICS, completed_version, snapshot

MATRIX = "/models/mdl-7f3a19bc92/performance/confusion-matrix"
COUNTS = [[90, 10, 0], [5, 80, 15], [0, 0, 0]]


@pytest.fixture
def vera(viewer: User, model: RegisteredModel) -> Caller:
    version = completed_version(model, number=418)
    stored = snapshot(version, metrics=EXAMPLE_METRICS)
    SnapshotDetail.objects.create(snapshot=stored, confusion_matrix={"labels": ["no", "yes", "?"], "counts": COUNTS})
    return Caller(viewer)


def test_has_labels_and_counts(vera: Caller) -> None:
    answer = vera.get(MATRIX, {"version_id": "ver-001a2"})

    assert answer.status_code == 200
    assert answer.json() == golden("confusion_matrix")
    assert list(answer.json()) == list(golden("confusion_matrix"))
    assert vera.get(MATRIX, {"version_id": "ver-001a2"}).headers["ETag"] == answer.headers["ETag"]


@pytest.mark.parametrize(
    ("normalize", "expected"),
    [
        ("actual", [[0.9, 0.1, 0], [0.05, 0.8, 0.15], [0, 0, 0]]),
        ("predicted", [[90 / 95, 10 / 90, 0], [5 / 95, 80 / 90, 1], [0, 0, 0]]),
        ("all", [[0.45, 0.05, 0], [0.025, 0.4, 0.075], [0, 0, 0]]),
    ],
)
def test_has_shares_of_what_is_asked_for(vera: Caller, normalize: str, expected: list[list[float]]) -> None:
    body = vera.get(MATRIX, {"version_id": "ver-001a2", "normalize": normalize}).json()

    assert list(body)[-2:] == ["rates", "evaluated_at"]
    assert body["counts"] == COUNTS
    for found, row in zip(body["rates"], expected, strict=True):
        assert found == pytest.approx(row)


@pytest.mark.parametrize("value", ["", "Actual", "true", "rows"])
def test_refuses_any_other_normalization(vera: Caller, value: str) -> None:
    answer = vera.get(MATRIX, {"normalize": value})

    assert refusal(answer) == (400, "invalid_parameter")
    assert faults(answer)[0][0] == "normalize"


def test_is_not_available_without_classes_whatever_else_is_missing(vera: Caller, empty_model: RegisteredModel) -> None:
    path = f"/models/{empty_model.pk}/performance/confusion-matrix"

    assert refusal(vera.get(path)) == (404, "not_available_for_task_type")
    snapshot(completed_version(empty_model, number=1), metrics={"rmse": 2.5})
    assert refusal(vera.get(f"{path}?version_id=ver-00001")) == (404, "not_available_for_task_type")


def test_was_not_reported_with_every_snapshot(vera: Caller) -> None:
    answer = vera.get(MATRIX)

    assert refusal(answer) == (404, "not_found")
    assert "ver-001a1" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("version_id=ver-001a3", 422, "version_not_trained"),
        ("version_id=ver-00001", 404, "version_not_found"),
        ("dataset_split=train", 404, "snapshot_not_found"),
        ("normalise=all", 400, "unknown_parameter"),
        ("normalize=all&normalize=all", 400, "invalid_parameter"),
    ],
)
def test_is_refused_as_the_summary_is(vera: Caller, model: RegisteredModel, query: str, status: int, code: str) -> None:
    Version.objects.create(model=model, number=419)

    assert refusal(vera.get(f"{MATRIX}?{query}")) == (status, code)


def test_takes_two_statements(vera: Caller, pinned_queries: Callable[[str], AbstractContextManager[None]]) -> None:
    vera.get(MATRIX, {"version_id": "ver-001a2"})
    with pinned_queries("confusion matrix"):
        vera.get(MATRIX, {"version_id": "ver-001a2", "normalize": "all"})


EXAMPLES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30)


@given(EXAMPLES, st.sampled_from(Normalization))
def test_shares_are_those_of_scikit_learn(examples: list[tuple[int, int]], normalization: Normalization) -> None:
    actual, predicted = zip(*examples, strict=True)
    names = {Normalization.ACTUAL: "true", Normalization.PREDICTED: "pred", Normalization.ALL: "all"}

    counts = confusion_matrix(actual, predicted, labels=[0, 1, 2]).tolist()
    expected = confusion_matrix(actual, predicted, labels=[0, 1, 2], normalize=names[normalization])

    assert np.array(rates(counts, normalization)) == pytest.approx(expected)
