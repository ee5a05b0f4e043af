"""Clients that others' generators make from the OpenAPI document drive the service from end to end."""

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from time import monotonic, sleep
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from pytest_django.plugin import DjangoDbBlocker

from tests.demo_data import access_token, load_demo_data
from tests.reliability.databases import new_database
from tests.serving import ROOT, new_keys, run_worker, serve

pytestmark = [pytest.mark.served, pytest.mark.once, pytest.mark.django_db]
PACKAGE = "registry_client"
PREDICTIONS = b"actual,predicted\n1,1.5\n2,2.5\n3,2.5\n"


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[tuple[str, str]]:
    """The URL of a service with the demo's data and a worker, and a token of its admin."""
    folder = tmp_path_factory.mktemp("service")
    with django_db_blocker.unblock():
        database = new_database(folder)
    settings = {"DATABASE_URL": database, "STORAGE_URL": f"file://{folder}/files", **new_keys()}
    load_demo_data(**settings)
    access = access_token("ada", **settings)
    with serve(**settings) as url, run_worker(**settings):
        yield url, access


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed document as JSON, which generators read ten times as fast."""
    file = tmp_path_factory.mktemp("document") / "openapi.json"
    file.write_text(json.dumps(yaml.load((ROOT / "openapi.yaml").read_text(), yaml.CSafeLoader)))  # noqa: S506
    return file


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory, document: Path) -> Iterator[Path]:
    """The folder of a client, made from the committed document without any complaint."""
    folder = tmp_path_factory.mktemp("generated")
    # Of images the generator knows nothing; one in SVG is text.
    (folder / "config.yaml").write_text("post_hooks: []\ncontent_type_overrides:\n  image/svg+xml: text/plain\n")
    command = [str(Path(sys.executable).with_name("openapi-python-client")), "generate", "--fail-on-warning"]
    options = ["--path", str(document), "--meta", "none", "--output-path", str(folder / PACKAGE)]
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


@pytest.fixture
def call(generated: Path, service: tuple[str, str]) -> Iterator[Callable[..., SimpleNamespace]]:
    """Call an operation by its function in the generated client, and return status, headers and body."""
    url, access = service
    with part("client").AuthenticatedClient(base_url=url, token=access) as client:

        def call(operation: str, *arguments: Any, **named: Any) -> SimpleNamespace:
            answer = part(f"api.{operation}").sync_detailed(*arguments, client=client, **named)
            return SimpleNamespace(status=int(answer.status_code), headers=answer.headers, body=answer.parsed)

        yield call


def part(name: str) -> ModuleType:
    """Return a module of the generated client."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def test_a_model_goes_from_registration_to_rollback(call: Callable[..., SimpleNamespace]) -> None:
    models: Any = part("models")
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
        promoted = call("promotions.promote_version", model, version, body=models.PromotionInputRequest(reason="good"))
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

    lost = call("models.update_model", model, body=models.PatchedModelChangesRequest(description="x"), if_match='"x"')
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


def test_a_model_goes_from_registration_through_an_upload_and_its_gate_to_its_summary(
    call: Callable[..., SimpleNamespace],
) -> None:
    models: Any = part("models")
    task_type = models.ModelInputRequestTaskType.REGRESSION
    new_model = models.ModelInputRequest(organization="acme", name="demand (Python)", task_type=task_type)
    model = call("models.register_model", body=new_model).body.model_id
    version = call("versions.create_version", model, body=models.VersionInputRequest(tags=["first"])).body.version_id
    completed = models.PatchedVersionChangesRequest(state=models.PatchedVersionChangesRequestState.COMPLETED)
    assert call("versions.update_version", model, version, body=completed).status == 200

    file = part("types").File(payload=BytesIO(PREDICTIONS), file_name="predictions.csv", mime_type="text/csv")
    form = models.EvaluationInputRequest(file=file, dataset_split=models.EvaluationInputRequestDatasetSplit.TEST)
    evaluation = call("evaluations.evaluate_predictions", model, version, body=form).body
    assert (evaluation.state, evaluation.snapshot, evaluation.problem) == (models.EvaluationState.QUEUED, None, None)
    deadline = monotonic() + 60
    while evaluation.finished_at is None and monotonic() < deadline:
        sleep(0.2)
        evaluation = call("evaluations.get_evaluation", evaluation.id).body
    assert (evaluation.state, evaluation.problem) == (models.EvaluationState.SUCCEEDED, None)

    rule = models.RuleRequest(metric="rmse", operator=models.RuleRequestOperator.AT_MOST, threshold=1)
    assert call("gates.set_model_gate_policy", model, body=models.PolicyInputRequest(rules=[rule])).status == 201
    assert call("gates.get_gate", model).body.status == models.VerdictStatus.PASSED
    promoted = call("promotions.promote_version", model, version, body=models.PromotionInputRequest(reason="passed"))
    assert (promoted.status, promoted.body.verdict["status"]) == (200, "passed")
    summary = call("performance.get_performance_summary", model)
    assert (summary.status, summary.body.version_id, summary.body.metrics.rmse) == (200, version, 0.5)
    assert evaluation.snapshot.metrics.rmse == 0.5


def test_every_operation_has_a_function(generated: Path) -> None:
    functions = [file for file in (generated / PACKAGE / "api").glob("*/*.py") if file.name != "__init__.py"]
    operations = [line for line in (ROOT / "openapi.yaml").read_text().splitlines() if "operationId:" in line]

    assert len(functions) == len(operations)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm, which installs the generator, is not installed")
def test_a_client_in_typescript_takes_a_model_from_registration_to_its_summary(
    service: tuple[str, str], document: Path, tmp_path: Path
) -> None:
    for file in (ROOT / "tests" / "e2e" / "typescript").iterdir():
        shutil.copy(file, tmp_path)
    run_in(
        tmp_path,
        "npm",
        "install",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-package-lock",
        "--prefer-offline",
    )
    types = ["--default-non-nullable", "false", "--output", "schema.d.ts"]
    installed = tmp_path / "node_modules" / ".bin"
    run_in(tmp_path, str(installed / "openapi-typescript"), str(document), *types)
    run_in(tmp_path, str(installed / "tsc"), "--project", ".")

    url, access = service
    said = run_in(tmp_path, "node", "journey.js", url, access, "acme")

    assert json.loads(said) == ["ver-00001", 0.5, 0.5]


def run_in(folder: Path, *command: str) -> str:
    """Return what a command prints that is run in a folder. It must succeed."""
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    assert finished.returncode == 0, f"{command}:\n{finished.stdout}{finished.stderr}"
    return finished.stdout
