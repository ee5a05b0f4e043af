"""`manage.py evaluate MODEL VERSION FILE…`: what it stores and prints."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from sklearn.metrics import precision_score, recall_score

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from performance.snapshots.models import MetricSnapshot
from tests.api import Caller
from tests.performance.evaluations.uploads import stored_in
from tests.performance.management.evaluate_command import TEST, run

pytestmark = pytest.mark.django_db

SUMMARY_METRICS = ["accuracy", "precision", "recall", "f1_score", "roc_auc", "log_loss"]


def test_the_stored_snapshot_is_in_the_summary(
    version: list[str], viewer: User, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run(capsys, *version, TEST)

    assert "114 of 114 rows" in printed
    assert "accuracy" in printed
    assert "0.9737" in printed
    assert "0.9255 to 0.9928" in printed
    summary = Caller(viewer).get(f"/models/{version[0]}/performance/summary?version_id=ver-00003").json()
    assert list(summary["metrics"]) == SUMMARY_METRICS
    assert summary["metrics"]["accuracy"] == 0.9736842105263158


def test_the_report_has_further_metrics_and_their_provenance(
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


def test_a_dry_run_stores_nothing(version: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "Nothing was stored." in run(capsys, *version, TEST, "--dry-run")
    assert not MetricSnapshot.objects.exists()


@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_what_is_missing_says_why(
    version: list[str], tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p.csv"
    file.write_text("actual,predicted\n" + "no,no\n" * 9 + "no,\n")

    printed = run(capsys, *version, str(file), "--allow-missing", *flags)

    assert "No log_loss: There is no column of scores." in printed
    assert "No interval of balanced_accuracy: All examples are of one class." in printed
    assert "Warning: 10.0% of the rows have no prediction." in printed
    assert "Warning: All examples are of the class 'no'" in printed


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


def test_another_positive_class_may_be_chosen(version: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, *version, TEST, "--positive-class", "benign", "--json"))

    assert found["positive_class"] == "benign"
    assert found["metrics"]["recall"] == pytest.approx(71 / 72)


def test_a_declared_positive_class_holds(version: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    RegisteredModel.objects.update(positive_class="benign")

    assert json.loads(run(capsys, *version, TEST, "--json", "--dry-run"))["positive_class"] == "benign"
    with pytest.raises(CommandError, match="declares the positive class 'benign', not 'malignant'"):
        run(capsys, *version, TEST, "--positive-class", "malignant")
    with pytest.raises(CommandError, match="so its averaging is `binary`"):
        run(capsys, *version, TEST, "--averaging", "weighted")


def test_examples_may_repeat_in_groups(version: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "p.csv"
    file.write_text("example_id,actual,predicted,group\nx,a,a,1\nx,a,a,1\ny,b,b,2\n")

    assert json.loads(run(capsys, *version, file, "--json", "--dry-run"))["sample_count"] == 3


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
