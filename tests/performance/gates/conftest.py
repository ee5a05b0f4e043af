"""The versions that the gate judges, the model's policy, and an admin who calls the API."""

from typing import Any

import pytest

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.promotions import promote
from performance.gates.models import GatePolicy
from performance.gates.policy import parse_policy
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
from tests.api import Caller
from tests.factories import EXAMPLE_METRICS, completed_version
from tests.performance.gates.gate_example import INTERVAL, INTERVAL_OF_A_CLASS, SetPolicy
from tests.performance.gates.pipeline import Pipeline
from tests.performance.gates.promotion_history import store_snapshot


@pytest.fixture
def ada(admin: User) -> Caller:
    """Ada, who may set policies and override gates."""
    return Caller(admin)


@pytest.fixture
def candidate(model: RegisteredModel) -> Version:
    """A version after the promoted one, a little better, and measured with an interval."""
    version = completed_version(model, number=418)
    stored = MetricSnapshot.objects.create(
        version=version,
        dataset_split="test",
        metrics=EXAMPLE_METRICS | {"accuracy": 0.95},
        sample_count=2000,
        evaluated_at=version.created_at,
    )
    SnapshotDetail.objects.create(
        snapshot=stored,
        further_metrics={"specificity": 0.875},
        custom_metrics={"cost": 3.5, "accuracy": 0.1},
        per_class={"St. Gallen": {"recall": 0.75, "support": 30.0}},
        confidence_intervals={"accuracy": INTERVAL, "per_class.St. Gallen.recall": INTERVAL_OF_A_CLASS},
    )
    return version


@pytest.fixture
def set_policy(model: RegisteredModel) -> SetPolicy:
    """Return a function that gives the model a policy."""

    def store_policy(document: dict[str, Any]) -> None:
        stored = parse_policy(document).as_document()
        GatePolicy.objects.create(model=model, version=model.gate_policies.count() + 1, document=stored)

    return store_policy


@pytest.fixture
def history(model: RegisteredModel) -> Version:
    """Three versions that were promoted, each worse than the one before, and a candidate that is worse again."""
    for number, accuracy in ((418, 0.99), (419, 0.985), (420, 0.98)):
        version = completed_version(model, number=number)
        store_snapshot(version, accuracy)
        promote(version=version, promoted_by=None, reason="")
    candidate = completed_version(model, number=421)
    store_snapshot(candidate, 0.975)
    return candidate


@pytest.fixture
def pipeline(admin: User, acme: Organization) -> Pipeline:
    """Return a pipeline of a classification model without versions."""
    return Pipeline(admin, acme, "classification")
