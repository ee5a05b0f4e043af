"""A client made from the OpenAPI document by someone else's generator drives the service from end to end."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.demo_data import serve_demo_data
from tests.reliability.databases import new_database
from tests.serving import ROOT

pytestmark = [pytest.mark.served, pytest.mark.once, pytest.mark.django_db]
PACKAGE = "registry_client"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a client, made from the committed document without any complaint."""
    folder = tmp_path_factory.mktemp("generated")
    # Of images the generator knows nothing; one in SVG is text.
    (folder / "config.yaml").write_text("post_hooks: []\ncontent_type_overrides:\n  image/svg+xml: text/plain\n")
    command = [str(Path(sys.executable).with_name("openapi-python-client")), "generate", "--fail-on-warning"]
    options = ["--path", "openapi.yaml", "--meta", "none", "--output-path", str(folder / PACKAGE)]
    finished = subprocess.run(
        [*command, *options, "--config", str(folder / "config.yaml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def part(name: str) -> ModuleType:
    """Return a module of the generated client."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def test_a_model_goes_from_registration_to_rollback(generated: Path, tmp_path: Path) -> None:
    models: Any = part("models")
    with (
        serve_demo_data(new_database(tmp_path)) as (url, access),
        part("client").AuthenticatedClient(base_url=url, token=access) as client,
    ):

        def call(operation: str, *arguments: Any, **named: Any) -> Any:
            answer = part(f"api.{operation}").sync_detailed(*arguments, client=client, **named)
            return SimpleNamespace(status=int(answer.status_code), headers=answer.headers, body=answer.parsed)

        registered = call(
            "models.register_model",
            body=models.ModelInputRequest(
                organization="acme", name="loan default", task_type=models.ModelInputRequestTaskType.REGRESSION
            ),
            idempotency_key="job 1",
        )
        assert (registered.status, registered.body.state) == (201, models.ModelState.DRAFT)
        model = registered.body.model_id
        assert registered.headers["Location"] == f"/api/v1/models/{model}"

        version_body = models.VersionInputRequest(description="first")
        for version in ("ver-00001", "ver-00002"):
            assert call("versions.create_version", model, body=version_body).body.version_id == version
            completed = models.PatchedVersionChangesRequest(state=models.PatchedVersionChangesRequestState.COMPLETED)
            changed = call("versions.update_version", model, version, body=completed)
            assert changed.body.state == models.VersionState.COMPLETED
            metrics = models.SnapshotInputRequestMetrics.from_dict({"rmse": 2.5, "r_squared": -0.5})
            body = models.SnapshotInputRequest(
                dataset_split=models.SnapshotInputRequestDatasetSplit.TEST, metrics=metrics, sample_count=7
            )
            reported = call("snapshots.report_snapshot", model, version, body=body)
            assert (reported.status, reported.body.metrics.rmse, reported.body.metrics.mae) == (201, 2.5, None)
            promoted = call(
                "promotions.promote_version", model, version, body=models.PromotionInputRequest(reason="good")
            )
            assert (promoted.status, promoted.body.version_id) == (200, version)

        summary = call("performance.get_performance_summary", model)
        assert type(summary.body).__name__ == "RegressionSummary"
        assert (summary.body.version_id, summary.body.metrics.r_squared) == ("ver-00002", -0.5)
        known = call("performance.get_performance_summary", model, if_none_match=summary.headers["ETag"])
        assert known.status == 304
        compared = call("performance.compare_performance", model, baseline_version_id="ver-00001")
        assert compared.body.metrics.rmse.direction == models.MetricComparisonDirection.UNCHANGED
        history = call("performance.get_performance_history", model, metric="rmse")
        assert [row.version_id for row in history.body.results] == ["ver-00001", "ver-00002"]

        back = call("promotions.roll_back_model", model, body=models.PromotionInputRequest(reason="it drifts"))
        assert (back.body.version_id, back.body.kind) == ("ver-00001", models.PromotionKind.ROLLBACK)

        lost = call(
            "models.update_model", model, body=models.PatchedModelChangesRequest(description="x"), if_match='"x"'
        )
        assert (lost.status, lost.body.code) == (412, models.ProblemCode.PRECONDITION_FAILED)
        wrong = models.SnapshotInputRequest(
            dataset_split=models.SnapshotInputRequestDatasetSplit.TEST,
            metrics=models.SnapshotInputRequestMetrics.from_dict({"rmse": -1}),
        )
        refused = call("snapshots.report_snapshot", model, "ver-00001", body=wrong)
        assert (refused.status, refused.body.errors[0].field) == (400, "metrics.rmse")
        page = call("models.list_models", page_size=1, search="loan")
        assert (page.body.next_, [each.model_id for each in page.body.results]) == (None, [model])
        assert call("models.archive_model", model).status == 204


def test_every_operation_has_a_function(generated: Path) -> None:
    functions = [file for file in (generated / PACKAGE / "api").glob("*/*.py") if file.name != "__init__.py"]
    operations = [line for line in (ROOT / "openapi.yaml").read_text().splitlines() if "operationId:" in line]

    assert len(functions) == len(operations)
