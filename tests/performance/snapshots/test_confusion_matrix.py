"""`GET …/performance/confusion-matrix`: how often each class was predicted as each class."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from time import sleep
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.db.backends.sqlite3._functions import register  # type: ignore[import-untyped]
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from models_registry.accounts.models import User
from models_registry.api import large_responses
from models_registry.registry.models import RegisteredModel, Version
from performance.metrics.statistics.rates import Normalization, normalize_counts
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
from tests.api import Caller, faults, refusal
from tests.conftest import PinnedQueries, golden
from tests.factories import EXAMPLE_METRICS, completed_version, snapshot

MATRIX = "/models/mdl-7f3a19bc92/performance/confusion-matrix"
COUNTS = [[90, 10, 0], [5, 80, 15], [0, 0, 0]]


@pytest.fixture
def vera(viewer: User, model: RegisteredModel) -> Caller:
    version = completed_version(model, number=418)
    stored = snapshot(version, metrics=EXAMPLE_METRICS)
    SnapshotDetail.objects.create(snapshot=stored, confusion_matrix={"labels": ["no", "yes", "?"], "counts": COUNTS})
    return Caller(viewer)


def test_a_confusion_matrix_has_labels_and_counts(vera: Caller) -> None:
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
def test_a_confusion_matrix_has_the_requested_shares(vera: Caller, normalize: str, expected: list[list[float]]) -> None:
    body = vera.get(MATRIX, {"version_id": "ver-001a2", "normalize": normalize}).json()

    assert list(body)[-2:] == ["rates", "evaluated_at"]
    assert body["counts"] == COUNTS
    for found, row in zip(body["rates"], expected, strict=True):
        assert found == pytest.approx(row)


@pytest.mark.parametrize("value", ["", "Actual", "true", "rows"])
def test_a_confusion_matrix_refuses_any_other_normalization(vera: Caller, value: str) -> None:
    answer = vera.get(MATRIX, {"normalize": value})

    assert refusal(answer) == (400, "invalid_parameter")
    assert faults(answer)[0][0] == "normalize"


def test_a_confusion_matrix_is_not_available_without_classes_whatever_else_is_missing(
    vera: Caller, empty_model: RegisteredModel
) -> None:
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
def test_a_confusion_matrix_is_refused_as_the_summary_is(
    vera: Caller, model: RegisteredModel, query: str, status: int, code: str
) -> None:
    Version.objects.create(model=model, number=419)

    assert refusal(vera.get(f"{MATRIX}?{query}")) == (status, code)


def test_a_confusion_matrix_takes_two_statements(vera: Caller, pinned_queries: PinnedQueries) -> None:
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

    assert np.array(normalize_counts(counts, normalization)) == pytest.approx(expected)


# Large matrices come in parts


LARGE = 300
LARGE_COUNTS = [[(7 * at + 3 * other) % 11 for other in range(LARGE)] for at in range(LARGE)]


@pytest.fixture
def large(vera: Caller, model: RegisteredModel) -> MetricSnapshot:
    stored = snapshot(completed_version(model, number=420), metrics=EXAMPLE_METRICS)
    matrix = {"labels": [f"class {at}" for at in range(LARGE)], "counts": LARGE_COUNTS}
    SnapshotDetail.objects.create(snapshot=stored, confusion_matrix=matrix)
    return stored


def parts(caller: Caller, **query: str) -> list[dict[str, Any]]:
    """Follow `next` from the first part to the last."""
    found = [caller.get(MATRIX, {"version_id": "ver-001a4", **query}).json()]
    while found[-1]["next"] is not None:
        found.append(caller.get(found[-1]["next"].removeprefix("http://testserver")).json())
    return found


@pytest.mark.parametrize("normalize", [None, *Normalization])
def test_parts_of_a_large_matrix_add_up_to_the_whole(
    vera: Caller, large: MetricSnapshot, normalize: Normalization | None
) -> None:
    query = {"normalize": str(normalize)} if normalize else {}
    found = parts(vera, **query)

    assert [part["offset"] for part in found] == list(range(0, LARGE, 20_000 // LARGE))
    assert all(len(part["counts"]) * LARGE <= 20_000 for part in found)
    assert all(part["labels"] == [f"class {at}" for at in range(LARGE)] for part in found)
    assert [row for part in found for row in part["counts"]] == LARGE_COUNTS
    if normalize:
        assert [row for part in found for row in part["rates"]] == normalize_counts(LARGE_COUNTS, normalize)


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL stores the matrix parsed")
def test_a_part_of_a_large_matrix_counts_its_labels_once(vera: Caller, large: MetricSnapshot) -> None:
    with CaptureQueriesContext(connection) as queries:
        body = vera.get(MATRIX, {"version_id": "ver-001a4", "offset": "66"}).json()
    (statement,) = [query["sql"] for query in queries.captured_queries if "json_each" in query["sql"]]
    counted: list[str] = []

    def json_array_length(document: str, path: str) -> int:
        counted.append(path)
        return LARGE

    with closing(sqlite3.connect(":memory:")) as copy:  # where the function can be replaced
        register(copy)
        copy.executescript("\n".join(connection.connection.iterdump()))  # a backup would wait for the transaction
        copy.create_function("json_array_length", 2, json_array_length)
        assert len(copy.execute(statement).fetchall()) == 1

    assert body["counts"] == LARGE_COUNTS[66:132]
    assert counted == ["$.labels"]


def test_a_part_past_the_last_is_empty(vera: Caller, large: MetricSnapshot) -> None:
    for offset in (LARGE, 999_999):
        body = vera.get(MATRIX, {"version_id": "ver-001a4", "offset": str(offset)}).json()
        assert (body["counts"], body["next"]) == ([], None)


@pytest.mark.parametrize("offset", ["-1", "0_1", "1000000", "1.5", "", "9" * 5000])
def test_a_confusion_matrix_refuses_any_other_offset(vera: Caller, offset: str) -> None:
    assert faults(vera.get(MATRIX, {"offset": offset}))[0][0] == "offset"


def test_rows_of_a_small_matrix_can_be_asked_for(vera: Caller) -> None:
    body = vera.get(MATRIX, {"version_id": "ver-001a2", "offset": "1"}).json()

    assert (body["labels"], body["counts"], body["next"]) == (["no", "yes", "?"], COUNTS[1:], None)


def test_a_large_matrix_is_read_as_a_whole_by_one_thread_at_a_time(vera: Caller, large: MetricSnapshot) -> None:
    whole = f"/models/mdl-7f3a19bc92/versions/ver-001a4/snapshots/{large.pk}"
    with large_responses.capacity.claim():  # as another thread
        assert vera.get(f"{MATRIX}?version_id=ver-001a2&normalize=all").status_code == 200
        for path in (whole, f"{MATRIX}?version_id=ver-001a4&normalize=all"):
            busy = vera.get(path)
            assert refusal(busy) == (503, "service_unavailable")
            assert busy["Retry-After"] == "1"
        assert vera.get(f"{MATRIX}?version_id=ver-001a4&normalize=actual").status_code == 200

    assert vera.get(whole).json()["confusion_matrix"]["counts"] == LARGE_COUNTS


def test_parts_of_a_large_matrix_are_read_by_few_threads_at_a_time(vera: Caller, large: MetricSnapshot) -> None:
    part = f"{MATRIX}?version_id=ver-001a4"
    assert vera.get(part).status_code == 200  # from now on it is known to be large
    with fully_claimed():
        assert refusal(vera.get(part)) == (503, "service_unavailable")
        assert vera.get("/models/mdl-7f3a19bc92/performance/report?version_id=ver-001a2").status_code == 200

    assert vera.get(part).status_code == 200


@pytest.mark.parametrize("read", ["report", "curves"])
def test_a_large_answer_is_prepared_by_few_threads_at_a_time(
    vera: Caller, model: RegisteredModel, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    stored = snapshot(completed_version(model, number=421), metrics=EXAMPLE_METRICS, source="computed")
    SnapshotDetail.objects.create(snapshot=stored, per_class={f"class {i}": {"support": i} for i in range(300)})
    monkeypatch.setattr(large_responses, "LARGE", 100)
    path = f"/models/mdl-7f3a19bc92/performance/{read}?version_id=ver-001a5"
    assert vera.get(path).status_code == 200
    with fully_claimed():
        assert refusal(vera.get(path)) == (503, "service_unavailable")


@contextmanager
def fully_claimed() -> Iterator[None]:
    """Let other threads prepare large responses at the same time."""
    with ThreadPoolExecutor() as others, ExitStack() as working:
        working.enter_context(large_responses.capacity.claim())
        waiting = others.submit(claim_at_once)
        sleep(0.1)
        yield
        working.close()
        waiting.result(timeout=10)


def claim_at_once() -> None:
    with large_responses.capacity.claim():
        pass
