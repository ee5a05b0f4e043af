"""The predictions that are stored for comparisons: missing, damaged, hostile or not stored."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from django.core.files.storage import default_storage

from performance.comparisons.models import PairedComparison
from performance.snapshots import prediction_store
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
from tests.factories import completed_version, snapshot
from tests.performance.comparisons.compared import Compared, predictions_name, remove_stored_predictions
from tests.performance.evaluated_fixtures import FIXTURES

pytestmark = pytest.mark.django_db


def test_stored_comparison_needs_no_file(tumours: Compared) -> None:
    before = tumours.metrics()

    remove_stored_predictions()

    assert tumours.metrics() == before


def test_without_the_files_the_samples_count_as_independent_and_the_log_says_so(
    tumours: Compared, caplog: pytest.LogCaptureFixture
) -> None:
    remove_stored_predictions()

    with caplog.at_level(logging.ERROR):
        assert tumours.methods() == {"independent"}

    assert "cannot be compared example by example" in caplog.text
    assert not PairedComparison.objects.exists()


def test_file_with_another_digest_is_not_used(tumours: Compared) -> None:
    for detail in SnapshotDetail.objects.all():
        name = predictions_name(detail.predictions_digest or "")
        with default_storage.open(name) as file:
            content = file.read()
        Path(default_storage.path(name)).write_bytes(content[:-1] + b"?")

    assert tumours.methods() == {"independent"}


def test_next_evaluation_mends_a_file_whose_writing_was_cut_short(tumours: Compared) -> None:
    digest = SnapshotDetail.objects.filter(snapshot__version__number=3).values_list("predictions_digest", flat=True)[0]
    Path(default_storage.path(predictions_name(digest or ""))).write_bytes(b"PAR1")

    tumours.evaluate(3, FIXTURES / "breast-cancer" / "ver-00003-test.csv")

    assert "paired_newcombe_5" in tumours.methods()


def test_predictions_without_ids_are_not_stored(tumours: Compared, tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text("actual,predicted,score\nmalignant,malignant,0.9\nbenign,malignant,0.6\nbenign,benign,0.1\n")

    tumours.evaluate(3, file)

    report = tumours.caller.get(f"/models/{tumours.model.pk}/performance/report?version_id=ver-00003").json()
    assert report["provenance"]["predictions_digest"] is None


def test_report_names_the_stored_predictions(tumours: Compared) -> None:
    report = tumours.caller.get(f"/models/{tumours.model.pk}/performance/report?version_id=ver-00003").json()

    assert default_storage.exists(predictions_name(report["provenance"]["predictions_digest"]))


def compressed_gigabyte(tmp_path: Path) -> Path:
    """Return a small file that expands to a gigabyte."""
    file = tmp_path / "compressed_gigabyte.parquet"
    expanding = "SELECT repeat('x', 30000) || range AS example_id, 'a' AS actual, 'a' AS predicted FROM range(30000)"
    found = duckdb.sql(expanding)
    assert found is not None
    found.write_parquet(str(file), compression="zstd")
    return file


def damaged_file(tmp_path: Path) -> Path:
    file = tmp_path / "damaged_file.parquet"
    file.write_bytes(b"PAR1" + b"?" * 1000 + b"PAR1")
    return file


@pytest.mark.parametrize(("hostile", "is_stored"), [(compressed_gigabyte, False), (damaged_file, True)])
def test_stored_file_that_cannot_be_joined_leaves_independent_samples(
    tumours: Compared,
    tmp_path: Path,
    hostile: Callable[[Path], Path],
    is_stored: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    digest = prediction_store.put(hostile(tmp_path))
    for number in (4, 5):
        version = completed_version(tumours.model, number=number)
        stored = snapshot(version, metrics={"accuracy": 0.5})
        half = {"lower": 0.4, "upper": 0.6, "level": 0.95, "method": "wilson"}
        SnapshotDetail.objects.create(
            snapshot=stored, predictions_digest=digest, confidence_intervals={"accuracy": half}, averaging="macro"
        )

    with caplog.at_level(logging.ERROR):
        metrics = tumours.metrics(version=5, baseline=4)

    assert metrics["accuracy"]["confidence_interval"]["method"] == "independent"
    assert "have no comparison example by example" in caplog.text
    assert PairedComparison.objects.exists() == is_stored  # as it would be so again, whatever time there is


def test_full_storage_leaves_the_evaluation_whole(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("django.core.files.storage.Storage.save", refuse)
    remove_stored_predictions()

    with caplog.at_level(logging.ERROR):
        tumours.evaluate(3, FIXTURES / "breast-cancer" / "ver-00003-test.csv")

    newest = MetricSnapshot.objects.newest_first()[0]
    assert newest.details.predictions_digest is None
    assert "no space left" in caplog.text


def test_refused_evaluation_leaves_no_file(tumours: Compared, tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text("example_id,actual,predicted\nonly here,a,a\n")
    version = tumours.model.versions.create(number=4, state="failed")

    with pytest.raises(Exception, match="has failed"):
        tumours.evaluate(version.number, file)

    stored = SnapshotDetail.objects.values_list("predictions_digest", flat=True)
    kept = Path(default_storage.path("predictions")).rglob("*.parquet")
    assert {path.stem for path in kept} == set(stored)
