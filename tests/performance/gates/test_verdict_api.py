"""`GET …/performance/gate`: the verdict on a version, under the policy in force."""

from datetime import timedelta

import pytest
import time_machine
from django.db import DEFAULT_DB_ALIAS
from django.utils import timezone

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel, Version
from performance.gates.models import GateVerdict
from performance.gates.selectors import gate_statement
from performance.snapshots.models import SnapshotDetail
from tests.api import TIMESTAMP, Caller, refusal
from tests.conftest import PinnedQueries, golden
from tests.factories import EXAMPLE_METRICS, completed_version, snapshot
from tests.performance.gates.gate_example import (
    CANDIDATE,
    FAILS,
    GATE,
    INTERVAL,
    INTERVAL_OF_A_CLASS,
    MODEL,
    PASSES,
    SetPolicy,
    statuses,
)
from tests.performance.gates.rules import ACCURACY_AT_LEAST, ACCURACY_LIMIT, LOG_LOSS_LIMIT

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("candidate")]

LONGEST_PARSED_ONCE = 4096  # characters: it parses a longer statement each time


def test_verdict_has_the_contracts_form(viewer: User, set_policy: SetPolicy) -> None:
    set_policy(PASSES)

    answer = Caller(viewer).get(GATE)

    assert answer.status_code == 200
    assert TIMESTAMP.fullmatch(answer.json()["judged_at"])
    assert TIMESTAMP.fullmatch(answer.json()["candidate"]["evaluated_at"])
    body = {**answer.json(), "judged_at": "<judged_at>"}
    body["candidate"]["evaluated_at"] = "<evaluated_at>"
    assert body == golden("gate")
    assert [*body] == [*golden("gate")]
    assert [*body["rules"][0]] == [*golden("gate")["rules"][0]]
    assert (answer["Cache-Control"], answer["Vary"]) == ("private, no-cache", "Authorization, Accept")
    assert answer["ETag"]


def test_verdict_is_on_the_newest_completed_version_or_the_requested_one(ada: Caller) -> None:
    ada.post(f"{MODEL}/versions")  # in training

    assert ada.get(GATE).json()["version_id"] == "ver-001a2"
    assert ada.get(GATE, {"version_id": "ver-001a1"}).json()["version_id"] == "ver-001a1"


def test_status_is_no_policy_without_a_policy(ada: Caller) -> None:
    body = ada.get(GATE, {"enforce": "true"}).json()

    assert (body["status"], body["rules"], body["policy"]) == ("no_policy", [], None)


def test_failed_gate_is_answered_with_200_too(ada: Caller, set_policy: SetPolicy) -> None:
    set_policy(FAILS)

    answer = ada.get(GATE)

    assert (answer.status_code, answer.json()["status"]) == (200, "failed")
    assert statuses(answer) == ["failed", "passed"]
    assert answer.json()["rules"][0]["detail"] == "accuracy is 0.95; at least 0.99 is required."


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("specificity", 0.875),
        ("custom.cost", 3.5),
        ("custom.accuracy", 0.1),
        ("accuracy", 0.95),
        ("per_class.St. Gallen.recall", 0.75),
        ("per_class.St. Gallen.support", 30),
        ("sample_count", 2000),
    ],
)
def test_rule_may_use_any_number_of_the_snapshot(ada: Caller, set_policy: SetPolicy, metric: str, value: float) -> None:
    set_policy({"rules": [{"metric": metric, "operator": "<=", "threshold": value}]})

    [rule] = ada.get(GATE).json()["rules"]

    assert (rule["status"], rule["value"]) == ("passed", value)


def test_verdict_is_on_the_policys_split(ada: Caller, set_policy: SetPolicy, candidate: Version) -> None:
    set_policy({**PASSES, "dataset_split": "validation"})
    assert statuses(ada.get(GATE)) == ["missing", "missing"]
    assert "no metrics for the split validation" in ada.get(GATE).json()["rules"][0]["detail"]

    snapshot(candidate, metrics=EXAMPLE_METRICS, dataset_split="validation")
    assert statuses(ada.get(GATE)) == ["passed", "missing"]


def test_rule_with_confidence_uses_the_interval(ada: Caller, set_policy: SetPolicy) -> None:
    set_policy(
        {
            "rules": [
                ACCURACY_AT_LEAST | {"threshold": 0.94, "confidence": 0.95},
                ACCURACY_AT_LEAST | {"threshold": 0.95},
            ]
        }
    )
    first, second = ada.get(GATE).json()["rules"]
    assert (first["status"], first["interval"], second["interval"]) == ("passed", INTERVAL, None)

    set_policy({"rules": [ACCURACY_AT_LEAST | {"threshold": 0.945, "confidence": 0.95}]})
    assert statuses(ada.get(GATE)) == ["failed"]
    assert statuses(ada.get(GATE, {"version_id": "ver-001a1"})) == ["missing"]


