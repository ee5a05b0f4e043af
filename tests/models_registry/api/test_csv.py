"""Lists and tables of performance as CSV."""

import csv
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from models_registry.accounts.models import User
from models_registry.api.csv_tables import MAX_COLUMNS, csv_text
from models_registry.registry.models import RegisteredModel
from performance.snapshots.models import SnapshotDetail
from tests import openapi
from tests.api import refusal
from tests.conftest import authenticated
from tests.factories import completed_version, snapshot
from tests.operations import OPERATIONS, Operation, furnish

MODEL = "/api/v1/models/mdl-7f3a19bc92"


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text, newline=""), strict=True))


def is_table(operation: Operation) -> bool:
    path = operation.route.replace("<str:", "{").replace(">", "}")
    documented = openapi.committed().operation(f"/api/v1/{path}", operation.method.lower()) or {}
    return "text/csv" in documented["responses"]["200"]["content"] if operation.method == "GET" else False


@pytest.mark.django_db
def test_every_list_and_table_is_csv_too_with_the_rows_of_the_json(model: RegisteredModel, superuser: User) -> None:
    target = furnish(model)
    client = authenticated(superuser)
    tables = [each for each in OPERATIONS if is_table(each) and each.status == 200]
    assert len(tables) == 21
    for operation in tables:
        path = operation.path(target)
        as_json = client.get(path)
        response = client.get(path, headers={"accept": "text/csv"})
        assert response["Content-Type"] == "text/csv; charset=utf-8", path
        assert response["Vary"] == as_json["Vary"] == "Authorization, Accept"
        assert response["Content-Disposition"].startswith('attachment; filename="')
        rows, document = table(response.content.decode()), as_json.json()
        if "results" in document:
            assert len(rows) == len(document["results"]), path
        for row, record in zip(rows, document.get("results", []), strict=True) if "results" in document else ():
            texts = {name: value for name, value in record.items() if isinstance(value, str)}
            assert row.items() >= texts.items()
        separator = "&" if "?" in path else "?"
        named = client.get(f"{path}{separator}format=csv")
        assert named.content == response.content
        again = client.get(path, headers={"accept": "text/csv", "if-none-match": response["ETag"]})
        assert (again.status_code, response["ETag"] != as_json["ETag"]) == (304, True)
    other = [each for each in OPERATIONS if each.method == "GET" and each.status == 200 and not is_table(each)]
    for operation in other:
        if not operation.route.endswith("badge.svg"):
            response = client.get(operation.path(target), headers={"accept": "text/csv"})
            assert refusal(response) == (406, "not_acceptable"), operation.route


@pytest.mark.django_db
def test_performance_is_a_row_for_each_metric_class_or_snapshot(model: RegisteredModel, superuser: User) -> None:
    furnish(model)
    client = authenticated(superuser)

    def read(path: str) -> list[dict[str, str]]:
        return table(client.get(f"{MODEL}/performance/{path}").content.decode())

    [report] = read("report?format=csv")
    assert (report["metrics.accuracy"], report["version_id"]) == ("0.9341", "ver-001a2")
    compared = read("compare?format=csv&baseline_version_id=ver-001a1")
    assert compared[0].items() >= {"metric": "accuracy", "baseline_version_id": "ver-001a1", "value": "0.9341"}.items()
    matrix = read("confusion-matrix?format=csv&normalize=actual")
    assert [(row["actual"], row["counts.a"], row["counts.b"], row["rates.a"]) for row in matrix] == [
        ("a", "3", "1", "0.75"),
        ("b", "0", "2", "0.0"),
    ]
    assert read("history?format=csv&metric=accuracy")[0].keys() == {
        "version_id",
        "value",
        "sample_count",
        "source",
        "evaluated_at",
    }


@pytest.mark.django_db
def test_pages_of_csv_link_to_each_other_and_need_the_same_rights_and_parameters(
    model: RegisteredModel, viewer: User, outsider: User
) -> None:
    for number in (1, 2):
        completed_version(model, number)
    client = authenticated(viewer)
    first = client.get(f"{MODEL}/versions?format=csv&page_size=2")
    link, _, relation = first["Link"].partition("; ")
    assert relation == 'rel="next"'
    address = urlsplit(link.strip("<>"))
    second = client.get(f"{address.path}?{address.query}")
    rows = [*table(first.content.decode()), *table(second.content.decode())]
    assert [row["version_id"] for row in rows] == ["ver-001a1", "ver-00002", "ver-00001"]
    assert second["Link"].endswith('rel="prev"')
    assert first["Content-Disposition"] == 'attachment; filename="models-mdl-7f3a19bc92-versions.csv"'
    assert client.get(f"{MODEL}/versions?format=csv&state=failed").content.startswith(b"version_id,model_id,")
    for query in ("format=xlsx", "format=csv&format=csv", "format=csv&page_size=0"):
        assert refusal(client.get(f"{MODEL}/versions?{query}")) == (400, "invalid_parameter")
    assert refusal(client.get(f"{MODEL}/performance/report?format=")) == (400, "invalid_parameter")
    assert refusal(client.get(f"{MODEL}/performance/summary?format=csv")) == (400, "unknown_parameter")
    assert refusal(authenticated(outsider).get(f"{MODEL}/versions?format=csv")) == (403, "permission_denied")
    assert refusal(Client().get(f"{MODEL}/versions?format=csv")) == (401, "not_authenticated")
    created = client.post(f"{MODEL}/versions", "{}", "application/json", headers={"accept": "text/csv"})
    assert refusal(created) == (406, "not_acceptable")


@pytest.mark.django_db
def test_a_text_that_a_spreadsheet_would_run_stays_a_text(model: RegisteredModel, viewer: User) -> None:
    version = completed_version(model, 1)
    version.description = '=HYPERLINK("https://example.com", "a, ""b""")\r\n'
    version.tags = ["@SUM(1)", "plain"]
    version.save()
    SnapshotDetail.objects.create(snapshot=snapshot(version, metrics={}), custom_metrics={"-drift": -0.25})
    client = authenticated(viewer)
    rows = table(client.get(f"{MODEL}/versions?format=csv").content.decode())
    assert rows[-1]["description"] == f"'{version.description}"
    assert rows[-1]["tags"] == '["@SUM(1)", "plain"]'
    [row] = table(client.get(f"{MODEL}/versions/ver-00001/snapshots?format=csv").content.decode())
    assert row["custom_metrics.-drift"] == "-0.25"


@pytest.mark.parametrize(
    "row",
    [
        {"parameters": {f"p{number}": 1 for number in range(MAX_COLUMNS + 1)}},
        {"parameters": {"a.b": 1, "a": {"b": 2}}},
    ],
)
def test_objects_of_too_many_or_ambiguous_members_are_json(row: dict[str, Any]) -> None:
    text = csv_text([row, {"name": "ü"}])
    assert text.startswith("parameters,name\r\n")
    assert text.endswith("\r\n,ü\r\n")
