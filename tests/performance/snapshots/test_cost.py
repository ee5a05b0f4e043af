"""No read costs more than a little CPU, whatever the largest things are that the service has stored.

Function calls stand for the CPU, as their number is the same however busy the machine is.
"""

import sys
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import Promotion, RegisteredModel, Version
from performance.evaluations.models import MisclassifiedExample, ResidualExample
from performance.gates.models import GatePolicy, GateVerdict
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
from performance.webhooks.models import Webhook, WebhookDelivery
from tests.api import Caller
from tests.factories import EVALUATED_AT, EXAMPLE_METRICS, completed_version, snapshot

MAX_CALLS = 100_000  # a request; the dearest makes 60,000
MAX_BYTES = 1_000_000  # an answer
CLASSES = 1000
ROWS = 200  # in a list
LABELS = [f"{at:04} class with a long name".ljust(100, "x") for at in range(CLASSES)]
MODEL = "/models/mdl-7f3a19bc92"
READ = f"{MODEL}/performance"
RULES = [
    {"metric": f"per_class.{LABELS[at]}.recall", "operator": ">=", "threshold": 0.123456789, "confidence": 0.95}
    for at in range(100)
]
WIDE = {f"attribute {at}": "v" * 1000 for at in range(20)}
CHURN = [
    "summary",
    "report",
    "confusion-matrix",
    "confusion-matrix?normalize=actual",
    "confusion-matrix?normalize=predicted",
    "confusion-matrix?normalize=all",
    "curves",
    "history?metric=accuracy&page_size=200",
    "history?metric=custom00&page_size=200",
    "misclassifications?page_size=200",
    "compare?version_id=ver-001a2",
    "gate",
    "gate?format=html",
    "gate?format=junit",
    "gate?format=markdown",
    "badge.svg?metric=accuracy",
    "badge.svg",
]
PATHS = [
    *(f"{READ}/{each}" for each in CHURN),
    f"{MODEL}/versions?page_size=200",
    f"{MODEL}/versions/ver-001a2",
    f"{MODEL}/versions/ver-001a1/snapshots?page_size=200",
    f"{MODEL}/promotions?page_size=200",
    f"{MODEL}/verdicts?page_size=200",
    f"{MODEL}/grants?page_size=200",
    "/models?page_size=200",
    "/organizations/acme/members?page_size=200",
    "/organizations/acme/webhooks?page_size=200",
    "/organizations/acme/webhooks/newest/deliveries?page_size=200",
    "/models/mdl-0000000001/performance/residuals?page_size=200",
    "/models/mdl-0000000001/performance/curves",
]


@pytest.fixture
def ada(admin: User, model: RegisteredModel) -> Caller:
    if connection.vendor == "postgresql":  # to store such things may take long
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
    fill(model)
    return Caller(admin)


def fill(model: RegisteredModel) -> None:
    """Store the largest values that the service accepts."""
    version = model.versions.get()
    for at in range(ROWS // 4):
        large_snapshot(version, at)
    newest = large_snapshot(version, 10_000, confusion_matrix=matrix(), curves=curves())
    large_snapshot(completed_version(model, 418), 10_000, confusion_matrix=matrix(), curves=curves())
    MisclassifiedExample.objects.bulk_create(
        MisclassifiedExample(
            snapshot=newest, rank=at, example_id="i" * 1000, actual=LABELS[at], predicted=LABELS[0], attributes=WIDE
        )
        for at in range(1, CLASSES)
    )
    GatePolicy.objects.create(model=model, version=1, document={"dataset_split": "test", "rules": RULES})
    verdict = large_verdict()
    GateVerdict.objects.bulk_create(
        GateVerdict(model=model, version=version, occasion="enforcement", status="failed", document=verdict)
        for _ in range(ROWS + 1)
    )
    Promotion.objects.bulk_create(
        Promotion(model=model, version=version, verdict=verdict, reason="é" * 2000) for _ in range(ROWS + 1)
    )
    Version.objects.bulk_create(
        Version(
            model=model,
            number=1000 + at,
            description="é" * 10_000,
            parameters={f"p{name}": "v" * 50 for name in range(1000)},
            tags=[f"{tag}".ljust(100, "t") for tag in range(50)],
        )
        for at in range(ROWS + 1)
    )
    fill_organization(model.organization)


def fill_organization(acme: Organization) -> None:
    """Store this number of models, and of deliveries of a webhook."""
    models = [
        RegisteredModel(
            model_id=f"mdl-{at:010x}",
            organization=acme,
            name=f"model {at}",
            task_type="regression",
            description="é" * 10_000,
            tags=[f"{tag}".ljust(100, "t") for tag in range(50)],
        )
        for at in range(1, ROWS + 2)
    ]
    RegisteredModel.objects.bulk_create(models)
    prices = completed_version(models[0], 1)
    RegisteredModel.objects.filter(pk=models[0].pk).update(promoted_version=prices)
    scattered = [{**point, "count": 7} for point in points(("actual", "predicted"))]
    bins = [{**point, "count": 7} for point in points(("lower", "upper"))]
    newest = snapshot(prices, metrics={"rmse": 2.5}, source="computed")
    SnapshotDetail.objects.create(
        snapshot=newest, curves={"residual_histogram": bins, "predicted_versus_actual": scattered}
    )
    ResidualExample.objects.bulk_create(
        ResidualExample(
            snapshot=newest, rank=at, example_id="i" * 1000, actual=1, predicted=2, residual=1, attributes=WIDE
        )
        for at in range(1, CLASSES)
    )
    webhooks = [
        Webhook(organization=acme, url="https://example.com/" + "x" * 1000, events=["gate.failed"])
        for _ in range(ROWS + 1)
    ]
    Webhook.objects.bulk_create(webhooks)
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(
            webhook=webhooks[-1],
            event="gate.failed",
            payload="x" * 100_000,
            state="failed",
            due_at=None,
            finished_at=timezone.now(),
            last_answer="x" * 500,
            last_error="x" * 1000,
        )
        for _ in range(ROWS + 1)
    )


