"""A user who loses the right to read is refused at the next request, by the single query that each request makes."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from tests.api import refusal
from tests.conftest import PinnedQueries
from tests.factories import PASSWORD

SUMMARY = "/api/v1/models/mdl-7f3a19bc92/performance/summary"


def deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def change_password(user: User) -> None:
    user.set_password("another one")
    user.save()


def set_the_same_password_again(user: User) -> None:
    user.set_password(PASSWORD)
    user.save()


def revoke_login(user: User) -> None:
    user.token_families.update(revoked_at=timezone.now())


def forget_login(user: User) -> None:
    user.token_families.all().delete()


def delete(user: User) -> None:
    user.delete()


def remove_role(user: User) -> None:
    user.memberships.all().delete()


def remove_grant(user: User) -> None:
    user.grants.all().delete()


def weaken_grant(user: User) -> None:
    user.grants.update(scope="model:write")


def demote(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_superuser=False)


LOSES_THE_LOGIN = [deactivate, change_password, set_the_same_password_again, revoke_login, forget_login, delete]
ACTORS = ["viewer", "grantee", "superuser"]


@pytest.mark.parametrize(
    ("actor", "happens", "status", "code"),
    [
        *((actor, happens, 401, "invalid_token") for actor in ACTORS for happens in LOSES_THE_LOGIN),
        ("viewer", remove_role, 403, "permission_denied"),
        ("admin", remove_role, 403, "permission_denied"),
        ("grantee", remove_grant, 403, "permission_denied"),
        ("grantee", weaken_grant, 403, "permission_denied"),
        ("superuser", demote, 403, "permission_denied"),
    ],
)
def test_the_very_next_request_is_refused_in_one_query(
    request: pytest.FixtureRequest,
    model: RegisteredModel,
    as_user: Callable[[User], Client],
    pinned_queries: PinnedQueries,
    actor: str,
    happens: Callable[[User], None],
    status: int,
    code: str,
) -> None:
    user: User = request.getfixturevalue(actor)
    client = as_user(user)
    assert client.get(SUMMARY).status_code == 200

    happens(user)
    with pinned_queries("summary"):
        answer = client.get(SUMMARY)

    assert refusal(answer) == (status, code)
    assert answer.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)


@pytest.mark.parametrize("loses", [remove_role, remove_grant])
def test_a_right_that_is_held_twice_is_lost_once_both_are_gone(
    viewer: User, model: RegisteredModel, as_user: Callable[[User], Client], loses: Callable[[User], None]
) -> None:
    viewer.grants.create(model=model, scope="model:read")
    client = as_user(viewer)

    loses(viewer)
    assert client.get(SUMMARY).status_code == 200

    remove_role(viewer)
    remove_grant(viewer)
    assert client.get(SUMMARY).status_code == 403


def test_an_etag_from_before_opens_nothing_after(
    viewer: User, model: RegisteredModel, as_user: Callable[[User], Client]
) -> None:
    client = as_user(viewer)
    etag = client.get(SUMMARY).headers["ETag"]
    assert client.get(SUMMARY, headers={"If-None-Match": etag}).status_code == 304

    remove_role(viewer)

    assert client.get(SUMMARY, headers={"If-None-Match": etag}).status_code == 403
    assert client.get(SUMMARY, headers={"If-None-Match": "*"}).status_code == 403
