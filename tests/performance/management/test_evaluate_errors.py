"""What stops `manage.py evaluate`, in one line and as JSON."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from performance.snapshots.models import MetricSnapshot
from tests.api import Caller
from tests.performance.management.evaluate_command import TEST

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("file", "more", "expected"),
    [
        ("actual,predicted,score\na,a,0.1\nb,b,nan\n", [], ("unprocessable_predictions", "score", 2)),
        ("actual\na\n", [], ("unprocessable_predictions", "predicted", None)),
        ("actual,predicted\na,b\n", ["--k", "5"], ("invalid_body", None, None)),
        (None, [], ("invalid_parameter", None, None)),
    ],
)
def test_an_error_is_json_as_well(
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
def test_a_missing_model_or_version_is_json_as_well(
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
def test_a_missing_model_version_or_file_is_named(version: list[str], change: list[object], reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        call_command("evaluate", *(str(each).replace("{model}", version[0]) for each in change))


def test_a_version_in_training_takes_no_metrics_of_the_test_split(version: list[str], editor: User) -> None:
    Caller(editor).post(f"/models/{version[0]}/versions")

    with pytest.raises(CommandError, match="is training"):
        call_command("evaluate", version[0], "ver-00004", str(TEST))
    call_command("evaluate", version[0], "ver-00004", str(TEST), "--split", "train")
    assert MetricSnapshot.objects.get().dataset_split == "train"


def test_spark_without_its_extra_is_refused_in_one_line_that_names_the_package(
    version: list[str], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.EVALUATION_ENGINE = "local[2]"
    monkeypatch.setitem(sys.modules, "pyspark", None)

    with pytest.raises(CommandError, match="needs the package pyspark. Install the extra `spark`") as refused:
        call_command("evaluate", *version, str(TEST))

    assert len(str(refused.value).splitlines()) == 1


def test_a_task_type_that_is_not_evaluated_here_is_refused(version: list[str]) -> None:
    RegisteredModel.objects.update(task_type="clustering")

    with pytest.raises(CommandError, match="report its metrics instead"):
        call_command("evaluate", *version, str(TEST))
