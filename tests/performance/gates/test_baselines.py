"""Limits against the best promoted version or a named one, over HTTP."""

import pytest
from django.utils import timezone

from models_registry.registry.models import RegisteredModel, Version
from performance.gates.models import GatePolicy
from performance.snapshots.models import MetricSnapshot
from tests.api import Caller, faults
from tests.conftest import PinnedQueries
from tests.factories import completed_version
from tests.performance.gates.gate_example import GATE, MODEL
from tests.performance.gates.promotion_history import BEST, get_verdict
from tests.performance.gates.rules import ACCURACY_LIMIT

pytestmark = pytest.mark.django_db


def test_many_small_regressions_are_one_large_one_from_the_best_version(ada: Caller, history: Version) -> None:
    verdict = get_verdict(ada, ACCURACY_LIMIT, BEST)
    promoted, best = verdict["rules"]

    assert (promoted["status"], promoted["baseline_version_id"]) == ("passed", "ver-001a4")
    assert (best["status"], best["baseline_version_id"], best["baseline_value"]) == ("failed", "ver-001a2", 0.99)
    assert "0.99 in the best promoted ver-001a2: worse by 0.015" in best["detail"]
    assert [each["version_id"] for each in verdict["baselines"]] == ["ver-001a4", "ver-001a2"]


def test_policy_has_a_default_baseline_for_its_limits(ada: Caller, history: Version) -> None:
    of_policy, own = get_verdict(
        ada, ACCURACY_LIMIT, ACCURACY_LIMIT | {"against": "promoted", "relative": True}, against="best"
    )["rules"]

    assert (of_policy["baseline_version_id"], own["baseline_version_id"]) == ("ver-001a2", "ver-001a4")


def test_limit_may_name_a_version(ada: Caller, history: Version) -> None:
    [rule] = get_verdict(ada, ACCURACY_LIMIT | {"against": "ver-001a3"})["rules"]

    assert (rule["status"], rule["baseline_version_id"]) == ("passed", "ver-001a3")
    assert "0.985 in ver-001a3: worse by 0.01;" in rule["detail"]


def test_limit_against_a_version_without_metrics_is_missing(
    ada: Caller, history: Version, model: RegisteredModel
) -> None:
    completed_version(model, number=400)

    [rule] = get_verdict(ada, ACCURACY_LIMIT | {"against": "ver-00190"})["rules"]

    assert (rule["status"], rule["detail"]) == ("missing", "ver-00190 has no metrics for the split test.")


def test_limit_on_a_metric_that_no_promoted_version_has_is_missing(ada: Caller, history: Version) -> None:
    MetricSnapshot.objects.create(
        version=history, dataset_split="test", metrics={"recall": 0.5}, evaluated_at=timezone.now()
    )

    [rule] = get_verdict(ada, BEST | {"metric": "recall"})["rules"]

    assert (rule["status"], rule["baseline_value"]) == ("failed", 0.924)  # of the contract's example
    [rule] = get_verdict(ada, BEST | {"metric": "balanced_accuracy"})["rules"]
    assert rule["status"] == "missing"


def test_first_version_passes_a_limit_against_the_best(ada: Caller, model: RegisteredModel) -> None:
    [rule] = get_verdict(ada, BEST)["rules"]

    assert (rule["status"], rule["baseline_version_id"]) == ("passed", None)


@pytest.mark.parametrize("field", ["against", "rules.0.against"])
def test_baseline_that_does_not_exist_is_refused(ada: Caller, history: Version, field: str) -> None:
    rule = ACCURACY_LIMIT | ({} if field == "against" else {"against": "ver-fffff"})
    policy = {"rules": [rule], **({"against": "ver-fffff"} if field == "against" else {})}

    assert faults(ada.put(f"{MODEL}/gate-policy", policy)) == [(field, "unknown")]
    assert faults(ada.post(GATE, policy)) == [(field, "unknown")]
    assert faults(ada.put("/organizations/acme/gate-policy", policy)) == [(field, "unknown")]
    assert not GatePolicy.objects.exists()


def test_promotion_is_judged_against_the_best_version_too(ada: Caller, history: Version) -> None:
    ada.put(f"{MODEL}/gate-policy", {"rules": [BEST]})

    answer = ada.post(f"{MODEL}/versions/ver-001a5/promote")

    assert answer.status_code == 409
    assert answer.json()["verdict"]["rules"][0]["baseline_version_id"] == "ver-001a2"


def test_limits_against_the_best_take_one_statement_more(
    ada: Caller, history: Version, pinned_queries: PinnedQueries
) -> None:
    rules = [ACCURACY_LIMIT | {"metric": f"per_class.{label}.recall", "against": "best"} for label in range(20)]
    ada.put(f"{MODEL}/gate-policy", {"rules": rules})

    with pinned_queries("gate against the best"):
        ada.get(GATE)
