"""A model whose versions are compared example by example, and its stored predictions."""

from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.utils import timezone

from models_registry.accounts.models import Organization
from models_registry.registry.models import RegisteredModel
from performance.comparisons.models import ComparisonJob
from performance.comparisons.tasks import compare_next
from performance.snapshots.models import SnapshotDetail
from tests.api import Caller
from tests.factories import completed_version
from tests.performance.evaluated_fixtures import store_test_split


class Compared:
    """A model whose versions were evaluated on the same examples, and a caller who compares them."""

    def __init__(self, acme: Organization, name: str, task_type: str, caller: Caller) -> None:
        self.caller = caller
        self.model = RegisteredModel.objects.create(organization=acme, name=name, task_type=task_type)
        for number in (2, 3):
            store_test_split(completed_version(self.model, number=number), name)

    def evaluate(self, number: int, file: Path, *options: str) -> None:
        """Evaluate a file by the command."""
        call_command("evaluate", self.model.pk, f"ver-0000{number}", str(file), *options)

    def metrics(self, version: int = 3, baseline: int = 2) -> dict[str, Any]:
        """Return the differences by metric."""
        metrics: dict[str, Any] = self.comparison(version, baseline)["metrics"]
        return metrics

    def pairing(self, version: int = 3, baseline: int = 2) -> str:
        """Return whether the examples have been compared."""
        return str(self.comparison(version, baseline)["pairing"])

    def pairing_detail(self) -> str | None:
        """Return why the examples cannot be compared."""
        detail: str | None = self.comparison()["pairing_detail"]
        return detail

    def comparison(self, version: int = 3, baseline: int = 2) -> dict[str, Any]:
        """Return the comparison of two versions."""
        answer = self.caller.get(
            f"/models/{self.model.pk}/performance/compare",
            {"version_id": f"ver-0000{version}", "baseline_version_id": f"ver-0000{baseline}"},
        )
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        return body

    def methods(self) -> set[str]:
        """Return the methods of all intervals that there are."""
        intervals = [each["confidence_interval"] for each in self.metrics().values()]
        return {interval["method"] for interval in intervals if interval}


def remove_stored_predictions() -> None:
    """Delete the file of each evaluation."""
    for detail in SnapshotDetail.objects.exclude(predictions_digest=None):
        default_storage.delete(predictions_name(detail.predictions_digest or ""))


def predictions_name(digest: str) -> str:
    """Return the name of a file in the storage."""
    return f"predictions/{digest[:2]}/{digest}.parquet"


def work() -> bool:
    """Make the next queued comparison as a worker, even before it is due; return whether there was one."""
    ComparisonJob.objects.exclude(due_at=None).update(due_at=timezone.now())
    return compare_next(Event())


def fail_if_computed(*_: Any) -> Any:
    """Replace a computation that must not happen."""
    pytest.fail("the pair is computed")
