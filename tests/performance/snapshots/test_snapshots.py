"""`/api/v1/models/{model_id}/versions/{version_id}/snapshots`: report and read metrics."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models_registry import task_types
from models_registry.registry.models import RegisteredModel, Version
from models_registry.task_types import base
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
from tests.api import Caller, faults, masked, refusal
from tests.conftest import PinnedQueries, golden
from tests.performance.snapshots.reports import GOOD, SNAPSHOTS, SUMMARY, WHOLE

pytestmark = pytest.mark.django_db


class TestReporting:
    def test_a_reported_snapshot_is_shown_whole(self, ed: Caller) -> None:
        answer = ed.post(SNAPSHOTS, WHOLE)

        assert answer.status_code == 201
        assert answer["Location"] == f"/api/v1{SNAPSHOTS}/{answer.json()['id']}"
        assert masked(answer.json()) == golden("snapshot")
        assert list(answer.json()) == list(golden("snapshot"))
        assert ed.get(answer["Location"]).json() == answer.json()
        row = ed.get(SNAPSHOTS).json()["results"][0]
        omitted = {"confidence_intervals", "intervals_unavailable", "confusion_matrix", "warnings"}
        assert row == {name: value for name, value in answer.json().items() if name not in omitted}

    def test_the_answer_has_the_bytes_and_the_etag_that_are_read_later(
        self, ed: Caller, pinned_queries: PinnedQueries
    ) -> None:
        custom = {"longest name": 1e22, "c": 5, "b": 1e-07, "B": -0.0, "a": 0.1 + 0.2}
        for body in (GOOD, WHOLE, {**GOOD, "custom_metrics": custom, "dataset": {"name": "night", "version": "2"}}):
            answer = ed.post(SNAPSHOTS, body)
            later = ed.get(answer["Location"])

            assert (later.content, later["ETag"]) == (answer.content, answer["ETag"])
        with pinned_queries("report of metrics"):
            ed.post(SNAPSHOTS, GOOD)

    def test_a_reported_snapshot_is_in_the_summary_at_once(self, ed: Caller) -> None:
        ed.post(SNAPSHOTS, GOOD)

        body = ed.get(SUMMARY).json()
        assert body["metrics"] == dict.fromkeys(body["metrics"]) | {"accuracy": 0.95}

    def test_a_snapshot_without_evaluated_at_is_evaluated_now(self, ed: Caller) -> None:
        before = datetime.now(UTC).replace(microsecond=0)

        at = datetime.fromisoformat(ed.post(SNAPSHOTS, GOOD).json()["evaluated_at"])

        assert before <= at <= datetime.now(UTC)

    def test_an_older_snapshot_does_not_replace_a_newer_one_in_the_summary(self, ed: Caller) -> None:
        ed.post(SNAPSHOTS, {**GOOD, "evaluated_at": "2020-01-01T00:00:00Z"})

        assert ed.get(SUMMARY).json() == golden("summary")

    @pytest.mark.parametrize("value", [0.1 + 0.2, 5e-324, 1e-7, 0.9999999999999999, 1, 0])
    def test_a_number_comes_back_as_it_was_sent(self, ed: Caller, value: float) -> None:
        ed.post(SNAPSHOTS, {**GOOD, "metrics": {"accuracy": value}})

        assert ed.get(SUMMARY).json()["metrics"]["accuracy"] == value

    @pytest.mark.parametrize("task_type", task_types.all_task_types(), ids=lambda task_type: task_type.name)
    def test_reporting_accepts_the_metrics_of_the_task_type_and_no_others(
        self, ed: Caller, empty_model: RegisteredModel, task_type: base.TaskType
    ) -> None:
        RegisteredModel.objects.filter(pk=empty_model.pk).update(task_type=task_type.name)
        path = f"/models/{empty_model.pk}/versions"
        ed.post(path)
        own = {metric.name: 1.0 for metric in task_type.all_metrics}
        foreign = {metric.name for each in task_types.all_task_types() for metric in each.all_metrics} - own.keys()

        refused = ed.post(
            f"{path}/ver-00001/snapshots", {"dataset_split": "train", "metrics": dict.fromkeys(foreign, 0.5)}
        )
        stored = ed.post(f"{path}/ver-00001/snapshots", {"dataset_split": "train", "metrics": own})

        assert {field for field, _ in faults(refused)} <= {f"metrics.{name}" for name in foreign}
        assert len(faults(refused)) == min(len(foreign), 20)
        assert stored.json()["metrics"] == own
        assert MetricSnapshot.objects.filter(version__model=empty_model).count() == 1


class TestRules:
    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"dataset_split": None}, "dataset_split"),
            ({"dataset_split": ""}, "dataset_split"),
            ({"dataset_split": "Test"}, "dataset_split"),
            ({"dataset_split": "holdout"}, "dataset_split"),
            ({"metrics": None}, "metrics"),
            ({"metrics": []}, "metrics"),
            ({"metrics": {}}, "metrics"),
            ({"metrics": {"accuracy": None}}, "metrics"),
            ({"metrics": {"acuracy": 0.5}}, "metrics.acuracy"),
            ({"metrics": {"rmse": 0.5}}, "metrics.rmse"),
            ({"metrics": {"accuracy": "0.5"}}, "metrics.accuracy"),
            ({"metrics": {"accuracy": True}}, "metrics.accuracy"),
            ({"metrics": {"accuracy": [0.5]}}, "metrics.accuracy"),
            ({"metrics": {"accuracy": 1.001}}, "metrics.accuracy"),
            ({"metrics": {"accuracy": -0.001}}, "metrics.accuracy"),
            ({"metrics": {"log_loss": -1}}, "metrics.log_loss"),
            ({"metrics": {"accuracy": 93.41}}, "metrics.accuracy"),
            ({"custom_metrics": {"accuracy": 0.5}}, "custom_metrics.accuracy"),
            ({"custom_metrics": []}, "custom_metrics"),
            ({"custom_metrics": {"": 1}}, "custom_metrics."),
            ({"custom_metrics": {"a\nb": 1}}, "custom_metrics.a\nb"),
            ({"custom_metrics": {"x" * 101: 1}}, "custom_metrics." + "x" * 40),
            ({"custom_metrics": {"profit": "1"}}, "custom_metrics.profit"),
            ({"custom_metrics": {"profit": None}}, "custom_metrics.profit"),
            ({"custom_metrics": {f"m{number}": 1 for number in range(101)}}, "custom_metrics"),
            ({"sample_count": 0}, "sample_count"),
            ({"sample_count": -1}, "sample_count"),
            ({"sample_count": 1.5}, "sample_count"),
            ({"sample_count": "8"}, "sample_count"),
            ({"sample_count": 2**63}, "sample_count"),
            ({"confusion_matrix": {"labels": ["a", "b"]}}, "confusion_matrix.counts"),
            ({"confusion_matrix": {"counts": [[1, 0], [0, 1]]}}, "confusion_matrix.labels"),
            ({"confusion_matrix": {"labels": ["a"], "counts": [[1]]}}, "confusion_matrix.labels"),
            ({"confusion_matrix": {"labels": ["a", "a"], "counts": [[1, 0], [0, 1]]}}, "confusion_matrix.labels"),
            ({"confusion_matrix": {"labels": ["a", "b"], "counts": [[1, 0]]}}, "confusion_matrix.counts"),
            ({"confusion_matrix": {"labels": ["a", "b"], "counts": [[1, 0], [1]]}}, "confusion_matrix.counts"),
            ({"confusion_matrix": {"labels": ["a", "b"], "counts": [[1, 0], [0, -1]]}}, "confusion_matrix.counts.1.1"),
            ({"confusion_matrix": {"labels": ["a", "b"], "counts": [[1, 0], [0, 0.5]]}}, "confusion_matrix.counts.1.1"),
            ({"confusion_matrix": {"labels": ["a", "b"], "counts": [[0, 0], [0, 0]]}}, "confusion_matrix"),
            (
                {"sample_count": 3, "confusion_matrix": {"labels": ["a", "b"], "counts": [[1, 0], [0, 1]]}},
                "confusion_matrix",
            ),
            ({"evaluated_at": "yesterday"}, "evaluated_at"),
            ({"evaluated_at": "2026-03-13"}, "evaluated_at"),
            ({"evaluated_at": "2026-03-13T14:22:10"}, "evaluated_at"),
            ({"evaluated_at": "2026-03-13T14:22:10+01:00"}, "evaluated_at"),
            ({"evaluated_at": "2026-02-30T14:22:10Z"}, "evaluated_at"),
            ({"evaluated_at": "1969-12-31T23:59:59Z"}, "evaluated_at"),
            ({"evaluated_at": 1773411730}, "evaluated_at"),
            ({"evaluated_at": "2026-3-3T1:2:3Z"}, "evaluated_at"),
            ({"evaluated_at": "\u0662\u0660\u0662\u0666-03-13T14:22:10Z"}, "evaluated_at"),
            ({"evaluated_at": "9999-12-31T23:59:59Z"}, "evaluated_at"),
            ({"id": 7}, "id"),
            ({"version_id": "ver-00001"}, "version_id"),
            ({"source": "computed"}, "source"),
            ({"created_by": "root"}, "created_by"),
            ({"created_at": "2026-03-13T14:22:10Z"}, "created_at"),
            ({"intervals_unavailable": {}}, "intervals_unavailable"),
        ],
    )
    def test_an_invalid_field_is_named_and_nothing_is_stored(
        self, ed: Caller, change: dict[str, Any], field: str
    ) -> None:
        answer = ed.post(SNAPSHOTS, {**GOOD, **change})

        assert [named for named, _ in faults(answer)] == [field]
        assert answer.json()["code"] == "invalid_body"
        assert MetricSnapshot.objects.count() == 1
        assert not SnapshotDetail.objects.exists()

    @pytest.mark.parametrize("missing", GOOD)
    def test_a_missing_field_is_named(self, ed: Caller, missing: str) -> None:
        body = {name: value for name, value in GOOD.items() if name != missing}

        assert faults(ed.post(SNAPSHOTS, body)) == [(missing, "required")]

    def test_every_fault_is_named_at_once(self, ed: Caller) -> None:
        metrics = {"accuracy": 2, "precision": "x", "rmse": 1, "recall": 0.5}

        named = {field for field, _ in faults(ed.post(SNAPSHOTS, {"dataset_split": "test", "metrics": metrics}))}

        assert named == {"metrics.accuracy", "metrics.precision", "metrics.rmse"}
        assert MetricSnapshot.objects.count() == 1

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400])
    def test_a_number_that_is_none_is_refused(self, ed: Caller, number: str) -> None:
        body = json.dumps(GOOD).replace("0.95", number)

        answer = ed.client.post(f"/api/v1{SNAPSHOTS}", body, content_type="application/json")

        assert refusal(answer) == (400, "invalid_body")
        assert MetricSnapshot.objects.count() == 1

    def test_a_confusion_matrix_is_of_classes(self, ed: Caller, empty_model: RegisteredModel) -> None:
        ed.post(f"/models/{empty_model.pk}/versions")
        body = {
            "dataset_split": "train",
            "metrics": {"rmse": 1},
            "confusion_matrix": {"labels": ["a", "b"], "counts": [[1, 0], [0, 1]]},
        }

        answer = ed.post(f"/models/{empty_model.pk}/versions/ver-00001/snapshots", body)

        assert faults(answer) == [("confusion_matrix", "not_available")]

    @pytest.mark.parametrize(
        ("state", "split", "status"),
        [
            ("training", "train", 201),
            ("training", "validation", 201),
            ("training", "test", 409),
            ("completed", "train", 201),
            ("completed", "validation", 201),
            ("completed", "test", 201),
            ("failed", "train", 409),
            ("failed", "validation", 409),
            ("failed", "test", 409),
        ],
    )
    def test_the_state_says_which_splits_a_version_takes(
        self, ed: Caller, empty_model: RegisteredModel, state: str, split: str, status: int
    ) -> None:
        path = f"/models/{empty_model.pk}/versions"
        ed.post(path)
        ed.patch(f"{path}/ver-00001", {"state": state})

        answer = ed.post(f"{path}/ver-00001/snapshots", {"dataset_split": split, "metrics": {"rmse": 1}})

        assert answer.status_code == status
        if status == 409:
            assert refusal(answer) == (409, "conflict")
            assert state in answer.json()["detail"]
        assert MetricSnapshot.objects.filter(version__model=empty_model).exists() == (status == 201)

    def test_a_little_in_the_future_is_a_clock_that_is_ahead(self, ed: Caller) -> None:
        def after(minutes: int) -> str:
            return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")

        assert ed.post(SNAPSHOTS, {**GOOD, "evaluated_at": after(minutes=4)}).status_code == 201
        assert faults(ed.post(SNAPSHOTS, {**GOOD, "evaluated_at": after(minutes=6)})) == [("evaluated_at", "future")]


class TestStoredSnapshots:
    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    def test_a_snapshot_never_changes_and_is_never_deleted(self, ed: Caller, method: str) -> None:
        stored = ed.post(SNAPSHOTS, GOOD)

        answer = ed.client.generic(method, stored["Location"], json.dumps(GOOD), "application/json")

        assert refusal(answer) == (405, "method_not_allowed")
        assert ed.get(stored["Location"]).json() == stored.json()

    def test_the_list_is_newest_first_and_may_be_of_one_split(self, ed: Caller) -> None:
        for split, year in [("test", 2027), ("train", 2025), ("test", 2024)]:
            at = {"evaluated_at": f"{year}-01-01T00:00:00Z"} if year < 2027 else {}
            ed.post(SNAPSHOTS, {**GOOD, "dataset_split": split, **at})

        def listed(**query: str) -> list[tuple[str, str]]:
            results = ed.get(SNAPSHOTS, query).json()["results"]
            return [(each["dataset_split"], each["evaluated_at"][:4]) for each in results]

        now = str(datetime.now(UTC).year)
        assert listed() == [("test", now), ("test", "2026"), ("train", "2025"), ("test", "2024")]
        assert listed(dataset_split="test") == [("test", now), ("test", "2026"), ("test", "2024")]
        assert listed(dataset_split="validation") == []
        assert faults(ed.get(SNAPSHOTS, {"dataset_split": "Test"})) == [("dataset_split", "invalid_choice")]
        assert [field for field, _ in faults(ed.get(SNAPSHOTS, {"dataset_split": ""}))] == ["dataset_split"]

    @pytest.mark.parametrize("snapshot_id", ["0", "999999", "x", "9" * 40, "%00", "-1", "01"])
    def test_a_missing_snapshot_is_not_found(self, ed: Caller, snapshot_id: str) -> None:
        assert refusal(ed.get(f"{SNAPSHOTS}/{snapshot_id}")) == (404, "snapshot_not_found")

    def test_a_snapshot_of_another_version_is_not_found(self, ed: Caller, model: RegisteredModel) -> None:
        ed.post("/models/mdl-7f3a19bc92/versions")
        there = MetricSnapshot.objects.get().pk

        answer = ed.get(f"/models/mdl-7f3a19bc92/versions/ver-001a2/snapshots/{there}")

        assert refusal(answer) == (404, "snapshot_not_found")

    def test_the_snapshots_of_a_missing_version_are_not_found(self, ed: Caller) -> None:
        missing = "/models/mdl-7f3a19bc92/versions/ver-00001/snapshots"

        assert refusal(ed.get(missing)) == (404, "version_not_found")
        assert refusal(ed.post(missing, GOOD)) == (404, "version_not_found")
        assert Version.objects.count() == 1
