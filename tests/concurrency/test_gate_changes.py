"""A policy that changes while a promotion runs, in either order: no version slips through between the two."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel
from performance.gates.models import GatePolicy, GateVerdict
from performance.gates.services import judge_promotion
from tests.admin_pages import add_url, logged_in, text_of
from tests.api import Caller
from tests.concurrency.together import alone, in_turn, wait_for_waiting
from tests.factories import completed_version, snapshot

pytestmark = [
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("rows_can_be_cleaned_up"),
]

LENIENT, STRICT = (
    {"dataset_split": "test", "rules": [{"metric": "rmse", "operator": "<=", "threshold": threshold}]}
    for threshold in (10, 0.5)
)


@pytest.fixture(autouse=True)
def candidate(empty_model: RegisteredModel) -> None:
    """A version that passes the lenient policy and fails the strict one."""
    snapshot(completed_version(empty_model, number=1), metrics={"rmse": 5.0})


def outcome(answer: Any) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code")


def promoted(model: RegisteredModel) -> bool:
    model.refresh_from_db()
    return model.promoted_version is not None


def requests(admin: User, model: RegisteredModel, path: str, policy: Any) -> tuple[Any, Any]:
    """Return a promotion and an edit of the policy, to be made when they are called."""
    ada = Caller(admin)
    return (
        lambda: ada.post(f"/models/{model.pk}/versions/ver-00001/promote"),
        lambda: ada.put(path, policy),
    )


def test_a_promotion_that_waited_for_a_stricter_policy_is_judged_by_it(
    admin: User, empty_model: RegisteredModel
) -> None:
    GatePolicy.objects.create(model=empty_model, version=1, document=LENIENT)
    promote, edit = requests(admin, empty_model, f"/models/{empty_model.pk}/gate-policy", STRICT)

    answers = in_turn(empty_model, [edit, promote])

    assert [outcome(answer) for answer in answers] == [(200, None), (409, "gate_failed")]
    assert answers[1].json()["verdict"]["policy"] == {"owner": "model", "version": 2}
    assert not promoted(empty_model)
    assert GateVerdict.objects.get().status == "failed"


def test_a_stricter_policy_waits_for_a_promotion_that_came_before(admin: User, empty_model: RegisteredModel) -> None:
    GatePolicy.objects.create(model=empty_model, version=1, document=LENIENT)
    promote, edit = requests(admin, empty_model, f"/models/{empty_model.pk}/gate-policy", STRICT)

    answers = in_turn(empty_model, [promote, edit])

    assert [outcome(answer) for answer in answers] == [(200, None), (200, None)]
    assert answers[0].json()["verdict"]["policy"] == {"owner": "model", "version": 1}
    assert promoted(empty_model)


def test_a_promotion_that_waited_for_its_organizations_stricter_policy_is_judged_by_it(
    admin: User, acme: Organization, empty_model: RegisteredModel
) -> None:
    promote, edit = requests(admin, empty_model, "/organizations/acme/gate-policy", STRICT)

    answers = in_turn(acme, [edit, promote])

    assert [outcome(answer) for answer in answers] == [(201, None), (409, "gate_failed")]
    assert not promoted(empty_model)


def test_an_organizations_stricter_policy_waits_for_a_promotion_that_was_judged_without_it(
    admin: User, acme: Organization, empty_model: RegisteredModel
) -> None:
    _, edit = requests(admin, empty_model, "/organizations/acme/gate-policy", STRICT)

    with ThreadPoolExecutor(1) as thread:
        with transaction.atomic():
            assert judge_promotion(empty_model.versions.get()) is None
            waiting = thread.submit(alone, edit)
            wait_for_waiting(1)
            assert not GatePolicy.objects.exists()
        assert outcome(waiting.result()) == (201, None)


def test_a_policy_of_the_admin_that_waited_for_the_archiving_is_refused_on_its_form(
    admin: User, superuser: User, empty_model: RegisteredModel
) -> None:
    ada, root = Caller(admin), logged_in(superuser)
    form = {"model": empty_model.pk, "organization": "", "document": json.dumps(LENIENT)}

    archived, refused = in_turn(
        empty_model,
        [lambda: ada.delete(f"/models/{empty_model.pk}"), lambda: root.post(add_url(GatePolicy), form)],
    )

    assert (archived.status_code, refused.status_code) == (204, 200)
    assert f"{empty_model.pk} is archived" in text_of(refused.content.decode())
    assert not GatePolicy.objects.exists()


def test_promotions_of_models_with_policies_of_their_own_do_not_wait_for_the_organization(
    admin: User, acme: Organization, empty_model: RegisteredModel
) -> None:
    GatePolicy.objects.create(model=empty_model, version=1, document=LENIENT)
    promote, _ = requests(admin, empty_model, "", None)

    with ThreadPoolExecutor(1) as thread, transaction.atomic():
        Organization.objects.select_for_update().get(pk=acme.pk)
        assert outcome(thread.submit(alone, promote).result()) == (200, None)
