"""`GET …/performance/badge.svg` with a token."""

import pytest

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from performance.snapshots.models import MetricSnapshot
from tests.api import Caller, faults, refusal
from tests.conftest import PinnedQueries
from tests.factories import completed_version, snapshot
from tests.performance.badges.badge_requests import BADGE, set_policy, text_of_badge

pytestmark = pytest.mark.django_db


def test_a_badge_shows_a_metric_of_the_promoted_version_with_its_interval(
    viewer: User, measured: MetricSnapshot
) -> None:
    vera = Caller(viewer)

    assert text_of_badge(vera.get(BADGE, {"metric": "accuracy"})) == "Accuracy: 0.934, 95% interval 0.920 to 0.950"
    assert text_of_badge(vera.get(BADGE, {"metric": "specificity"})).endswith(": 0.875")
    assert text_of_badge(vera.get(BADGE, {"metric": "cost / month"})) == "cost / month: 3.500"
    assert text_of_badge(vera.get(BADGE, {"metric": "roc_auc"})).endswith(": not measured")


def test_a_badge_shows_the_requested_version_and_split(ada: Caller, model: RegisteredModel) -> None:
    other = completed_version(model, number=418)
    snapshot(other, metrics={"accuracy": 0.5}, dataset_split="validation")
    query = {"metric": "accuracy", "version_id": "ver-001a2"}

    assert text_of_badge(ada.get(BADGE, {**query, "dataset_split": "validation"})) == "Accuracy (validation): 0.500"
    assert refusal(ada.get(BADGE, query)) == (404, "snapshot_not_found")


def test_a_badge_without_a_metric_shows_the_verdict(ada: Caller, model: RegisteredModel) -> None:
    completed_version(model, number=418)  # not measured
    assert text_of_badge(ada.get(BADGE)) == "gate: no policy"
    set_policy(model, 0.9)
    assert text_of_badge(ada.get(BADGE)) == "gate: passed, with 1 warning"
    assert text_of_badge(ada.get(BADGE, {"version_id": "ver-001a2"})) == "gate: failed"
    set_policy(model, 0.99)
    assert text_of_badge(ada.get(BADGE)) == "gate: failed, with 1 warning"


def test_a_badge_is_an_image_that_can_do_nothing(ada: Caller, model: RegisteredModel) -> None:
    answer = ada.get(BADGE, {"metric": "accuracy"}, Accept="image/avif,image/svg+xml,image/*,*/*;q=0.8")

    assert answer["Content-Type"] == "image/svg+xml"
    assert answer["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert (answer["Cache-Control"], answer["Vary"]) == ("private, no-cache", "Authorization")


def test_a_badge_has_no_other_format(ada: Caller, model: RegisteredModel) -> None:
    refused = ada.get(BADGE, Accept="application/json")

    assert refusal(refused) == (406, "not_acceptable")
    assert "it answers in image/svg+xml." in refused.json()["detail"]


def test_a_badge_is_304_until_it_changes(ada: Caller, model: RegisteredModel) -> None:
    etag = ada.get(BADGE)["ETag"]
    assert ada.get(BADGE, If_None_Match=etag).status_code == 304

    set_policy(model, 0.9)

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
    ada: Caller, model: RegisteredModel, query: dict[str, str], fault: tuple[str, str]
) -> None:
    assert faults(ada.get(BADGE, query)) == [fault]


def test_a_badge_is_refused_as_the_other_reads_are(
    ada: Caller, outsider: User, model: RegisteredModel, empty_model: RegisteredModel
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
    ada: Caller, model: RegisteredModel, pinned_queries: PinnedQueries
) -> None:
    set_policy(model, 0.9)
    with pinned_queries("badge of a metric"):
        ada.get(BADGE, {"metric": "accuracy"})
    with pinned_queries("badge of a verdict"):
        ada.get(BADGE)