def large_snapshot(version: Version, at: int, **detail: Any) -> MetricSnapshot:
    stored = snapshot(
        version, metrics=EXAMPLE_METRICS, source="computed", evaluated_at=EVALUATED_AT + timedelta(seconds=at)
    )
    interval = {"lower": 0.123456789, "upper": 0.987654321, "level": 0.95, "method": "multinomial"}
    names = [*EXAMPLE_METRICS, *(f"per_class.{label}.{name}" for label in LABELS[:50] for name in METRICS)]
    SnapshotDetail.objects.create(
        snapshot=stored,
        custom_metrics={f"custom{name:02}".ljust(8, "x"): 0.123456789 for name in range(100)},
        confidence_intervals=dict.fromkeys(names, interval),
        per_class={label: dict.fromkeys(METRICS, 0.123456789) for label in LABELS},
        **detail,
    )
    return stored


METRICS = ["precision", "recall", "f1_score", "roc_auc", "support"]


def matrix() -> dict[str, Any]:
    return {"labels": LABELS, "counts": [[(7 * at + 3 * other) % 997 for other in range(1000)] for at in range(1000)]}


def curves() -> dict[str, Any]:
    roc, found = ("false_positive_rate", "true_positive_rate", "threshold"), ("recall", "precision", "threshold")
    return {
        "roc": {label: points(roc) for label in LABELS[:20]},
        "precision_recall": {label: points(found) for label in LABELS[:20]},
        "calibration": [{**point, "count": 7} for point in points(("lower", "upper", "confidence", "accuracy"))[:20]],
    }


def points(names: tuple[str, ...]) -> list[dict[str, float]]:
    return [{name: ((at + 1) * (len(name) + 7) % 199) / 199 for name in names} for at in range(200)]


def large_verdict() -> dict[str, Any]:
    rule = {
        "operator": ">=",
        "threshold": 0.9,
        "value": 0.123456789,
        "interval": {"lower": 0.1, "upper": 0.2, "level": 0.95, "method": "wilson"},
        "baseline_value": None,
        "status": "failed",
        "detail": "d" * 300,
    }
    return {
        "model_id": "mdl-7f3a19bc92",
        "version_id": "ver-001a1",
        "baseline_version_id": None,
        "status": "failed",
        "rules": [{"metric": each["metric"], **rule} for each in RULES],
        "judged_at": "2026-03-13T14:22:10Z",
        "warnings": [],
        "policy": {"owner": "model", "version": 1},
    }


@pytest.mark.once
def test_reads_of_the_largest_things_are_cheap(ada: Caller) -> None:
    webhook = Webhook.objects.order_by("pk").last()
    assert webhook is not None
    costs = {path: measured(ada, path.replace("newest", str(webhook.pk))) for path in PATHS}
    found = "\n".join(f"{calls:9,} calls {size / 1000:8.1f} kB {path}" for path, (calls, size) in costs.items())
    assert all(calls < MAX_CALLS and size < MAX_BYTES for calls, size in costs.values()), f"\n{found}"


def measured(caller: Caller, url: str) -> tuple[int, int]:
    """Return how many functions a request calls, once what is cached is there, and the bytes of its answer."""
    assert caller.get(url).status_code == 200
    calls = {"call": 0, "c_call": 0, "return": 0, "c_return": 0, "c_exception": 0}

    def count(frame: object, event: str, argument: object) -> None:
        calls[event] += 1

    sys.setprofile(count)
    try:
        answer = caller.get(url)
    finally:
        sys.setprofile(None)
    assert answer.status_code == 200, (url, answer.content)
    return calls["call"] + calls["c_call"], len(answer.content)
