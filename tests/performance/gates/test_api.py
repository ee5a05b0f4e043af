"""The gate over HTTP: judging, enforcing, other forms, ad-hoc policies, and promotion."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import DEFAULT_DB_ALIAS, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from junitparser import JUnitXml

from models_registry.accounts.models import Organization, User
from models_registry.accounts.scopes import Scope
from models_registry.registry.models import Promotion, RegisteredModel, Version
from performance.gates.models import GatePolicy, GateVerdict
from performance.gates.policy import parse_policy
from performance.gates.selectors import gate_statement
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
from performance.webhooks.models import Webhook, WebhookDelivery
from tests.api import TIMESTAMP, Caller, faults, refusal
from tests.conftest import PinnedQueries, golden
from tests.factories import EXAMPLE_METRICS, completed_version, new_user, snapshot

pytestmark = pytest.mark.django_db
MODEL = "/models/mdl-7f3a19bc92"
KEPT_BY_PSYCOPG = 4096  # characters: it parses a longer statement each time
GATE = f"{MODEL}/performance/gate"
CANDIDATE = f"{MODEL}/versions/ver-001a2"
AT_LEAST = {"metric": "accuracy", "operator": ">=", "threshold": 0.93}
LIMIT = {"metric": "log_loss", "max_regression": 0.01, "relative": False}
PASSES = {"dataset_split": "test", "rules": [AT_LEAST, LIMIT]}
FAILS = {"dataset_split": "test", "rules": [AT_LEAST | {"threshold": 0.99}, LIMIT]}
INTERVAL = {"lower": 0.94, "upper": 0.96, "method": "wilson", "level": 0.95}
OF_A_CLASS = {"lower": 0.69, "upper": 0.8, "method": "wilson", "level": 0.95}


@pytest.fixture
def ada(admin: User) -> Caller:
    return Caller(admin)


@pytest.fixture(autouse=True)
def candidate(model: RegisteredModel) -> Version:
    """A version after the promoted one, a little better, and measured with an interval."""
    version = completed_version(model, number=418)
    stored = MetricSnapshot.objects.create(
        version=version,
        dataset_split="test",
        metrics=EXAMPLE_METRICS | {"accuracy": 0.95},
        sample_count=2000,
        evaluated_at=version.created_at,
    )
    SnapshotDetail.objects.create(
        snapshot=stored,
        further_metrics={"specificity": 0.875},
        custom_metrics={"cost": 3.5, "accuracy": 0.1},
        per_class={"St. Gallen": {"recall": 0.75, "support": 30.0}},
        confidence_intervals={"accuracy": INTERVAL, "per_class.St. Gallen.recall": OF_A_CLASS},
    )
    return version


@pytest.fixture
def under(model: RegisteredModel) -> Callable[[dict[str, Any]], None]:
    """Return how the model gets a policy."""

    def set_policy(document: dict[str, Any]) -> None:
        stored = parse_policy(document).as_document()
        GatePolicy.objects.create(model=model, version=model.gate_policies.count() + 1, document=stored)

    return set_policy


Under = Callable[[dict[str, Any]], None]


def statuses(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [rule["status"] for rule in answer.json()["rules"]]


class TestTheAnswer:
    def test_is_the_verdict_in_the_contracts_form(self, viewer: User, under: Under) -> None:
        under(PASSES)

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

    def test_is_of_the_newest_completed_version_or_of_the_one_that_is_asked_for(self, ada: Caller) -> None:
        ada.post(f"{MODEL}/versions")  # in training

        assert ada.get(GATE).json()["version_id"] == "ver-001a2"
        assert ada.get(GATE, {"version_id": "ver-001a1"}).json()["version_id"] == "ver-001a1"

    def test_is_no_policy_without_one(self, ada: Caller) -> None:
        body = ada.get(GATE, {"enforce": "true"}).json()

        assert (body["status"], body["rules"], body["policy"]) == ("no_policy", [], None)

    def test_is_200_for_a_failed_gate_as_well(self, ada: Caller, under: Under) -> None:
        under(FAILS)

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
    def test_is_of_any_number_of_the_snapshot(self, ada: Caller, under: Under, metric: str, value: float) -> None:
        under({"rules": [{"metric": metric, "operator": "<=", "threshold": value}]})

        [rule] = ada.get(GATE).json()["rules"]

        assert (rule["status"], rule["value"]) == ("passed", value)

    def test_is_of_the_policys_split(self, ada: Caller, under: Under, candidate: Version) -> None:
        under({**PASSES, "dataset_split": "validation"})
        assert statuses(ada.get(GATE)) == ["missing", "missing"]
        assert "no metrics for the split validation" in ada.get(GATE).json()["rules"][0]["detail"]

        snapshot(candidate, metrics=EXAMPLE_METRICS, dataset_split="validation")
        assert statuses(ada.get(GATE)) == ["passed", "missing"]

    def test_asks_for_confidence_where_the_rule_does(self, ada: Caller, under: Under) -> None:
        under({"rules": [AT_LEAST | {"threshold": 0.94, "confidence": 0.95}, AT_LEAST | {"threshold": 0.95}]})
        first, second = ada.get(GATE).json()["rules"]
        assert (first["status"], first["interval"], second["interval"]) == ("passed", INTERVAL, None)

        under({"rules": [AT_LEAST | {"threshold": 0.945, "confidence": 0.95}]})
        assert statuses(ada.get(GATE)) == ["failed"]
        assert statuses(ada.get(GATE, {"version_id": "ver-001a1"})) == ["missing"]

    def test_asks_for_confidence_in_a_class(self, ada: Caller, under: Under, model: RegisteredModel) -> None:
        of_a_class = {"metric": "per_class.St. Gallen.recall", "confidence": 0.95}
        under({"rules": [of_a_class | {"operator": ">=", "threshold": 0.7}, of_a_class | {"max_regression": 0.1}]})
        before = snapshot(model.versions.get(number=417), metrics={"accuracy": 0.95})
        SnapshotDetail.objects.create(
            snapshot=before,
            per_class={"St. Gallen": {"recall": 0.75}},
            confidence_intervals={"per_class.St. Gallen.recall": OF_A_CLASS},
        )

        threshold, limit = ada.get(GATE).json()["rules"]

        assert (threshold["status"], threshold["interval"]) == ("failed", OF_A_CLASS)
        assert (limit["status"], limit["interval"]["method"]) == ("passed", "independent")

    def test_takes_the_difference_of_two_intervals(self, ada: Caller, under: Under, model: RegisteredModel) -> None:
        under({"rules": [{"metric": "accuracy", "max_regression": 0.01, "confidence": 0.95}]})
        assert statuses(ada.get(GATE)) == ["missing"]

        before = snapshot(model.versions.get(number=417), metrics={"accuracy": 0.95})
        SnapshotDetail.objects.create(snapshot=before, confidence_intervals={"accuracy": INTERVAL})
        [rule] = ada.get(GATE).json()["rules"]

        assert rule["status"] == "failed"
        assert rule["interval"]["lower"] == pytest.approx(-0.01 * 2**0.5)
        assert "with 95% confidence worse by up to 0.014" in rule["detail"]

    def test_holds_no_recall_against_that_of_another_positive_class(
        self, ada: Caller, under: Under, model: RegisteredModel
    ) -> None:
        under({"rules": [{"metric": "recall", "max_regression": 0.1}, {"metric": "accuracy", "max_regression": 0.1}]})
        before = snapshot(model.versions.get(number=417), metrics=EXAMPLE_METRICS)
        SnapshotDetail.objects.create(snapshot=before, positive_class="yes", averaging="binary")
        now = snapshot(completed_version(model, number=419), metrics=EXAMPLE_METRICS)
        SnapshotDetail.objects.create(snapshot=now, positive_class="no", averaging="binary")

        answer = ada.get(GATE)

        assert statuses(answer) == ["missing", "passed"]
        assert "for the positive class 'no'" in answer.json()["rules"][0]["detail"]
        assert refusal(ada.post(f"{MODEL}/versions/ver-001a3/promote")) == (409, "gate_failed")

    def test_of_the_promoted_version_is_that_it_is_no_worse_than_itself(self, ada: Caller, under: Under) -> None:
        under({"rules": [LIMIT | {"max_regression": 0}, LIMIT | {"metric": "accuracy", "confidence": 0.95}]})

        assert statuses(ada.get(GATE, {"version_id": "ver-001a1"})) == ["passed", "passed"]

    def test_of_an_overruled_version_stays_what_it_was(self, ada: Caller, under: Under) -> None:
        under({"dataset_split": "test", "rules": [{"metric": "accuracy", "max_regression": 0.0}]})
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

    def test_asked_for_by_head_is_not_kept(self, admin: User, under: Under) -> None:
        under(FAILS)
        answer = Caller(admin).client.head(f"/api/v1{GATE}?enforce=true")
        assert answer.status_code == 409
        assert not GateVerdict.objects.exists()

    def test_is_a_page_for_a_browser(self, ada: Caller, under: Under) -> None:
        under(PASSES)
        accepted = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        assert ada.get(GATE, Accept=accepted)["Content-Type"] == "text/html; charset=utf-8"

    def test_warns_of_a_rule_that_lets_the_worse_pass(self, ada: Caller, under: Under) -> None:
        under({"rules": [{"metric": "accuracy", "operator": "<=", "threshold": 0.99}]})

        body = ada.get(GATE).json()

        assert (body["status"], len(body["warnings"])) == ("passed", 2)
        assert body["warnings"][0].startswith("accuracy <= 0.99 lets worse values pass")

    def test_is_of_what_holds_now_whatever_it_was_before(
        self, ada: Caller, admin: User, under: Under, candidate: Version
    ) -> None:
        under(PASSES)
        first, again = ada.get(GATE), ada.get(GATE)
        assert (statuses(first), again["ETag"]) == (["passed", "passed"], first["ETag"])
        with time_machine.travel(timezone.now() + timedelta(seconds=9), tick=False):
            assert ada.get(GATE).json()["judged_at"] > first.json()["judged_at"]

        snapshot(candidate, metrics=EXAMPLE_METRICS | {"accuracy": 0.9}, evaluated_at=timezone.now())
        assert statuses(ada.get(GATE)) == ["failed", "passed"]
        ada.post(f"{CANDIDATE}/promote", {"override": True, "reason": "x"})
        assert "the previously promoted" in ada.get(GATE).json()["rules"][1]["detail"]

        under({"max_age_days": 1, "rules": [LIMIT]})
        assert statuses(ada.get(GATE)) == ["passed"]
        with time_machine.travel(timezone.now() + timedelta(days=2), tick=False):
            assert statuses(Caller(admin).get(GATE)) == ["missing"]

    def test_has_the_same_bytes_if_it_is_enforced(self, ada: Caller, under: Under, candidate: Version) -> None:
        label = 'é "\\ \u2028 \u2029 😀'
        for version in candidate.model.versions.all():  # it and the promoted one
            SnapshotDetail.objects.create(
                snapshot=snapshot(version, metrics=EXAMPLE_METRICS, evaluated_at=timezone.now()),
                confidence_intervals={"accuracy": INTERVAL},
                per_class={label: {"recall": 0.75, "support": 30}},
                examples_digest="0" * 64,
            )
        a_class = {"operator": "<=", "threshold": 1e23}
        named = [a_class | {"metric": f"per_class.{label}.support"}, AT_LEAST | {"confidence": 0.95}]
        under({"rules": [AT_LEAST, LIMIT, *named, {"metric": "accuracy", "max_regression": 0.1, "confidence": 0.95}]})

        with time_machine.travel(timezone.now(), tick=False):
            plain, enforced = ada.get(GATE), ada.get(GATE, {"enforce": "true"})

        assert statuses(plain) == ["passed"] * 5
        assert plain.content == enforced.content

    def test_is_the_same_if_it_is_enforced_and_failed(self, ada: Caller, under: Under) -> None:
        missing = {"metric": "accuracy", "max_regression": 0.01, "relative": True, "confidence": 0.95}
        under({"rules": [*FAILS["rules"], missing]})

        with time_machine.travel(timezone.now(), tick=False):
            plain, enforced = ada.get(GATE), ada.get(GATE, {"enforce": "true"})

        assert statuses(plain) == ["failed", "passed", "missing"]
        assert plain.json() == enforced.json()["verdict"]

    def test_takes_two_statements_however_many_rules(
        self, viewer: User, under: Under, pinned_queries: PinnedQueries
    ) -> None:
        under({"rules": [LIMIT | {"metric": f"per_class.{label}.recall"} for label in range(20)]})
        caller = Caller(viewer)

        with pinned_queries("gate"):
            assert len(statuses(caller.get(GATE))) == 20


@pytest.mark.parametrize("newest", [True, False])
def test_the_first_statement_is_short_enough_for_the_driver_to_keep_it_parsed(newest: bool) -> None:
    assert len(gate_statement(newest=newest).compiled(DEFAULT_DB_ALIAS).sql) <= KEPT_BY_PSYCOPG


class TestThePolicy:
    def test_of_the_model_comes_before_that_of_its_organization(
        self, ada: Caller, under: Under, model: RegisteredModel
    ) -> None:
        GatePolicy.objects.create(organization=model.organization, version=1, document=FAILS)
        assert ada.get(GATE).json()["policy"] == {"owner": "organization", "version": 1}
        assert ada.get(GATE).json()["status"] == "failed"

        under(PASSES)
        assert ada.get(GATE).json()["policy"] == {"owner": "model", "version": 1}
        assert ada.get(GATE).json()["status"] == "passed"

        ada.delete(f"{MODEL}/gate-policy")
        assert ada.get(GATE).json()["policy"] == {"owner": "organization", "version": 1}

    def test_the_newest_policy_is_applied(self, ada: Caller, under: Under) -> None:
        under(FAILS)
        under(PASSES)

        assert ada.get(GATE).json()["policy"] == {"owner": "model", "version": 2}

    def test_of_an_organization_fails_a_model_that_lacks_the_metric(self, ada: Caller, model: RegisteredModel) -> None:
        rules = [AT_LEAST, {"metric": "rmse", "operator": "<=", "threshold": 5}]
        ada.put("/organizations/acme/gate-policy", {"rules": rules})

        assert statuses(ada.get(GATE)) == ["passed", "missing"]


class TestRefused:
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
    def test_a_bad_query_is_refused(
        self, ada: Caller, method: str, query: dict[str, str], field: str, code: str
    ) -> None:
        path = f"{GATE}?{'&'.join(f'{name}={value}' for name, value in query.items())}"

        assert faults(ada.get(path) if method == "GET" else ada.post(path, PASSES)) == [(field, code)]

    def test_in_the_contracts_order(self, ada: Caller, outsider: User, empty_model: RegisteredModel) -> None:
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

    def test_to_a_token_without_the_scope(self, admin: User) -> None:
        narrowed = Caller(admin, frozenset({Scope.MODEL_PROMOTE}))

        assert refusal(narrowed.get(GATE)) == (403, "permission_denied")
        assert refusal(narrowed.post(GATE, PASSES)) == (403, "permission_denied")

    def test_a_form_that_there_is_not(self, ada: Caller) -> None:
        assert refusal(ada.get(GATE, Accept="image/png")) == (406, "not_acceptable")


class TestEnforced:
    def test_a_failed_gate_is_a_conflict_with_the_verdict_inside(self, viewer: User, under: Under) -> None:
        under(FAILS)

        answer = Caller(viewer).get(GATE, {"enforce": "true"})

        assert refusal(answer) == (409, "gate_failed")
        verdict_text = "ver-001a2 fails 1 of 2 rules. accuracy is 0.95; at least 0.99 is required. See `verdict`."
        assert answer.json()["detail"] == verdict_text
        assert answer.json()["verdict"]["status"] == "failed"

    def test_a_passed_gate_is_as_ever(self, viewer: User, under: Under) -> None:
        under(PASSES)

        assert Caller(viewer).get(GATE, {"enforce": "true"}).json()["status"] == "passed"

    @pytest.mark.parametrize(("document", "status"), [(PASSES, "passed"), (FAILS, "failed")])
    def test_is_kept_either_way_and_listed(
        self, viewer: User, under: Under, document: dict[str, Any], status: str
    ) -> None:
        under(document)
        vera = Caller(viewer)

        answer = vera.get(GATE, {"enforce": "true"})
        [kept] = vera.get(f"{MODEL}/verdicts").json()["results"]

        verdict = answer.json().get("verdict", answer.json())
        assert kept.pop("id").isdigit()
        assert kept == {"occasion": "enforcement", "requested_by": "vera", "verdict": verdict}
        assert [*kept["verdict"]] == [*golden("gate")]
        assert verdict["status"] == status

    @pytest.mark.parametrize("method", ["get", "head"])
    def test_on_an_archived_model_is_a_conflict_and_nothing_is_kept(
        self, ada: Caller, under: Under, method: str
    ) -> None:
        under(PASSES)
        ada.delete(MODEL)

        answer = getattr(ada.client, method)(f"/api/v1{GATE}?enforce=true")

        assert answer.status_code == 409
        assert method == "head" or refusal(answer) == (409, "conflict")
        assert refusal(ada.post(f"{GATE}?enforce=true", PASSES, Idempotency_Key="job-1")) == (409, "conflict")
        assert ada.get(GATE).json()["status"] == ada.post(GATE, PASSES).json()["status"] == "passed"
        assert not GateVerdict.objects.exists()

    @pytest.mark.parametrize("form", ["json", "junit"])
    @pytest.mark.parametrize(("document", "status"), [(PASSES, 200), (FAILS, 409)], ids=["passes", "fails"])
    def test_is_shown_whatever_the_caller_has_and_stored_once(
        self, viewer: User, under: Under, document: dict[str, Any], status: int, form: str
    ) -> None:
        under(document)
        vera, query = Caller(viewer), {"enforce": "true", "format": form}
        etag = vera.get(GATE, {"format": form})["ETag"]

        for conditions in ({"If_None_Match": "*"}, {"If_None_Match": etag}, {"If_Match": '"x"'}):
            answer = vera.get(GATE, query, **conditions)
            assert (answer.status_code, b"accuracy" in answer.content) == (status, True)

        assert GateVerdict.objects.count() == 1

    @pytest.mark.parametrize("value", [0.95, 1e300])
    def test_that_is_unchanged_is_kept_once_however_often_a_reader_asks(
        self, viewer: User, admin: User, acme: Organization, under: Under, value: float
    ) -> None:
        rule = {"metric": "custom.cost", "operator": ">=", "threshold": 1e301}
        under({"rules": [rule]})
        version = Version.objects.get(number=418)
        stored = snapshot(version, metrics=EXAMPLE_METRICS)
        SnapshotDetail.objects.create(snapshot=stored, custom_metrics={"cost": value})
        Webhook.objects.create(organization=acme, url="https://example.com/hook", events=["gate.failed"])
        reader = Caller(viewer, frozenset({Scope.MODEL_READ}))

        answers = [reader.get(GATE, {"enforce": "true"}) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [409] * 5
        assert GateVerdict.objects.count() == WebhookDelivery.objects.count() == 1

        under(PASSES)
        for _ in range(2):
            assert reader.get(GATE, {"enforce": "true"}).status_code == 200
        under({"rules": [rule]})
        for _ in range(2):
            assert reader.get(GATE, {"enforce": "true"}).status_code == 409
        assert [each.status for each in GateVerdict.objects.order_by("pk")] == ["failed", "passed", "failed"]

    def test_of_a_promotion_is_kept_beside_that_of_an_enforcement(self, ada: Caller, under: Under) -> None:
        under(FAILS)
        for _ in range(2):
            assert ada.get(GATE, {"enforce": "true"}).status_code == 409
            assert ada.post(f"{MODEL}/versions/ver-001a2/promote").status_code == 409
        occasions = sorted(GateVerdict.objects.values_list("occasion", flat=True))
        assert occasions == ["enforcement", "promotion", "promotion"]

    def test_is_read_again_in_the_order_of_a_new_one(self, ada: Caller, under: Under) -> None:
        rule = {"metric": "accuracy", "operator": ">=", "threshold": 0.5, "confidence": 0.95}
        under({"rules": [rule, {"metric": "log_loss", "max_regression": 0.5}]})
        given = json.dumps(ada.post(f"{MODEL}/versions/ver-001a2/promote").json()["verdict"])
        assert '"interval": {"lower":' in given

        [promoted, _] = ada.get(f"{MODEL}/promotions").json()["results"]
        [stored] = ada.get(f"{MODEL}/verdicts").json()["results"]

        assert [json.dumps(promoted["verdict"]), json.dumps(stored["verdict"])] == [given, given]

    def test_by_a_policy_that_is_sent_is_kept_only_for_who_may_write(
        self, viewer: User, editor: User, superuser: User, under: Under
    ) -> None:
        under(PASSES)
        for caller, kept in (
            (Caller(viewer), 0),
            (Caller(editor, frozenset({Scope.MODEL_READ})), 0),
            (Caller(editor), 1),
            (Caller(superuser), 1),  # it says the same
        ):
            for _ in range(2):
                assert caller.post(f"{GATE}?enforce=true", FAILS).status_code == 409
            assert GateVerdict.objects.count() == kept

    def test_what_is_not_enforced_is_not_kept(self, viewer: User, under: Under) -> None:
        under(FAILS)
        Caller(viewer).get(GATE)
        Caller(viewer).get(GATE, {"enforce": "false"})
        Caller(viewer).post(GATE, FAILS)

        assert not GateVerdict.objects.exists()


class TestOtherForms:
    @pytest.mark.parametrize(
        ("form", "media_type", "begins"),
        [
            ("junit", "application/xml", "<?xml"),
            ("markdown", "text/markdown", "### Gate: ver-001a2 of mdl-7f3a19bc92 failed"),
            ("html", "text/html", "<!DOCTYPE html>"),
        ],
    )
    def test_are_asked_for_by_name_or_media_type(
        self, viewer: User, under: Under, form: str, media_type: str, begins: str
    ) -> None:
        under(FAILS)
        vera = Caller(viewer)

        for answer in (
            vera.get(GATE, {"format": form}),
            vera.get(GATE, Accept=media_type),
            vera.get(GATE, {"format": form}, Accept="application/json"),
            vera.post(f"{GATE}?format={form}", FAILS),
        ):
            assert answer.status_code == 200
            assert answer["Content-Type"] == f"{media_type}; charset=utf-8"
            assert answer.content.decode().startswith(begins)
            assert "accuracy" in answer.content.decode()
            assert answer["Cache-Control"] == "private, no-cache"
            assert "default-src 'none'" in answer["Content-Security-Policy"]

    @pytest.mark.parametrize("form", ["json", "junit", "markdown", "html"])
    def test_have_an_etag_that_only_the_time_does_not_change(
        self, viewer: User, under: Under, form: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        under(PASSES)
        vera, query = Caller(viewer), {"format": form}
        first = vera.get(GATE, query)
        later = timezone.now() + timedelta(days=1)
        monkeypatch.setattr("performance.gates.selectors.timezone.now", lambda: later)

        again = vera.get(GATE, query, If_None_Match=first["ETag"])

        assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
        assert again["Vary"] == first["Vary"] == "Authorization, Accept"
        assert vera.get(GATE, query, If_Match=first["ETag"]).status_code == 200
        assert refusal(vera.get(GATE, query, If_Match='"x"')) == (412, "precondition_failed")
        under(FAILS)
        assert vera.get(GATE, query, If_None_Match=first["ETag"]).status_code == 200

    def test_have_an_etag_each(self, viewer: User, under: Under) -> None:
        under(PASSES)
        vera = Caller(viewer)

        assert len({vera.get(GATE, {"format": form})["ETag"] for form in ("json", "junit", "markdown", "html")}) == 4

    @pytest.mark.parametrize("accepted", ["text/plain", "image/png, text/html;q=0", "application/json"])
    def test_are_asked_for_by_name_whatever_is_accepted(self, viewer: User, under: Under, accepted: str) -> None:
        under(PASSES)

        answer = Caller(viewer).get(GATE, {"format": "junit"}, Accept=accepted)

        assert (answer.status_code, answer["Content-Type"]) == (200, "application/xml; charset=utf-8")

    def test_of_one_name_are_of_the_media_type_that_is_accepted(self, viewer: User, under: Under) -> None:
        under(PASSES)

        answer = Caller(viewer).get(GATE, {"format": "junit"}, Accept="text/xml")

        assert answer["Content-Type"] == "text/xml; charset=utf-8"

    @pytest.mark.parametrize("accepted", ["", " "])
    def test_are_not_asked_for_by_accepting_nothing(self, viewer: User, under: Under, accepted: str) -> None:
        under(PASSES)

        assert Caller(viewer).get(GATE, Accept=accepted).json()["status"] == "passed"

    @pytest.mark.parametrize(
        ("accepted", "media_type"),
        [
            ("text/html;q=0.1, application/json", "application/json"),
            ("application/json;q=0.5, text/html", "text/html"),
            ("application/json;q=0.5,text/markdown;q=0.7,text/html;q=0.6", "text/markdown"),
            ("text/html;q=0.8, */*;q=0.9", "application/json"),
            ("text/*;q=0.5, text/xml", "text/xml"),
            ("*/*, application/json;q=0", "text/html"),
            ("text/html, application/json;q=1.000", "application/json"),
            ("application/json; charset=utf-8", "application/json"),
            ("text/xml", "text/xml"),
            ("text/xml, application/xml", "application/xml"),
            ("TEXT/XML;Q=0.5", "text/xml"),
            ("text/html;q=much, application/json;q=0.9", "text/html"),
        ],
    )
    def test_are_those_of_which_the_caller_wants_most(
        self, viewer: User, under: Under, accepted: str, media_type: str
    ) -> None:
        under(PASSES)

        assert Caller(viewer).get(GATE, Accept=accepted)["Content-Type"].partition(";")[0] == media_type

    @pytest.mark.parametrize("accepted", ["application/json;q=0", "*/*;q=0", "image/png, text/html;q=0.000", ";q=1"])
    def test_are_none_of_what_the_caller_wants_not_at_all(self, viewer: User, accepted: str) -> None:
        assert refusal(Caller(viewer).get(GATE, Accept=accepted)) == (406, "not_acceptable")

    def test_json_may_be_asked_for_by_name(self, viewer: User, under: Under) -> None:
        under(PASSES)

        assert Caller(viewer).get(GATE, {"format": "json"}, Accept="text/html").json()["status"] == "passed"

    def test_stop_a_pipeline_as_well(self, viewer: User, under: Under) -> None:
        under(FAILS)

        answer = Caller(viewer).get(GATE, {"format": "junit", "enforce": "true"})

        assert answer.status_code == 409
        [suite] = JUnitXml.fromstring(answer.content)
        assert (suite.tests, suite.failures) == (2, 1)


class TestAnAdHocPolicy:
    def test_judges_and_is_stored_nowhere(self, viewer: User, under: Under) -> None:
        under(PASSES)

        body = Caller(viewer).post(GATE, FAILS).json()

        assert (body["status"], body["policy"], body["version_id"]) == ("failed", None, "ver-001a2")
        assert GatePolicy.objects.count() == 1

    @pytest.mark.parametrize("condition", ["If_None_Match", "If_Match"])
    def test_is_judged_by_whatever_the_caller_has(self, viewer: User, condition: str) -> None:
        vera = Caller(viewer)
        etag = vera.post(GATE, PASSES)["ETag"]

        for tags in ("*", '"x"', etag):
            assert vera.post(GATE, PASSES, **{condition: tags}).json()["status"] == "passed"

    def test_an_ad_hoc_policy_may_be_enforced(self, editor: User) -> None:
        ed = Caller(editor)

        assert refusal(ed.post(f"{GATE}?enforce=true", FAILS)) == (409, "gate_failed")
        assert ed.post(f"{GATE}?enforce=true&version_id=ver-001a1", PASSES).json()["status"] == "passed"
        assert [row["verdict"]["policy"] for row in ed.get(f"{MODEL}/verdicts").json()["results"]] == [None, None]

    @pytest.mark.parametrize("form", ["json", "junit", "markdown", "html"])
    @pytest.mark.parametrize("document", [PASSES, FAILS], ids=["passes", "fails"])
    def test_under_a_key_is_judged_and_kept_once_in_any_form(
        self, editor: User, form: str, document: dict[str, Any]
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
    def test_under_a_key_of_another_query_is_refused(self, editor: User, query: str) -> None:
        ed = Caller(editor)
        ed.post(f"{GATE}?enforce=true", PASSES, Idempotency_Key="job-1")

        assert refusal(ed.post(f"{GATE}{query}", PASSES, Idempotency_Key="job-1")) == (422, "idempotency_mismatch")
        assert GateVerdict.objects.count() == 1

    def test_under_a_key_tells_nobody_who_may_not_read_any_more(self, ada: Caller, viewer: User) -> None:
        vera = Caller(viewer)
        vera.post(GATE, PASSES, Idempotency_Key="job-1")
        ada.delete("/organizations/acme/members/vera")

        assert refusal(vera.post(GATE, PASSES, Idempotency_Key="job-1")) == (403, "permission_denied")

    def test_an_ad_hoc_policy_takes_two_statements(self, viewer: User, pinned_queries: PinnedQueries) -> None:
        caller = Caller(viewer)

        with pinned_queries("gate by another policy"):
            caller.post(GATE, PASSES)

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({}, "rules", "empty"),
            ({"rules": [{**AT_LEAST, "metric": "rmse"}]}, "rules.0.metric", "unknown"),
            ({"rules": [{**AT_LEAST, "threshold": 93}]}, "rules.0.threshold", "out_of_bounds"),
            ({"rules": [AT_LEAST], "version": 1}, "version", "unknown_field"),
        ],
    )
    def test_that_is_wrong_is_refused_with_the_rule(self, viewer: User, body: Any, field: str, code: str) -> None:
        assert faults(Caller(viewer).post(GATE, body)) == [(field, code)]


class TestPromotion:
    def test_is_refused_by_a_failed_gate_with_the_verdict_inside_which_is_kept(self, ada: Caller, under: Under) -> None:
        under(FAILS)

        answer = ada.post(f"{CANDIDATE}/promote", {"reason": "better"})

        assert refusal(answer) == (409, "gate_failed")
        assert answer.json()["verdict"]["rules"][0]["detail"] == "accuracy is 0.95; at least 0.99 is required."
        assert ada.get(MODEL).json()["promoted_version_id"] == "ver-001a1"
        assert Promotion.objects.count() == 1
        [kept] = ada.get(f"{MODEL}/verdicts").json()["results"]
        assert (kept["occasion"], kept["requested_by"]) == ("promotion", "ada")
        assert kept["verdict"] == answer.json()["verdict"]

    @pytest.mark.parametrize(("document", "status"), [(PASSES, 200), (FAILS, 409)], ids=["passes", "fails"])
    def test_locks_the_model_once_and_reads_the_policy_once_meanwhile(
        self, ada: Caller, under: Under, document: dict[str, Any], status: int
    ) -> None:
        under(document)

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

    def test_is_let_through_by_a_passed_gate_and_names_it(self, ada: Caller, under: Under) -> None:
        under(PASSES)

        answer = ada.post(f"{CANDIDATE}/promote")

        assert (answer.status_code, answer.json()["overridden"]) == (200, False)
        assert answer.json()["verdict"]["policy"] == {"owner": "model", "version": 1}
        [kept] = ada.get(f"{MODEL}/verdicts").json()["results"]
        assert kept["verdict"] == answer.json()["verdict"]
        assert kept["verdict"]["baseline_version_id"] == "ver-001a1"

    def test_overrides_a_failed_gate_for_an_admin_with_a_reason(self, ada: Caller, under: Under) -> None:
        under(FAILS)

        answer = ada.post(f"{CANDIDATE}/promote", {"override": True, "reason": "the old one is on fire"})

        assert (answer.status_code, answer.json()["overridden"]) == (200, True)
        [kept] = ada.get(f"{MODEL}/verdicts").json()["results"]
        assert kept["verdict"]["status"] == "failed"

    @pytest.mark.parametrize(
        ("scope", "status"), [(Scope.ORGANIZATION_ADMIN, 200), (Scope.MODEL_PROMOTE, 403), (Scope.MODEL_READ, 403)]
    )
    def test_overrides_with_a_token_narrowed_to_the_scope_of_an_admin_alone(
        self, admin: User, ada: Caller, under: Under, scope: Scope, status: int
    ) -> None:
        under(FAILS)
        narrowed = Caller(admin, frozenset({scope}))

        answers = [narrowed.post(f"{CANDIDATE}/promote", {"override": True, "reason": "x"})]
        ada.post(f"{CANDIDATE}/promote", {"override": True, "reason": "x"})
        answers.append(narrowed.post(f"{MODEL}/rollback", {"override": True, "reason": "x"}))

        assert [answer.status_code for answer in answers] == [status, status]

    def test_overrides_nothing_for_others(self, ada: Caller, under: Under) -> None:
        under(FAILS)
        rae = new_user("rae")
        ada.post(f"{MODEL}/grants", {"username": "rae", "scope": "model:promote"})

        answer = Caller(rae).post(f"{CANDIDATE}/promote", {"override": True, "reason": "x"})

        assert refusal(answer) == (403, "permission_denied")
        assert not GateVerdict.objects.exists()

    def test_is_judged_by_the_organizations_policy_too(self, ada: Caller) -> None:
        ada.put("/organizations/acme/gate-policy", FAILS)

        assert refusal(ada.post(f"{CANDIDATE}/promote")) == (409, "gate_failed")

    def test_that_was_refused_is_refused_once_under_one_key_and_tried_again_under_another(
        self, ada: Caller, under: Under
    ) -> None:
        under(FAILS)
        first = ada.post(f"{CANDIDATE}/promote", Idempotency_Key="1")
        under(PASSES)
        again = ada.post(f"{CANDIDATE}/promote", Idempotency_Key="1")

        assert refusal(first) == (409, "gate_failed")
        assert (again.status_code, again.content) == (409, first.content)
        assert (again["Content-Type"], again["Idempotency-Replayed"]) == ("application/problem+json", "true")
        assert GateVerdict.objects.count() == 1
        assert ada.post(f"{CANDIDATE}/promote", Idempotency_Key="2").status_code == 200
        assert GateVerdict.objects.count() == 2

    def test_by_a_rollback_to_what_was_overridden_is_judged_and_the_verdict_kept(
        self, ada: Caller, under: Under, model: RegisteredModel
    ) -> None:
        under(FAILS)
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

    def test_without_a_policy_is_judged_by_nobody(self, ada: Caller) -> None:
        assert ada.post(f"{CANDIDATE}/promote").json()["verdict"] is None
        assert not GateVerdict.objects.exists()

    def test_the_first_one_has_nothing_to_be_worse_than(self, ada: Caller, empty_model: RegisteredModel) -> None:
        snapshot(completed_version(empty_model, number=1), metrics={"rmse": 5.0})
        path = f"/models/{empty_model.pk}"
        ada.put(f"{path}/gate-policy", {"rules": [{"metric": "rmse", "max_regression": 0.1}]})

        answer = ada.post(f"{path}/versions/ver-00001/promote")

        assert answer.status_code == 200
        assert "no version was promoted before" in answer.json()["verdict"]["rules"][0]["detail"]


class TestTheVerdicts:
    def test_are_for_whoever_may_read_the_model(self, viewer: User, outsider: User) -> None:
        assert Caller(viewer).get(f"{MODEL}/verdicts").json() == {"next": None, "previous": None, "results": []}
        assert refusal(Caller(outsider).get(f"{MODEL}/verdicts")) == (403, "permission_denied")

    def test_come_newest_first_in_pages(self, viewer: User, under: Under) -> None:
        vera = Caller(viewer)
        for document in (PASSES, FAILS):
            under(document)
            vera.get(GATE, {"enforce": "true"})

        first = vera.get(f"{MODEL}/verdicts?page_size=1").json()

        assert [row["verdict"]["status"] for row in first["results"]] == ["failed"]
        assert first["next"]
