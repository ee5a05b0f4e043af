"""`?enforce=true`: a failed gate is a conflict, and each change of verdict is stored."""

from typing import Any

import pytest

from models_registry.accounts.models import Organization, User
from models_registry.accounts.scopes import Scope
from models_registry.registry.models import Version
from performance.gates.models import GateVerdict
from performance.snapshots.models import SnapshotDetail
from performance.webhooks.models import Webhook, WebhookDelivery
from tests.api import Caller, refusal
from tests.conftest import golden
from tests.factories import EXAMPLE_METRICS, snapshot
from tests.performance.gates.gate_example import FAILS, GATE, MODEL, PASSES, SetPolicy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("candidate")]


def test_failed_gate_is_a_conflict_with_the_verdict_inside(viewer: User, set_policy: SetPolicy) -> None:
    set_policy(FAILS)

    answer = Caller(viewer).get(GATE, {"enforce": "true"})

    assert refusal(answer) == (409, "gate_failed")
    verdict_text = "ver-001a2 fails 1 of 2 rules. accuracy is 0.95; at least 0.99 is required. See `verdict`."
    assert answer.json()["detail"] == verdict_text
    assert answer.json()["verdict"]["status"] == "failed"


def test_passed_gate_is_answered_as_without_enforcement(viewer: User, set_policy: SetPolicy) -> None:
    set_policy(PASSES)

    assert Caller(viewer).get(GATE, {"enforce": "true"}).json()["status"] == "passed"


@pytest.mark.parametrize(("document", "status"), [(PASSES, "passed"), (FAILS, "failed")])
def test_enforced_verdict_is_stored_and_listed(
    viewer: User, set_policy: SetPolicy, document: dict[str, Any], status: str
) -> None:
    set_policy(document)
    vera = Caller(viewer)

    answer = vera.get(GATE, {"enforce": "true"})
    [kept] = vera.get(f"{MODEL}/verdicts").json()["results"]

    verdict = answer.json().get("verdict", answer.json())
    assert kept.pop("id").isdigit()
    assert kept == {"occasion": "enforcement", "requested_by": "vera", "verdict": verdict}
    assert [*kept["verdict"]] == [*golden("gate")]
    assert verdict["status"] == status


@pytest.mark.parametrize("method", ["get", "head"])
def test_enforcement_on_an_archived_model_is_a_conflict_and_stores_nothing(
    ada: Caller, set_policy: SetPolicy, method: str
) -> None:
    set_policy(PASSES)
    ada.delete(MODEL)

    answer = getattr(ada.client, method)(f"/api/v1{GATE}?enforce=true")

    assert answer.status_code == 409
    assert method == "head" or refusal(answer) == (409, "conflict")
    assert refusal(ada.post(f"{GATE}?enforce=true", PASSES, Idempotency_Key="job-1")) == (409, "conflict")
    assert ada.get(GATE).json()["status"] == ada.post(GATE, PASSES).json()["status"] == "passed"
    assert not GateVerdict.objects.exists()


@pytest.mark.parametrize("form", ["json", "junit"])
@pytest.mark.parametrize(("document", "status"), [(PASSES, 200), (FAILS, 409)], ids=["passes", "fails"])
def test_enforced_verdict_ignores_preconditions_and_is_stored_once(
    viewer: User, set_policy: SetPolicy, document: dict[str, Any], status: int, form: str
) -> None:
    set_policy(document)
    vera, query = Caller(viewer), {"enforce": "true", "format": form}
    etag = vera.get(GATE, {"format": form})["ETag"]

    for conditions in ({"If_None_Match": "*"}, {"If_None_Match": etag}, {"If_Match": '"x"'}):
        answer = vera.get(GATE, query, **conditions)
        assert (answer.status_code, b"accuracy" in answer.content) == (status, True)

    assert GateVerdict.objects.count() == 1


@pytest.mark.parametrize("value", [0.95, 1e300])
def test_unchanged_verdict_is_stored_once_for_any_number_of_requests(
    viewer: User, admin: User, acme: Organization, set_policy: SetPolicy, value: float
) -> None:
    rule = {"metric": "custom.cost", "operator": ">=", "threshold": 1e301}
    set_policy({"rules": [rule]})
    version = Version.objects.get(number=418)
    stored = snapshot(version, metrics=EXAMPLE_METRICS)
    SnapshotDetail.objects.create(snapshot=stored, custom_metrics={"cost": value})
    Webhook.objects.create(organization=acme, url="https://example.com/hook", events=["gate.failed"])
    reader = Caller(viewer, frozenset({Scope.MODEL_READ}))

    answers = [reader.get(GATE, {"enforce": "true"}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [409] * 5
    assert GateVerdict.objects.count() == WebhookDelivery.objects.count() == 1

    set_policy(PASSES)
    for _ in range(2):
        assert reader.get(GATE, {"enforce": "true"}).status_code == 200
    set_policy({"rules": [rule]})
    for _ in range(2):
        assert reader.get(GATE, {"enforce": "true"}).status_code == 409
    assert [each.status for each in GateVerdict.objects.order_by("pk")] == ["failed", "passed", "failed"]


def test_verdict_of_a_promotion_is_stored_beside_that_of_an_enforcement(ada: Caller, set_policy: SetPolicy) -> None:
    set_policy(FAILS)
    for _ in range(2):
        assert ada.get(GATE, {"enforce": "true"}).status_code == 409
        assert ada.post(f"{MODEL}/versions/ver-001a2/promote").status_code == 409
    occasions = sorted(GateVerdict.objects.values_list("occasion", flat=True))
    assert occasions == ["enforcement", "promotion", "promotion"]


def test_verdict_by_an_ad_hoc_policy_is_stored_only_for_writers(
    viewer: User, editor: User, superuser: User, set_policy: SetPolicy
) -> None:
    set_policy(PASSES)
    for caller, kept in (
        (Caller(viewer), 0),
        (Caller(editor, frozenset({Scope.MODEL_READ})), 0),
        (Caller(editor), 1),
        (Caller(superuser), 1),  # it says the same
    ):
        for _ in range(2):
            assert caller.post(f"{GATE}?enforce=true", FAILS).status_code == 409
        assert GateVerdict.objects.count() == kept


def test_verdict_that_is_not_enforced_is_not_stored(viewer: User, set_policy: SetPolicy) -> None:
    set_policy(FAILS)
    Caller(viewer).get(GATE)
    Caller(viewer).get(GATE, {"enforce": "false"})
    Caller(viewer).post(GATE, FAILS)

    assert not GateVerdict.objects.exists()
