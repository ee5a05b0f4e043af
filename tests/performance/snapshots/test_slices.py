"""`GET …/performance/slices`: the metrics of each value of an attribute."""

import csv
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command
from django.db import DatabaseError, transaction
from django.test import Client

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel, Version
from performance.snapshots.models import MetricSnapshot, SnapshotSlice
from tests.api import Caller, refusal
from tests.conftest import PinnedQueries
from tests.factories import EXAMPLE_METRICS, completed_version, snapshot

pytestmark = pytest.mark.django_db

COUNTRIES = {"NL": 30, "BE": 20, "": 10}  # examples of each
RIGHT = {"NL": 27, "BE": 10, "": 10}


@pytest.fixture
def vera(viewer: User) -> Caller:
    return Caller(viewer)


@pytest.fixture
def sliced(acme: Organization, tmp_path: Path) -> str:
    """Predictions that are right 78% of the time, but half of the time in Belgium."""
    model = RegisteredModel.objects.create(organization=acme, name="sliced", task_type="classification")
    completed_version(model, number=1)
    file = tmp_path / "predictions.csv"
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["actual", "predicted", "score", "country"])
        for country, count in COUNTRIES.items():
            for at in range(count):
                actual = at % 2
                predicted = actual if at < RIGHT[country] else 1 - actual
                writer.writerow([actual, predicted, 0.75 if predicted else 0.25, country])
    call_command("evaluate", model.pk, "ver-00001", str(file), "--columns", json.dumps({"slices": ["country"]}))
    return f"/models/{model.pk}/performance"


def ask(caller: Caller, path: str, query: str = "by=country") -> Any:
    return caller.get(f"{path}/slices?version_id=ver-00001&{query}")


def follow(caller: Caller, url: str) -> Any:
    return caller.get(url.removeprefix("http://testserver")).json()


def values(caller: Caller, path: str, query: str = "by=country") -> list[str | None]:
    return [row["value"] for row in ask(caller, path, query).json()["results"]]


def test_the_worst_slice_comes_first(vera: Caller, sliced: str) -> None:
    answer = ask(vera, sliced)

    assert answer.status_code == 200
    assert list(answer.json()) == ["next", "previous", "results"]
    rows = answer.json()["results"]
    assert [(row["value"], row["sample_count"], row["metrics"]["accuracy"]) for row in rows] == [
        ("BE", 20, 0.5),
        ("NL", 30, 0.9),
        ("(missing)", 10, 1.0),
    ]
    assert list(rows[0]) == ["value", "sample_count", "metrics", "confidence_intervals", "intervals_unavailable"]
    assert list(rows[0]["metrics"]) == list(EXAMPLE_METRICS)
    interval = rows[0]["confidence_intervals"]["accuracy"]
    assert 0.25 < interval["lower"] < 0.5 < interval["upper"] < 0.75


def test_another_metric_orders_them_by_its_own_direction(vera: Caller, sliced: str) -> None:
    assert values(vera, sliced, "by=country&order_by=log_loss") == ["BE", "NL", "(missing)"]
    assert values(vera, sliced, "by=country&order_by=recall")[0] == "BE"


def test_pages_follow_each_other(vera: Caller, sliced: str) -> None:
    first = ask(vera, sliced, "by=country&page_size=2").json()
    second = follow(vera, first["next"])

    assert [row["value"] for row in first["results"] + second["results"]] == ["BE", "NL", "(missing)"]
    assert second["next"] is None
    assert follow(vera, second["previous"])["results"] == first["results"]


@pytest.mark.parametrize("query", ["by=country&order_by=recall", "by=city"])
def test_a_cursor_of_another_list_or_order_is_refused(vera: Caller, sliced: str, query: str) -> None:
    cursor = parse_qs(urlsplit(ask(vera, sliced, "by=country&page_size=2").json()["next"]).query)["cursor"][0]
    answer = ask(vera, sliced, f"{query}&page_size=2&cursor={cursor}")

    assert refusal(answer) == (400, "invalid_parameter")
    assert answer.json()["errors"][0]["field"] == "cursor"


def test_slices_without_the_metric_come_last(vera: Caller, model: RegisteredModel) -> None:
    stored = snapshot(completed_version(model, number=1), metrics={"accuracy": 0.5}, source="computed")
    for position, metrics in enumerate(({}, {"accuracy": 0.4}, {"accuracy": 0.3}), 1):
        SnapshotSlice.objects.create(
            snapshot=stored,
            attribute="country",
            position=position,
            value=str(position),
            sample_count=1,
            metrics=metrics,
        )
    assert values(vera, f"/models/{model.pk}/performance") == ["3", "2", "1"]


