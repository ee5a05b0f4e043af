"""The files that `manage.py evaluate` reads, and the columns in them."""

import gzip
import json
import math
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from performance.snapshots.models import MetricSnapshot
from tests.performance.management.evaluate_command import FIXTURES, TEST, run

pytestmark = pytest.mark.django_db


def test_a_pattern_is_several_files_read_as_one(version: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, *version, FIXTURES / "breast-cancer" / "ver-00003-*.csv", "--json"))

    assert found["rows"] == sum(
        len(file.read_text().splitlines()) - 1 for file in (FIXTURES / "breast-cancer").glob("ver-00003-*.csv")
    )


def test_files_with_different_headers_are_not_read_as_one(version: list[str], tmp_path: Path) -> None:
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    files[0].write_text("actual,predicted\na,b\n")
    files[1].write_text("predicted,actual\nb,a\n")

    with pytest.raises(CommandError, match="different headers"):
        call_command("evaluate", *version, *map(str, files))


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


def test_columns_may_be_given_by_name(version: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
def test_invalid_names_of_columns_are_refused(version: list[str], columns: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        call_command("evaluate", *version, str(TEST), "--columns", columns)


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


def test_a_file_that_is_not_what_it_says_is_refused(version: list[str], tmp_path: Path) -> None:
    file = tmp_path / "predictions.parquet"
    file.write_text("actual,predicted\na,a\n")

    with pytest.raises(CommandError, match="cannot be read"):
        call_command("evaluate", *version, str(file))
