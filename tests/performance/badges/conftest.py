"""An admin who creates badges, and the snapshot that they show."""

from datetime import timedelta

import pytest

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
from tests.api import Caller
from tests.factories import EVALUATED_AT, snapshot


@pytest.fixture
def ada(admin: User) -> Caller:
    """Ada, who may create badges."""
    return Caller(admin)


INTERVAL = {"lower": 0.92, "upper": 0.95, "method": "wilson", "level": 0.95}


@pytest.fixture
def measured(model: RegisteredModel) -> MetricSnapshot:
    """A newer snapshot of the promoted version, with an interval and a custom metric."""
    newer = snapshot(
        model.versions.get(), metrics={"accuracy": 0.9341}, evaluated_at=EVALUATED_AT + timedelta(minutes=1)
    )
    SnapshotDetail.objects.create(
        snapshot=newer,
        custom_metrics={"cost / month": 3.5},
        further_metrics={"specificity": 0.875},
        confidence_intervals={"accuracy": INTERVAL},
    )
    return newer
