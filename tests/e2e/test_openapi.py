"""The OpenAPI document: committed, current, without warnings, and whole."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client

from config.problems import error_classes
from models_registry import task_types
from models_registry.task_types import base
from tests.conftest import golden
from tests.openapi import COMMITTED, Document, committed


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return committed().content


def test_the_committed_document_is_current_valid_and_without_warnings(tmp_path: Path) -> None:
    current = tmp_path / "openapi.yaml"

    call_command("spectacular", file=str(current), validate=True, fail_on_warn=True)

    assert current.read_text() == COMMITTED.read_text(), (
        "run `uv run manage.py spectacular --file openapi.yaml --validate --fail-on-warn`"
    )


def test_it_is_short_enough_to_read() -> None:
    text = COMMITTED.read_text()

    assert len(text.splitlines()) < 12_000
    assert len(text.encode()) < 400_000


def test_the_service_serves_the_openapi_document(schema: dict[str, Any]) -> None:
    assert yaml.load(Client().get("/api/schema").content, Loader=yaml.CSafeLoader) == schema


def test_a_summary_is_one_of_the_task_types_distinguished_by_task_type(schema: dict[str, Any]) -> None:
    summary = schema["components"]["schemas"]["PerformanceSummary"]

    assert summary["discriminator"]["propertyName"] == "task_type"
    assert set(summary["discriminator"]["mapping"]) == {each.name for each in task_types.all_task_types()}
    assert len(summary["oneOf"]) == len(task_types.all_task_types())


@pytest.mark.parametrize("task_type", task_types.all_task_types(), ids=lambda task_type: task_type.name)
def test_each_task_types_component_has_its_metrics_in_order(schema: dict[str, Any], task_type: base.TaskType) -> None:
    name = schema["components"]["schemas"]["PerformanceSummary"]["discriminator"]["mapping"][task_type.name]
    component = schema["components"]["schemas"][name.rpartition("/")[2]]
    metrics = schema["components"]["schemas"][component["properties"]["metrics"]["$ref"].rpartition("/")[2]]

    assert list(metrics["properties"]) == [metric.name for metric in task_type.metrics]
    assert metrics["required"] == sorted(metrics["properties"])
    for metric in task_type.metrics:
        assert metric.definition in metrics["properties"][metric.name]["description"]


def test_the_contracts_example_is_valid_by_it(schema: dict[str, Any]) -> None:
    Document(schema).check(golden("summary"), "components", "schemas", "ClassificationSummary")


def test_every_problem_is_documented_with_an_example(schema: dict[str, Any]) -> None:
    resolve = Document(schema).resolve
    documented: dict[str, set[str]] = {}
    for path in schema["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                for media in resolve(response).get("content", {}).values():
                    if "Problem" in str(media["schema"]):
                        for code, example in media["examples"].items():
                            value = resolve(example)["value"]
                            assert (value["code"], value["status"]) == (code, int(status))
                            documented.setdefault(code, set()).add(status)

    assert documented == {error.code: {str(error.status_code)} for error in error_classes()}


def test_conditional_reads_are_documented(schema: dict[str, Any]) -> None:
    operation = schema["paths"]["/api/v1/models/{model_id}/performance/summary"]["get"]
    resolve = Document(schema).resolve

    assert {"If-None-Match", "If-Match"} <= {resolve(parameter)["name"] for parameter in operation["parameters"]}
    for status in ("200", "304"):
        assert {"ETag", "Cache-Control", "Vary", "X-Request-ID"} == set(
            resolve(operation["responses"][status])["headers"]
        )


@pytest.mark.parametrize("page", ["/api/docs", "/api/redoc"])
def test_the_pages_load_nothing_from_elsewhere(page: str) -> None:
    html = Client().get(page).content.decode()

    assert "/static/drf_spectacular_sidecar/" in html
    assert "https://" not in html.replace("https://www.w3.org", "")
    assert "//cdn" not in html


def test_the_page_of_redoc_lets_nothing_be_loaded_from_elsewhere() -> None:
    html = Client().get("/api/redoc").content.decode()

    policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'self' data: blob: 'unsafe-inline'\">"
    assert policy in html.split("<script", 1)[0], "its script asks another host for a logo"
