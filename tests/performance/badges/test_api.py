"""`/api/v1/models/{model_id}/performance/badge.svg`, and `/api/v1/models/{model_id}/badges`."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import fromstring

import pytest
from django.core.signing import Signer
from django.utils import timezone

from models_registry.accounts.models import User
from models_registry.accounts.scopes import Scope
from models_registry.api.throttling import CallerThrottle
from models_registry.registry.models import RegisteredModel
from performance.badges.models import Badge
from performance.gates.models import GatePolicy
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
from tests.api import Caller, faults, masked, refusal
from tests.conftest import PinnedQueries, golden
from tests.factories import EVALUATED_AT, EXAMPLE_METRICS, completed_version, snapshot

pytestmark = pytest.mark.django_db
MODEL = "/models/mdl-7f3a19bc92"
BADGE = f"{MODEL}/performance/badge.svg"
BADGES = f"{MODEL}/badges"
INTERVAL = {"lower": 0.92, "upper": 0.95, "method": "wilson", "level": 0.95}


@pytest.fixture
def ada(admin: User) -> Caller:
    return Caller(admin)


@pytest.fixture
def measured(model: RegisteredModel) -> MetricSnapshot:
    """A newer snapshot of the promoted version, with an interval and a custom metric."""
    newer = snapshot(
        model.versions.get(), metrics={"accuracy": 0.9341}, evaluated_at=EVALUATED_AT + timedelta(minutes=1)
    )
    SnapshotDetail.objects.create(
        snapshot=newer,
        custom_metrics={"cost / month": 3.5},
        further_metrics={"specificity": 0.875},
        confidence_intervals={"accuracy": INTERVAL},
    )
    return newer


def under(model: RegisteredModel, threshold: float) -> None:
    """Set a policy that requires this accuracy."""
    rule = {"metric": "accuracy", "operator": ">=", "threshold": threshold}
    document = {"dataset_split": "test", "rules": [rule]}
    GatePolicy.objects.create(model=model, version=model.gate_policies.count() + 1, document=document)


def said(answer: Any) -> str:
    """Return the text of a badge."""
    assert answer.status_code == 200, answer.content
    return str(fromstring(answer.content).get("aria-label"))  # noqa: S314  # it was made here


def made(caller: Caller, **body: Any) -> str:
    """Create a badge as a caller, and return the path of its signed URL."""
    answer = caller.post(BADGES, {"lifetime_days": 90, **body})
    assert answer.status_code == 201, answer.content
    url = urlsplit(answer.json()["url"])
    return f"{url.path}?{url.query}"


class TestWithAToken:
    def test_a_badge_shows_a_metric_of_the_promoted_version_with_its_interval(
        self, viewer: User, measured: MetricSnapshot
    ) -> None:
        vera = Caller(viewer)

        assert said(vera.get(BADGE, {"metric": "accuracy"})) == "Accuracy: 0.934, 95% interval 0.920 to 0.950"
        assert said(vera.get(BADGE, {"metric": "specificity"})).endswith(": 0.875")
        assert said(vera.get(BADGE, {"metric": "cost / month"})) == "cost / month: 3.500"
        assert said(vera.get(BADGE, {"metric": "roc_auc"})).endswith(": not measured")

    def test_a_badge_shows_the_requested_version_and_split(self, ada: Caller, model: RegisteredModel) -> None:
        other = completed_version(model, number=418)
        snapshot(other, metrics={"accuracy": 0.5}, dataset_split="validation")
        query = {"metric": "accuracy", "version_id": "ver-001a2"}

        assert said(ada.get(BADGE, {**query, "dataset_split": "validation"})) == "Accuracy (validation): 0.500"
        assert refusal(ada.get(BADGE, query)) == (404, "snapshot_not_found")

    def test_a_badge_without_a_metric_shows_the_verdict(self, ada: Caller, model: RegisteredModel) -> None:
        completed_version(model, number=418)  # not measured
        assert said(ada.get(BADGE)) == "gate: no policy"
        under(model, 0.9)
        assert said(ada.get(BADGE)) == "gate: passed, with 1 warning"
        assert said(ada.get(BADGE, {"version_id": "ver-001a2"})) == "gate: failed"
        under(model, 0.99)
        assert said(ada.get(BADGE)) == "gate: failed, with 1 warning"

    def test_a_badge_is_an_image_that_can_do_nothing(self, ada: Caller, model: RegisteredModel) -> None:
        answer = ada.get(BADGE, {"metric": "accuracy"}, Accept="image/avif,image/svg+xml,image/*,*/*;q=0.8")

        assert answer["Content-Type"] == "image/svg+xml"
        assert answer["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert (answer["Cache-Control"], answer["Vary"]) == ("private, no-cache", "Authorization")

    def test_a_badge_has_no_other_format(self, ada: Caller, model: RegisteredModel) -> None:
        refused = ada.get(BADGE, Accept="application/json")

        assert refusal(refused) == (406, "not_acceptable")
        assert "it answers in image/svg+xml." in refused.json()["detail"]

    def test_a_badge_is_304_until_it_changes(self, ada: Caller, model: RegisteredModel) -> None:
        etag = ada.get(BADGE)["ETag"]
        assert ada.get(BADGE, If_None_Match=etag).status_code == 304

        under(model, 0.9)

        assert ada.get(BADGE, If_None_Match=etag).status_code == 200

    @pytest.mark.parametrize(
        ("query", "fault"),
        [
            ({"metric": "rmse"}, ("metric", "unknown")),
            ({"metric": ""}, ("metric", "blank")),
            ({"metric": "x" * 101}, ("metric", "max_length")),
            ({"metric": "accuracy", "dataset_split": "Test"}, ("dataset_split", "invalid_choice")),
            ({"metric": "accuracy", "version_id": "417"}, ("version_id", "invalid")),
            ({"dataset_split": "validation"}, ("dataset_split", "invalid")),
            ({"signature": "1:x", "metric": "accuracy"}, ("signature", "invalid")),
            ({"signature": ""}, ("signature", "blank")),
            ({"signature": "1:\x00"}, ("signature", "null_characters_not_allowed")),
            ({"metrics": "accuracy"}, ("metrics", "unknown")),
        ],
    )
    def test_a_badge_refuses_meaningless_parameters(
        self, ada: Caller, model: RegisteredModel, query: dict[str, str], fault: tuple[str, str]
    ) -> None:
        assert faults(ada.get(BADGE, query)) == [fault]

    def test_a_badge_is_refused_as_the_other_reads_are(
        self, ada: Caller, outsider: User, model: RegisteredModel, empty_model: RegisteredModel
    ) -> None:
        untrained = f"/models/{empty_model.pk}/performance/badge.svg"

        assert refusal(Caller().get(BADGE)) == (401, "not_authenticated")
        assert refusal(Caller(outsider).get(BADGE)) == (403, "permission_denied")
        assert refusal(ada.get("/models/mdl-0000000000/performance/badge.svg")) == (404, "model_not_found")
        assert refusal(ada.get(untrained)) == (422, "no_trained_version")
        completed_version(empty_model, number=1)
        assert refusal(ada.get(untrained)) == (404, "no_promoted_version")
        assert refusal(ada.get(BADGE, {"version_id": "ver-00009"})) == (404, "version_not_found")

    def test_a_badge_makes_a_constant_number_of_queries(
        self, ada: Caller, model: RegisteredModel, pinned_queries: PinnedQueries
    ) -> None:
        under(model, 0.9)
        with pinned_queries("badge of a metric"):
            ada.get(BADGE, {"metric": "accuracy"})
        with pinned_queries("badge of a verdict"):
            ada.get(BADGE)


class TestASignedUrl:
    def test_a_signed_url_needs_no_token_and_says_what_it_was_made_for(
        self, ada: Caller, measured: MetricSnapshot
    ) -> None:
        expected = "Accuracy: 0.934, 95% interval 0.920 to 0.950"

        assert said(Caller().get(made(ada, metric="accuracy"))) == expected
        assert said(Caller().get(made(ada, metric="cost / month"))) == "cost / month: 3.500"
        assert said(Caller().get(made(ada, metric="accuracy", dataset_split="train"))) == (
            "Accuracy (train): not measured"
        )

    def test_a_signed_url_follows_what_is_promoted(self, ada: Caller, model: RegisteredModel) -> None:
        metric, verdict = made(ada, metric="accuracy"), made(ada)
        snapshot(completed_version(model, number=418), metrics=EXAMPLE_METRICS | {"accuracy": 0.95})
        ada.post(f"{MODEL}/versions/ver-001a2/promote")
        assert [said(Caller().get(path)) for path in (metric, verdict)] == ["Accuracy: 0.950", "gate: no policy"]
        under(model, 0.94)
        assert said(Caller().get(verdict)) == "gate: passed, with 1 warning"
        under(model, 0.96)
        assert said(Caller().get(verdict)) == "gate: failed, with 1 warning"

    def test_judges_by_the_organizations_policy_where_the_model_has_none(
        self, ada: Caller, model: RegisteredModel
    ) -> None:
        document = {"dataset_split": "test", "rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.9}]}
        GatePolicy.objects.create(organization=model.organization, version=1, document=document)

        assert said(Caller().get(made(ada))) == "gate: passed, with 1 warning"

    def test_a_signed_url_says_so_when_nothing_is_promoted(self, ada: Caller, empty_model: RegisteredModel) -> None:
        answer = ada.post(f"/models/{empty_model.pk}/badges", {"metric": "rmse", "lifetime_days": 1})

        assert said(Caller().client.get(answer.json()["url"])) == "RMSE: none promoted"

    def test_a_signed_url_may_be_kept_by_caches_for_as_long_as_it_is_sure_to_be_good(
        self, ada: Caller, model: RegisteredModel
    ) -> None:
        path = made(ada)
        answer = Caller().get(path)
        assert (answer["Cache-Control"], answer.get("Vary")) == ("public, max-age=300", None)
        again = Caller().get(path, If_None_Match=answer["ETag"])
        assert (again.status_code, again["Cache-Control"]) == (304, "public, max-age=300")

        Badge.objects.update(expires_at=timezone.now() + timedelta(seconds=60))

        [seconds] = re.findall(r"^public, max-age=(\d+)$", Caller().get(path)["Cache-Control"])
        assert 0 < int(seconds) <= 60

    def test_a_signed_url_opens_nothing_once_it_has_expired_or_was_revoked(
        self, ada: Caller, model: RegisteredModel
    ) -> None:
        expired, revoked, other = (made(ada, metric=name) for name in ("accuracy", "roc_auc", "log_loss"))
        Badge.objects.filter(metric="accuracy").update(expires_at=timezone.now())
        listed = {each["metric"]: each["id"] for each in ada.get(BADGES).json()["results"]}
        assert ada.delete(f"{BADGES}/{listed['roc_auc']}").status_code == 204

        for path in (expired, revoked):
            refused = Caller().get(path)
            assert refusal(refused) == (404, "not_found")
            assert "public" not in refused["Cache-Control"]
        assert Caller().get(other).status_code == 200

    def test_a_signed_url_opens_one_badge_of_one_model_and_no_other_route(
        self, ada: Caller, model: RegisteredModel, empty_model: RegisteredModel
    ) -> None:
        query = urlsplit(made(ada)).query

        for elsewhere in (empty_model.pk, "mdl-0000000000", "%00"):
            assert refusal(Caller().get(f"/models/{elsewhere}/performance/badge.svg?{query}")) == (404, "not_found")
        assert refusal(Caller().get(f"{MODEL}/performance/gate?{query}")) == (401, "not_authenticated")

    def test_a_forged_signature_is_refused(
        self, ada: Caller, model: RegisteredModel, pinned_queries: PinnedQueries
    ) -> None:
        made(ada)
        pk = str(Badge.objects.get().pk)
        good = Signer(salt="performance.badge").sign(pk)
        forged = [
            pk,
            f"{pk}:",
            f"{pk}:{'A' * 43}",
            f"{int(pk) + 1}:{good.partition(':')[2]}",
            Signer(salt="another").sign(pk),
            Signer(salt="performance.badge", key="another").sign(pk),
            good[:-1],
            "\ufffd:é",
            "x" * 5000,
        ]
        for signature in forged:
            with pinned_queries("badge with a forged signature"):
                assert refusal(Caller().get(f"{BADGE}?signature={quote(signature)}")) == (404, "not_found")
        absent = Signer(salt="performance.badge").sign("999999")
        assert refusal(Caller().get(BADGE, {"signature": absent})) == (404, "not_found")
        assert said(Caller().get(BADGE, {"signature": good}))

    def test_a_signed_url_is_throttled_as_any_anonymous_request_is(
        self, ada: Caller, model: RegisteredModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = made(ada)
        monkeypatch.setattr(CallerThrottle, "rate", "2/hour", raising=False)

        answers = [Caller().get(path) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert refusal(answers[-1]) == (429, "throttled")

    def test_a_signed_url_makes_a_constant_number_of_queries(
        self, ada: Caller, model: RegisteredModel, pinned_queries: PinnedQueries
    ) -> None:
        under(model, 0.9)
        metric, verdict = made(ada, metric="accuracy"), made(ada)
        with pinned_queries("signed badge of a metric"):
            Caller().get(metric)
        with pinned_queries("signed badge of a verdict"):
            Caller().get(verdict)


class TestCreating:
    def test_answers_with_its_url_and_when_it_expires(self, ada: Caller, model: RegisteredModel) -> None:
        answer = ada.post(BADGES, {"metric": "accuracy", "lifetime_days": 90})

        body = answer.json()
        assert answer["Location"] == f"/api/v1{BADGES}/{body['id']}"
        assert ada.get(answer["Location"]).json() == body
        assert re.fullmatch(rf"http://testserver/api/v1{re.escape(BADGE)}\?signature=[\w%-]+", body["url"])
        badge = Badge.objects.get()
        assert badge.expires_at - badge.created_at == timedelta(days=90)
        assert body["expires_at"] == f"{badge.expires_at:%Y-%m-%dT%H:%M:%SZ}"
        assert {**masked(body), "url": "<url>", "expires_at": "<expires_at>"} == golden("badge")

    @pytest.mark.parametrize(
        ("body", "fault"),
        [
            ({}, ("lifetime_days", "required")),
            ({"lifetime_days": 0}, ("lifetime_days", "min_value")),
            ({"lifetime_days": 3651}, ("lifetime_days", "max_value")),
            ({"lifetime_days": "90"}, ("lifetime_days", "invalid")),
            ({"lifetime_days": 1.0}, ("lifetime_days", "invalid")),
            ({"lifetime_days": 1, "metric": "rmse"}, ("metric", "unknown")),
            ({"lifetime_days": 1, "metric": ""}, ("metric", "blank")),
            ({"lifetime_days": 1, "metric": None}, ("metric", "null")),
            ({"lifetime_days": 1, "metric": "<script>"}, ("metric", "unknown")),
            ({"lifetime_days": 1, "metric": "accuracy", "dataset_split": "prod"}, ("dataset_split", "invalid_choice")),
            ({"lifetime_days": 1, "dataset_split": "test"}, ("dataset_split", "invalid")),
            ({"lifetime_days": 1, "version_id": "ver-001a1"}, ("version_id", "unknown_field")),
        ],
    )
    def test_creating_a_badge_names_what_is_wrong_and_stores_nothing(
        self, ada: Caller, model: RegisteredModel, body: dict[str, Any], fault: tuple[str, str]
    ) -> None:
        assert faults(ada.post(BADGES, body)) == [fault]
        assert not Badge.objects.exists()

    def test_creating_a_badge_is_for_admins(self, editor: User, admin: User, model: RegisteredModel) -> None:
        body = {"lifetime_days": 1}
        narrowed = Caller(admin, frozenset({Scope.MODEL_READ}))

        for caller in (Caller(editor), narrowed):
            assert refusal(caller.post(BADGES, body)) == (403, "permission_denied")
            assert refusal(caller.get(BADGES)) == (403, "permission_denied")
        assert not Badge.objects.exists()

    def test_creating_a_badge_is_refused_on_an_archived_model_whose_badges_stay_and_may_be_revoked(
        self, ada: Caller, model: RegisteredModel
    ) -> None:
        path = made(ada)
        ada.delete(MODEL)

        assert refusal(ada.post(BADGES, {"lifetime_days": 1})) == (409, "conflict")
        assert Caller().get(path).status_code == 200
        assert ada.delete(f"{BADGES}/{Badge.objects.get().pk}").status_code == 204
        assert Caller().get(path).status_code == 404


class TestStoredBadges:
    def test_stored_badges_are_listed_newest_first_also_when_they_are_no_longer_good(
        self, ada: Caller, model: RegisteredModel
    ) -> None:
        made(ada, metric="accuracy")
        made(ada)
        badge = Badge.objects.get(metric="")
        ada.delete(f"{BADGES}/{badge.pk}")

        results = ada.get(BADGES).json()["results"]

        assert [each["metric"] for each in results] == [None, "accuracy"]
        assert [each["dataset_split"] for each in results] == [None, "test"]
        assert [each["revoked_at"] is None for each in results] == [False, True]

    def test_stay_revoked_from_when_they_first_were(self, ada: Caller, model: RegisteredModel) -> None:
        made(ada)
        path = f"{BADGES}/{Badge.objects.get().pk}"
        ada.delete(path)
        revoked_at = Badge.objects.get().revoked_at

        assert ada.delete(path).status_code == 204
        assert Badge.objects.get().revoked_at == revoked_at

    @pytest.mark.parametrize("badge_id", ["0", "-1", "99999999", "9" * 30, "x", "%D9%A1"])
    def test_stored_badges_are_not_found_by_any_other_id(
        self, ada: Caller, model: RegisteredModel, badge_id: str
    ) -> None:
        assert refusal(ada.get(f"{BADGES}/{badge_id}")) == (404, "not_found")
        assert refusal(ada.delete(f"{BADGES}/{badge_id}")) == (404, "not_found")

    def test_stored_badges_are_not_reached_through_another_model(
        self, ada: Caller, model: RegisteredModel, empty_model: RegisteredModel
    ) -> None:
        made(ada)
        elsewhere = f"/models/{empty_model.pk}/badges/{Badge.objects.get().pk}"

        assert refusal(ada.delete(elsewhere)) == (404, "not_found")
        assert Badge.objects.get().revoked_at is None
