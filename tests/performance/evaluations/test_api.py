"""An upload of predictions is evaluated by a worker, and becomes a snapshot or a problem."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from models_registry.accounts.models import Membership, User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel, Version
from performance.evaluations.models import EvaluationJob
from performance.snapshots.models import MetricSnapshot
from tests.api import BASE, TIMESTAMP, Caller, faults, masked, refusal
from tests.conftest import golden
from tests.factories import completed_version
from tests.performance.evaluations.uploads import (
    GOOD,
    PATH,
    evaluated,
    parquet,
    stored_in,
    stored_uploads,
    upload,
    work,
)

pytestmark = pytest.mark.django_db

PREDICTIONS = settings.BASE_DIR / "fixtures" / "predictions"
FIXTURE = PREDICTIONS / "breast-cancer" / "ver-00003-test.csv"


def shown(evaluation: dict[str, Any]) -> dict[str, Any]:
    """Return an evaluation with rounded metrics, without the values that differ from run to run."""
    body = masked({**evaluation, "id": "1"})
    metrics = body["snapshot"]["metrics"]
    assert TIMESTAMP.fullmatch(body["snapshot"]["evaluated_at"])
    body["snapshot"]["evaluated_at"] = "<evaluated_at>"
    body["snapshot"]["metrics"] = {name: value and round(value, 9) for name, value in metrics.items()}
    return body


@pytest.fixture(autouse=True)
def _nothing_is_left(model: RegisteredModel, settings: Any, tmp_path: Path) -> Any:
    """Check that only queued evaluations have a stored upload."""
    stored_in(settings, tmp_path)
    yield
    assert len(stored_uploads()) == EvaluationJob.objects.filter(finished_at=None).count()


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
    ("name", "fields"), [("p.csv.gz", {}), ("p.csv", {"format": "csv.gz"}), ("p", {"format": "csv.gz"})]
)
def test_an_upload_may_be_compressed(editor: User, name: str, fields: dict[str, str]) -> None:
    done = evaluated(editor, gzip.compress(GOOD, mtime=0), name, **fields)

    assert done["snapshot"]["metrics"]["accuracy"] == 0.75


def test_a_damaged_compressed_upload_fails(editor: User) -> None:
    done = evaluated(editor, gzip.compress(GOOD, mtime=0)[:-9], "p.csv.gz")

    assert "not a complete gzip file" in done["problem"]["detail"]


def test_an_evaluation_names_its_dataset_and_options(editor: User) -> None:
    done = evaluated(editor, dataset='{"name": "churn-2026-10", "version": "3"}', threshold="0.65")

    assert done["state"] == "succeeded", done["problem"]
    stored = MetricSnapshot.objects.get(source="computed")
    assert (stored.dataset, stored.detail.dataset_version) == ("churn-2026-10", "3")
    assert len(stored.detail.examples_digest or "") == 64
    assert stored.detail.evaluation_options == {
        "positive_class": "yes",
        "averaging": "binary",
        "threshold": 0.65,
        "allow_missing": False,
        "columns": {"actual": "actual", "score": "score", "example_id": "example_id"},
    }


@pytest.mark.parametrize(
    "dataset",
    [
        *("churn", "[]", "{}", '{"name": ""}', '{"name": "a", "digest": "b"}', '{"name": 1}'),
        *('{"name": " "}', '{"name": "a "}', '{"name": "a", "version": "b\\nc"}'),
    ],
)
def test_a_dataset_must_be_an_object_with_a_name(editor: User, dataset: str) -> None:
    answer = upload(editor, dataset=dataset)

    assert refusal(answer) == (400, "invalid_body")
    assert answer.json()["errors"][0]["field"] == "dataset"


def test_a_declared_positive_class_holds_for_every_upload(editor: User, model: RegisteredModel) -> None:
    RegisteredModel.objects.update(positive_class="no")

    assert evaluated(editor)["state"] == "succeeded"
    assert MetricSnapshot.objects.get(source="computed").detail.positive_class == "no"
    answer = upload(editor, positive_class="yes")
    assert refusal(answer) == (400, "invalid_body")
    assert "declares the positive class 'no', not 'yes'" in answer.json()["detail"]


def test_a_repeated_example_fails_with_its_id(editor: User) -> None:
    done = evaluated(editor, GOOD + b"2,no,no,0.1\n")

    assert done["problem"]["status"] == 422
    assert done["problem"]["row"] == 2
    assert "'2'" in done["problem"]["detail"]


def test_examples_of_the_training_data_are_counted(editor: User) -> None:
    evaluated(editor, dataset_split="train")

    evaluated(editor, GOOD + b"5,no,no,0.1\n")

    detail = MetricSnapshot.objects.get(source="computed", dataset_split="test").detail
    assert detail.train_overlap == 0.8
    assert [each["code"] for each in detail.warnings] == ["train_overlap"]


def test_an_evaluation_takes_columns_and_options(editor: User) -> None:
    content = b"label,guess,p,country\nno,no,0.2,CH\nno,yes,0.7,FR\nyes,yes,0.9,CH\nyes,,0.6,FR\n"
    columns = {"actual": "label", "predicted": "guess", "score": "p", "attributes": ["country"]}
    options = {"positive_class": "no", "averaging": "binary", "allow_missing": "true"}
    done = evaluated(editor, content, columns=json.dumps(columns), **options)

    assert done["state"] == "succeeded", done["problem"]
    assert done["snapshot"]["sample_count"] == 3
    report = Caller(editor).get("/models/mdl-7f3a19bc92/performance/report").json()
    assert (report["row_count"], report["sample_count"], report["positive_class"]) == (4, 3, "no")
    [worst] = Caller(editor).get("/models/mdl-7f3a19bc92/performance/misclassifications").json()["results"]
    assert worst["attributes"] == {"country": "FR"}


def test_an_evaluation_takes_a_threshold_instead_of_predictions(editor: User) -> None:
    done = evaluated(editor, b"actual,score\nno,0.2\nyes,0.4\nyes,0.9\nno,0.3\n", threshold="0.35")
    assert done["snapshot"]["metrics"]["accuracy"] == 1


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"file": None}, ("file", "required")),
        ({"file": "text"}, ("file", "invalid")),
        ({"dataset_split": None}, ("dataset_split", "required")),
        ({"dataset_split": "Test"}, ("dataset_split", "invalid_choice")),
        ({"columns": "{"}, ("columns", "invalid")),
        ({"columns": "[]"}, ("columns", "invalid")),
        ({"columns": '{"actual": 1}'}, ("columns", "invalid")),
        ({"columns": '{"label": "x"}'}, ("columns", "invalid")),
        ({"columns": '{"actual": "a\\u0000b"}'}, ("columns", "invalid")),
        ({"columns": '{"scores": ["a"]}'}, ("columns", "invalid")),
        ({"columns": '{"attributes": ' + json.dumps(["x"] * 21) + "}"}, ("columns", "invalid")),
        ({"positive_class": "a\0b"}, ("positive_class", "null_characters_not_allowed")),
        ({"averaging": "samples"}, ("averaging", "invalid_choice")),
        ({"threshold": "nan"}, ("threshold", "invalid")),
        ({"threshold": "1e999"}, ("threshold", "invalid")),
        ({"allow_missing": "yes"}, ("allow_missing", "invalid_choice")),
        ({"k": "0"}, ("k", "min_value")),
        ({"k": "1_0"}, ("k", "invalid")),
        ({"positive_class": "\ufffd"}, ("positive_class", "invalid")),
        ({"metrics": "{}"}, ("metrics", "unknown_field")),
        ({"other": SimpleUploadedFile("x.csv", b"x")}, ("other", "unknown_field")),
        ({"dataset_split": ["test", "train"]}, ("dataset_split", "repeated_field")),
        ({"file": [SimpleUploadedFile("x.csv", GOOD), SimpleUploadedFile("y.csv", GOOD)]}, ("file", "repeated_field")),
    ],
)
def test_a_form_that_is_not_valid_is_refused_by_field(editor: User, fields: Any, fault: tuple[str, str]) -> None:
    assert faults(upload(editor, **fields)) == [fault]
    assert not EvaluationJob.objects.exists()


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        (GOOD, "predictions.parquet", "says parquet, but the content is csv"),
        (parquet({"actual": ["a"], "predicted": ["a"]}), "predictions.csv", "says csv, but the content is parquet"),
        (gzip.compress(GOOD, mtime=0), "predictions.csv", "says csv, but the content is csv.gz"),
        (gzip.compress(GOOD, mtime=0), "predictions", "Name it .csv.gz"),
        (GOOD, "predictions.csv.gz", "says csv.gz, but the content is csv"),
        (b"PK\x03\x04" + GOOD, "predictions.zip", "compressed"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused_at_once(editor: User, content: bytes, name: str, told: str) -> None:
    answer = upload(editor, content, name)
    assert refusal(answer) == (422, "unprocessable_predictions")
    assert told in answer.json()["detail"]
    assert not EvaluationJob.objects.exists()


@pytest.mark.parametrize(
    ("content", "name", "format_"),
    [
        (GOOD, "predictions.csv", "parquet"),
        (GOOD, "predictions.csv", "csv.gz"),
        (gzip.compress(GOOD, mtime=0), "predictions.csv.gz", "csv"),
        (parquet({"actual": ["a"], "predicted": ["a"]}), "predictions.parquet", "csv"),
    ],
)
def test_a_file_of_another_format_than_the_field_says_is_refused_whatever_its_name(
    editor: User, content: bytes, name: str, format_: str
) -> None:
    answer = upload(editor, content, name, format=format_)
    assert refusal(answer) == (422, "unprocessable_predictions")
    assert f"`format` says {format_}, but the content is" in answer.json()["detail"]


def test_the_format_that_the_field_says_counts_and_not_the_file_s_name(editor: User) -> None:
    done = evaluated(editor, GOOD, "predictions.parquet", format="csv")

    assert done["snapshot"]["metrics"]["accuracy"] == 0.75


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


def test_a_file_over_the_limit_is_refused(editor: User, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = len(GOOD) - 1
    answer = upload(editor)
    assert refusal(answer) == (413, "payload_too_large")
    assert f"{len(GOOD) - 1} bytes" in answer.json()["detail"]
    settings.MAX_UPLOAD_BYTES = len(GOOD)
    assert upload(editor).status_code == 202


def test_a_body_that_says_that_it_is_too_large_is_refused_unread(editor: User, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES, settings.MAX_BODY_BYTES = 10, 10
    assert refusal(upload(editor)) == (413, "payload_too_large")


def test_another_body_than_a_form_is_refused(editor: User) -> None:
    assert refusal(Caller(editor).post(PATH, {})) == (415, "unsupported_media_type")
    broken = Caller(editor).client.generic("POST", f"{BASE}{PATH}", b"--x", "multipart/form-data; boundary=")
    assert refusal(broken) == (400, "invalid_body")


def test_who_may_not_write_is_refused_and_nothing_kept(viewer: User, outsider: User) -> None:
    assert refusal(upload(viewer)) == (403, "permission_denied")
    assert refusal(upload(outsider)) == (403, "permission_denied")
    assert refusal(upload(Caller())) == (401, "not_authenticated")


def test_an_evaluation_is_shown_to_who_may_read_the_model(editor: User, viewer: User, outsider: User) -> None:
    location = upload(editor)["Location"]
    assert Caller(viewer).get(location).status_code == 200
    assert refusal(Caller(outsider).get(location)) == (403, "permission_denied")
    assert refusal(Caller().get(location)) == (401, "not_authenticated")
    assert refusal(Caller(viewer).get(location, {"page": 1})) == (400, "unknown_parameter")
    etag = Caller(viewer).get(location)["ETag"]
    assert Caller(viewer).get(location, If_None_Match=etag).status_code == 304


@pytest.mark.parametrize("evaluation_id", ["x", "0", "00000000-0000-4000-8000-000000000000", "a\u0660" * 500])
def test_an_evaluation_that_is_not_there_is_not_found(viewer: User, evaluation_id: str) -> None:
    assert refusal(Caller(viewer).get(f"/evaluations/{evaluation_id}")) == (404, "not_found")


def test_a_version_in_training_takes_no_evaluation_of_the_test_split(editor: User, model: RegisteredModel) -> None:
    Version.objects.create(model=model, number=500, state="training")
    path = PATH.replace("001a1", "001f4")
    assert refusal(upload(editor, path=path)) == (409, "conflict")
    assert upload(editor, path=path, dataset_split="validation").status_code == 202
    assert work()


def test_a_task_type_that_is_not_evaluated_here_is_refused(editor: User, acme: Any) -> None:
    clusters = RegisteredModel.objects.create(organization=acme, name="segments", task_type="clustering")
    completed_version(clusters, number=1)
    answer = upload(editor, path=f"/models/{clusters.pk}/versions/ver-00001/evaluations")
    assert refusal(answer) == (422, "unprocessable_predictions")
    assert "report its metrics instead" in answer.json()["detail"]


def test_an_option_that_means_nothing_for_the_task_type_is_refused(editor: User, empty_model: RegisteredModel) -> None:
    completed_version(empty_model, number=1)
    path = f"/models/{empty_model.pk}/versions/ver-00001/evaluations"
    answer = upload(editor, path=path, averaging="macro", threshold="0.5", allow_missing="true")
    assert faults(answer) == [("averaging", "not_available"), ("threshold", "not_available")]
    answer = upload(editor, path=path, columns='{"query": "q", "actual": "y"}')
    assert faults(answer) == [("columns.query", "not_available")]
    assert not EvaluationJob.objects.exists()


def test_a_version_that_failed_or_a_model_archived_meanwhile_takes_no_snapshot(
    editor: User, model: RegisteredModel
) -> None:
    location = upload(editor)["Location"]
    RegisteredModel.objects.filter(pk=model.pk).update(archived_at=model.created_at)
    assert work()
    problem = Caller(editor).get(location).json()["problem"]
    assert (problem["status"], problem["code"]) == (409, "conflict")
    assert refusal(upload(editor)) == (409, "conflict")


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


def test_the_right_to_read_is_asked_for_each_time(editor: User, viewer: User) -> None:
    location = upload(editor)["Location"]
    caller = Caller(viewer)
    assert caller.get(location).status_code == 200
    Membership.objects.filter(user=viewer).delete()
    assert refusal(caller.get(location)) == (403, "permission_denied")


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
