"""Promotions and rollbacks of a model with a gate policy."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from models_registry.accounts.models import User
from models_registry.accounts.scopes import Scope
from models_registry.registry.models import Promotion, RegisteredModel
from performance.gates.models import GateVerdict
from tests.api import Caller, refusal
from tests.factories import completed_version, new_user, snapshot
from tests.performance.gates.gate_example import CANDIDATE, FAILS, MODEL, PASSES, SetPolicy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("candidate")]


def test_failed_gate_refuses_the_promotion_and_stores_the_verdict(ada: Caller, set_policy: SetPolicy) -> None:
    set_policy(FAILS)

    answer = ada.post(f"{CANDIDATE}/promote", {"reason": "better"})

    assert refusal(answer) == (409, "gate_failed")
    assert answer.json()["verdict"]["rules"][0]["detail"] == "accuracy is 0.95; at least 0.99 is required."
    assert ada.get(MODEL).json()["promoted_version_id"] == "ver-001a1"
    assert Promotion.objects.count() == 1
    [kept] = ada.get(f"{MODEL}/verdicts").json()["results"]
    assert (kept["occasion"], kept["requested_by"]) == ("promotion", "ada")
    assert kept["verdict"] == answer.json()["verdict"]


@pytest.mark.parametrize(("document", "status"), [(PASSES, 200), (FAILS, 409)], ids=["passes", "fails"])
def test_promotion_locks_the_model_once_and_reads_the_policy_once_under_the_lock(
    ada: Caller, set_policy: SetPolicy, document: dict[str, Any], status: int
) -> None:
    set_policy(document)

    with CaptureQueriesContext(connection) as queries:
        assert ada.post(f"{CANDIDATE}/promote").status_code == status

    statements = [query["sql"] for query in queries.captured_queries]
    locks = [at for at, sql in enumerate(statements) if "FOR UPDATE" in sql]
    policies = [
        at for at, sql in enumerate(statements) if sql.startswith("SELECT") and '"performance_gatepolicy"' in sql
    ]
    if connection.vendor == "postgresql":
        assert len(locks) == 1
    assert len(policies) == 2, "once to prepare, and once under the lock"
    assert GateVerdict.objects.get().status == ("passed" if status == 200 else "failed")


def test_passed_gate_lets_the_promotion_through_and_is_named(ada: Caller, set_policy: SetPolicy) -> None:
    set_policy(PASSES)

    answer = ada.post(f"{CANDIDATE}/promote")

    assert (answer.status_code, answer.json()["overridden"]) == (200, False)
    assert answer.json()["verdict"]["policy"] == {"owner": "model", "version": 1}
    [kept] = ada.get(f"{MODEL}/verdicts").json()["results"]
    assert kept["verdict"] == answer.json()["verdict"]
    assert kept["verdict"]["baseline_version_id"] == "ver-001a1"


def test_admin_with_a_reason_overrides_a_failed_gate(ada: Caller, set_policy: SetPolicy) -> None:
    set_policy(FAILS)

    answer = ada.post(f"{CANDIDATE}/promote", {"override": True, "reason": "the old one is on fire"})

    assert (answer.status_code, answer.json()["overridden"]) == (200, True)
    [kept] = ada.get(f"{MODEL}/verdicts").json()["results"]
    assert kept["verdict"]["status"] == "failed"


@pytest.mark.parametrize(
    ("scope", "status"), [(Scope.ORGANIZATION_ADMIN, 200), (Scope.MODEL_PROMOTE, 403), (Scope.MODEL_READ, 403)]
)
def test_override_needs_the_scope_of_an_admin(
    admin: User, ada: Caller, set_policy: SetPolicy, scope: Scope, status: int
) -> None:
    set_policy(FAILS)
    narrowed = Caller(admin, frozenset({scope}))

    answers = [narrowed.post(f"{CANDIDATE}/promote", {"override": True, "reason": "x"})]
    ada.post(f"{CANDIDATE}/promote", {"override": True, "reason": "x"})
    answers.append(narrowed.post(f"{MODEL}/rollback", {"override": True, "reason": "x"}))

    assert [answer.status_code for answer in answers] == [status, status]


def test_override_is_refused_to_others(ada: Caller, set_policy: SetPolicy) -> None:
    set_policy(FAILS)
    rae = new_user("rae")
    ada.post(f"{MODEL}/grants", {"username": "rae", "scope": "model:promote"})

    answer = Caller(rae).post(f"{CANDIDATE}/promote", {"override": True, "reason": "x"})

    assert refusal(answer) == (403, "permission_denied")
    assert not GateVerdict.objects.exists()


def test_promotion_is_judged_by_the_organizations_policy_too(ada: Caller) -> None:
    ada.put("/organizations/acme/gate-policy", FAILS)

    assert refusal(ada.post(f"{CANDIDATE}/promote")) == (409, "gate_failed")


def test_refusal_is_replayed_for_its_idempotency_key_only(ada: Caller, set_policy: SetPolicy) -> None:
    set_policy(FAILS)
    first = ada.post(f"{CANDIDATE}/promote", Idempotency_Key="1")
    set_policy(PASSES)
    again = ada.post(f"{CANDIDATE}/promote", Idempotency_Key="1")

    assert refusal(first) == (409, "gate_failed")
    assert (again.status_code, again.content) == (409, first.content)
    assert (again["Content-Type"], again["Idempotency-Replayed"]) == ("application/problem+json", "true")
    assert GateVerdict.objects.count() == 1
    assert ada.post(f"{CANDIDATE}/promote", Idempotency_Key="2").status_code == 200
    assert GateVerdict.objects.count() == 2


def test_rollback_to_an_overridden_version_is_judged_and_its_verdict_stored(
    ada: Caller, set_policy: SetPolicy, model: RegisteredModel
) -> None:
    set_policy(FAILS)
    completed_version(model, number=419)
    for version in ("ver-001a2", "ver-001a3"):
        ada.post(f"{MODEL}/versions/{version}/promote", {"override": True, "reason": "x"})
    rae = new_user("rae")
    ada.post(f"{MODEL}/grants", {"username": "rae", "scope": "model:promote"})

    answer = Caller(rae).post(f"{MODEL}/rollback")

    assert refusal(answer) == (409, "gate_failed")
    kept = ada.get(f"{MODEL}/verdicts").json()["results"]
    assert (len(kept), kept[0]["requested_by"], kept[0]["verdict"]) == (3, "rae", answer.json()["verdict"])
    overruling = {"override": True, "reason": "an outage"}
    assert ada.post(f"{MODEL}/rollback", overruling).json()["overridden"] is True
    assert Caller(rae).post(f"{MODEL}/rollback").json()["version_id"] == "ver-001a1"
    assert GateVerdict.objects.count() == 4


def test_promotion_without_a_policy_has_no_verdict(ada: Caller) -> None:
    assert ada.post(f"{CANDIDATE}/promote").json()["verdict"] is None
    assert not GateVerdict.objects.exists()


def test_first_promotion_passes_a_limit_on_regression(ada: Caller, empty_model: RegisteredModel) -> None:
    snapshot(completed_version(empty_model, number=1), metrics={"rmse": 5.0})
    path = f"/models/{empty_model.pk}"
    ada.put(f"{path}/gate-policy", {"rules": [{"metric": "rmse", "max_regression": 0.1}]})

    answer = ada.post(f"{path}/versions/ver-00001/promote")

    assert answer.status_code == 200
    assert "no version was promoted before" in answer.json()["verdict"]["rules"][0]["detail"]
