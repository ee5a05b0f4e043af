"""`manage.py import mlflow`: what MLflow's own client logs to its own server comes over number by number.

MLflow needs an environment of its own, whose Python `MLFLOW_PYTHON` names.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from django.core.management import CommandError, call_command

from models_registry.accounts.models import Organization
from models_registry.registry.models import Version
from performance.snapshots.models import MetricSnapshot
from tests.serving import free_port

PYTHON = os.environ.get("MLFLOW_PYTHON", "")
LOG = Path(__file__).with_name("log_to_mlflow.py")
PATIENCE = 60  # seconds until the server answers
ENVIRONMENT = {**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.mlflow,
    pytest.mark.skipif(not PYTHON, reason="MLFLOW_PYTHON names no Python with MLflow; see CONTRIBUTING.md"),
]


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Run MLflow's server on an empty database, and yield its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    database = ("--backend-store-uri", f"sqlite:///{folder}/mlflow.sqlite3", "--artifacts-destination", str(folder))
    command = [PYTHON, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", *database]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=ENVIRONMENT, process_group=0)
        try:
            _wait(url, server)
            yield url
        finally:
            os.killpg(server.pid, 15)
            server.wait(timeout=30)


def _wait(url: str, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and server.poll() is None:
        try:
            urlopen(f"{url}/health", timeout=5).close()  # noqa: S310  # our own server
            return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise TimeoutError("MLflow's server did not start.")


def logged_to(*uris: str, folder: Path) -> list[dict[str, dict[str, float]]]:
    """Log runs with MLflow's client to each place, and return their metrics by run.

    The client leaves a database in `folder`.
    """
    ended = subprocess.run(
        [PYTHON, LOG, *uris], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    logged: list[dict[str, dict[str, float]]] = json.loads(ended.stdout.splitlines()[-1])
    return logged


def assert_imported(slug: str, logged: dict[str, dict[str, float]]) -> None:
    """Check every number of the registered run and of the other one."""
    versions = Version.objects.filter(model__organization__slug=slug)
    for model, metrics in zip(("ticket-router", "routing"), logged.values(), strict=True):
        snapshots = MetricSnapshot.objects.filter(version__in=versions, version__model__name=model)
        test, train = snapshots.order_by("dataset_split")
        assert test.all_metrics == {"accuracy": metrics["test_accuracy"], "roc_auc": metrics["test_roc_auc"]}
        assert test.details.custom_metrics == {"latency_ms": metrics["test_latency_ms"]}
        assert train.all_metrics == {"f1_score": metrics["training_f1_score"]}
    registered = versions.get(model__name="ticket-router")
    assert (registered.tags, registered.parameters["depth"]) == (["alias:champion"], "3")


def test_a_tracking_server_and_its_folder_come_over_number_by_number(
    acme: Organization, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path) as url:
        logged, logged_to_folder = logged_to(url, f"file://{tmp_path}/mlruns", folder=tmp_path)
        call_command("import", "mlflow", "--tracking-uri", url)
        assert "test_loss is no finite number" in capsys.readouterr().out
        assert_imported("acme", logged)
        call_command("import", "mlflow", "--tracking-uri", url)  # once more
        assert "created: 0 models, 0 versions, 0 snapshots" in capsys.readouterr().out
    with pytest.raises(CommandError, match="gave no answer"):
        call_command("import", "mlflow", "--tracking-uri", url)

    Organization.objects.create(slug="initech", name="Initech")
    call_command("import", "mlflow", str(tmp_path / "mlruns"), "--organization", "initech")
    assert_imported("initech", logged_to_folder)
