"""`manage.py import mlflow`: what MLflow's own client logs to its own server comes over number by number.

MLflow needs an environment of its own, whose Python `MLFLOW_PYTHON` names.
"""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from models_registry.accounts.models import Organization
from models_registry.registry.models import Version
from performance.snapshots.models import MetricSnapshot
from tests.mlflow_server import LOGIN, NEEDS_MLFLOW, run_script, serving

LOG = Path(__file__).with_name("log_to_mlflow.py")

pytestmark = [pytest.mark.django_db, pytest.mark.mlflow, NEEDS_MLFLOW]


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
    acme: Organization, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path) as url:
        logged, logged_to_folder = run_script(LOG, url, f"file://{tmp_path}/mlruns", folder=tmp_path)
        with pytest.raises(CommandError, match="needs a login"):
            call_command("import", "mlflow", "--tracking-uri", url)
        for name, value in LOGIN.items():
            monkeypatch.setenv(name, value)
        call_command("import", "mlflow", "--tracking-uri", url)
        assert "test_loss is no finite number" in capsys.readouterr().out
        assert_imported("acme", logged)
        call_command("import", "mlflow", "--tracking-uri", url)  # once more
        assert "created: 0 models, 0 versions, 0 snapshots" in capsys.readouterr().out
        with pytest.raises(CommandError, match="must contain no login") as refused:
            call_command("import", "mlflow", "--tracking-uri", url.replace("//", "//mona:secret@"))
        assert "secret" not in str(refused.value)
    with pytest.raises(CommandError, match="gave no answer"):
        call_command("import", "mlflow", "--tracking-uri", url)

    Organization.objects.create(slug="initech", name="Initech")
    call_command("import", "mlflow", str(tmp_path / "mlruns"), "--organization", "initech")
    assert_imported("initech", logged_to_folder)
