"""Promotion, what may refuse it, its history, and rollback."""

from collections.abc import Iterator
from typing import Any

import pytest

from models_registry.accounts.models import User
from models_registry.accounts.scopes import Scope
from models_registry.registry.models import Promotion, RegisteredModel, Version
from models_registry.registry.promotions import CheckResult, register_promotion_check, unregister_promotion_check
from tests.api import Caller, faults, masked, refusal
from tests.conftest import golden
from tests.factories import EXAMPLE_METRICS, GivenResults, completed_version, new_user, snapshot

pytestmark = pytest.mark.django_db
MODEL = "/models/mdl-7f3a19bc92"
VERDICT = {"status": "failed", "rules": [{"metric": "accuracy", "status": "failed"}]}


@pytest.fixture
def ada(admin: User) -> Caller:
    return Caller(admin)


@pytest.fixture
def candidate(model: RegisteredModel) -> Version:
    """A version after the promoted one."""
    version = completed_version(model, number=418)
    snapshot(version, metrics=EXAMPLE_METRICS | {"accuracy": 0.95})
    return version


def promoted(caller: Caller) -> Any:
    return caller.get(MODEL).json()["promoted_version_id"]


@pytest.mark.usefixtures("candidate")
class TestPromoting:
    def test_a_promotion_records_who_when_and_why(self, ada: Caller) -> None:
        answer = ada.post(f"{MODEL}/versions/ver-001a2/promote", {"reason": "better"})

        assert answer.status_code == 200
        assert masked(answer.json()) == golden("promotion")
        assert list(answer.json()) == list(golden("promotion"))
        assert promoted(ada) == "ver-001a2"
        assert ada.get(f"{MODEL}/performance/summary").json()["version_id"] == "ver-001a2"
        assert ada.get(f"{MODEL}/promotions").json()["results"][0] == answer.json()

    def test_a_promotion_needs_no_reason_and_no_body(self, ada: Caller) -> None:
        answer = ada.client.generic("POST", f"/api/v1{MODEL}/versions/ver-001a2/promote")

        assert (answer.status_code, answer.json()["reason"]) == (200, "")

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({"reason": 1}, "reason", "invalid"),
            ({"reason": "x" * 2001}, "reason", "max_length"),
            ({"override": "true", "reason": "x"}, "override", "invalid"),
            ({"override": 1, "reason": "x"}, "override", "invalid"),
            ({"override": True}, "reason", "invalid"),
            ({"override": True, "reason": " "}, "reason", "invalid"),
            ({"override": True, "reason": "\u200b"}, "reason", "invalid"),
            ({"reason": "\u200b \u2060\u202e\x1b"}, "reason", "invalid"),
            ({"promoted_by": "vera"}, "promoted_by", "unknown_field"),
            ({"verdict": {}}, "verdict", "unknown_field"),
        ],
    )
    def test_an_invalid_promotion_is_refused_by_field(
        self, ada: Caller, body: dict[str, Any], field: str, code: str
    ) -> None:
        assert faults(ada.post(f"{MODEL}/versions/ver-001a2/promote", body)) == [(field, code)]
        assert promoted(ada) == "ver-001a1"
        assert Promotion.objects.count() == 1

    @pytest.mark.parametrize("reason", ["\u8bef", "\u0645", "\u0915\u094d\u200d", "!", "\U0001f6d1", "\u200b."])
    def test_a_reason_may_be_in_any_script(self, ada: Caller, reason: str) -> None:
        answer = ada.post(f"{MODEL}/versions/ver-001a2/promote", {"override": True, "reason": reason})

        assert (answer.status_code, answer.json()["reason"]) == (200, reason)

    @pytest.mark.parametrize("state", ["training", "failed"])
    def test_only_a_completed_version_is_promoted(self, ada: Caller, state: str) -> None:
        ada.post(f"{MODEL}/versions")
        ada.patch(f"{MODEL}/versions/ver-001a3", {"state": state})

        answer = ada.post(f"{MODEL}/versions/ver-001a3/promote")

        assert refusal(answer) == (409, "conflict")
        assert state in answer.json()["detail"]
        assert promoted(ada) == "ver-001a1"

    def test_a_promotion_needs_the_scope_to_promote(self, editor: User, model: RegisteredModel) -> None:
        answer = Caller(editor).post(f"{MODEL}/versions/ver-001a2/promote")

        assert refusal(answer) == (403, "permission_denied")
        assert "model:promote" in answer.json()["detail"]


