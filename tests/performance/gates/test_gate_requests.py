"""Which policy the gate applies, and which requests it refuses."""

import pytest

from models_registry.accounts.models import User
from models_registry.accounts.scopes import Scope
from models_registry.registry.models import RegisteredModel
from performance.gates.models import GatePolicy
from tests.api import Caller, faults, refusal
from tests.performance.gates.gate_example import FAILS, GATE, MODEL, PASSES, SetPolicy, statuses
from tests.performance.gates.rules import ACCURACY_AT_LEAST

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("candidate")]


def test_policy_of_the_model_precedes_that_of_its_organization(
    ada: Caller, set_policy: SetPolicy, model: RegisteredModel
) -> None:
    GatePolicy.objects.create(organization=model.organization, version=1, document=FAILS)
    assert ada.get(GATE).json()["policy"] == {"owner": "organization", "version": 1}
    assert ada.get(GATE).json()["status"] == "failed"

    set_policy(PASSES)
    assert ada.get(GATE).json()["policy"] == {"owner": "model", "version": 1}
    assert ada.get(GATE).json()["status"] == "passed"

    ada.delete(f"{MODEL}/gate-policy")
    assert ada.get(GATE).json()["policy"] == {"owner": "organization", "version": 1}


def test_newest_policy_is_applied(ada: Caller, set_policy: SetPolicy) -> None:
    set_policy(FAILS)
    set_policy(PASSES)

    assert ada.get(GATE).json()["policy"] == {"owner": "model", "version": 2}


def test_policy_of_an_organization_fails_a_model_without_the_metric(ada: Caller, model: RegisteredModel) -> None:
    rules = [ACCURACY_AT_LEAST, {"metric": "rmse", "operator": "<=", "threshold": 5}]
    ada.put("/organizations/acme/gate-policy", {"rules": rules})

    assert statuses(ada.get(GATE)) == ["passed", "missing"]


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ({"enforce": "yes"}, "enforce", "invalid_choice"),
        ({"enforce": ""}, "enforce", "invalid_choice"),
        ({"format": "pdf"}, "format", "invalid_choice"),
        ({"version_id": "1"}, "version_id", "invalid"),
        ({"dataset_split": "test"}, "dataset_split", "unknown"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_bad_query_is_refused(ada: Caller, method: str, query: dict[str, str], field: str, code: str) -> None:
    path = f"{GATE}?{'&'.join(f'{name}={value}' for name, value in query.items())}"

    assert faults(ada.get(path) if method == "GET" else ada.post(path, PASSES)) == [(field, code)]


def test_refusals_come_in_the_contracts_order(ada: Caller, outsider: User, empty_model: RegisteredModel) -> None:
    otto, unknown = Caller(outsider), "/models/mdl-0000000000/performance/gate"
    prices = f"/models/{empty_model.pk}/performance/gate"

    assert refusal(Caller().get(f"{unknown}?x=1")) == (401, "not_authenticated")
    assert refusal(otto.get(f"{unknown}?x=1")) == (400, "unknown_parameter")
    assert refusal(otto.get(unknown)) == (404, "model_not_found")
    assert refusal(otto.get(f"{prices}?version_id=ver-00009")) == (403, "permission_denied")
    assert refusal(ada.get(f"{prices}?version_id=ver-00009")) == (422, "no_trained_version")
    assert refusal(ada.get(f"{GATE}?version_id=ver-fffff")) == (404, "version_not_found")
    ada.post(f"{MODEL}/versions")
    assert refusal(ada.get(f"{GATE}?version_id=ver-001a3")) == (422, "version_not_trained")


def test_token_without_the_scope_is_refused(admin: User) -> None:
    narrowed = Caller(admin, frozenset({Scope.MODEL_PROMOTE}))

    assert refusal(narrowed.get(GATE)) == (403, "permission_denied")
    assert refusal(narrowed.post(GATE, PASSES)) == (403, "permission_denied")


def test_unknown_media_type_is_refused(ada: Caller) -> None:
    assert refusal(ada.get(GATE, Accept="image/png")) == (406, "not_acceptable")
