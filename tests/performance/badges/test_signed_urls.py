"""`GET …/performance/badge.svg` with a signature, and without a token."""

import re
from datetime import timedelta
from urllib.parse import quote, urlsplit

import pytest
from django.core.signing import Signer
from django.utils import timezone

from models_registry.api.throttling import CallerThrottle
from models_registry.registry.models import RegisteredModel
from performance.badges.models import Badge
from performance.gates.models import GatePolicy
from performance.snapshots.models import MetricSnapshot
from tests.api import Caller, refusal
from tests.conftest import PinnedQueries
from tests.factories import EXAMPLE_METRICS, completed_version, snapshot
from tests.performance.badges.badge_requests import BADGE, BADGES, MODEL, create_badge, set_policy, text_of_badge

pytestmark = pytest.mark.django_db


def test_a_signed_url_needs_no_token_and_says_what_it_was_made_for(ada: Caller, measured: MetricSnapshot) -> None:
    expected = "Accuracy: 0.934, 95% interval 0.920 to 0.950"

    assert text_of_badge(Caller().get(create_badge(ada, metric="accuracy"))) == expected
    assert text_of_badge(Caller().get(create_badge(ada, metric="cost / month"))) == "cost / month: 3.500"
    assert text_of_badge(Caller().get(create_badge(ada, metric="accuracy", dataset_split="train"))) == (
        "Accuracy (train): not measured"
    )


def test_a_signed_url_follows_what_is_promoted(ada: Caller, model: RegisteredModel) -> None:
    metric, verdict = create_badge(ada, metric="accuracy"), create_badge(ada)
    snapshot(completed_version(model, number=418), metrics=EXAMPLE_METRICS | {"accuracy": 0.95})
    ada.post(f"{MODEL}/versions/ver-001a2/promote")
    assert [text_of_badge(Caller().get(path)) for path in (metric, verdict)] == ["Accuracy: 0.950", "gate: no policy"]
    set_policy(model, 0.94)
    assert text_of_badge(Caller().get(verdict)) == "gate: passed, with 1 warning"
    set_policy(model, 0.96)
    assert text_of_badge(Caller().get(verdict)) == "gate: failed, with 1 warning"


def test_a_signed_url_shows_the_verdict_by_the_organizations_policy(ada: Caller, model: RegisteredModel) -> None:
    document = {"dataset_split": "test", "rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.9}]}
    GatePolicy.objects.create(organization=model.organization, version=1, document=document)

    assert text_of_badge(Caller().get(create_badge(ada))) == "gate: passed, with 1 warning"


def test_a_signed_url_says_so_when_nothing_is_promoted(ada: Caller, empty_model: RegisteredModel) -> None:
    answer = ada.post(f"/models/{empty_model.pk}/badges", {"metric": "rmse", "lifetime_days": 1})

    assert text_of_badge(Caller().client.get(answer.json()["url"])) == "RMSE: none promoted"


def test_a_signed_url_may_be_kept_by_caches_for_as_long_as_it_is_sure_to_be_good(
    ada: Caller, model: RegisteredModel
) -> None:
    path = create_badge(ada)
    answer = Caller().get(path)
    assert (answer["Cache-Control"], answer.get("Vary")) == ("public, max-age=300", None)
    again = Caller().get(path, If_None_Match=answer["ETag"])
    assert (again.status_code, again["Cache-Control"]) == (304, "public, max-age=300")

    Badge.objects.update(expires_at=timezone.now() + timedelta(seconds=60))

    [seconds] = re.findall(r"^public, max-age=(\d+)$", Caller().get(path)["Cache-Control"])
    assert 0 < int(seconds) <= 60


def test_a_signed_url_opens_nothing_once_it_has_expired_or_was_revoked(ada: Caller, model: RegisteredModel) -> None:
    expired, revoked, other = (create_badge(ada, metric=name) for name in ("accuracy", "roc_auc", "log_loss"))
    Badge.objects.filter(metric="accuracy").update(expires_at=timezone.now())
    listed = {each["metric"]: each["id"] for each in ada.get(BADGES).json()["results"]}
    assert ada.delete(f"{BADGES}/{listed['roc_auc']}").status_code == 204

    for path in (expired, revoked):
        refused = Caller().get(path)
        assert refusal(refused) == (404, "not_found")
        assert "public" not in refused["Cache-Control"]
    assert Caller().get(other).status_code == 200


def test_a_signed_url_opens_one_badge_of_one_model_and_no_other_route(
    ada: Caller, model: RegisteredModel, empty_model: RegisteredModel
) -> None:
    query = urlsplit(create_badge(ada)).query

    for elsewhere in (empty_model.pk, "mdl-0000000000", "%00"):
        assert refusal(Caller().get(f"/models/{elsewhere}/performance/badge.svg?{query}")) == (404, "not_found")
    assert refusal(Caller().get(f"{MODEL}/performance/gate?{query}")) == (401, "not_authenticated")


def test_a_forged_signature_is_refused(ada: Caller, model: RegisteredModel, pinned_queries: PinnedQueries) -> None:
    create_badge(ada)
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
    assert text_of_badge(Caller().get(BADGE, {"signature": good}))


def test_a_signed_url_is_throttled_as_any_anonymous_request_is(
    ada: Caller, model: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_badge(ada)
    monkeypatch.setattr(CallerThrottle, "rate", "2/hour", raising=False)

    answers = [Caller().get(path) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert refusal(answers[-1]) == (429, "throttled")


def test_a_signed_url_makes_a_constant_number_of_queries(
    ada: Caller, model: RegisteredModel, pinned_queries: PinnedQueries
) -> None:
    set_policy(model, 0.9)
    metric, verdict = create_badge(ada, metric="accuracy"), create_badge(ada)
    with pinned_queries("signed badge of a metric"):
        Caller().get(metric)
    with pinned_queries("signed badge of a verdict"):
        Caller().get(verdict)
