"""Two writes that meet, in either order: each waits for the same row, and finds what the one before it left."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from models_registry.accounts.models import Membership, Organization, User
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.promotions import (
    CheckResult,
    promote,
    register_promotion_check,
    unregister_promotion_check,
)
from tests.concurrency.together import alone, in_turn, wait_for_waiting
from tests.conftest import authenticated
from tests.factories import GivenResults, completed_version, new_user

pytestmark = [
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("rows_can_be_cleaned_up"),
]

Request = Callable[[], Any]


@pytest.fixture
def versions(empty_model: RegisteredModel) -> list[Version]:
    """Three completed versions of a model, of which none is promoted."""
    return [completed_version(empty_model, number=number) for number in (1, 2, 3)]


@pytest.fixture
def send(admin: User, empty_model: RegisteredModel) -> Callable[..., Request]:
    """Return a request to the model that is made when it is called."""
    return partial(request_to, authenticated(admin), f"/models/{empty_model.pk}")


def request_to(client: Client, base: str, method: str, path: str = "", body: Any = None, **headers: str) -> Request:
    return lambda: getattr(client, method)(
        f"/api/v1{base}{path}", body or {}, content_type="application/json", headers=headers
    )


def outcome(answer: Any) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code") if answer.content else None


def history(model: RegisteredModel) -> list[tuple[int | None, int]]:
    """Return from which version number to which each promotion led, oldest first."""
    return [*model.promotions.order_by("pk").values_list("previous_version__number", "version__number")]


def promoted_number(model: RegisteredModel) -> int | None:
    model.refresh_from_db()
    return model.promoted_version.number if model.promoted_version else None


def test_of_two_first_promotions_the_second_follows_the_first(
    send: Callable[..., Request], versions: list[Version], empty_model: RegisteredModel
) -> None:
    first, second = send("post", "/versions/ver-00001/promote"), send("post", "/versions/ver-00002/promote")

    answers = in_turn(empty_model, [first, second])

    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.json()["previous_version_id"] for answer in answers] == [None, "ver-00001"]
    assert history(empty_model) == [(None, 1), (1, 2)]
    assert promoted_number(empty_model) == 2


def test_a_promotion_before_the_archiving_holds(
    send: Callable[..., Request], versions: list[Version], empty_model: RegisteredModel
) -> None:
    answers = in_turn(empty_model, [send("post", "/versions/ver-00001/promote"), send("delete")])

    assert [outcome(answer) for answer in answers] == [(200, None), (204, None)]
    assert promoted_number(empty_model) == 1
    assert empty_model.archived_at is not None


def test_a_promotion_after_the_archiving_is_refused(
    send: Callable[..., Request], versions: list[Version], empty_model: RegisteredModel
) -> None:
    answers = in_turn(empty_model, [send("delete"), send("post", "/versions/ver-00001/promote")])

    assert [outcome(answer) for answer in answers] == [(204, None), (409, "conflict")]
    assert promoted_number(empty_model) is None
    assert history(empty_model) == []


@pytest.fixture
def _two_promoted(versions: list[Version], admin: User) -> None:
    for version in versions[:2]:
        promote(version=version, promoted_by=admin, reason="")


@pytest.mark.usefixtures("_two_promoted")
def test_a_rollback_after_a_promotion_takes_that_promotion_back(
    send: Callable[..., Request], empty_model: RegisteredModel
) -> None:
    answers = in_turn(empty_model, [send("post", "/versions/ver-00003/promote"), send("post", "/rollback")])

    assert [answer.json()["version_id"] for answer in answers] == ["ver-00003", "ver-00002"]
    assert history(empty_model) == [(None, 1), (1, 2), (2, 3), (3, 2)]
    assert promoted_number(empty_model) == 2


@pytest.mark.usefixtures("_two_promoted")
def test_a_promotion_after_a_rollback_starts_from_what_was_restored(
    send: Callable[..., Request], empty_model: RegisteredModel
) -> None:
    answers = in_turn(empty_model, [send("post", "/rollback"), send("post", "/versions/ver-00003/promote")])

    assert [answer.json()["version_id"] for answer in answers] == ["ver-00001", "ver-00003"]
    assert history(empty_model) == [(None, 1), (1, 2), (2, 1), (1, 3)]
    assert promoted_number(empty_model) == 3


@pytest.mark.usefixtures("_two_promoted")
def test_of_two_rollbacks_the_second_finds_nothing_to_go_back_to(
    send: Callable[..., Request], empty_model: RegisteredModel
) -> None:
    answers = in_turn(empty_model, [send("post", "/rollback"), send("post", "/rollback")])

    assert [outcome(answer) for answer in answers] == [(200, None), (409, "conflict")]
    assert promoted_number(empty_model) == 1


@pytest.mark.usefixtures("_two_promoted")
def test_a_change_that_waited_for_a_promotion_answers_with_the_version_promoted_since(
    send: Callable[..., Request], empty_model: RegisteredModel
) -> None:
    promotion, change = send("post", "/versions/ver-00003/promote"), send("patch", "", {"description": "new"})

    answers = in_turn(empty_model, [promotion, change])

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[1].json()["promoted_version_id"] == "ver-00003"


def test_a_change_that_waited_for_a_new_version_answers_with_the_state_that_follows_from_it(
    send: Callable[..., Request], empty_model: RegisteredModel
) -> None:
    answers = in_turn(empty_model, [send("post", "/versions"), send("patch", "", {"description": "new"})])

    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[1].json()["state"] == "training"


def test_of_two_changes_of_the_same_state_one_is_made_and_one_refused(
    send: Callable[..., Request], empty_model: RegisteredModel
) -> None:
    etag = send("get")()["ETag"]
    changes = [send("patch", "", {"description": text}, **{"If-Match": etag}) for text in ("mine", "yours")]

    answers = in_turn(empty_model, changes)

    assert [outcome(answer) for answer in answers] == [(200, None), (412, "precondition_failed")]
    empty_model.refresh_from_db()
    assert empty_model.description == "mine"


def test_of_two_last_admins_who_demote_each_other_one_stays(acme: Organization, admin: User) -> None:
    ann = new_user("ann")
    Membership.objects.create(organization=acme, user=ann, role="admin")
    demotions = [
        request_to(authenticated(actor), "/organizations/acme/members", "patch", f"/{other}", {"role": "viewer"})
        for actor, other in ((admin, "ann"), (ann, "ada"))
    ]

    answers = in_turn(acme, demotions)

    assert [outcome(answer) for answer in answers] == [(200, None), (403, "permission_denied")]
    assert [*acme.memberships.filter(role="admin").values_list("user__username", flat=True)] == ["ada"]


def test_an_admin_who_was_demoted_while_their_request_waited_changes_nothing(acme: Organization, admin: User) -> None:
    for name in ("ann", "amy"):
        Membership.objects.create(organization=acme, user=new_user(name), role="admin")
    ann = User.objects.get(username="ann")
    demotions = [
        request_to(authenticated(actor), "/organizations/acme/members", "patch", f"/{other}", {"role": "viewer"})
        for actor, other in ((admin, "ann"), (ann, "amy"))
    ]

    answers = in_turn(acme, demotions)

    assert [outcome(answer) for answer in answers] == [(200, None), (403, "permission_denied")]
    assert acme.memberships.filter(role="admin").count() == 2


REFUSAL = CheckResult(passed=False, verdict={"status": "failed"}, detail="accuracy is 0.91; at least 0.93 is required.")


def test_a_judge_who_comes_while_a_promotion_waits_judges_it(
    send: Callable[..., Request], versions: list[Version], empty_model: RegisteredModel
) -> None:
    refuse = GivenResults([REFUSAL])
    with ThreadPoolExecutor(1) as thread:
        with transaction.atomic():
            RegisteredModel.objects.select_for_update().get(pk=empty_model.pk)
            waiting = thread.submit(alone, send("post", "/versions/ver-00001/promote"))
            wait_for_waiting(1)
            register_promotion_check(refuse)
        answer = waiting.result()
    unregister_promotion_check(refuse)

    assert outcome(answer) == (409, "gate_failed")
    assert answer.json()["verdict"] == {"status": "failed"}
    assert promoted_number(empty_model) is None


METRICS = {"dataset_split": "train", "metrics": {"rmse": 1}}


@pytest.mark.parametrize(
    ("path", "body"),
    [("/versions/ver-00001/snapshots", METRICS), ("/grants", {"username": "ada", "scope": "model:read"})],
)
def test_what_waited_for_the_archiving_is_refused(
    send: Callable[..., Request], versions: list[Version], empty_model: RegisteredModel, path: str, body: Any
) -> None:
    answers = in_turn(empty_model, [send("delete"), send("post", path, body)])

    assert [outcome(answer) for answer in answers] == [(204, None), (409, "conflict")]


def test_metrics_that_waited_for_the_version_to_fail_are_refused(
    send: Callable[..., Request], empty_model: RegisteredModel
) -> None:
    Version.objects.create(model=empty_model, number=1)
    failing = send("patch", "/versions/ver-00001", {"state": "failed"})

    answers = in_turn(empty_model, [failing, send("post", "/versions/ver-00001/snapshots", METRICS)])

    assert [outcome(answer) for answer in answers] == [(200, None), (409, "conflict")]


@pytest.mark.parametrize("body", [{}, {"override": True, "reason": "in a hurry"}])
def test_a_right_that_is_taken_while_a_promotion_waits_is_gone(
    send: Callable[..., Request], versions: list[Version], empty_model: RegisteredModel, admin: User, body: Any
) -> None:
    with ThreadPoolExecutor(1) as thread:
        with transaction.atomic():
            RegisteredModel.objects.select_for_update().get(pk=empty_model.pk)
            waiting = thread.submit(alone, send("post", "/versions/ver-00001/promote", body))
            wait_for_waiting(1)
            Membership.objects.filter(user=admin).delete()
        answer = waiting.result()

    assert outcome(answer) == (403, "permission_denied")
    assert promoted_number(empty_model) is None
