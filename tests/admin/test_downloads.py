"""Lists and tables of the admin as CSV."""

import csv
import re
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.contrib import admin
from django.test import Client
from pytest_django import Settings

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.promotions import promote
from performance.comparisons import services as comparisons
from performance.gates.models import GatePolicy
from performance.snapshots.models import MetricSnapshot
from tests.admin.conftest import Records
from tests.admin_pages import list_url, logged_in, page_url
from tests.factories import completed_version
from tests.operations import POLICY
from tests.performance.evaluated_fixtures import store_test_split
from tests.performance.evaluations.uploads import stored_in

pytestmark = pytest.mark.django_db


def table(response: Any) -> list[dict[str, str]]:
    assert response["Content-Type"] == "text/csv; charset=utf-8", response.getvalue()
    return list(csv.DictReader(StringIO(response.getvalue().decode(), newline=""), strict=True))


def test_each_list_is_downloaded_with_its_columns(root: Client, records: Records) -> None:
    for kind in admin.site._registry:
        rows = table(root.get(f"{list_url(kind)}csv/"))
        assert str(records[kind].pk) in [row["id"] for row in rows], kind
        assert not any("<" in cell for row in rows for cell in row.values() if cell), rows


def test_a_download_keeps_the_filters_and_the_order_of_the_list(
    model: RegisteredModel, viewer: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(1, 4):
        completed_version(model, number)
    Version.objects.filter(number=2).update(state="failed", completed_at=None)
    RegisteredModel.objects.filter(pk=model.pk).update(name="=1+1")
    client = logged_in(viewer)
    page = client.get(list_url(Version), {"state__exact": "completed", "o": "5.1"}).content.decode()
    [link] = re.findall(r'href="([^"]*/csv/[^"]*)"', page)
    with django_assert_max_num_queries(9):
        rows = table(client.get(unescape(link)))
    assert [row["version"] for row in rows] == ["ver-001a1", "ver-00001", "ver-00003"]
    assert {row["model"] for row in rows} == {"'=1+1"}
    assert client.get(f"{list_url(Version)}csv/?nonsense=1").status_code == 400
    assert client.get(f"{list_url(User)}csv/").status_code == 403


def test_each_table_of_the_pages_about_performance_is_downloaded(
    root: Client,
    acme: Organization,
    settings: Settings,
    tmp_path: Path,
    outsider: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparisons, "REQUEST_TIMEOUT", 60.0)  # for a machine with other work
    stored_in(settings, tmp_path)
    model = RegisteredModel.objects.create(organization=acme, name="=tumours", task_type="classification")
    for number in (2, 3):
        store_test_split(completed_version(model, number), "breast-cancer")
    promote(version=model.versions.get(number=3), promoted_by=None, reason="-1+2")
    GatePolicy.objects.create(model=model, version=1, document=POLICY)
    newest = MetricSnapshot.objects.get(version__number=3)
    of_model = f"/admin/models_registry/registeredmodel/{model.pk}"
    compared = f"{of_model}/compare/?version_id=ver-00003&baseline_version_id=ver-00002&dataset_split=test"
    leaderboard = f"/admin/performance/leaderboard/{newest.details.examples_digest}/"
    files = {
        address: downloads(root, address)
        for address in ("/admin/?q=tumours", f"{of_model}/overview/", compared, leaderboard, page_url(newest))
    }

    assert [len(each) for each in files.values()] == [1, 17, 9, 1, 8], {name: [*each] for name, each in files.items()}
    start, places = files["/admin/?q=tumours"]["Models"], files[leaderboard]["Leaderboard"]
    assert start[0].items() >= {"Model": "'=tumours", "Metric": "accuracy", "Promoted": "ver-00003"}.items()
    assert float(start[0]["Value, lower"]) < float(start[0]["Value"]) == newest.metrics["accuracy"]
    versions = files[f"{of_model}/overview/"]["Versions"]
    assert [(row["Version"], row["Promoted"]) for row in versions] == [("ver-00003", "true"), ("ver-00002", "false")]
    assert float(versions[0]["log_loss"]) == newest.metrics["log_loss"]
    assert files[f"{of_model}/overview/"]["Promotions"][0]["Reason"] == "'-1+2"
    assert [row["Rank"] for row in places] == ["1", "1"]
    difference = files[compared]["Differences"][0]
    assert difference["Metric"] == "accuracy"
    assert float(difference["ver-00003"]) == newest.metrics["accuracy"]
    assert float(difference["Difference, lower"]) < float(difference["Difference"])
    assert files[compared]["Confusion matrix of ver-00003"][0]["actual \\ predicted"] == "benign"
    assert files[page_url(newest)]["Worst examples"]
    first, interval = files[page_url(newest)]["Metrics"][0], newest.details.confidence_intervals["accuracy"]
    assert [float(first[name]) for name in ("Value", "Interval, lower", "Interval, upper")] == [
        *(newest.metrics["accuracy"], interval["lower"], interval["upper"])
    ]
    classes = {row["Class"]: row for row in files[page_url(newest)]["Classes"]}
    assert float(classes["benign"]["Precision"]) == newest.details.per_class["benign"]["precision"]
    assert root.get(f"{page_url(newest)}?csv=None").status_code == 404
    assert logged_in(outsider).get(f"{of_model}/overview/?csv=Versions").status_code == 404


def downloads(client: Client, address: str) -> dict[str, list[dict[str, str]]]:
    """Return the table behind each link of a page by its title."""
    links = re.findall(r'href="(\?[^"]*csv=[^"]*)"', client.get(address).content.decode())
    assert links, address
    path = address.partition("?")[0]
    return {parse_qs(unescape(link)[1:])["csv"][0]: table(client.get(path + unescape(link))) for link in links}
