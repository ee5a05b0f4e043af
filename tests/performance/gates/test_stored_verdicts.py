"""`GET …/verdicts`: the verdicts that were stored."""

import json

import pytest

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from performance.gates.models import GateVerdict
from tests.api import Caller, refusal
from tests.performance.gates.gate_example import FAILS, GATE, MODEL, PASSES, SetPolicy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("candidate")]


def test_stored_verdicts_are_listed_for_readers_of_the_model(viewer: User, outsider: User) -> None:
    assert Caller(viewer).get(f"{MODEL}/verdicts").json() == {"next": None, "previous": None, "results": []}
    assert refusal(Caller(outsider).get(f"{MODEL}/verdicts")) == (403, "permission_denied")


def test_stored_verdicts_are_listed_newest_first_in_pages(viewer: User, set_policy: SetPolicy) -> None:
    vera = Caller(viewer)
    for document in (PASSES, FAILS):
        set_policy(document)
        vera.get(GATE, {"enforce": "true"})

    first = vera.get(f"{MODEL}/verdicts?page_size=1").json()

    assert [row["verdict"]["status"] for row in first["results"]] == ["failed"]
    assert first["next"]


def test_stored_verdict_has_its_members_in_the_order_of_a_new_one(ada: Caller, set_policy: SetPolicy) -> None:
    rule = {"metric": "accuracy", "operator": ">=", "threshold": 0.5, "confidence": 0.95}
    set_policy({"rules": [rule, {"metric": "log_loss", "max_regression": 0.5}]})
    given = json.dumps(ada.post(f"{MODEL}/versions/ver-001a2/promote").json()["verdict"])
    assert '"interval": {"lower":' in given

    [promoted, _] = ada.get(f"{MODEL}/promotions").json()["results"]
    [stored] = ada.get(f"{MODEL}/verdicts").json()["results"]

    assert [json.dumps(promoted["verdict"]), json.dumps(stored["verdict"])] == [given, given]


def test_verdict_of_an_older_release_is_still_listed(ada: Caller, model: RegisteredModel) -> None:
    rule = {"metric": "accuracy", "operator": ">=", "threshold": 0.9, "value": 0.95, "interval": None}
    document = {
        "model_id": model.pk,
        "version_id": "ver-001a1",
        "baseline_version_id": None,
        "status": "passed",
        "rules": [rule | {"baseline_value": None, "status": "passed", "detail": "It is."}],
        "judged_at": "2026-03-13T14:22:10Z",
        "warnings": [],
        "policy": None,
    }
    GateVerdict.objects.create(
        model=model, version=model.versions.get(number=417), occasion="promotion", status="passed", document=document
    )

    [kept] = ada.get(f"{MODEL}/verdicts").json()["results"]

    later = {"baseline_version_id": None, "same_dataset": None, "needed_sample_count": None}
    assert kept["verdict"] == {
        **document,
        "rules": [{**document["rules"][0], **later}],  # type: ignore[dict-item, index]
        "candidate": None,
        "baselines": [],
    }
