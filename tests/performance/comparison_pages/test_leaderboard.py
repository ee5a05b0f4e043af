"""The leaderboards of the admin: the versions that were evaluated on one dataset, across models."""

from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from models_registry.accounts.models import Organization, User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel, Version
from performance.comparison_pages import leaderboard, leaderboard_views
from performance.evaluations.models import EvaluationJob
from performance.gates.models import GateVerdict
from performance.snapshots.models import Dataset, MetricSnapshot, SnapshotDetail
from tests.admin.test_downloads import table
from tests.admin_pages import page_url, text_of
from tests.factories import EVALUATED_AT, completed_version, snapshot

DIGEST = "d" * 64


def evaluated(
    model: RegisteredModel,
    number: int,
    accuracy: float,
    *,
    margin: float | None = 0.02,
    digest: str = DIGEST,
    missing: float = 0.0,
    options: dict[str, Any] | None = None,
    **where: Any,
) -> MetricSnapshot:
    """Store a version with a snapshot of the dataset `october`, whose accuracy has an interval of twice the margin."""
    metrics = {"accuracy": accuracy, "recall": accuracy, "log_loss": 1 - accuracy}
    stored = snapshot(completed_version(model, number), metrics=metrics, **{"dataset": "october", **where})
    ends = {"lower": accuracy - (margin or 0), "upper": accuracy + (margin or 0), "level": 0.95, "method": "wilson"}
    intervals = {"accuracy": ends} if margin is not None else {}
    SnapshotDetail.objects.create(
        snapshot=stored,
        examples_digest=digest,
        confidence_intervals=intervals,
        missing_fraction=missing,
        evaluation_options=options or {},
    )
    return stored


def places(answer: Any) -> list[tuple[str, str]]:
    """Return the rank and the name of each version of the page."""
    return [(place.text, str(place.snapshot.version)) for place, _ in answer.context["rows"]]


@pytest.fixture
def churn(acme: Organization) -> RegisteredModel:
    """A classifier of an organization with the dataset `october`."""
    Dataset.objects.create(organization=acme, name="october")
    return RegisteredModel.objects.create(organization=acme, name="churn", task_type="classification")


def october_address() -> str:
    """Return the address of the leaderboard of the dataset `october`."""
    return reverse("admin:performance_dataset_leaderboard", args=[Dataset.objects.get(name="october").pk])


