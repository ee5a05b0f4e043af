"""`POST …/versions/{version_id}/snapshots:batch`: report several snapshots at once, all of them or none."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from models_registry.accounts.models import User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from performance.snapshots.models import Dataset, MetricSnapshot
from performance.webhooks.models import WebhookDelivery
from performance.webhooks.services import create_webhook
from tests.api import Caller, faults, refusal

pytestmark = pytest.mark.django_db
SNAPSHOTS = "/models/mdl-7f3a19bc92/versions/ver-001a1/snapshots"
BATCH = f"{SNAPSHOTS}:batch"
MATRIX = {"labels": ["no", "yes"], "counts": [[3, 1], [1, 3]]}


def report(accuracy: float = 0.9, **rest: Any) -> dict[str, Any]:
    return {"dataset_split": "test", "metrics": {"accuracy": accuracy}, **rest}


def stored() -> int:
    return MetricSnapshot.objects.count()


def test_a_batch_stores_what_single_reports_store(ed: Caller) -> None:
    reports = [
        report(0.75, confusion_matrix=MATRIX, evaluated_at="2026-05-01T00:00:00Z"),
        report(0.8, sample_count=50, dataset={"name": "spring", "version": "2", "digest": "a" * 64}),
        report(0.9, dataset_split="train", custom_metrics={"profit": 3.5}, per_class={"yes": {"recall": 0.5}}),
        report(0.7, sample_count=200, evaluation_options={"averaging": "macro"}),
        report(0.1 + 0.2, sample_count=2**63 - 1, dataset={"name": 'été "\\" 😀', "version": "$1 %s"}),
    ]

    answer = ed.post(BATCH, {"snapshots": reports})

    assert answer.status_code == 201, answer.content
    assert answer["Location"] == f"/api/v1{SNAPSHOTS}"
    alone = [ed.post(SNAPSHOTS, each).json() for each in reports]
    together = [ed.get(f"{SNAPSHOTS}/{each}").json() for each in answer.json()["snapshot_ids"]]
    own = {"id", "created_at", "evaluated_at"}
    assert [{**each, **dict.fromkeys(own)} for each in together] == [{**each, **dict.fromkeys(own)} for each in alone]
    assert together[0]["evaluated_at"] == "2026-05-01T00:00:00Z"
    assert {each.name for each in Dataset.objects.all()} == {"spring", 'été "\\" 😀'}


def test_the_last_of_the_same_time_is_the_newest(ed: Caller) -> None:
    ed.post(BATCH, {"snapshots": [report(0.6), report(0.8), report(0.7)]})

    assert ed.get("/models/mdl-7f3a19bc92/performance/summary").json()["metrics"]["accuracy"] == 0.7


def test_the_audit_trail_has_one_row_with_the_counts(ed: Caller) -> None:
    before = AuditEntry.objects.count()

    ed.post(BATCH, {"snapshots": [report()] * 7})

    entry = AuditEntry.objects.order_by("pk").last()
    assert AuditEntry.objects.count() == before + 1
    assert entry is not None
    assert entry.changes == {"snapshots": [1, 8]}
    assert entry.object_repr.endswith("ver-001a1")


def test_each_snapshot_sends_a_message(ed: Caller, model: RegisteredModel, admin: User) -> None:
    create_webhook(
        organization=model.organization,
        model=None,
        url="https://example.com/",
        events=["snapshot.created"],
        created_by=admin,
    )

    ids = ed.post(BATCH, {"snapshots": [report(), report()]}).json()["snapshot_ids"]

    assert {json.loads(each.payload)["data"]["snapshot_id"] for each in WebhookDelivery.objects.all()} == set(ids)


def test_an_idempotency_key_stores_a_batch_once(ed: Caller) -> None:
    first = ed.post(BATCH, {"snapshots": [report()] * 3}, Idempotency_Key="nightly")
    second = ed.post(BATCH, {"snapshots": [report()] * 3}, Idempotency_Key="nightly")

    assert second["Idempotency-Replayed"] == "true"
    assert second.json() == first.json()
    assert stored() == 1 + 3
    assert refusal(ed.post(BATCH, {"snapshots": [report()] * 4}, Idempotency_Key="nightly"))[0] == 422


@pytest.mark.parametrize(
    ("last", "field", "code"),
    [
        (report(sample_count=0), "snapshots.2.sample_count", "min_value"),
        (report(2.0), "snapshots.2.metrics.accuracy", "invalid"),
        (report(0.1, confusion_matrix=MATRIX), "snapshots.2.metrics.accuracy", "contradiction"),
        (report(colour="red"), "snapshots.2.colour", "unknown_field"),
        (7, "snapshots.2", "invalid"),
    ],
)
def test_one_invalid_snapshot_refuses_all(ed: Caller, last: Any, field: str, code: str) -> None:
    answer = ed.post(BATCH, {"snapshots": [report(), report(), last]})

    assert faults(answer) == [(field, code)]
    assert stored() == 1


def test_a_thousand_invalid_snapshots_make_twenty_errors(ed: Caller) -> None:
    assert len(faults(ed.post(BATCH, {"snapshots": [report(2.0)] * 1000}))) == 20
    assert len(faults(ed.post(BATCH, {"snapshots": [report(sample_count=0)] * 1000}))) == 20


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"snapshots": []}, "min_length"),
        ({"snapshots": [report()] * 1001}, "max_length"),
        ({"snapshots": [report(0.75, confusion_matrix=MATRIX)] * 21}, "max_length"),
        ({"snapshots": report()}, "not_a_list"),
        ({}, "required"),
    ],
)
def test_a_batch_of_too_few_or_too_many_is_refused(ed: Caller, body: Any, code: str) -> None:
    assert faults(ed.post(BATCH, body)) == [("snapshots", code)]


def test_a_version_in_training_accepts_no_batch_with_the_test_split(ed: Caller) -> None:
    versions = "/models/mdl-7f3a19bc92/versions"
    version = ed.post(versions, {}).json()["version_id"]
    batch = [report(dataset_split="train"), report()]

    assert refusal(ed.post(f"{versions}/{version}/snapshots:batch", {"snapshots": batch})) == (409, "conflict")
    assert stored() == 1
    assert ed.post(f"{versions}/{version}/snapshots:batch", {"snapshots": batch[:1]}).status_code == 201


def test_a_viewer_reports_no_batch(viewer: User, model: RegisteredModel) -> None:
    assert refusal(Caller(viewer).post(BATCH, {"snapshots": [report()]}))[0] == 403


def test_queries_do_not_grow_with_the_batch(ed: Caller) -> None:
    def queries(size: int) -> int:
        with CaptureQueriesContext(connection) as made:
            assert ed.post(BATCH, {"snapshots": [report(sample_count=50)] * size}).status_code == 201
        return len(made)

    assert queries(30) == queries(2)
