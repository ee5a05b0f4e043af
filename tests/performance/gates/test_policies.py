"""Gate policies are set, read and withdrawn, and each edit is stored."""

from typing import Any

import pytest
from django.db import DatabaseError, transaction

from models_registry.accounts.models import Organization, User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from performance.gates.models import GatePolicy
from performance.gates.policy_document import SPLITS
from performance.metrics.result import MAX_DATASET_NAME
from performance.snapshots.models import DatasetSplit, MetricSnapshot
from tests.api import TIMESTAMP, Caller, faults, refusal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model")]
MODEL = "/models/mdl-7f3a19bc92/gate-policy"
ORGANIZATION = "/organizations/acme/gate-policy"
BOTH = pytest.mark.parametrize("path", [MODEL, ORGANIZATION])
GOOD = {
    "dataset_split": "validation",
    "rules": [
        {"metric": "accuracy", "operator": ">=", "threshold": 0.93, "confidence": 0.95},
        {"metric": "log_loss", "max_regression": 0.01, "relative": False},
    ],
}
OTHER = {"rules": [{"metric": "sample_count", "operator": ">", "threshold": 1000}]}


class TestSetting:
    @BOTH
    def test_a_policy_that_is_set_can_be_read(self, ada: Caller, viewer: User, path: str) -> None:
        made = ada.put(path, GOOD)

        assert made.status_code == 201
        body = made.json()
        assert list(body) == ["dataset_split", "rules", "version", "created_by", "created_at"]
        assert TIMESTAMP.fullmatch(body.pop("created_at"))
        assert body == {**GOOD, "version": 1, "created_by": "ada"}
        assert Caller(viewer).get(path).content == made.content
        assert Caller(viewer).get(path)["ETag"] == made["ETag"]

    @BOTH
    def test_setting_a_policy_again_makes_its_next_version(self, ada: Caller, path: str) -> None:
        ada.put(path, GOOD)

        changed = ada.put(path, OTHER)

        assert (changed.status_code, changed.json()["version"]) == (200, 2)
        assert changed.json()["dataset_split"] == "test"
        assert ada.get(path).json() == changed.json()
        assert [*GatePolicy.objects.order_by("version").values_list("version", flat=True)] == [1, 2]
        assert GatePolicy.objects.get(version=1).document == GOOD

    @BOTH
    def test_an_invalid_policy_is_refused_with_its_rule_and_not_stored(self, ada: Caller, path: str) -> None:
        wrong = {"rules": [GOOD["rules"][0], {"metric": "accuracyy", "operator": ">=", "threshold": 0.5}]}
        shapeless = {"rules": [{"metric": "accuracy"}], "x": 1}

        refused = ada.put(path, wrong)
        assert faults(refused) == [("rules.1.metric", "unknown")]
        assert refused.json()["detail"] == "The policy is not valid; `errors` names each rule and says why."
        assert faults(ada.put(path, shapeless)) == [
            ("rules.0.operator", "invalid_choice"),
            ("rules.0.threshold", "invalid"),
            ("x", "unknown_field"),
        ]
        assert faults(ada.put(path, [])) == [("", "invalid")]
        assert faults(ada.put(path, {"rules": []})) == [("rules", "empty")]
        assert not GatePolicy.objects.exists()

    def test_a_models_policy_is_for_its_task_type_and_an_organizations_for_any(self, ada: Caller) -> None:
        ranked = {"rules": [{"metric": "ndcg", "operator": ">=", "threshold": 0.5}]}

        assert faults(ada.put(MODEL, ranked)) == [("rules.0.metric", "unknown")]
        assert ada.put(ORGANIZATION, ranked).status_code == 201

    @BOTH
    @pytest.mark.parametrize("who", ["viewer", "editor", "grantee"])
    def test_setting_a_policy_is_for_admins(self, request: pytest.FixtureRequest, path: str, who: str) -> None:
        answer = Caller(request.getfixturevalue(who)).put(path, GOOD)

        assert refusal(answer) == (403, "permission_denied")
        assert "organization:admin" in answer.json()["detail"]

    def test_a_policy_of_an_archived_model_cannot_be_set(self, ada: Caller) -> None:
        ada.put(MODEL, GOOD)
        ada.delete("/models/mdl-7f3a19bc92")

        assert refusal(ada.put(MODEL, OTHER)) == (409, "conflict")
        assert refusal(ada.delete(MODEL)) == (409, "conflict")
        assert ada.get(MODEL).json()["version"] == 1

    @BOTH
    def test_setting_a_policy_leaves_a_row_in_the_audit_trail(self, ada: Caller, path: str) -> None:
        ada.put(path, GOOD)

        entry = AuditEntry.objects.latest("pk")
        assert (entry.actor_name, entry.content_type.model) == ("ada", "gatepolicy")
        assert "accuracy" in str(entry.changes)


