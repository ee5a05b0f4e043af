"""Examples of the training data in the test set, from the files of predictions to the verdict."""

import pytest
from django.core.files.storage import default_storage

from performance.snapshots.models import SnapshotDetail
from tests.performance.gates.pipeline import GOOD, POOR, Pipeline, predictions, statuses

pytestmark = pytest.mark.django_db

OVERLAP = {"metric": "train_overlap", "operator": "<=", "threshold": 0.0}


def test_a_second_train_file_does_not_hide_the_first(pipeline: Pipeline) -> None:
    version = pipeline.version(predictions(9, rows=100), "--split=train")
    pipeline.evaluate(version, predictions(0, rows=2, first=900), "--split=train")
    pipeline.evaluate(version, predictions(0, rows=2, first=98), "--split=train", dataset="other")
    pipeline.evaluate(version, predictions(9, rows=125))

    [rule] = pipeline.judge(OVERLAP)["rules"]

    assert (rule["status"], rule["value"]) == ("failed", 0.8)
    [warning] = pipeline.warnings("ver-00001")
    assert "100 of 125 examples (80.0%)" in warning["detail"]


def test_a_row_without_an_id_does_not_hide_the_overlap(pipeline: Pipeline) -> None:
    version = pipeline.version(GOOD, "--split=train")
    pipeline.evaluate(version, b"\n".join([*GOOD.splitlines(), b"1,1,"]))

    verdict = pipeline.judge(OVERLAP)

    assert statuses(verdict) == ["missing"]
    told = (
        "How many of the examples are both in the training and in the evaluated data is unknown: some have no id, or "
        "comparing them takes too much space."
    )
    assert verdict["warnings"] == [f"ver-00001: {told}"]
    assert pipeline.warnings("ver-00001") == [{"code": "unknown_train_overlap", "detail": told}]


def test_training_data_that_come_later_are_told_of_too(pipeline: Pipeline) -> None:
    version = pipeline.version(predictions(9, rows=125))
    pipeline.evaluate(version, predictions(9, rows=100), "--split=train")

    assert statuses(pipeline.judge(OVERLAP)) == ["missing"]
    stored = SnapshotDetail.objects.get(snapshot__dataset_split="train")
    told = "100 of 125 examples of the test split (80.0%) are in these training data too, by their ids."
    assert stored.warnings == [{"code": "train_overlap", "detail": told}]
    assert stored.train_overlap is None


def test_training_data_that_cannot_be_read_are_told_of(pipeline: Pipeline) -> None:
    version = pipeline.version(GOOD, "--split=train")
    digest = SnapshotDetail.objects.get().predictions_digest or ""
    default_storage.delete(f"predictions/{digest[:2]}/{digest}.parquet")
    pipeline.evaluate(version, POOR)

    [warning] = pipeline.warnings("ver-00001")
    assert warning["code"] == "unknown_train_overlap"
    assert warning["detail"].endswith("is unknown: they could not be compared.")


def test_too_many_train_files_are_not_counted_in_part(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("performance.evaluations.overlap.MAX_FILES", 1)
    version = pipeline.version(GOOD, "--split=train")
    pipeline.evaluate(version, predictions(0, rows=2, first=900), "--split=train")
    pipeline.evaluate(version, POOR)

    [warning] = pipeline.warnings("ver-00001")
    assert warning["detail"].endswith("is unknown: the version has more than 1 files of them to compare.")
    assert statuses(pipeline.judge(OVERLAP)) == ["missing"]
