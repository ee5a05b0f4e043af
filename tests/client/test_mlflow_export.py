"""`mpr export mlflow`: what MLflow's own client reads from its own server is what the registry holds."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from performance_registry import MLflowError, Registry
from performance_registry.commands import app
from performance_registry.models import VersionFields
from pytest_django.plugin import DjangoDbBlocker
from typer.testing import CliRunner

from models_registry.accounts.models import Organization
from performance.snapshots.models import MetricSnapshot
from tests.demo_data import serve_demo_data
from tests.mlflow_server import LOGIN, NEEDS_MLFLOW, run_script, serving
from tests.reliability.databases import new_database

READ = Path(__file__).with_name("read_from_mlflow.py")
INTERVAL = {"lower": 0.88, "upper": 0.92, "level": 0.95, "method": "reported"}

pytestmark = [pytest.mark.once, pytest.mark.served, pytest.mark.django_db]


@pytest.fixture
def registry(
    tmp_path: Path,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Registry]:
    with django_db_blocker.unblock():
        database = new_database(tmp_path)
    with serve_demo_data(database) as (url, token), Registry(url, token) as registry:
        monkeypatch.setenv("REGISTRY_URL", url)
        monkeypatch.setenv("REGISTRY_TOKEN", token)
        yield registry


def export(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["export", "mlflow", "acme/exported", *arguments], catch_exceptions=False)
    return result.exit_code, result.output


@pytest.mark.mlflow
@NEEDS_MLFLOW
def test_versions_arrive_number_by_number_and_once(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, acme: Organization
) -> None:
    model = registry.model("acme/exported", task_type="classification", create=True)
    fields: VersionFields = {
        "parameters": {"depth": 7, "layers": {"first": [1, 2]}},
        "tags": ["nightly"],
        "description": "Größe",
        "source_uri": "s3://models/exported/1",
    }
    with model.new_version(**fields) as first:
        first.log(split="train", metrics={"accuracy": 0.1})
        first.log(split="train", metrics={"accuracy": 1 / 3}, sample_count=90)
        custom = {"latency ms": 1e-7, "recall@5": 0.25}
        intervals = {"accuracy": INTERVAL}
        first.log(split="test", metrics={"accuracy": 0.9}, custom_metrics=custom, confidence_intervals=intervals)
        first.log(split="test", metrics={"log_loss": 0.5}, dataset="october", dataset_version="2")
    first.promote("the first")
    second = model.create_version()

    with serving(tmp_path) as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        assert export(first.id)[0] == 2, "without a login"
        for name, value in LOGIN.items():
            monkeypatch.setenv(name, value)
        for verb in ("created", "updated"):
            status, output = export("--all", "--register", "--json")
            assert status == 0, output
            exported = json.loads(output)
            assert [run["created"] for run in exported["runs"]] == [verb == "created"] * 2
        second.log(split="test", metrics={"accuracy": 0.95})
        status, output = export(second.id, "--register")
        assert output == f"ver-00002: run {exported['runs'][1]['run_id']} updated, 1 metrics, registered as version 2\n"
        read = run_script(READ, url, folder=tmp_path)
        call_command("import", "mlflow", "--tracking-uri", url, "--task-type", "classification", verbosity=0)

    assert read["counts"] == {"acme/exported": 2}
    run = read["runs"]["acme/exported"]["ver-00001"]
    assert run["metrics"] == {
        "train_accuracy": 1 / 3,
        "test_accuracy": 0.9,
        "test_latency ms": 1e-7,
        "test_recall_at_5": 0.25,
        "test_october/log_loss": 0.5,
    }
    assert run["params"] == {"depth": "7", "layers.first": "[1, 2]"}
    assert json.loads(run["tags"]["registry.interval.test_accuracy"]) == INTERVAL
    assert (
        run["tags"].items()
        >= {
            "registry.version": f"{model.id}/ver-00001",
            "registry.source_uri": "s3://models/exported/1",
            "registry.samples.train": "90",
            "mlflow.note.content": "Größe",
        }.items()
    )
    assert (run["status"], run["datasets"]) == ("FINISHED", [["october", "2", "test"]])
    other = read["runs"]["acme/exported"]["ver-00002"]
    assert (other["status"], other["metrics"]) == ("FINISHED", {"test_accuracy": 0.95})
    assert read["registered"] == {
        "acme.exported": {
            "aliases": {"promoted": "1"},
            "versions": {
                run["run_id"]: ["1", "s3://models/exported/1"],
                other["run_id"]: ["2", f"runs:/{other['run_id']}/model"],
            },
        }
    }
    back = MetricSnapshot.objects.filter(version__model__organization=acme, version__number=1)
    assert {each.dataset_split: each.all_metrics for each in back} == {
        "train": {"accuracy": 1 / 3},
        "test": {"accuracy": 0.9},
    }


def test_a_server_that_is_none_or_an_address_with_a_login_is_refused(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    model = registry.model("acme/exported", task_type="classification", create=True)
    with model.new_version() as version:
        version.log(split="test", metrics={"accuracy": 0.9})
    assert "MLFLOW_TRACKING_URI" in export(version.id)[1]
    assert export(version.id, "--all")[0] == export()[0] == 2
    with pytest.raises(MLflowError, match="must contain no login") as refused:
        model.export_to_mlflow(version.id, tracking_uri="http://mona:secret@127.0.0.1:1")
    assert "secret" not in str(refused.value)
    with pytest.raises(MLflowError, match="MLflow answered 404 to experiments/get-by-name"):
        model.export_to_mlflow(version.id, tracking_uri=os.environ["REGISTRY_URL"])
