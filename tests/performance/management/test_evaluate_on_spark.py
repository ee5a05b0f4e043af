"""`manage.py evaluate` with Apache Spark as `EVALUATION_ENGINE`."""

import json
from decimal import Decimal
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.promotions import promote
from performance.comparisons.models import PairedComparison
from performance.metrics.engines import selection
from performance.snapshots.models import MetricSnapshot
from tests.factories import completed_version
from tests.performance.evaluations.uploads import stored_in

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


def test_what_is_kept_is_the_same_as_of_the_embedded_engine_and_so_versions_are_paired(
    version: list[str], settings: Any, tmp_path: Path
) -> None:
    stored_in(settings, tmp_path)
    for file in (TEST, parquet(tmp_path, TEST)):
        digests = set()
        for engine in ("local[2]", "duckdb"):
            settings.EVALUATION_ENGINE = engine
            call_command("evaluate", *version, str(file))
            digests.add(MetricSnapshot.objects.newest_first()[0].details.predictions_digest)
        assert len(digests) == 1

    assert default_storage.exists("predictions")
    promote(version=Version.objects.get(), promoted_by=None, reason="")
    completed_version(Version.objects.get().model, number=2)
    settings.EVALUATION_ENGINE = "local[2]"
    call_command("evaluate", version[0], "ver-00002", str(TEST.with_name("ver-00002-test.csv")))
    assert "roc_auc" in PairedComparison.objects.get().intervals


def parquet(folder: Path, file: Path) -> Path:
    """Return the predictions of a CSV file as Parquet."""
    written = folder / "predictions.parquet"
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(file), written)
    return written


LABELS = [
    (pyarrow.array([0.00001, 12345678.5]), True),
    # The first is 1 for Spark, but not for DuckDB.
    (pyarrow.array([Decimal("1.00000000000000000001"), Decimal("1.5")], pyarrow.decimal128(38, 20)), False),
]


@pytest.mark.parametrize(("labels", "is_kept"), LABELS)
def test_predictions_are_kept_unless_the_engines_read_their_labels_otherwise(
    version: list[str], tmp_path: Path, labels: Any, is_kept: bool
) -> None:
    table = {"example_id": ["1", "2"], "actual": labels, "predicted": labels.take([0, 0])}
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "predictions.parquet")

    call_command("evaluate", *version, str(tmp_path / "predictions.parquet"))

    assert (MetricSnapshot.objects.get().details.predictions_digest is not None) == is_kept


def test_nothing_is_kept_of_more_rows_than_one_machine_should_sort(
    version: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "MAX_ROWS", 100)

    call_command("evaluate", *version, str(TEST))

    assert MetricSnapshot.objects.get().details.predictions_digest is None


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

    with pytest.raises(CommandError, match="needs Java. .*openjdk-17-jre-headless") as refused:
        call_command("evaluate", *version, str(TEST))

    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("master", ["spark://nowhere.invalid:7077", "spark://127.0.0.1:1", "spark://127.0.0.1:99999"])
def test_a_cluster_that_does_not_answer_ends_the_command_with_one_line(
    version: list[str], settings: Any, master: str
) -> None:
    settings.EVALUATION_ENGINE = master

    with pytest.raises(CommandError, match=f"Apache Spark at {master} is not available") as refused:
        call_command("evaluate", *version, str(TEST))

    assert len(str(refused.value).splitlines()) == 1