def test_versions_of_a_dataset_are_ranked_across_models_with_ties(
    root: Client, acme: Organization, outsider: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    october = Dataset.objects.create(organization=acme, name="october")
    churn, rival = (
        RegisteredModel.objects.create(organization=acme, name=name, task_type="classification")
        for name in ("churn", "rival")
    )
    globex = Organization.objects.get(slug="globex")
    theirs = RegisteredModel.objects.create(organization=globex, name="theirs", task_type="classification")
    prices = RegisteredModel.objects.create(organization=acme, name="prices", task_type="regression")
    snapshot(completed_version(prices, 1), metrics={"rmse": 2.0}, dataset="october")
    best = evaluated(churn, 1, 0.95)
    evaluated(rival, 1, 0.94)
    evaluated(churn, 2, 0.90)
    evaluated(churn, 3, 0.80, margin=None)
    evaluated(theirs, 1, 0.99)
    evaluated(rival, 2, 0.97, dataset_split="validation")
    older: dict[str, Any] = {
        "metrics": {"accuracy": 0.99},
        "evaluated_at": EVALUATED_AT - timedelta(days=1),
        "dataset": "october",
    }
    snapshot(best.version, **older)
    address = reverse("admin:performance_dataset_leaderboard", args=[october.pk])

    by_name = root.get(address)
    assert places(by_name) == [
        ("1=", "churn ver-00001"),
        ("1=", "rival ver-00001"),
        ("3", "churn ver-00002"),
        ("4", "churn ver-00003"),
    ]
    text = text_of(by_name.content.decode())
    assert "All versions were evaluated on the same examples." in text
    assert "0.95 0.930 to 0.970" in text
    assert "0.8 no interval" in text
    assert leaderboard.RULE in text
    assert "theirs" not in text
    assert f'href="{address}"' in root.get(page_url(october)).content.decode()

    by_digest = root.get(f"/admin/performance/leaderboard/{DIGEST}/", {"metric": "log_loss"})
    assert places(by_digest)[0] == ("1", "theirs ver-00001")
    assert len(places(by_digest)) == 5
    regression = root.get(address, {"task_type": "regression", "metric": "accuracy"})
    assert places(regression) == [("1", "prices ver-00001")]
    assert "Select a valid choice. accuracy" in regression.content.decode()
    assert places(root.get(address, {"dataset_split": "validation"})) == [("1", "rival ver-00002")]
    assert (
        "No version was evaluated on the train split" in root.get(address, {"dataset_split": "train"}).content.decode()
    )
    evaluated(churn, 4, 0.99, missing=0.5)
    assert "The versions were evaluated on different examples" in text_of(root.get(address).content.decode())
    for query in ({"dataset_split": "x"}, {"metric": "x" * 999}, {"task_type": "½"}, {"page": "99"}):
        assert root.get(address, query).status_code == 200, query
    for missing in (f"/admin/performance/dataset/{'9' * 40}/leaderboard/", "/admin/performance/dataset/0/leaderboard/"):
        assert root.get(missing).status_code == 404

    with CaptureQueriesContext(connection) as few:
        root.get(address)
    for number in range(10, 25):
        evaluated(churn, number, 0.5 + number / 1000, digest="e" * 64)
    with CaptureQueriesContext(connection) as many:
        longer = root.get(address)
    assert len(many) == len(few)
    assert "The versions were evaluated on different examples" in longer.content.decode()
    monkeypatch.setattr(leaderboard_views, "PLACES_ON_A_PAGE", 4)
    monkeypatch.setattr(leaderboard, "MAX_VERSIONS", 10)
    second = root.get(address, {"page": "2"})
    assert len(places(second)) == 4
    assert "There are more." in second.content.decode()
    assert "Page 2 of 3, 10 in all" in second.content.decode()


def test_a_single_version_without_some_predictions_is_on_the_same_examples_as_all(
    root: Client, acme: Organization
) -> None:
    october = Dataset.objects.create(organization=acme, name="october")
    churn = RegisteredModel.objects.create(organization=acme, name="churn", task_type="classification")
    address = reverse("admin:performance_dataset_leaderboard", args=[october.pk])

    evaluated(churn, 1, 0.95, missing=0.1)
    alone = text_of(root.get(address).content.decode())
    evaluated(churn, 2, 0.9, missing=0.1)
    together = text_of(root.get(address).content.decode())

    assert "on different examples" not in alone
    assert "The versions were evaluated on different examples" in together  # they may lack different rows


def test_only_versions_whose_metric_was_computed_with_the_same_options_are_ranked(
    root: Client, churn: RegisteredModel
) -> None:
    for number, accuracy, threshold in ((1, 0.947, 0.5), (2, 0.85, 0.5), (3, 0.603, 0.3), (4, 0.99, 0.01)):
        evaluated(churn, number, accuracy, options={"threshold": threshold})
    evaluated(churn, 5, 0.7)  # whose options are not known

    by_accuracy = root.get(october_address())
    assert places(by_accuracy) == [
        ("1", "churn ver-00001"),
        ("2", "churn ver-00002"),
        ("3", "churn ver-00005"),
        ("not ranked", "churn ver-00004"),
        ("not ranked", "churn ver-00003"),
    ]
    text = text_of(by_accuracy.content.decode())
    assert "Only versions whose accuracy was computed at the threshold 0.5, or with unknown options, are" in text
    assert "0.603 0.583 to 0.623 at the threshold 0.3" in text
    [link] = [
        line for line in by_accuracy.content.decode().splitlines() if ">at the threshold 0.3 (2 versions)</a>" in line
    ]
    chosen = root.get(october_address() + unescape(link.partition('href="')[2].partition('"')[0]))
    assert places(chosen)[:3] == [
        ("1", "churn ver-00005"),
        ("2", "churn ver-00003"),
        ("not ranked", "churn ver-00004"),
    ]
    assert "Only versions whose accuracy was computed at the threshold 0.3" in text_of(chosen.content.decode())
    rows = table(root.get(october_address(), {"csv": "Leaderboard"}))
    assert [(row["Rank"], row["Tied"], row["Computed"]) for row in rows] == [
        ("1", "false", "at the threshold 0.5"),
        ("2", "false", "at the threshold 0.5"),
        ("3", "false", "with unknown options"),
        ("", "false", "at the threshold 0.01"),
        ("", "false", "at the threshold 0.3"),
    ]
    by_loss = root.get(october_address(), {"metric": "log_loss", "options": "at the threshold 0.3"})
    assert [rank for rank, _ in places(by_loss)] == ["1", "2", "3", "4", "5"]  # which no option changes
    assert "unknown options, are ranked" not in text_of(by_loss.content.decode())
    assert "Computed" not in by_loss.context["headers"]


def test_a_version_with_other_options_does_not_keep_the_first_one_from_being_ranked(
    root: Client, churn: RegisteredModel
) -> None:
    evaluated(churn, 1, 0.026, options={"positive_class": "1", "averaging": "binary", "threshold": 0.5})
    evaluated(churn, 2, 0.974, options={"positive_class": "0", "averaging": "binary", "threshold": 0.5})

    by_recall = root.get(october_address(), {"metric": "recall"})

    assert places(by_recall) == [("1", "churn ver-00001"), ("not ranked", "churn ver-00002")]
    assert "for the positive class '1' with binary averaging at the threshold 0.5" in text_of(
        by_recall.content.decode()
    )
    assert places(root.get(october_address())) == [("1", "churn ver-00002"), ("2", "churn ver-00001")]


def test_options_that_are_known_in_part_are_no_reason_to_rank_two_that_differ(
    root: Client, churn: RegisteredModel
) -> None:
    """Reports may name some options only: two of them agree with a third one, but not with each other."""
    full = {"positive_class": "1", "averaging": "binary", "threshold": 0.5}
    evaluated(churn, 1, 0.7, options=full)
    evaluated(churn, 2, 0.9, options={"positive_class": "1"})
    evaluated(churn, 3, 0.8, options={"threshold": 0.3})
    evaluated(churn, 4, 0.6, options={"threshold": 0.5})

    assert places(root.get(october_address(), {"metric": "recall"})) == [
        ("1", "churn ver-00002"),
        ("2", "churn ver-00001"),
        ("3", "churn ver-00004"),
        ("not ranked", "churn ver-00003"),
    ]


def test_many_versions_with_other_options_do_not_push_those_off_that_are_ranked(
    root: Client, churn: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaderboard, "MAX_VERSIONS", 2)
    for number in range(1, 5):
        evaluated(churn, number, number / 10, options={"threshold": 0.5})
    for number in range(5, 8):
        evaluated(churn, number, 0.9 + number / 100, options={"threshold": 0.3})

    answer = root.get(october_address())

    assert places(answer) == [
        ("1", "churn ver-00004"),
        ("2", "churn ver-00003"),
        ("not ranked", "churn ver-00007"),
        ("not ranked", "churn ver-00006"),
    ]
    assert "There are more." in answer.content.decode()


def test_names_say_which_model_they_belong_to(root: Client, model: RegisteredModel) -> None:
    [stored] = MetricSnapshot.objects.select_related("version__model")

    assert str(stored.version) == "churn ver-001a1"
    assert str(stored) == "churn ver-001a1 test at 2026-03-13 14:22"
    assert str(model.promotions.get()).startswith("churn ver-001a1 promoted at")
    Version.objects.create(model=model, number=418)
    job = EvaluationJob.objects.create(version=stored.version, dataset_split="test", file="uploads/none.csv")
    verdict = GateVerdict.objects.create(
        model=model, version=stored.version, status="passed", occasion="promotion", document={}
    )
    recorded = set(AuditEntry.objects.values_list("object_repr", flat=True))
    assert {"churn ver-001a2", str(job)} <= recorded
    assert str(job).startswith("evaluation of churn ver-001a1 on test")
    assert str(verdict).startswith("churn ver-001a1 passed at")
    text = text_of(root.get(page_url(stored.version)).content.decode())
    assert "Versions chevron_right Churn ver-001a1" in text
    compare = reverse("admin:models_registry_registeredmodel_compare", args=[model.pk])
    assert f'href="{compare}?version_id=ver-001a1"' in root.get(page_url(stored.version)).content.decode()
