"""`POST /organizations/{slug}/imports`"""

from pathlib import Path
from typing import Any

import pytest

from models_registry.accounts.models import User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel, Version
from performance.snapshots.models import MetricSnapshot
from tests.api import Caller, faults, refusal
from tests.conftest import authenticated
from tests.forms import BOUNDARY, multipart
from tests.hostile import environ_of, served

pytestmark = pytest.mark.django_db
IMPORTS = "/api/v1/organizations/acme/imports"
TABLE = Path("fixtures/imports/table.csv").read_text()
REPORT = Path("fixtures/imports/sklearn-report.json").read_text()
CARD = Path("fixtures/imports/model-index.md").read_text()


def send(user: User, file: str, *, key: str = "", **fields: str) -> Any:
    """Send a form with a file."""
    headers = {"Idempotency-Key": key} if key else {}
    body = multipart(file=file, **fields)
    return Caller(user).client.generic(
        "POST", IMPORTS, body, f"multipart/form-data; boundary={BOUNDARY}", headers=headers
    )


def test_imports_a_file_once(editor: User) -> None:
    would = send(editor, TABLE, format="csv", dry_run="true")
    assert (would.status_code, RegisteredModel.objects.count()) == (200, 0)
    assert would.json()["models"][0]["model_id"] is None

    answer = send(editor, TABLE, format="csv", key="job-1")
    assert answer.status_code == 201, answer.content
    body = answer.json()
    model = RegisteredModel.objects.get()
    assert body == would.json() | {
        "dry_run": False,
        "models": [{**would.json()["models"][0], "model_id": model.pk}],
    }
    assert (body["created"], body["file"]) == ({"models": 1, "versions": 2, "snapshots": 3}, "predictions.csv")
    assert (model.created_by, model.task_type) == (editor, "classification")
    report = Caller(editor).get(
        f"/models/{model.pk}/performance/report", {"version_id": "ver-00002", "dataset": "november"}
    )
    assert report.json()["metrics"]["accuracy"] == 0.825
    assert report.json()["custom_metrics"] == {"latency_ms": 11.25}
    provenance = report.json()["provenance"]
    assert (provenance["source"], provenance["created_by"]) == ("imported", "ed")
    assert AuditEntry.objects.filter(actor=editor).count() >= 5

    assert send(editor, TABLE, format="csv", key="job-1")["Idempotency-Replayed"] == "true"
    assert refusal(send(editor, TABLE + "\n", format="csv", key="job-1")) == (422, "idempotency_mismatch")
    again = send(editor, TABLE, format="csv")
    assert (again.status_code, again.json()["unchanged"]) == (200, {"models": 1, "versions": 2, "snapshots": 3})
    assert (Version.objects.count(), MetricSnapshot.objects.count()) == (2, 3)

    large = [send(editor, "accuracy,log_loss\n0.5,1.7e308\n", format="csv", model="large") for _ in range(2)]
    assert [each.status_code for each in large] == [201, 200]  # PostgreSQL returns such numbers as integers

    card = send(editor, CARD, format="model-index").json()
    assert card["skipped"] == [{"place": "model-index.0.results.1.metrics.1.value", "reason": "Is not a number."}]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("size", "expected"), [(3 * 2**20, (201, None)), (8 * 2**20 + 1, (413, "payload_too_large"))])
def test_a_server_accepts_the_documented_size(
    editor: User, chunked: bool, size: int, expected: tuple[int, str | None]
) -> None:
    body = multipart(file=REPORT.ljust(size), format="sklearn-report", model="churn").encode()
    login = {"Authorization": str(authenticated(editor).defaults["HTTP_AUTHORIZATION"])}
    environ = environ_of("POST", IMPORTS, f"multipart/form-data; boundary={BOUNDARY}", body=body, headers=login)
    if chunked:
        environ |= {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}

    assert served(environ) == expected


def test_refuses_what_it_cannot_read_and_stores_nothing_of_it(editor: User, viewer: User) -> None:
    wrong = send(editor, TABLE + "tickets,classification,x,test,,0,,0.5,,\n", format="csv")
    assert refusal(wrong) == (422, "unprocessable_import")
    assert wrong.json()["file"] == "predictions.csv"
    assert wrong.json()["errors"][0]["field"] == "row 5, column sample_count"
    contradicting = send(editor, "accuracy,log_loss,split\n0.5,-1,test\n", format="csv", model="m")
    assert contradicting.status_code == 201  # a loss that cannot be is kept as a custom metric
    assert contradicting.json()["created"]["models"] == 1
    other = send(editor, "mae\n0.5\n", format="csv", model="m")  # a custom metric of a model with classes
    assert (other.status_code, other.json()["models"][0]["task_type"]) == (201, "classification")
    arabic = send(editor, "accuracy\n\u0661\n", format="csv", model="m")
    assert refusal(arabic) == (422, "unprocessable_import")
    assert faults(send(editor, TABLE, format="xls")) == [("format", "invalid_choice")]
    assert faults(send(editor, TABLE, format="csv", organization="acme")) == [("organization", "unknown_field")]
    assert refusal(send(editor, "x" * (8 * 2**20 + 1), format="csv")) == (413, "payload_too_large")
    assert refusal(send(viewer, TABLE, format="csv")) == (403, "permission_denied")
    assert not RegisteredModel.objects.filter(name="tickets").exists()
    RegisteredModel.objects.update(archived_at="2026-03-13T14:22:10Z")
    assert refusal(send(editor, "mae\n0.6\n", format="csv", model="m")) == (409, "conflict")
