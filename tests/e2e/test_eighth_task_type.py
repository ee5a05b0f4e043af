"""Adding a task type is adding one declaration: everything else follows from it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator

from models_registry import task_types
from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from models_registry.task_types.base import Direction, Metric, TaskType, WorkedExample
from performance.seeds.document import SeedError
from performance.seeds.files import read_document
from performance.snapshots.models import MetricSnapshot
from tests import openapi
from tests.conftest import authenticated
from tests.factories import completed_version, snapshot

ANOMALIES = TaskType(
    name="anomaly_detection",
    label="Anomaly detection",
    description="Finds what is unlike the rest.",
    metrics=(
        Metric(
            name="precision_at_k",
            label="Precision at k",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            definition="Share of anomalies among the k most anomalous examples.",
            source="This test.",
            example=WorkedExample(given={"anomalies": 3, "k": 4}, value=0.75),
        ),
        Metric(
            name="false_alarms",
            label="False alarms a day",
            direction=Direction.LOWER,
            lower=0,
            definition="Alarms that were none, a day.",
            source="This test.",
            example=WorkedExample(given={"alarms": 5, "anomalies": 3, "days": 2}, value=1.0),
        ),
    ),
)


@pytest.fixture(autouse=True)
def eighth() -> Iterator[None]:
    assert get_resolver().url_patterns  # whose import lists the task types
    task_types.register(ANOMALIES)
    with openapi.unchecked():
        yield
    task_types.unregister(ANOMALIES.name)


@pytest.fixture
def fraud(empty_model: RegisteredModel) -> RegisteredModel:
    """A model of the new task type, with a completed version and a snapshot."""
    empty_model.task_type = "anomaly_detection"
    empty_model.full_clean()
    empty_model.save()
    snapshot(completed_version(empty_model, number=1), metrics={"false_alarms": 2.5})
    return empty_model


def test_the_summary_has_its_metrics(viewer: User, fraud: RegisteredModel) -> None:
    path = f"/api/v1/models/{fraud.pk}/performance/summary"
    response = authenticated(viewer).get(path, {"version_id": "ver-00001"})

    assert response.json()["task_type"] == "anomaly_detection"
    assert list(response.json()["metrics"].items()) == [("precision_at_k", None), ("false_alarms", 2.5)]


def test_the_openapi_document_has_its_component_and_discriminator() -> None:
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    schema = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    components = schema["components"]["schemas"]

    mapping = components["PerformanceSummary"]["discriminator"]["mapping"]
    assert mapping["anomaly_detection"] == "#/components/schemas/AnomalyDetectionSummary"
    metric = components["AnomalyDetectionMetrics"]["properties"]["precision_at_k"]
    assert (metric["minimum"], metric["maximum"], metric["nullable"]) == (0, 1, True)
    assert "Share of anomalies" in metric["description"]


def test_a_seed_document_is_validated_by_its_declaration(acme: object, tmp_path: Path) -> None:
    file = tmp_path / "seed.json"

    file.write_text(json.dumps(seed_document({"precision_at_k": 1.5, "accuracy": 0.9})))
    with pytest.raises(SeedError) as refused:
        list(read_document(file).models())
    assert "models.0.versions.0.snapshots.0.metrics.precision_at_k: Must be at most 1, not 1.5." in str(refused.value)
    assert "models.0.versions.0.snapshots.0.metrics.accuracy: Not a metric of anomaly_detection" in str(refused.value)

    file.write_text(json.dumps(seed_document({"precision_at_k": 0.5})))
    call_command("seed", str(file), verbosity=0)
    assert MetricSnapshot.objects.get().metrics == {"precision_at_k": 0.5}


def test_the_admin_shows_its_metrics_with_labels_and_bounds(superuser: User, fraud: RegisteredModel) -> None:
    client = Client()
    client.force_login(superuser)

    page = client.get(f"/admin/performance/metricsnapshot/{MetricSnapshot.objects.get().pk}/change/").content.decode()

    assert "Anomaly detection" in page
    for metric in ANOMALIES.metrics:
        assert metric.label in page
        assert metric.definition in page
    assert "2.5" in page


def test_the_admin_filters_by_it(superuser: User, fraud: RegisteredModel) -> None:
    client = Client()
    client.force_login(superuser)

    page = client.get("/admin/models_registry/registeredmodel/", {"task_type__exact": "anomaly_detection"})

    assert page.status_code == 200
    assert fraud.name in page.content.decode()


def seed_document(metrics: dict[str, float]) -> dict[str, object]:
    moment = "2026-03-13T14:22:10Z"
    snapshots = [{"dataset_split": "test", "metrics": metrics, "evaluated_at": moment}]
    version = {"version_id": "ver-00001", "state": "completed", "completed_at": moment, "snapshots": snapshots}
    model = {"model_id": "mdl-00000000aa", "organization": "acme", "name": "fraud", "task_type": "anomaly_detection"}
    return {"models": [{**model, "versions": [version]}]}
