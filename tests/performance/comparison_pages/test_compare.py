"""The pages that compare two versions, or two snapshots, in the admin."""

import csv
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.promotions import promote
from performance.comparison_pages import views
from performance.comparisons import services
from performance.snapshots.models import MetricSnapshot, SnapshotDetail, SnapshotSlice
from tests.admin_pages import logged_in, page_url, text_of
from tests.api import Caller
from tests.factories import completed_version, new_user, snapshot
from tests.performance.evaluated_fixtures import FIXTURES, store_test_split
from tests.performance.evaluations.uploads import stored_in

COMPARE_SNAPSHOTS = "/admin/performance/metricsnapshot/compare/"
INTERVAL = {"level": 0.95, "method": "wilson"}


@pytest.fixture
def tumours(acme: Organization, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RegisteredModel:
    """A model with two versions that were evaluated on the same examples. The second one is promoted."""
    stored_in(settings, tmp_path)
    monkeypatch.setattr(services, "REQUEST_TIMEOUT", 120.0)  # a busy machine is slow
    model = RegisteredModel.objects.create(organization=acme, name="tumours", task_type="classification")
    versions = [completed_version(model, number=number) for number in (2, 3)]
    for version, accuracy in zip(versions, (0.9, 0.8), strict=True):
        store_test_split(version, "breast-cancer")
        for position, value in enumerate(("<left>", "right", None), 1):
            SnapshotSlice.objects.create(
                snapshot=version.snapshots.get(),
                attribute="side",
                position=position,
                value=value,
                sample_count=100 + position,
                metrics={"accuracy": accuracy if position == 1 else 0.9},
                confidence_intervals={"accuracy": {"lower": accuracy - 0.03, "upper": accuracy + 0.03, **INTERVAL}},
            )
    promote(version=versions[0], promoted_by=None, reason="")
    return model


def compare_url(model: RegisteredModel) -> str:
    return reverse("admin:models_registry_registeredmodel_compare", args=[model.pk])


def wrong_ids(version_id: str) -> set[str]:
    """Return the ids of the examples that a version predicted wrong, from its predictions."""
    with (FIXTURES / "breast-cancer" / f"{version_id}-test.csv").open() as file:
        return {row["example_id"] for row in csv.DictReader(file) if row["actual"] != row["predicted"]}


def test_two_versions_are_compared_as_over_http_with_charts_matrices_slices_and_examples(
    root: Client, tumours: RegisteredModel, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = {"version_id": "ver-00003", "baseline_version_id": "ver-00002", "dataset_split": "test"}
    first = root.get(compare_url(tumours))
    assert first.status_code == 302
    assert first["Location"] == f"{compare_url(tumours)}?" + "&".join(
        f"{name}={value}" for name, value in query.items()
    )

    page = root.get(first["Location"])
    body = page.content.decode()
    text = text_of(body)
    over_http = Caller(viewer).get(f"/models/{tumours.pk}/performance/compare", query).json()

    assert "Paired: both were compared example by example." in text
    assert "Both were evaluated on the same examples." in text
    for row, compared in zip(page.context["difference_table"].rows, over_http["metrics"].values(), strict=True):
        assert (row[6], row[5].replace(" ", "_")) == (compared["direction"], compared["confidence_interval"]["method"])
        assert float(row[3]) == pytest.approx(compared["difference"], abs=1e-3)
    assert {row.change for row in page.context["forest"]} == {
        each["direction"] for each in over_http["metrics"].values()
    }
    log_loss = page.context["forest"][-1]
    assert (log_loss.x > 50) is (over_http["metrics"]["log_loss"]["difference"] < 0)  # lower is better
    assert log_loss.lower <= log_loss.x <= log_loss.upper
    assert [each.chart.title.split(" of ")[0] for each in page.context["overlaid"]] == [
        "ROC curve", "Precision-recall curve", "Calibration"
    ]  # fmt: skip
    assert page.context["overlaid"][0].table.rows[-1][1:] == ["1.000", "1.000"]
    assert body.count("<polyline") == 6
    changes, newer, older = (page.context["matrices"][at].rows for at in (2, 0, 1))
    for (_, row), (_, now), (_, before) in zip(changes, newer, older, strict=True):
        assert [int(each.count) for each in row] == [
            int(a.count) - int(b.count) for a, b in zip(now, before, strict=True)
        ]
    [slices] = page.context["slice_tables"]
    assert slices.rows[0][:2] == ["<left>", "101"]
    assert slices.rows[0][-1] == "regressed"
    assert [row[-1] for row in slices.rows[1:]] == ["unchanged", "unchanged"]
    assert "&lt;left&gt;" in body

    fixed, broken = page.context["examples"]
    wrong_now, wrong_before = wrong_ids("ver-00003"), wrong_ids("ver-00002")
    assert {row[0] for row in fixed["table"].rows} == wrong_before - wrong_now
    assert {row[0] for row in broken["table"].rows} == wrong_now - wrong_before

    monkeypatch.setattr(views, "EXAMPLES_ON_A_PAGE", 1)
    once_more = root.get(first["Location"] + "&fixed-page=2&label=nothing&metric=recall")
    assert once_more.context["examples"][0]["page"].page.number == min(2, len(wrong_before - wrong_now))
    assert "Both have no curves of this class." in once_more.content.decode()
    assert once_more.context["slice_tables"][0].title == "Recall by side"


def test_what_cannot_be_compared_is_said_on_the_page(root: Client, model: RegisteredModel, acme: Organization) -> None:
    training = Version.objects.create(model=model, number=419)
    regression = RegisteredModel.objects.create(organization=acme, name="prices", task_type="regression")
    other = snapshot(completed_version(regression, 1), metrics={"rmse": 1.0})
    [own] = MetricSnapshot.objects.filter(version__model=model)
    texts = {
        ("baseline_version_id", "ver-00001"): "has no version ver-00001",
        ("baseline_version_id", training.version_id): "ver-001a3 is training",
        ("baseline_version_id", "<b>"): "Enter a version id such as ver-00001.",
        ("baseline_version_id", ""): "This field is required.",
        ("version_id", "ver-" + "f" * 30): "has no version",
        ("dataset_split", "train"): "has no metrics for the split train",
        ("dataset_split", "x"): "Select a valid choice",
        ("dataset", "october"): "dataset &#x27;october&#x27;",
        ("dataset", "x" * 5000): "Ensure this value has at most",
        ("label", "x" * 5000): "Ensure this value has at most",
        ("fixed-page", "999999"): "Compare two versions",
    }
    query = {"version_id": "ver-001a1", "baseline_version_id": "ver-001a1", "dataset_split": "test"}
    for (name, value), expected in texts.items():
        answer = root.get(compare_url(model), {**query, name: value})
        assert answer.status_code == 200, (name, value)
        assert expected in answer.content.decode(), (name, value)
    snapshots: dict[tuple[str | int, str | int], str] = {
        (own.pk, other.pk): "The task types differ",
        (own.pk, 10**15): "There is no such snapshot",
        ("9" * 40, own.pk): "Ensure this value is less than",
        ("x", own.pk): "Enter a whole number.",
        (own.pk, ""): "This field is required.",
    }
    for (newer, older), expected in snapshots.items():
        answer = root.get(COMPARE_SNAPSHOTS, {"snapshot": newer, "baseline": older})
        assert answer.status_code == 200, (newer, older)
        assert expected in answer.content.decode(), (newer, older)
    assert root.get(COMPARE_SNAPSHOTS).status_code == 200
    assert root.get("/admin/models_registry/registeredmodel/mdl-0000000000/compare/").status_code == 404
    new = RegisteredModel.objects.create(organization=acme, name="new", task_type="ranking")
    assert root.get(compare_url(new), follow=True).status_code == 200
    for matches in (query, {**query, "baseline_version_id": "ver-001a1"}):
        assert "Paired" in text_of(root.get(compare_url(model), matches).content.decode())


def test_snapshots_of_two_models_are_compared_with_a_warning_about_their_test_sets(
    root: Client, model: RegisteredModel, acme: Organization
) -> None:
    rival = RegisteredModel.objects.create(organization=acme, name="rival", task_type="classification")
    [own] = MetricSnapshot.objects.all()
    theirs = snapshot(completed_version(rival, 1), metrics={"accuracy": 0.9}, dataset="october")
    query = {"snapshot": own.pk, "baseline": theirs.pk}
    unknown = root.get(COMPARE_SNAPSHOTS, query)
    for each, digest in ((own, "a" * 64), (theirs, "b" * 64)):
        SnapshotDetail.objects.create(snapshot=each, examples_digest=digest)
    with CaptureQueriesContext(connection) as few:
        differing = root.get(COMPARE_SNAPSHOTS, query)
    for position in range(1, 20):
        for each in (own, theirs):
            SnapshotSlice.objects.create(
                snapshot=each, attribute="a", position=position, value=str(position), sample_count=9, metrics={}
            )
            snapshot(each.version, metrics={"accuracy": 0.9})
    with CaptureQueriesContext(connection) as many:
        root.get(COMPARE_SNAPSHOTS, query)

    assert "It is unknown whether the test sets are the same" in text_of(unknown.content.decode())
    text = text_of(differing.content.decode())
    assert "The test sets differ" in text
    assert "Not paired, so the intervals treat both samples as independent. The predictions of" in text
    assert "The accuracy of the version and of the baseline has no interval" in text
    assert differing.context["pair"].names == ("churn ver-001a1", "rival ver-00001")
    assert differing.context["difference_table"].rows[0][1:4] == ["0.9341", "0.9", "+0.034"]
    assert [each["page"] for each in differing.context["examples"]] == [None, None]
    assert len(many) == len(few)


def test_examples_without_a_prediction_make_test_sets_differ(root: Client, model: RegisteredModel) -> None:
    [own] = MetricSnapshot.objects.all()
    other = snapshot(own.version, metrics={"accuracy": 0.9}, dataset="october")
    for each, missing in ((own, 0.1), (other, 0.0)):
        SnapshotDetail.objects.create(snapshot=each, examples_digest="a" * 64, missing_fraction=missing)

    page = root.get(COMPARE_SNAPSHOTS, {"snapshot": own.pk, "baseline": other.pk})

    assert "The test sets differ" in text_of(page.content.decode())


def test_only_those_who_may_view_models_and_snapshots_see_the_pages(model: RegisteredModel) -> None:
    [own] = MetricSnapshot.objects.all()
    addresses = [
        f"{compare_url(model)}?version_id=ver-001a1&baseline_version_id=ver-001a1&dataset_split=test",
        f"{COMPARE_SNAPSHOTS}?snapshot={own.pk}&baseline={own.pk}",
        f"/admin/performance/leaderboard/{'a' * 64}/",
    ]
    staff: Any = new_user("stan", is_staff=True)
    assert [Client().get(address).status_code for address in addresses] == [302, 302, 302]
    assert [logged_in(staff).get(address).status_code for address in addresses] == [403, 403, 403]
    names = ["view_registeredmodel", "view_metricsnapshot"]
    staff.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = logged_in(User.objects.get(pk=staff.pk))
    assert [client.get(address).status_code for address in addresses] == [200, 200, 200]


def test_the_page_of_a_snapshot_lists_and_filters_its_worst_examples(root: Client, tumours: RegisteredModel) -> None:
    evaluated = MetricSnapshot.objects.get(version__number=3)
    everything = root.get(page_url(evaluated))
    stored = list(evaluated.misclassified.order_by("rank"))
    label = stored[0].actual

    text = text_of(everything.content.decode())
    assert [row[0] for row in everything.context["example_table"].rows] == [each.example_id for each in stored[:20]]
    assert str(evaluated.details.examples_digest) in text
    assert "Evaluation options" in text
    filtered = root.get(page_url(evaluated), {"actual": label, "min_confidence": "0.6"})
    expected = [each.example_id for each in stored if each.actual == label and (each.confidence or 0) >= 0.6]
    assert [row[0] for row in filtered.context["example_table"].rows] == expected
    wrong = root.get(page_url(evaluated), {"min_confidence": "x", "predicted": "x" * 5000, "examples-page": "77"})
    assert "Enter a number." in wrong.content.decode()
    assert "Ensure this value has at most" in wrong.content.decode()
