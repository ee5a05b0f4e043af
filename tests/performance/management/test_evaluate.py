"""`manage.py evaluate MODEL VERSION FILE…`"""

import csv
import gzip
import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from sklearn.metrics import precision_score, recall_score

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from performance.snapshots.models import MetricSnapshot
from tests.api import Caller
from tests.factories import completed_version
from tests.performance.evaluations.uploads import stored_in

FIXTURES = Path(__file__).parents[3] / "fixtures" / "predictions"
TEST = FIXTURES / "breast-cancer" / "ver-00003-test.csv"
SUMMARY = ["accuracy", "precision", "recall", "f1_score", "roc_auc", "log_loss"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(acme: Any) -> list[str]:
    """A model, and a completed version of it without metrics."""
    model = RegisteredModel.objects.create(organization=acme, name="breast-cancer", task_type="classification")
    completed_version(model, number=3)
    return [model.pk, "ver-00003"]


def run(capsys: pytest.CaptureFixture[str], *arguments: object, **options: Any) -> str:
    call_command("evaluate", *map(str, arguments), **options)
    return capsys.readouterr().out


def test_stores_a_snapshot_that_the_summary_answers_with(
    version: list[str], viewer: User, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run(capsys, *version, TEST)

    assert "114 of 114 rows" in printed
    assert "accuracy" in printed
    assert "0.9737" in printed
    assert "0.9255 to 0.9928" in printed
    summary = Caller(viewer).get(f"/models/{version[0]}/performance/summary?version_id=ver-00003").json()
    assert list(summary["metrics"]) == SUMMARY
    assert summary["metrics"]["accuracy"] == 0.9736842105263158


def test_the_report_has_what_else_there_is_and_where_it_comes_from(
    version: list[str], viewer: User, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, *version, TEST)

    report = Caller(viewer).get(f"/models/{version[0]}/performance/report?version_id=ver-00003").json()
    assert report["metrics"]["balanced_accuracy"] == pytest.approx(0.9692460317460319)
    assert None not in report["metrics"].values()
    assert report["confidence_intervals"]["roc_auc"]["method"] == "newcombe_5"
    assert report["confidence_intervals"]["accuracy"]["level"] == 0.95
    assert set(report["per_class"]) == {"benign", "malignant"}
    assert (report["positive_class"], report["averaging"], report["sample_count"]) == ("malignant", "binary", 114)
    provenance = report["provenance"]
    assert (provenance["source"], provenance["engine"]) == ("computed", "duckdb")
    assert provenance["dataset_digest"] == hashlib.sha256(TEST.read_bytes()).hexdigest()
    history = Caller(viewer).get(f"/models/{version[0]}/performance/history?metric=cohen_kappa").json()
    assert [row["version_id"] for row in history["results"]] == ["ver-00003"]


def test_a_dry_run_prints_and_stores_nothing(version: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "Nothing was stored." in run(capsys, *version, TEST, "--dry-run")
    assert not MetricSnapshot.objects.exists()


def test_json_is_one_object(version: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, *version, TEST, "--json"))

    assert found["metrics"]["accuracy"] == 0.9736842105263158
    assert found["confidence_intervals"]["accuracy"]["method"] == "wilson"
    assert found["confusion_matrix"] == {"labels": ["benign", "malignant"], "counts": [[71, 1], [2, 40]]}


def test_evaluate_says_which_snapshot_is_stored(version: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    printed = run(capsys, *version, TEST, "--split", "validation")
    printed_snapshot = json.loads(run(capsys, *version, TEST, "--json"))["snapshot"]

    older, newer = MetricSnapshot.objects.order_by("pk")
    assert f"Stored for ver-00003 of {version[0]} on validation: snapshot {older.pk}." in printed
    assert printed_snapshot == {
        "id": str(newer.pk),
        "model_id": version[0],
        "version_id": "ver-00003",
        "dataset_split": "test",
    }
    assert json.loads(run(capsys, *version, TEST, "--json", "--dry-run"))["snapshot"] is None


@pytest.mark.parametrize(
    ("file", "more", "expected"),
    [
        ("actual,predicted,score\na,a,0.1\nb,b,nan\n", [], ("unprocessable_predictions", "score", 2)),
        ("actual\na\n", [], ("unprocessable_predictions", "predicted", None)),
        ("actual,predicted\na,b\n", ["--k", "5"], ("invalid_body", None, None)),
        (None, [], ("invalid_parameter", None, None)),
    ],
)
def test_what_goes_wrong_is_json_as_well(
    version: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    file: str | None,
    more: list[str],
    expected: tuple[str, str | None, int | None],
) -> None:
    path = tmp_path / "predictions.csv"
    if file is not None:
        path.write_text(file)

    with pytest.raises(CommandError) as refused:
        call_command("evaluate", *version, str(path), "--json", *more)

    problem = json.loads(capsys.readouterr().out)
    assert (problem["code"], problem.get("column"), problem.get("row")) == expected
    assert problem["detail"] == str(refused.value)
    assert None not in problem.values()
    assert refused.value.returncode == 1


@pytest.mark.parametrize(
    ("change", "code"), [(["mdl-0000000000", "ver-00003"], "model_not_found"), ([None, "3"], "version_not_found")]
)
def test_what_is_not_there_is_json_as_well(
    version: list[str], capsys: pytest.CaptureFixture[str], change: list[str | None], code: str
) -> None:
    with pytest.raises(CommandError):
        call_command("evaluate", *(new or old for new, old in zip(change, version, strict=True)), str(TEST), "--json")

    assert json.loads(capsys.readouterr().out)["code"] == code


def test_one_line_says_that_the_database_cannot_be_reached(
    version: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr("django.db.models.query.QuerySet.first", away)

    with pytest.raises(CommandError, match="connection refused"):
        call_command("evaluate", *version, str(TEST), "--json")

    assert json.loads(capsys.readouterr().out) == {"code": "service_unavailable", "detail": "connection refused"}


def test_a_pattern_is_several_files_read_as_one(version: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, *version, FIXTURES / "breast-cancer" / "ver-00003-*.csv", "--json"))

    assert found["rows"] == sum(
        len(file.read_text().splitlines()) - 1 for file in (FIXTURES / "breast-cancer").glob("ver-00003-*.csv")
    )


def test_another_positive_class_may_be_chosen(version: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, *version, TEST, "--positive-class", "benign", "--json"))

    assert found["positive_class"] == "benign"
    assert found["metrics"]["recall"] == pytest.approx(71 / 72)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "The file is empty"),
        ("actual,predicted\n", "There is no row"),
        ("actual,score\na,0.5\n", "no column 'predicted'"),
        ("actual,predicted,score\na,a,0.1\nb,b,nan\n", "Row 2 has no finite number in the column 'score'"),
        ("actual,predicted,score\na,a,0.1\nb,b,\n", "Row 2 has no finite number in the column 'score'"),
        ("actual,predicted\na,a\nb\n", "cannot be read|no prediction"),
        ("actual,predicted,Actual\na,a,a\n", "Both 'actual' and 'Actual' may be the column 'actual'"),
        ("y_true,label,y_pred\na,a,a\n", "Both 'y_true' and 'label' may be the column 'actual'"),
        ("actual,predicted,score_a,proba_a\na,a,1,1\n", "Both 'score_a' and 'proba_a' may hold"),
        ("actual,predicted,score_1,score_1.0\n1,1,1,1\n", "'score_1' and 'score_1.0' hold scores of the same class"),
        ("example_id,actual,predicted\nx,a,a\ny,a,a\nz,a,a\ny,a,a\n", "Row 2 has the example_id 'y'"),
        ("actual,,predicted\na,a,a\n", "without a name"),
        ('"actual\n', "not a header"),
    ],
)
def test_a_file_that_cannot_be_scored_is_refused_and_nothing_stored(
    version: list[str], tmp_path: Path, content: str, reason: str
) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text(content)

    with pytest.raises(CommandError, match=reason) as refused:
        call_command("evaluate", *version, str(file))

    assert refused.value.returncode == 1
    assert not MetricSnapshot.objects.exists()


