"""`purge` deletes stored predictions without a snapshot, and no others."""

import os
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from pytest_django import Settings

from models_registry.registry.models import RegisteredModel
from performance.snapshots import prediction_store
from performance.snapshots.models import SnapshotDetail
from tests.factories import snapshot
from tests.performance.evaluations.uploads import stored_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _storage_of_its_own(settings: Settings, tmp_path: Path) -> None:
    stored_in(settings, tmp_path)


def put(tmp_path: Path, content: str = "predictions") -> str:
    """Put a content into the storage, and return its digest."""
    file = tmp_path / "kept.parquet"
    file.write_text(content)
    return prediction_store.put(file)


def stored(digest: str) -> Path:
    return Path(default_storage.path(f"predictions/{digest[:2]}/{digest}.parquet"))


def grow_old(digest: str) -> None:
    os.utime(stored(digest), (0, 0))


def name(digest: str, model: RegisteredModel) -> None:
    """Store a snapshot that names a stored file."""
    newest = snapshot(model.versions.get(), metrics={"accuracy": 0.5})
    SnapshotDetail.objects.create(snapshot=newest, predictions_digest=digest)


def test_purge_deletes_what_no_snapshot_names_after_a_day(
    model: RegisteredModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named, orphan, young = (put(tmp_path, content) for content in ("named", "orphan", "young"))
    name(named, model)
    for digest in (named, orphan):
        grow_old(digest)

    call_command("purge")

    assert "1 kept predictions without a snapshot" in capsys.readouterr().out
    assert [stored(digest).exists() for digest in (named, orphan, young)] == [True, False, True]


def test_purge_deletes_what_was_stored_beside_the_same_by_somebody_else(tmp_path: Path) -> None:
    digest = put(tmp_path)
    beside = default_storage.save(f"predictions/{digest[:2]}/{digest}_X1y2.parquet", ContentFile(b"predictions"))
    os.utime(default_storage.path(beside), (0, 0))

    call_command("purge")

    assert not default_storage.exists(beside)
    assert stored(digest).exists()


def test_what_no_snapshot_names_is_young_again_once_it_is_needed_again(tmp_path: Path) -> None:
    digest = put(tmp_path)
    grow_old(digest)

    assert put(tmp_path) == digest
    call_command("purge")

    assert stored(digest).read_text() == "predictions"


def test_what_a_snapshot_names_is_not_written_again(model: RegisteredModel, tmp_path: Path) -> None:
    digest = put(tmp_path)
    name(digest, model)
    grow_old(digest)

    put(tmp_path)

    assert stored(digest).stat().st_mtime == 0


def test_there_is_nothing_to_purge_where_nothing_was_kept() -> None:
    assert prediction_store.delete_unreferenced_files() == 0
