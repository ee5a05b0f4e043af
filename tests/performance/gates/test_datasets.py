"""The dataset and the age that a policy requires, and what the verdict says of the evaluation."""

from datetime import timedelta

import pytest
from django.utils import timezone

from models_registry.registry.models import RegisteredModel, Version
from performance.snapshots.models import SnapshotDetail
from tests.api import Caller
from tests.factories import completed_version, snapshot
from tests.performance.gates.gate_example import GATE
from tests.performance.gates.promotion_history import get_verdict, store_snapshot
from tests.performance.gates.rules import ACCURACY_LIMIT

pytestmark = pytest.mark.django_db


def test_policy_judges_the_dataset_that_it_names(ada: Caller, history: Version) -> None:
    rule = {"metric": "accuracy", "operator": ">=", "threshold": 0.9}
    store_snapshot(history, 0.5, dataset="churn-2026-10")
    assert get_verdict(ada, rule)["rules"][0]["value"] == 0.975

    verdict = get_verdict(ada, rule, dataset="churn-2026-10")
    [other] = get_verdict(ada, rule, dataset="churn-2026-11")["rules"]

    assert (verdict["rules"][0]["value"], verdict["candidate"]["dataset"]["name"]) == (0.5, "churn-2026-10")
    assert other["status"] == "missing"
    assert other["detail"] == (
        "ver-001a5 has no metrics for the dataset 'churn-2026-11' of the split test. "
        "It has some for the primary dataset, 'churn-2026-10'."
    )


def test_a_pipeline_stops_at_the_first_of_several_datasets_that_fails(ada: Caller, history: Version) -> None:
    store_snapshot(history, 0.95, dataset="churn-2026-10")
    store_snapshot(history, 0.5, dataset="churn-2026-11")
    rule = {"metric": "accuracy", "operator": ">=", "threshold": 0.9}

    answers = {
        name: ada.post(f"{GATE}?enforce=true", {"dataset": name, "rules": [rule]})
        for name in ("churn-2026-10", "churn-2026-11")
    }

    assert [each.status_code for each in answers.values()] == [200, 409]
    assert answers["churn-2026-11"].json()["verdict"]["candidate"]["dataset"]["name"] == "churn-2026-11"


def test_detail_names_the_datasets_of_a_baseline_without_the_required_one(ada: Caller, history: Version) -> None:
    store_snapshot(history, 0.9, dataset="churn-2026-11")

    [rule] = get_verdict(ada, ACCURACY_LIMIT, dataset="churn-2026-11")["rules"]

    assert rule["status"] == "missing"
    assert rule["detail"] == (
        "The promoted ver-001a4 has no metrics for the dataset 'churn-2026-11' of the split test. "
        "It has some for the primary dataset."
    )


def test_old_evaluation_is_missing(ada: Caller, model: RegisteredModel) -> None:
    version = completed_version(model, number=500)
    old = timezone.now() - timedelta(days=31)
    snapshot(version, metrics={"accuracy": 0.99}, evaluated_at=old)
    rule = {"metric": "accuracy", "operator": ">=", "threshold": 0.9}

    [kept], [late] = (get_verdict(ada, rule, max_age_days=days)["rules"] for days in (32, 30))

    assert (kept["status"], late["status"]) == ("passed", "missing")
    assert late["detail"].endswith("the policy asks for an evaluation of the last 30 days.")
    assert f"{old:%Y-%m-%d}" in late["detail"]


def test_verdict_shows_what_is_known_of_the_snapshot_and_warns_of_it(ada: Caller, history: Version) -> None:
    stored = store_snapshot(history, 0.99, sample_count=500)
    SnapshotDetail.objects.create(
        snapshot=stored,
        evaluation_options={"threshold": 0.4},
        examples_digest="ab" * 32,
        dataset_version="3",
        missing_fraction=0.01,
        train_overlap=0.25,
        effective_sample_size=450.5,
        warnings=[{"code": "one_class", "detail": "All examples are of the class '0'."}],
    )

    verdict = get_verdict(
        ada,
        {"metric": "effective_sample_size", "operator": ">=", "threshold": 450},
        {"metric": "train_overlap", "operator": "<=", "threshold": 0.1},
    )

    assert [rule["status"] for rule in verdict["rules"]] == ["passed", "failed"]
    candidate = verdict["candidate"]
    assert candidate["dataset"] == {"name": None, "version": "3", "digest": "ab" * 32}
    assert (candidate["source"], candidate["sample_count"]) == ("computed", 500)
    assert candidate["evaluation_options"] == {"threshold": 0.4}
    assert verdict["warnings"] == [
        "ver-001a5: All examples are of the class '0'.",
        "ver-001a5: 1.0% of the rows have no prediction.",
        "ver-001a5: 25.0% of the examples are in the train split too.",
    ]
