"""A real full disk: uploads are refused, evaluations wait, and no file is left."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from models_registry.accounts.models import User
from performance.comparisons.models import ComparisonJob, PairedComparison
from performance.comparisons.services import queue_pair
from performance.comparisons.tasks import MAX_ATTEMPTS, compare_next
from performance.evaluations.models import EvaluationJob
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
from tests.api import Caller, refusal
from tests.performance.evaluations.uploads import GOOD, evaluated, stored_in, upload, work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_storage_of_its_own")]
LARGE = b"example_id,actual,predicted\nx,no,no\n" + b"".join(b"%d,yes,no\n" % number for number in range(300_000))


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root mounts a file system of its own, and not in every container")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill a file system."""
    file = folder / "filler"
    with file.open("wb", buffering=0) as filler:
        while True:
            try:
                filler.write(b"\0" * 4096)
            except OSError:
                return file


def refused_for_now(answer: Any) -> None:
    assert refusal(answer) == (503, "service_unavailable")
    assert int(answer["Retry-After"]) >= 1
    assert not EvaluationJob.objects.exists()


def no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    assert "No space left on device" in caplog.text
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("content", [GOOD, LARGE], ids=["small", "large"])
def test_an_upload_that_cannot_be_spooled_is_refused_for_now(
    tiny: Path, editor: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    filler = fill(tiny)
    monkeypatch.setattr(tempfile, "tempdir", str(tiny))

    refused_for_now(upload(editor, content))

    no_traceback(caplog)
    assert list(tiny.iterdir()) == [filler]
    filler.unlink()
    assert upload(editor, GOOD).status_code == 202


def test_an_upload_that_cannot_be_stored_is_refused_for_now_and_leaves_nothing(
    tiny: Path, editor: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stored_in(settings, tiny)

    refused_for_now(upload(editor, LARGE))

    no_traceback(caplog)
    assert [each for each in tiny.rglob("*") if each.is_file()] == []
    assert upload(editor, GOOD).status_code == 202


def test_an_evaluation_waits_for_space_in_the_workers_folder(
    tiny: Path, editor: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accepted = upload(editor, LARGE)
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(tiny))
        assert work()

    no_traceback(caplog)
    assert list(tiny.iterdir()) == []
    job = EvaluationJob.objects.get()
    assert (job.state, job.attempts) == ("queued", 0)
    assert not work()  # until its time has come
    EvaluationJob.objects.update(due_at=job.created_at)
    assert work()
    assert Caller(editor).get(accepted["Location"]).json()["state"] == "succeeded"


def test_an_evaluation_whose_process_fills_the_disk_waits_as_well(
    tiny: Path, editor: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    upload(editor, LARGE[: len(LARGE) // 4])  # which fits, and then what is kept of it does not
    (tiny / "filler").write_bytes(b"\0" * 100_000)
    monkeypatch.setattr(tempfile, "tempdir", str(tiny))

    assert work()

    job = EvaluationJob.objects.get()
    assert job.state in ("queued", "succeeded")  # as it depends on how well the predictions compress
    assert [each.name for each in tiny.iterdir()] == ["filler"]


def test_a_comparison_waits_for_space_as_well(
    tiny: Path, editor: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    evaluated(editor, LARGE)
    evaluated(editor, LARGE, dataset_split="validation")
    older, newer = MetricSnapshot.objects.filter(source="computed").order_by("pk")
    queue_pair(newer, older)
    ComparisonJob.objects.update(attempts=MAX_ATTEMPTS - 1)
    fill(tiny)
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(tiny))
        assert compare_next(Event())

    no_traceback(caplog)
    job = ComparisonJob.objects.get()
    assert (job.state, job.attempts) == ("queued", MAX_ATTEMPTS - 1)
    assert not compare_next(Event())  # until its time has come
    ComparisonJob.objects.update(due_at=job.created_at)
    assert compare_next(Event())
    assert PairedComparison.objects.count() == 1


def test_an_evaluation_does_not_wait_for_ever(tiny: Path, editor: User, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = upload(editor, LARGE)
    job = EvaluationJob.objects.get()
    EvaluationJob.objects.update(created_at=job.created_at.replace(year=2025))
    monkeypatch.setattr(tempfile, "tempdir", str(tiny))

    assert work()

    done = Caller(editor).get(accepted["Location"]).json()
    assert (done["state"], done["problem"]["code"]) == ("failed", "internal_error")
    assert "disk" in done["problem"]["detail"]


def test_a_kept_file_that_the_disk_does_not_take_leaves_no_part_and_the_evaluation_stands(
    tiny: Path, editor: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    accepted = upload(editor, GOOD)
    job = EvaluationJob.objects.get()
    with default_storage.open(str(job.file)) as stored:
        content = stored.read()
    stored_in(settings, tiny)
    default_storage.save(str(job.file), ContentFile(content))
    fill(tiny)

    assert work()

    no_traceback(caplog)
    assert Caller(editor).get(accepted["Location"]).json()["state"] == "succeeded"
    assert SnapshotDetail.objects.get(snapshot=EvaluationJob.objects.get().snapshot).predictions_digest is None
    assert not (tiny / "storage" / "predictions").exists() or not list(
        (tiny / "storage" / "predictions").rglob("*.parquet")
    )