def test_rule_with_confidence_uses_the_interval_of_a_class(
    ada: Caller, set_policy: SetPolicy, model: RegisteredModel
) -> None:
    of_a_class = {"metric": "per_class.St. Gallen.recall", "confidence": 0.95}
    set_policy({"rules": [of_a_class | {"operator": ">=", "threshold": 0.7}, of_a_class | {"max_regression": 0.1}]})
    before = snapshot(model.versions.get(number=417), metrics={"accuracy": 0.95})
    SnapshotDetail.objects.create(
        snapshot=before,
        per_class={"St. Gallen": {"recall": 0.75}},
        confidence_intervals={"per_class.St. Gallen.recall": INTERVAL_OF_A_CLASS},
    )

    threshold, limit = ada.get(GATE).json()["rules"]

    assert (threshold["status"], threshold["interval"]) == ("failed", INTERVAL_OF_A_CLASS)
    assert (limit["status"], limit["interval"]["method"]) == ("passed", "independent")


def test_limit_with_confidence_uses_the_difference_of_two_intervals(
    ada: Caller, set_policy: SetPolicy, model: RegisteredModel
) -> None:
    set_policy({"rules": [{"metric": "accuracy", "max_regression": 0.01, "confidence": 0.95}]})
    assert statuses(ada.get(GATE)) == ["missing"]

    before = snapshot(model.versions.get(number=417), metrics={"accuracy": 0.95})
    SnapshotDetail.objects.create(snapshot=before, confidence_intervals={"accuracy": INTERVAL})
    [rule] = ada.get(GATE).json()["rules"]

    assert rule["status"] == "failed"
    assert rule["interval"]["lower"] == pytest.approx(-0.01 * 2**0.5)
    assert "with 95% confidence worse by up to 0.014" in rule["detail"]


def test_recall_is_not_compared_with_that_of_another_positive_class(
    ada: Caller, set_policy: SetPolicy, model: RegisteredModel
) -> None:
    set_policy({"rules": [{"metric": "recall", "max_regression": 0.1}, {"metric": "accuracy", "max_regression": 0.1}]})
    before = snapshot(model.versions.get(number=417), metrics=EXAMPLE_METRICS)
    SnapshotDetail.objects.create(snapshot=before, positive_class="yes", averaging="binary")
    now = snapshot(completed_version(model, number=419), metrics=EXAMPLE_METRICS)
    SnapshotDetail.objects.create(snapshot=now, positive_class="no", averaging="binary")

    answer = ada.get(GATE)

    assert statuses(answer) == ["missing", "passed"]
    assert "for the positive class 'no'" in answer.json()["rules"][0]["detail"]
    assert refusal(ada.post(f"{MODEL}/versions/ver-001a3/promote")) == (409, "gate_failed")


def test_promoted_version_is_no_worse_than_itself(ada: Caller, set_policy: SetPolicy) -> None:
    set_policy({"rules": [LOG_LOSS_LIMIT | {"max_regression": 0}, ACCURACY_LIMIT | {"confidence": 0.95}]})

    assert statuses(ada.get(GATE, {"version_id": "ver-001a1"})) == ["passed", "passed"]


def test_version_that_was_promoted_by_override_still_fails(ada: Caller, set_policy: SetPolicy) -> None:
    set_policy({"dataset_split": "test", "rules": [{"metric": "accuracy", "max_regression": 0.0}]})
    ada.post(f"{CANDIDATE}/promote")
    worse = {"dataset_split": "test", "metrics": {"accuracy": 0.5}}
    version = ada.post(f"{MODEL}/versions").json()["version_id"]
    path = f"{MODEL}/versions/{version}"
    ada.patch(path, {"state": "completed"})
    ada.post(f"{path}/snapshots", worse)
    assert refusal(ada.post(f"{path}/promote")) == (409, "gate_failed")
    assert ada.post(f"{path}/promote", {"override": True, "reason": "x"}).status_code == 200

    verdict = ada.get(GATE, {"version_id": version}).json()

    assert (verdict["status"], verdict["baseline_version_id"]) == ("failed", "ver-001a2")
    assert "in the previously promoted ver-001a2" in verdict["rules"][0]["detail"]
    assert refusal(ada.post(f"{path}/promote")) == (409, "gate_failed")


