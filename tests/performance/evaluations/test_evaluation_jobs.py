"""An upload is queued, evaluated by a worker, and becomes a snapshot or a problem."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import default_storage

from models_registry.accounts.models import User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from performance.evaluations.models import EvaluationJob
from performance.snapshots.models import MetricSnapshot
from tests.api import BASE, TIMESTAMP, Caller, masked, refusal
from tests.conftest import golden
from tests.performance.evaluations.uploads import GOOD, evaluated, parquet, upload, work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("finished_uploads_are_deleted")]

PREDICTIONS = settings.BASE_DIR / "fixtures" / "predictions"
FIXTURE = PREDICTIONS / "breast-cancer" / "ver-00003-test.csv"


def shown(evaluation: dict[str, Any]) -> dict[str, Any]:
    """Return an evaluation with rounded metrics and intervals, without the values that differ from run to run."""
    body = masked({**evaluation, "id": "1"})
    metrics = body["snapshot"]["metrics"]
    assert TIMESTAMP.fullmatch(body["snapshot"]["evaluated_at"])
    body["snapshot"]["evaluated_at"] = "<evaluated_at>"
    body["snapshot"]["metrics"] = {name: value and round(value, 9) for name, value in metrics.items()}
    for interval in body["snapshot"]["confidence_intervals"].values():
        interval |= {end: round(interval[end], 9) for end in ("lower", "upper")}
    return body


def test_an_upload_is_accepted_queued_evaluated_and_stored(editor: User) -> None:
    accepted = upload(editor)

    assert accepted.status_code == 202
    queued = accepted.json()
    assert accepted["Location"] == f"{BASE}/evaluations/{queued['id']}"
    assert (queued["state"], queued["progress"], queued["snapshot"], queued["problem"]) == ("queued", 0, None, None)
    assert Caller(editor).get(accepted["Location"]).json() == queued
    assert not MetricSnapshot.objects.filter(source="computed").exists()

    assert work()
    assert not work()
    done = Caller(editor).get(accepted["Location"]).json()
    assert (done["state"], done["progress"], done["problem"]) == ("succeeded", 1, None)
    assert shown(done) == golden("evaluation")
    summary = Caller(editor).get("/models/mdl-7f3a19bc92/performance/summary").json()
    assert summary["metrics"]["accuracy"] == 0.75
    report = Caller(editor).get("/models/mdl-7f3a19bc92/performance/report").json()
    assert report["provenance"]["source"] == "computed"
    assert report["provenance"]["engine"] == "duckdb"
    assert report["provenance"]["created_by"] == "ed"
    assert report["confidence_intervals"]["accuracy"]["method"] == "wilson"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_evaluation_computes_the_metrics_of_the_fixtures(editor: User, kind: str) -> None:
    table = {name: list(cells) for name, *cells in zip(*map(_cells, FIXTURE.read_text().splitlines()), strict=True)}
    table["score"] = [float(cell) for cell in table["score"]]
    content = FIXTURE.read_bytes() if kind == "csv" else parquet(table)
    done = evaluated(editor, content, f"predictions.{kind}")

    seed = json.loads((settings.BASE_DIR / "fixtures" / "seed.json").read_text())
    [model] = [each for each in seed["models"] if each["name"] == "breast-cancer"]
    [expected] = [each for each in model["versions"][2]["snapshots"] if each["dataset_split"] == "test"]
    found = {name: value for name, value in done["snapshot"]["metrics"].items() if name in expected["metrics"]}
    assert found == pytest.approx(expected["metrics"], rel=1e-9)
    assert done["snapshot"]["sample_count"] == expected["sample_count"]


def _cells(line: str) -> list[Any]:
    return list(line.split(","))


@pytest.mark.parametrize(
    ("content", "told", "column", "row"),
    [
        (b"", "no row", None, None),
        (b"actual,predicted\n", "no row", None, None),
        (b"actual,score\nno,0.5\n", "There is no column 'predicted'", "predicted", None),
        (b"actual,predicted,score\nno,no,0.5\nno,no,x\n", "Row 2", "score", 2),
        (b"actual,predicted,score\nno,no,0.5\nno,no,inf\n", "Row 2", "score", 2),
        (b"actual,predicted\nno,no\nno,\n", "no prediction", "predicted", 2),
        (b"actual,predicted\n,no\nno,no\n", "no label", "actual", 1),
        (b"actual,predicted\na,b,c\n", "row 1 has more cells than the header", None, 1),
        (b"\xff\xfe\x00actual", "cannot be read", None, None),
        (b"PAR1 and nothing of it", "cannot be read", None, None),
        (parquet({"actual": ["a"] * 9, "predicted": ["a"] * 9})[:-20], "cannot be read", None, None),
        (parquet({f"column_{number}": [1] for number in range(2_000)}), "2,000 columns", None, None),
    ],
)
def test_predictions_that_cannot_be_scored_fail_with_the_reason(
    editor: User, content: bytes, told: str, column: str | None, row: int | None
) -> None:
    done = evaluated(editor, content, "predictions")

    assert done["state"] == "failed"
    assert done["snapshot"] is None
    problem = done["problem"]
    assert (problem["status"], problem["code"]) == (422, "unprocessable_predictions")
    assert told in problem["detail"]
    assert (problem.get("column"), problem.get("row")) == (column, row)
    assert not MetricSnapshot.objects.filter(source="computed").exists()
    assert not work()
    assert evaluated(editor)["state"] == "succeeded"  # the worker is well


def test_a_repeated_example_fails_with_its_id(editor: User) -> None:
    done = evaluated(editor, GOOD + b"2,no,no,0.1\n")

    assert done["problem"]["status"] == 422
    assert done["problem"]["row"] == 2
    assert "'2'" in done["problem"]["detail"]


def test_a_damaged_compressed_upload_fails(editor: User) -> None:
    done = evaluated(editor, gzip.compress(GOOD, mtime=0)[:-9], "p.csv.gz")

    assert "not a complete gzip file" in done["problem"]["detail"]


def test_a_model_that_was_archived_meanwhile_takes_no_snapshot(editor: User, model: RegisteredModel) -> None:
    location = upload(editor)["Location"]
    RegisteredModel.objects.filter(pk=model.pk).update(archived_at=model.created_at)
    assert work()
    problem = Caller(editor).get(location).json()["problem"]
    assert (problem["status"], problem["code"]) == (409, "conflict")
    assert refusal(upload(editor)) == (409, "conflict")


def test_examples_of_the_training_data_are_counted(editor: User) -> None:
    evaluated(editor, dataset_split="train")

    evaluated(editor, GOOD + b"5,no,no,0.1\n")

    detail = MetricSnapshot.objects.get(source="computed", dataset_split="test").detail
    assert detail.train_overlap == 0.8
    assert [each["code"] for each in detail.warnings] == ["train_overlap", "changed_metrics"]  # than the imported ones


def test_rows_of_weight_0_dilute_no_overlap(editor: User) -> None:
    evaluated(editor, dataset_split="train")
    rows = [*(f"{at},yes,yes,1" for at in (1, 2, 5, 6)), *(f"{at},yes,yes,0" for at in range(7, 207)), "3,yes,yes,0"]

    evaluated(editor, "\n".join(["example_id,actual,predicted,weight", *rows]).encode())

    detail = MetricSnapshot.objects.get(source="computed", dataset_split="test").detail
    assert detail.train_overlap == 0.5
    assert "2 of 4 examples (50.0%)" in next(each["detail"] for each in detail.warnings if each["code"] != "one_class")


def test_the_overlap_is_unknown_if_an_example_has_no_id(editor: User) -> None:
    evaluated(editor, dataset_split="train")

    evaluated(editor, GOOD + b",no,no,0.1\n")

    detail = MetricSnapshot.objects.get(source="computed", dataset_split="test").detail
    assert (detail.train_overlap, detail.examples_digest, detail.predictions_digest) == (None, None, None)
    assert "unknown_train_overlap" in [each["code"] for each in detail.warnings]


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=5", "wait=5"),
        ('wait="5"', "wait=5"),
        ('respond-async, Wait = "005" ; x="y"', "wait=5"),
        ("wait=99", "wait=30"),
        ('wait="5', None),
        ('wait=5"', None),
        ('x="wait"', None),
    ],
)
def test_how_long_to_wait_may_be_quoted(editor: User, prefer: str, applied: str | None) -> None:
    upload(editor, Idempotency_Key="one")
    assert work()

    again = upload(editor, Idempotency_Key="one", Prefer=prefer)

    assert (again.status_code, again.get("Preference-Applied")) == (201 if applied else 202, applied)


def test_the_same_key_and_file_are_evaluated_once(editor: User) -> None:
    first = upload(editor, Idempotency_Key="one")
    again = upload(editor, Idempotency_Key="one")
    assert (again.status_code, again["Idempotency-Replayed"]) == (202, "true")
    assert again.json() == first.json()
    assert again["Location"] == first["Location"]
    assert refusal(upload(editor, GOOD + b"5,no,no,0.1\n", Idempotency_Key="one")) == (422, "idempotency_mismatch")
    assert refusal(upload(editor, averaging="macro", Idempotency_Key="one")) == (422, "idempotency_mismatch")
    assert EvaluationJob.objects.count() == 1


def test_an_evaluation_leaves_a_row_in_the_audit_trail_for_the_request_and_the_snapshot(editor: User) -> None:
    caller = Caller(editor)
    before = AuditEntry.objects.count()
    upload(caller)
    work()
    rows = list(AuditEntry.objects.order_by("pk")[before:])
    assert [row.content_type.model for row in rows] == ["evaluationjob", "metricsnapshot"]
    assert {row.actor_name for row in rows} == {"ed"}


def test_a_storage_that_takes_no_upload_is_an_outage_and_nothing_is_left(
    editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(name: str, content: Any) -> str:
        part = Path(default_storage.path(name))
        part.parent.mkdir(parents=True)
        part.write_bytes(content.read(10))
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(default_storage, "save", full)
        answer = upload(editor)
    assert refusal(answer) == (503, "service_unavailable")
    assert answer["Retry-After"]
    assert not EvaluationJob.objects.exists()