def test_columns_of_other_names_may_be_named(
    version: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text(TEST.read_text().replace("example_id,actual,predicted,score", "id,what it is,Vorhersage,p", 1))
    columns = json.dumps({"actual": "what it is", "predicted": "Vorhersage", "score": "p", "example_id": "id"})

    named = json.loads(run(capsys, *version, file, "--columns", columns, "--json", "--dry-run"))

    usual = json.loads(run(capsys, *version, TEST, "--json", "--dry-run"))
    assert named.pop("evaluation_options")["columns"] == {
        "actual": "what it is",
        "predicted": "Vorhersage",
        "score": "p",
        "example_id": "id",
    }
    assert usual.pop("evaluation_options")["columns"]["actual"] == "actual"
    assert named == usual


@pytest.mark.parametrize(
    "names",
    ["example_id,y_true,y_pred,y_prob", "example_id,Label,Prediction,Y_Score", "example_id,TARGET,predicted,score"],
)
def test_columns_may_have_the_names_of_other_tools(
    version: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], names: str
) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text(TEST.read_text().replace("example_id,actual,predicted,score", names, 1))

    found = json.loads(run(capsys, *version, file, "--json", "--dry-run"))

    assert found["metrics"]["roc_auc"] is not None
    assert found["evaluation_options"]["columns"]["actual"] == names.split(",")[1]


