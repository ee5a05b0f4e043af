"""`manage.py evaluate` where `EVALUATION_ENGINE` is Apache Spark."""

import json
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from models_registry.models import RegisteredModel
from performance.models import MetricSnapshot
from tests.factories import completed_version

TEST = Path(__file__).parents[3] / "fixtures" / "predictions" / "breast-cancer" / "ver-00003-test.csv"

# No transaction is open while Spark starts, as for the command itself: the database would end it.
pytestmark = [
    pytest.mark.spark,
    pytest.mark.usefixtures("spark_is_there", "rows_can_be_cleaned_up"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def version(acme: Any, settings: Any) -> list[str]:
    """A completed version without metrics, and Spark to evaluate it."""
    settings.EVALUATION_ENGINE = "local[2]"
    model = RegisteredModel.objects.create(organization=acme, name="breast-cancer", task_type="classification")
    completed_version(model, number=3)
    return [model.pk, "ver-00003"]


def test_the_snapshot_says_what_computed_it(version: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    call_command("evaluate", *version, str(TEST), "--json")

    captured = capsys.readouterr()
    assert json.loads(captured.out)["metrics"]["accuracy"] == 0.9736842105263158
    assert captured.err.strip() == ""  # Java says a lot, which is no one's affair
    detail = MetricSnapshot.objects.get().detail
    assert (detail.engine, detail.engine_version) == ("spark", version_of("pyspark"))


def test_what_cannot_be_scored_is_refused_with_its_row(version: list[str], tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text("actual,predicted,score\na,a,0.1\nb,b,nan\n")

    with pytest.raises(CommandError, match="Row 2 has no finite number in the column 'score'"):
        call_command("evaluate", *version, str(file))

    assert not MetricSnapshot.objects.exists()


def test_without_java_one_line_says_what_to_install(
    version: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    with pytest.raises(CommandError, match="needs Java: .*openjdk-17-jre-headless") as refused:
        call_command("evaluate", *version, str(TEST))

    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("master", ["spark://nowhere.invalid:7077", "spark://127.0.0.1:1", "spark://127.0.0.1:99999"])
def test_a_cluster_that_does_not_answer_ends_the_command_with_one_line(
    version: list[str], settings: Any, master: str
) -> None:
    settings.EVALUATION_ENGINE = master

    with pytest.raises(CommandError, match=f"Apache Spark at {master} cannot be had") as refused:
        call_command("evaluate", *version, str(TEST))

    assert len(str(refused.value).splitlines()) == 1
