"""Kept predictions that are lost or damaged: versions are compared as independent samples, and the log says so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel
from models_registry.registry.promotions import promote
from performance.comparisons.models import PairedComparison
from performance.gates.models import GatePolicy
from performance.snapshots.models import SnapshotDetail
from tests.api import Caller
from tests.factories import completed_version
from tests.performance.evaluated_fixtures import FIXTURES, store_test_split
from tests.performance.evaluations.uploads import evaluated, stored_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def model(acme: Organization, settings: Any, tmp_path: Path) -> RegisteredModel:
    """A model whose versions were evaluated on the same examples; nothing was promoted when they were."""
    stored_in(settings, tmp_path)
    registered = RegisteredModel.objects.create(organization=acme, name="tumours", task_type="classification")
    for number in (2, 3):
        store_test_split(completed_version(registered, number=number), "breast-cancer")
    promote(version=registered.versions.get(number=2), promoted_by=None, reason="the first")
    rules = [{"metric": "accuracy", "max_regression": 0.5, "confidence": 0.95}]
    GatePolicy.objects.create(model=registered, version=1, document={"dataset_split": "test", "rules": rules})
    return registered


def kept(number: int) -> str:
    """Return the name of what is kept of a version's predictions."""
    digest = SnapshotDetail.objects.get(snapshot__version__number=number).predictions_digest or ""
    return f"predictions/{digest[:2]}/{digest}.parquet"


def replace(number: int, content: bytes) -> None:
    default_storage.delete(kept(number))
    default_storage.save(kept(number), ContentFile(content))


def content_of(number: int) -> bytes:
    with default_storage.open(kept(number)) as file:
        return bytes(file.read())


DAMAGES: dict[str, Callable[[], None]] = {
    "deleted": lambda: default_storage.delete(kept(3)),
    "empty": lambda: replace(3, b""),
    "truncated": lambda: replace(3, content_of(3)[:-100]),
    "garbage": lambda: replace(3, b"\xff" * 10_000),
    "garbage of the same size": lambda: replace(3, b"\0" * len(content_of(3))),
    "one bit flipped": lambda: replace(3, bytes([content_of(3)[0] ^ 1]) + content_of(3)[1:]),
    "another version's": lambda: replace(3, content_of(2)),
}


@pytest.fixture(params=DAMAGES.values(), ids=list(DAMAGES))
def damaged(
    request: pytest.FixtureRequest, model: RegisteredModel, caplog: pytest.LogCaptureFixture
) -> RegisteredModel:
    request.param()
    caplog.clear()
    return model


def told_once(caplog: pytest.LogCaptureFixture) -> None:
    [record] = [each for each in caplog.records if "cannot be compared" in each.getMessage()]
    assert record.name == "performance.comparisons.services"
    assert record.exc_info is None


def test_a_comparison_takes_them_as_independent(
    damaged: RegisteredModel, viewer: User, caplog: pytest.LogCaptureFixture
) -> None:
    answer = Caller(viewer).get(f"/models/{damaged.pk}/performance/compare", {"version_id": "ver-00003"})

    assert answer.status_code == 200
    intervals = [each["confidence_interval"] for each in answer.json()["metrics"].values()]
    assert {each["method"] for each in intervals if each} == {"independent"}
    told_once(caplog)
    assert not PairedComparison.objects.exists()  # so that a file that is put back is used


def test_a_gate_judges_by_independent_intervals(
    damaged: RegisteredModel, viewer: User, caplog: pytest.LogCaptureFixture
) -> None:
    answer = Caller(viewer).get(f"/models/{damaged.pk}/performance/gate", {"version_id": "ver-00003"})

    assert answer.status_code == 200
    assert answer.json()["status"] in ("passed", "failed")
    assert "paired" not in answer.content.decode()
    told_once(caplog)


def test_an_upload_is_evaluated_and_stored(
    damaged: RegisteredModel, editor: User, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"/models/{damaged.pk}/versions/ver-00003/evaluations"

    done = evaluated(editor, (FIXTURES / "breast-cancer" / "ver-00003-test.csv").read_bytes(), path=path)

    assert done["state"] == "succeeded"
    assert not any(record.exc_info for record in caplog.records)