def test_the_probabilities_of_classes_may_begin_with_proba(
    version: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.csv").write_text("y_true,y_pred,proba_a,Proba_b\na,a,0.75,0.25\nb,b,0.25,0.75\n")

    found = json.loads(run(capsys, *version, tmp_path / "p.csv", "--json", "--dry-run"))

    assert found["metrics"]["log_loss"] == pytest.approx(-math.log(0.75))


def test_examples_may_repeat_in_groups(version: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "p.csv"
    file.write_text("example_id,actual,predicted,group\nx,a,a,1\nx,a,a,1\ny,b,b,2\n")

    assert json.loads(run(capsys, *version, file, "--json", "--dry-run"))["sample_count"] == 3


def test_a_file_may_be_compressed(version: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / name for name in ("a.csv.gz", "b.csv.gz")]
    header, *rows = TEST.read_text().splitlines(keepends=True)
    for file, part in zip(files, (rows[:50], rows[50:]), strict=True):
        file.write_bytes(gzip.compress("".join([header, *part]).encode()))

    found = json.loads(run(capsys, *version, *files, "--json", "--dry-run"))

    assert found["metrics"]["accuracy"] == 0.9736842105263158
    files[0].write_bytes(files[0].read_bytes()[:-20])
    with pytest.raises(CommandError, match="not a complete gzip file"):
        run(capsys, *version, *files, "--json", "--dry-run")


def test_a_declared_positive_class_holds(version: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    RegisteredModel.objects.update(positive_class="benign")

    assert json.loads(run(capsys, *version, TEST, "--json", "--dry-run"))["positive_class"] == "benign"
    with pytest.raises(CommandError, match="declares the positive class 'benign', not 'malignant'"):
        run(capsys, *version, TEST, "--positive-class", "malignant")


def test_a_snapshot_may_name_its_dataset(version: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, *version, TEST, "--dataset", "churn@3")

    stored = MetricSnapshot.objects.get()
    assert (stored.dataset, stored.detail.dataset_version) == ("churn", "3")
    with pytest.raises(CommandError, match="is not NAME or NAME@VERSION"):
        run(capsys, *version, TEST, "--dataset", "@3")


def test_examples_of_the_training_data_are_counted(
    version: list[str], tmp_path: Path, viewer: User, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stored_in(settings, tmp_path)
    header = "example_id,actual,predicted\n"
    (tmp_path / "train.csv").write_text(header + "".join(f"{at},{at % 2},1\n" for at in range(10)))
    (tmp_path / "test.csv").write_text(header + "".join(f"{at},{at % 2},1\n" for at in range(7, 19)))

    run(capsys, *version, tmp_path / "test.csv")
    assert MetricSnapshot.objects.get().detail.train_overlap is None
    run(capsys, *version, tmp_path / "train.csv", "--split", "train")
    run(capsys, *version, tmp_path / "test.csv")

    report = Caller(viewer).get(f"/models/{version[0]}/performance/report?version_id=ver-00003").json()
    assert report["train_overlap"] == 0.25
    assert [each["code"] for each in report["warnings"]] == ["train_overlap"]
    assert "3 of 12 examples (25.0%)" in report["warnings"][0]["detail"]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ("actual=label", "not a valid JSON object"),
        ("[]", "Must be an object"),
        ('{"label": "actual"}', "no 'label'"),
        ('{"actual": ""}', "'actual' must be a name of at most 200 characters"),
        ('{"actual": 1}', "'actual' must be a name of at most 200 characters"),
        ('{"scores": "p"}', "by class"),
        ('{"scores": {"a": null}}', "by class"),
        ('{"actual": "nowhere"}', "There is no column 'nowhere'"),
    ],
)
def test_columns_that_are_not_well_named_are_refused(version: list[str], columns: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        call_command("evaluate", *version, str(TEST), "--columns", columns)


def test_files_with_different_headers_are_not_read_as_one(version: list[str], tmp_path: Path) -> None:
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    files[0].write_text("actual,predicted\na,b\n")
    files[1].write_text("predicted,actual\nb,a\n")

    with pytest.raises(CommandError, match="different headers"):
        call_command("evaluate", *version, *map(str, files))


def test_with_a_threshold_the_score_decides(version: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, *version, TEST, "--threshold", "0.25", "--json"))

    with TEST.open() as file:
        rows = list(csv.DictReader(file))
    actual = [row["actual"] for row in rows]
    predicted = ["malignant" if float(row["score"]) >= 0.25 else "benign" for row in rows]
    assert found["metrics"]["recall"] == pytest.approx(recall_score(actual, predicted, pos_label="malignant"))
    assert found["metrics"]["precision"] == pytest.approx(precision_score(actual, predicted, pos_label="malignant"))
    assert found["metrics"]["roc_auc"] == json.loads(run(capsys, *version, TEST, "--json"))["metrics"]["roc_auc"]


def test_a_threshold_needs_no_column_of_predictions(
    version: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text("actual,score\n0,0.5\n1,0.5\n0,0.4\n1,0.9\n")

    found = json.loads(run(capsys, *version, file, "--threshold", "0.5", "--positive-class", "1", "--json"))

    assert found["confusion_matrix"] == {"labels": ["0", "1"], "counts": [[1, 1], [0, 2]]}


@pytest.mark.parametrize(
    ("content", "more", "reason"),
    [
        ("actual,predicted\na,b\n", [], "needs the score of the positive class"),
        ("actual,score\na,0.5\n", [], "two classes"),
        ("actual,score\na,0.5\nb,0.5\nc,0.5\n", [], "two classes"),
        ("actual,score\na,0.5\nb,0.5\n", ["--positive-class", "c"], "no label 'c'"),
    ],
)
def test_a_threshold_is_for_one_score_of_two_classes(
    version: list[str], tmp_path: Path, content: str, more: list[str], reason: str
) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text(content)

    with pytest.raises(CommandError, match=reason):
        call_command("evaluate", *version, str(file), "--threshold", "0.5", *more)


def test_a_file_that_is_not_what_it_says_is_refused(version: list[str], tmp_path: Path) -> None:
    file = tmp_path / "predictions.parquet"
    file.write_text("actual,predicted\na,a\n")

    with pytest.raises(CommandError, match="cannot be read"):
        call_command("evaluate", *version, str(file))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (["mdl-0000000000", "ver-00003", TEST], "There is no model"),
        (["x", "ver-00003", TEST], "There is no model"),
        (["{model}", "ver-00009", TEST], "has no version"),
        (["{model}", "3", TEST], "has no version"),
        (["{model}", "ver-00003", "missing.csv"], "There is no file"),
        (["{model}", "ver-00003", "nothing-*.csv"], "matches no file"),
        (["{model}", "ver-00003", __file__], "must end in .parquet"),
    ],
)
def test_what_is_not_there_is_named(version: list[str], change: list[object], reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        call_command("evaluate", *(str(each).replace("{model}", version[0]) for each in change))


def test_a_version_in_training_takes_none_of_the_test_split(version: list[str], editor: User) -> None:
    Caller(editor).post(f"/models/{version[0]}/versions")

    with pytest.raises(CommandError, match="is training"):
        call_command("evaluate", version[0], "ver-00004", str(TEST))
    call_command("evaluate", version[0], "ver-00004", str(TEST), "--split", "train")
    assert MetricSnapshot.objects.get().dataset_split == "train"


def test_without_the_extra_spark_is_refused_in_one_line_that_names_what_is_missing(
    version: list[str], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.EVALUATION_ENGINE = "local[2]"
    monkeypatch.setitem(sys.modules, "pyspark", None)

    with pytest.raises(CommandError, match="needs the package pyspark. Install the extra `spark`") as refused:
        call_command("evaluate", *version, str(TEST))

    assert len(str(refused.value).splitlines()) == 1


def test_a_task_type_that_is_not_evaluated_here_says_so(version: list[str]) -> None:
    RegisteredModel.objects.update(task_type="clustering")

    with pytest.raises(CommandError, match="report its metrics instead"):
        call_command("evaluate", *version, str(TEST))
