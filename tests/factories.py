"""Making users, versions and snapshots, with defaults for all that a test does not care about."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.promotions import CheckResult
from performance.snapshots.models import MetricSnapshot

PASSWORD = "correct horse battery staple"
EVALUATED_AT = datetime(2026, 3, 13, 14, 22, 10, tzinfo=UTC)
EXAMPLE_METRICS = {
    "accuracy": 0.9341,
    "precision": 0.9185,
    "recall": 0.9240,
    "f1_score": 0.9212,
    "roc_auc": 0.9678,
    "log_loss": 0.1425,
}


def new_user(name: str, **attributes: Any) -> User:
    """Return a stored user whose password is `PASSWORD`."""
    return User.objects.create_user(name, password=PASSWORD, **attributes)


def completed_version(model: RegisteredModel, number: int) -> Version:
    """Return a stored, completed version."""
    return Version.objects.create(model=model, number=number, state="completed", completed_at=timezone.now())


def snapshot(
    version: Version,
    *,
    metrics: dict[str, float],
    dataset_split: str = "test",
    evaluated_at: datetime = EVALUATED_AT,
    source: str = "imported",
    dataset: str = "",
) -> MetricSnapshot:
    """Return a stored snapshot."""
    return MetricSnapshot.objects.create(
        version=version,
        dataset_split=dataset_split,
        dataset=dataset,
        metrics=metrics,
        evaluated_at=evaluated_at,
        source=source,
    )


class GivenResults:
    """A promotion check that returns the given results, one a promotion, and then requires nothing."""

    def __init__(self, results: list[CheckResult]) -> None:
        self.results = results

    def prepare(self, version: Version) -> None:
        """Compute nothing in advance."""

    def check(self, version: Version, *, requested_by: User | None, override: bool) -> CheckResult | None:
        """Return the next result."""
        return self.results.pop(0) if self.results else None

    def represent(self, verdict: Mapping[str, object]) -> None:
        """Leave each verdict as it is stored."""