@pytest.mark.parametrize(
    ("query", "field", "told"),
    [
        ("by=city", "by", "There are no slices by it; use country."),
        ("", "by", "This field is required."),
        ("by=country&order_by=specificity", "order_by", "Not a summary metric of classification; use accuracy, "),
    ],
)
def test_an_unknown_attribute_or_metric_is_refused(
    vera: Caller, sliced: str, query: str, field: str, told: str
) -> None:
    answer = ask(vera, sliced, query)

    assert refusal(answer) == (400, "invalid_parameter")
    assert answer.json()["errors"][0]["field"] == field
    assert answer.json()["errors"][0]["detail"].startswith(told)


def test_a_snapshot_without_slices_says_how_to_get_some(vera: Caller, model: RegisteredModel) -> None:
    snapshot(completed_version(model, number=1), metrics={"accuracy": 0.5})
    answer = ask(vera, f"/models/{model.pk}/performance")

    assert refusal(answer) == (404, "not_found")
    assert "columns.slices" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("by=country&dataset_split=validation", 404, "snapshot_not_found"),
        ("by=country&version_id=ver-00099", 404, "version_not_found"),
        ("by=country&version_id=ver-00002", 422, "version_not_trained"),
        ("by=country", 404, "no_promoted_version"),
        ("by=country&cursor=forged", 400, "invalid_parameter"),
        ("by=country&no_such=1", 400, "unknown_parameter"),
    ],
)
def test_it_is_refused_as_the_summary_is(vera: Caller, sliced: str, query: str, status: int, code: str) -> None:
    Version.objects.create(model_id=sliced.split("/")[2], number=2)
    where = query if "version_id" in query or code == "no_promoted_version" else f"version_id=ver-00001&{query}"

    assert refusal(vera.get(f"{sliced}/slices?{where}")) == (status, code)


def test_an_unchanged_page_is_a_304(vera: Caller, sliced: str) -> None:
    etag = ask(vera, sliced)["ETag"]
    answer = vera.get(f"{sliced}/slices?version_id=ver-00001&by=country", if_none_match=etag)

    assert answer.status_code == 304


def test_slices_take_four_statements(vera: Caller, sliced: str, pinned_queries: PinnedQueries) -> None:
    ask(vera, sliced)
    with pinned_queries("slices"):
        ask(vera, sliced)


def test_the_report_shows_the_worst_slice_and_where_the_others_are(
    vera: Caller, sliced: str, pinned_queries: PinnedQueries
) -> None:
    with pinned_queries("report with slices"):
        [shown] = vera.get(f"{sliced}/report?version_id=ver-00001").json()["slices"]

    listed = ask(vera, sliced).json()["results"]
    assert list(shown) == ["attribute", "slice_count", "worst", "url"]
    assert (shown["attribute"], shown["slice_count"], shown["worst"]) == ("country", 3, listed[0])
    assert vera.get(shown["url"]).json()["results"] == listed


def test_the_report_shows_the_attribute_with_the_worst_slice_first(vera: Caller, model: RegisteredModel) -> None:
    stored = snapshot(completed_version(model, number=1), metrics={"accuracy": 0.5}, source="computed", dataset="a & b")
    for attribute, values_of in {"a": (0.5, 0.6), "b": (None, 0.4), "c=ä": (0.9, 0.45, 0.45)}.items():
        for position, value in enumerate(values_of, 1):
            SnapshotSlice.objects.create(
                snapshot=stored,
                attribute=attribute,
                position=position,
                value=f"{attribute}{position}",
                sample_count=9,
                metrics={} if value is None else {"accuracy": value},
            )

    shown = vera.get(f"/models/{model.pk}/performance/report", {"version_id": "ver-00001", "dataset": "a & b"}).json()[
        "slices"
    ]

    assert [(each["attribute"], each["worst"]["value"]) for each in shown] == [
        ("b", "b2"),
        ("c=ä", "c=ä2"),
        ("a", "a1"),
    ]
    assert len(vera.get(shown[1]["url"]).json()["results"]) == shown[1]["slice_count"] == 3


def test_a_gate_refuses_a_bad_slice_behind_a_good_average(sliced: str, admin: User) -> None:
    rules = [
        {"metric": "accuracy", "operator": ">=", "threshold": 0.75},
        {"metric": "worst_slice.country.accuracy", "operator": ">=", "threshold": 0.75},
    ]
    policy = {"dataset_split": "test", "rules": rules}
    verdict = Caller(admin).post(f"{sliced}/gate?version_id=ver-00001", policy).json()

    assert [rule["status"] for rule in verdict["rules"]] == ["passed", "failed"]
    assert verdict["status"] == "failed"


def test_the_page_of_a_snapshot_shows_its_slices(sliced: str, admin_client: Client) -> None:
    page = admin_client.get(f"/admin/performance/metricsnapshot/{MetricSnapshot.objects.get().pk}/change/")
    text = page.content.decode()

    assert "Slices by country" in text
    assert text.index(">BE<") < text.index(">NL<") < text.index("(missing)")


def test_the_database_refuses_to_change_or_delete_one(sliced: str) -> None:
    for write in (lambda: SnapshotSlice.objects.update(sample_count=1), lambda: SnapshotSlice.objects.all().delete()):
        with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
            write()