def test_head_stores_no_verdict(admin: User, set_policy: SetPolicy) -> None:
    set_policy(FAILS)
    answer = Caller(admin).client.head(f"/api/v1{GATE}?enforce=true")
    assert answer.status_code == 409
    assert not GateVerdict.objects.exists()


def test_rule_that_lets_worse_values_pass_is_warned_of(ada: Caller, set_policy: SetPolicy) -> None:
    set_policy({"rules": [{"metric": "accuracy", "operator": "<=", "threshold": 0.99}]})

    body = ada.get(GATE).json()

    assert (body["status"], len(body["warnings"])) == ("passed", 2)
    assert body["warnings"][0].startswith("accuracy <= 0.99 lets worse values pass")


def test_verdict_follows_new_snapshots_policies_and_ages(
    ada: Caller, admin: User, set_policy: SetPolicy, candidate: Version
) -> None:
    set_policy(PASSES)
    first, again = ada.get(GATE), ada.get(GATE)
    assert (statuses(first), again["ETag"]) == (["passed", "passed"], first["ETag"])
    with time_machine.travel(timezone.now() + timedelta(seconds=9), tick=False):
        assert ada.get(GATE).json()["judged_at"] > first.json()["judged_at"]

    snapshot(candidate, metrics=EXAMPLE_METRICS | {"accuracy": 0.9}, evaluated_at=timezone.now())
    assert statuses(ada.get(GATE)) == ["failed", "passed"]
    ada.post(f"{CANDIDATE}/promote", {"override": True, "reason": "x"})
    assert "the previously promoted" in ada.get(GATE).json()["rules"][1]["detail"]

    set_policy({"max_age_days": 1, "rules": [LOG_LOSS_LIMIT]})
    assert statuses(ada.get(GATE)) == ["passed"]
    with time_machine.travel(timezone.now() + timedelta(days=2), tick=False):
        assert statuses(Caller(admin).get(GATE)) == ["missing"]


def test_enforced_verdict_that_passes_has_the_same_bytes(
    ada: Caller, set_policy: SetPolicy, candidate: Version
) -> None:
    label = 'é "\\ \u2028 \u2029 😀'
    for version in candidate.model.versions.all():  # it and the promoted one
        SnapshotDetail.objects.create(
            snapshot=snapshot(version, metrics=EXAMPLE_METRICS, evaluated_at=timezone.now()),
            confidence_intervals={"accuracy": INTERVAL},
            per_class={label: {"recall": 0.75, "support": 30}},
            examples_digest="0" * 64,
        )
    a_class = {"operator": "<=", "threshold": 1e23}
    named = [a_class | {"metric": f"per_class.{label}.support"}, ACCURACY_AT_LEAST | {"confidence": 0.95}]
    set_policy(
        {
            "rules": [
                ACCURACY_AT_LEAST,
                LOG_LOSS_LIMIT,
                *named,
                {"metric": "accuracy", "max_regression": 0.1, "confidence": 0.95},
            ]
        }
    )

    with time_machine.travel(timezone.now(), tick=False):
        plain, enforced = ada.get(GATE), ada.get(GATE, {"enforce": "true"})

    assert statuses(plain) == ["passed"] * 5
    assert plain.content == enforced.content


def test_enforced_verdict_that_fails_is_the_same(ada: Caller, set_policy: SetPolicy) -> None:
    missing = {"metric": "accuracy", "max_regression": 0.01, "relative": True, "confidence": 0.95}
    set_policy({"rules": [*FAILS["rules"], missing]})

    with time_machine.travel(timezone.now(), tick=False):
        plain, enforced = ada.get(GATE), ada.get(GATE, {"enforce": "true"})

    assert statuses(plain) == ["failed", "passed", "missing"]
    assert plain.json() == enforced.json()["verdict"]


def test_gate_takes_two_statements_for_any_number_of_rules(
    viewer: User, set_policy: SetPolicy, pinned_queries: PinnedQueries
) -> None:
    set_policy({"rules": [ACCURACY_LIMIT | {"metric": f"per_class.{label}.recall"} for label in range(20)]})
    caller = Caller(viewer)

    with pinned_queries("gate"):
        assert len(statuses(caller.get(GATE))) == 20


@pytest.mark.parametrize("newest", [True, False])
def test_gate_statement_is_short_enough_to_be_parsed_once(newest: bool) -> None:
    assert len(gate_statement(newest=newest).compiled(DEFAULT_DB_ALIAS).sql) <= LONGEST_PARSED_ONCE