class TestWithdrawing:
    @BOTH
    def test_a_withdrawn_policy_keeps_its_versions(self, ada: Caller, path: str) -> None:
        ada.put(path, GOOD)

        assert ada.delete(path).status_code == 204

        assert refusal(ada.get(path)) == (404, "not_found")
        assert refusal(ada.delete(path)) == (404, "not_found")
        made = ada.put(path, OTHER)
        assert (made.status_code, made.json()["version"]) == (201, 3)

    @BOTH
    def test_a_missing_policy_is_not_found(self, ada: Caller, path: str) -> None:
        assert refusal(ada.get(path)) == (404, "not_found")
        assert refusal(ada.delete(path)) == (404, "not_found")

    @BOTH
    def test_an_error_names_the_owner_without_a_policy(self, ada: Caller, path: str) -> None:
        message = f"{path.split('/')[2]} has no gate policy of its own"

        for answer in (ada.get(path), ada.delete(path), ada.put(path, GOOD, If_Match="*")):
            assert answer.json()["detail"].startswith(message)


class TestIfMatch:
    @BOTH
    def test_a_change_of_an_outdated_policy_is_refused(self, ada: Caller, path: str) -> None:
        etag = ada.put(path, GOOD)["ETag"]

        assert ada.put(path, OTHER, If_Match=etag).status_code == 200
        assert refusal(ada.put(path, GOOD, If_Match=etag)) == (412, "precondition_failed")
        assert refusal(ada.delete(path, If_Match=etag)) == (412, "precondition_failed")
        assert ada.delete(path, If_Match=ada.get(path)["ETag"]).status_code == 204

    @BOTH
    @pytest.mark.parametrize("etag", ["*", '"x"'])
    def test_if_match_fails_without_a_policy(self, ada: Caller, path: str, etag: str) -> None:
        assert refusal(ada.put(path, GOOD, If_Match=etag)) == (412, "precondition_failed")
        assert not GatePolicy.objects.exists()


class TestTheDatabase:
    def test_the_database_refuses_to_change_or_delete_a_policy(self, ada: Caller) -> None:
        ada.put(MODEL, GOOD)
        rows: Any = GatePolicy.objects.all()

        with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
            rows.update(created_by="x")
        with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
            rows.delete()
        assert GatePolicy.objects.get().created_by == "ada"

    def test_the_database_takes_a_policy_of_one_owner_only(self, model: RegisteredModel, acme: Organization) -> None:
        for owner in ({}, {"model": model, "organization": acme}):
            with pytest.raises(DatabaseError, match="policy_of_model_or_organization"), transaction.atomic():
                GatePolicy.objects.create(version=1, document=GOOD, **owner)


def test_gates_know_all_splits() -> None:
    assert list(SPLITS) == DatasetSplit.values


def test_datasets_have_names_as_long_as_those_of_snapshots() -> None:
    assert MetricSnapshot._meta.get_field("dataset").max_length == MAX_DATASET_NAME
