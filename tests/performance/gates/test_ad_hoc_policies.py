"""`POST …/performance/gate`: the verdict by a policy that the request sends."""

from typing import Any

import pytest

from models_registry.accounts.models import User
from performance.gates.models import GatePolicy, GateVerdict
from tests.api import Caller, faults, refusal
from tests.conftest import PinnedQueries
from tests.performance.gates.gate_example import FAILS, GATE, MODEL, PASSES, SetPolicy
from tests.performance.gates.rules import ACCURACY_AT_LEAST

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("candidate")]


def test_ad_hoc_policy_is_applied_and_not_stored(viewer: User, set_policy: SetPolicy) -> None:
    set_policy(PASSES)

    body = Caller(viewer).post(GATE, FAILS).json()

    assert (body["status"], body["policy"], body["version_id"]) == ("failed", None, "ver-001a2")
    assert GatePolicy.objects.count() == 1


@pytest.mark.parametrize("condition", ["If_None_Match", "If_Match"])
def test_ad_hoc_verdict_ignores_preconditions(viewer: User, condition: str) -> None:
    vera = Caller(viewer)
    etag = vera.post(GATE, PASSES)["ETag"]

    for tags in ("*", '"x"', etag):
        assert vera.post(GATE, PASSES, **{condition: tags}).json()["status"] == "passed"


def test_ad_hoc_policy_may_be_enforced(editor: User) -> None:
    ed = Caller(editor)

    assert refusal(ed.post(f"{GATE}?enforce=true", FAILS)) == (409, "gate_failed")
    assert ed.post(f"{GATE}?enforce=true&version_id=ver-001a1", PASSES).json()["status"] == "passed"
    assert [row["verdict"]["policy"] for row in ed.get(f"{MODEL}/verdicts").json()["results"]] == [None, None]


@pytest.mark.parametrize("form", ["json", "junit", "markdown", "html"])
@pytest.mark.parametrize("document", [PASSES, FAILS], ids=["passes", "fails"])
def test_verdict_with_an_idempotency_key_is_stored_once_and_replayed_in_any_format(
    editor: User, form: str, document: dict[str, Any]
) -> None:
    ed = Caller(editor)
    path = f"{GATE}?enforce=true&format={form}"
    first, again = [ed.post(path, document, Idempotency_Key="job-1") for _ in range(2)]

    assert first.status_code == (200 if document is PASSES else 409)
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for header in ("Content-Type", "Content-Security-Policy", "Cache-Control"):
        assert again.get(header) == first.get(header)
    assert GateVerdict.objects.count() == 1
    assert ed.post(path, document).status_code == first.status_code
    assert GateVerdict.objects.count() == 1  # as it says the same


@pytest.mark.parametrize("query", ["", "?enforce=true&version_id=ver-001a1", "?enforce=true&format=junit"])
def test_idempotency_key_of_another_query_is_refused(editor: User, query: str) -> None:
    ed = Caller(editor)
    ed.post(f"{GATE}?enforce=true", PASSES, Idempotency_Key="job-1")

    assert refusal(ed.post(f"{GATE}{query}", PASSES, Idempotency_Key="job-1")) == (422, "idempotency_mismatch")
    assert GateVerdict.objects.count() == 1


def test_replay_is_refused_to_a_caller_who_may_no_longer_read(ada: Caller, viewer: User) -> None:
    vera = Caller(viewer)
    vera.post(GATE, PASSES, Idempotency_Key="job-1")
    ada.delete("/organizations/acme/members/vera")

    assert refusal(vera.post(GATE, PASSES, Idempotency_Key="job-1")) == (403, "permission_denied")


def test_ad_hoc_policy_takes_two_statements(viewer: User, pinned_queries: PinnedQueries) -> None:
    caller = Caller(viewer)

    with pinned_queries("gate by another policy"):
        caller.post(GATE, PASSES)


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "rules", "empty"),
        ({"rules": [{**ACCURACY_AT_LEAST, "metric": "rmse"}]}, "rules.0.metric", "unknown"),
        ({"rules": [{**ACCURACY_AT_LEAST, "threshold": 93}]}, "rules.0.threshold", "out_of_bounds"),
        ({"rules": [ACCURACY_AT_LEAST], "version": 1}, "version", "unknown_field"),
    ],
)
def test_invalid_ad_hoc_policy_is_refused_with_the_rule(viewer: User, body: Any, field: str, code: str) -> None:
    assert faults(Caller(viewer).post(GATE, body)) == [(field, code)]