@pytest.fixture
def judgements() -> Iterator[list[CheckResult]]:
    """The results that a promotion check returns, one a promotion."""
    given: list[CheckResult] = []

    check = GivenResults(given)
    register_promotion_check(check)
    yield given
    unregister_promotion_check(check)


@pytest.fixture
def releaser(model: RegisteredModel, admin: User) -> Caller:
    """Rae, who may promote the one model and is no admin."""
    user = new_user("rae")
    Caller(admin).post(f"{MODEL}/grants", {"username": "rae", "scope": "model:promote"})
    return Caller(user)


@pytest.mark.usefixtures("candidate")
class TestPromotionCheck:
    def test_a_failed_check_refuses_the_promotion_with_its_verdict(
        self, ada: Caller, judgements: list[CheckResult]
    ) -> None:
        judgements.append(CheckResult(passed=False, verdict=VERDICT, detail="accuracy is too low."))

        answer = ada.post(f"{MODEL}/versions/ver-001a2/promote", {"reason": "better"})

        assert refusal(answer) == (409, "gate_failed")
        assert answer.json()["verdict"] == VERDICT
        assert answer.json()["detail"] == "accuracy is too low."
        assert promoted(ada) == "ver-001a1"
        assert Promotion.objects.count() == 1

    def test_a_passed_check_is_stored_with_the_promotion(
        self, releaser: Caller, ada: Caller, judgements: list[CheckResult]
    ) -> None:
        passed = {"status": "passed", "rules": []}
        judgements.append(CheckResult(passed=True, verdict=passed, detail=""))

        answer = releaser.post(f"{MODEL}/versions/ver-001a2/promote").json()

        assert (answer["verdict"], answer["overridden"]) == (passed, False)
        assert promoted(ada) == "ver-001a2"

    def test_the_verdict_of_a_check_that_has_its_own_form_is_returned_as_stored(
        self, ada: Caller, judgements: list[CheckResult]
    ) -> None:
        passed = {"status": "passed", "judged_at": "2026-03-13T14:22:10Z", "reviewer": "vera"}
        judgements.append(CheckResult(passed=True, verdict=passed, detail=""))

        assert ada.post(f"{MODEL}/versions/ver-001a2/promote").json()["verdict"] == passed
        assert ada.get(f"{MODEL}/promotions").json()["results"][0]["verdict"] == passed

    def test_an_admin_may_override_with_a_reason(self, ada: Caller, judgements: list[CheckResult]) -> None:
        judgements.append(CheckResult(passed=False, verdict=VERDICT, detail="accuracy is too low."))

        answer = ada.post(f"{MODEL}/versions/ver-001a2/promote", {"override": True, "reason": "an outage"})

        assert answer.status_code == 200
        assert (answer.json()["verdict"], answer.json()["overridden"]) == (VERDICT, True)
        assert promoted(ada) == "ver-001a2"

    def test_an_unneeded_override_is_not_recorded_as_one(self, ada: Caller) -> None:
        answer = ada.post(f"{MODEL}/versions/ver-001a2/promote", {"override": True, "reason": "to be sure"})

        assert answer.json()["overridden"] is False

    def test_only_an_admin_may_override(
        self, releaser: Caller, ada: Caller, judgements: list[CheckResult], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(GivenResults, "prepare", lambda *_: pytest.fail("compared without the right"))

        answer = releaser.post(f"{MODEL}/versions/ver-001a2/promote", {"override": True, "reason": "please"})

        assert refusal(answer) == (403, "permission_denied")
        assert "organization:admin" in answer.json()["detail"]
        assert promoted(ada) == "ver-001a1"


@pytest.fixture
def overruled(ada: Caller, model: RegisteredModel, judgements: list[CheckResult]) -> None:
    """That the version before the promoted one was promoted against its gate."""
    for number in (418, 419):
        completed_version(model, number)
    judgements.append(CheckResult(passed=False, verdict=VERDICT, detail="accuracy is too low."))
    ada.post(f"{MODEL}/versions/ver-001a2/promote", {"override": True, "reason": "an outage"})
    ada.post(f"{MODEL}/versions/ver-001a3/promote")


class TestRollingBack:
    def test_repeated_rollbacks_walk_back_through_the_history(self, ada: Caller, model: RegisteredModel) -> None:
        for number in (418, 419):
            completed_version(model, number)
            ada.post(f"{MODEL}/versions/ver-{number:05x}/promote")

        answer = ada.post(f"{MODEL}/rollback", {"reason": "it drifts"})

        assert answer.status_code == 200
        recorded = {name: answer.json()[name] for name in ("version_id", "previous_version_id", "kind", "reason")}
        assert recorded == {
            "version_id": "ver-001a2",
            "previous_version_id": "ver-001a3",
            "kind": "rollback",
            "reason": "it drifts",
        }
        assert promoted(ada) == "ver-001a2"
        assert ada.post(f"{MODEL}/rollback").json()["version_id"] == "ver-001a1"
        assert refusal(ada.post(f"{MODEL}/rollback")) == (409, "conflict")
        assert promoted(ada) == "ver-001a1"

    def test_a_rollback_refuses_an_invisible_reason(self, ada: Caller, model: RegisteredModel) -> None:
        completed_version(model, number=418)
        ada.post(f"{MODEL}/versions/ver-001a2/promote")

        assert faults(ada.post(f"{MODEL}/rollback", {"reason": "\u200b"})) == [("reason", "invalid")]
        assert promoted(ada) == "ver-001a2"

    def test_a_promotion_after_a_rollback_goes_back_to_what_was_rolled_back_to(
        self, ada: Caller, model: RegisteredModel
    ) -> None:
        for number in (418, 419):
            completed_version(model, number)
        ada.post(f"{MODEL}/versions/ver-001a2/promote")
        ada.post(f"{MODEL}/rollback")
        ada.post(f"{MODEL}/versions/ver-001a3/promote")

        assert ada.post(f"{MODEL}/rollback").json()["version_id"] == "ver-001a1"

    def test_promoting_the_promoted_version_again_is_recorded_but_not_rolled_back_to(
        self, ada: Caller, model: RegisteredModel
    ) -> None:
        completed_version(model, number=418)
        for reason in ("first", "again", "and again"):
            answer = ada.post(f"{MODEL}/versions/ver-001a2/promote", {"reason": reason}).json()
            assert (answer["kind"], answer["reason"]) == ("promotion", reason)

        assert ada.post(f"{MODEL}/rollback").json()["version_id"] == "ver-001a1"
        ada.post(f"{MODEL}/versions/ver-001a1/promote")
        assert refusal(ada.post(f"{MODEL}/rollback")) == (409, "conflict")
        assert Promotion.objects.count() == 6

    def test_rolling_back_a_model_without_promotions_is_a_conflict(
        self, ada: Caller, empty_model: RegisteredModel
    ) -> None:
        assert refusal(ada.post(f"/models/{empty_model.pk}/rollback")) == (409, "conflict")

    def test_rolling_back_to_a_version_that_passed_is_not_checked_again(
        self, ada: Caller, model: RegisteredModel, judgements: list[CheckResult]
    ) -> None:
        completed_version(model, number=418)
        ada.post(f"{MODEL}/versions/ver-001a2/promote")
        judgements.append(CheckResult(passed=False, verdict=VERDICT, detail="never asked"))

        assert ada.post(f"{MODEL}/rollback").status_code == 200
        assert len(judgements) == 1

    def test_rolling_back_to_an_overridden_promotion_is_refused_to_a_non_admin(
        self, ada: Caller, releaser: Caller, overruled: None, judgements: list[CheckResult]
    ) -> None:
        judgements.append(CheckResult(passed=False, verdict=VERDICT, detail="accuracy is too low."))

        answer = releaser.post(f"{MODEL}/rollback", {"reason": "an outage"})

        assert refusal(answer) == (409, "gate_failed")
        assert answer.json()["verdict"] == VERDICT
        assert answer.json()["detail"].startswith(
            "accuracy is too low. It was promoted against its gate before: an admin"
        )
        assert promoted(ada) == "ver-001a3"

    def test_rolling_back_to_an_overridden_promotion_that_now_passes_needs_no_override(
        self, ada: Caller, releaser: Caller, overruled: None, judgements: list[CheckResult]
    ) -> None:
        passed = {"status": "passed", "rules": []}
        judgements.append(CheckResult(passed=True, verdict=passed, detail=""))

        answer = releaser.post(f"{MODEL}/rollback").json()

        assert (answer["version_id"], answer["kind"]) == ("ver-001a2", "rollback")
        assert (answer["verdict"], answer["overridden"]) == (passed, False)

    def test_rolling_back_to_an_overridden_promotion_without_a_gate_needs_no_override(
        self, ada: Caller, releaser: Caller, overruled: None
    ) -> None:
        assert releaser.post(f"{MODEL}/rollback").json()["overridden"] is False

    def test_rolling_back_to_a_version_that_also_passed_once_is_not_checked_again(
        self, ada: Caller, releaser: Caller, model: RegisteredModel, overruled: None, judgements: list[CheckResult]
    ) -> None:
        ada.post(f"{MODEL}/versions/ver-001a2/promote")
        ada.post(f"{MODEL}/rollback")
        judgements.append(CheckResult(passed=False, verdict=VERDICT, detail="never asked"))

        assert releaser.post(f"{MODEL}/rollback").json()["version_id"] == "ver-001a2"
        assert len(judgements) == 1

    def test_an_admin_rolls_back_to_an_overridden_promotion_with_an_override(
        self, ada: Caller, overruled: None, judgements: list[CheckResult]
    ) -> None:
        judgements += [CheckResult(passed=False, verdict=VERDICT, detail="accuracy is too low.")] * 2

        assert refusal(ada.post(f"{MODEL}/rollback", {"reason": "an outage"})) == (409, "gate_failed")
        answer = ada.post(f"{MODEL}/rollback", {"override": True, "reason": "an outage"}).json()

        assert (answer["version_id"], answer["kind"]) == ("ver-001a2", "rollback")
        assert (answer["verdict"], answer["overridden"]) == (VERDICT, True)

    def test_an_override_of_a_rollback_needs_the_scope_of_an_admin(
        self, admin: User, releaser: Caller, overruled: None
    ) -> None:
        narrowed = Caller(admin, frozenset({Scope.MODEL_PROMOTE}))

        for caller in (releaser, narrowed):
            answer = caller.post(f"{MODEL}/rollback", {"override": True, "reason": "an outage"})
            assert refusal(answer) == (403, "permission_denied")
            assert "organization:admin" in answer.json()["detail"]

    def test_an_override_of_a_rollback_needs_a_reason(self, ada: Caller, overruled: None) -> None:
        assert faults(ada.post(f"{MODEL}/rollback", {"override": True})) == [("reason", "invalid")]


def test_the_history_is_newest_first_and_outlives_its_author(ada: Caller, superuser: User, candidate: Version) -> None:
    Caller(superuser).post(f"{MODEL}/versions/ver-001a2/promote", {"reason": "by root"})
    ada.post(f"{MODEL}/rollback")
    superuser.delete()

    recorded = [
        (each["version_id"], each["previous_version_id"], each["kind"], each["promoted_by"])
        for each in ada.get(f"{MODEL}/promotions").json()["results"]
    ]

    assert recorded == [
        ("ver-001a1", "ver-001a2", "rollback", "ada"),
        ("ver-001a2", "ver-001a1", "promotion", None),
        ("ver-001a1", None, "promotion", None),
    ]
