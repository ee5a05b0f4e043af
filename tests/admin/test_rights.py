"""Nobody raises their own rights in the admin: a matrix of actors and fields, with real forms."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from models_registry.accounts.models import ServiceAccount, User
from tests.admin_pages import add_url, list_url, logged_in, page_url
from tests.factories import PASSWORD, new_user

NEW_PASSWORD = "another good one"
MANAGED = ["add_user", "change_user", "delete_user", "view_user", "view_group", "view_permission"]
GROUPS = ["add_group", "change_group", "delete_group", "view_group"]
ACCOUNTS = ["add_serviceaccount", "change_serviceaccount", "delete_serviceaccount", "view_serviceaccount"]
CLAIMED = {"is_staff": "on", "is_superuser": "on"}


def member_of_staff(name: str, *permissions: str) -> User:
    user = new_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


@pytest.fixture
def stronger(db: None) -> Group:
    """A group with a right that the staff of these tests lack."""
    group = Group.objects.create(name="stronger")
    group.permissions.set(Permission.objects.filter(codename="delete_organization"))
    return group


@pytest.fixture
def helper(db: None) -> User:
    """Hal, who may manage users."""
    return member_of_staff("hal", *MANAGED)


@pytest.fixture
def targets(superuser: User, viewer: User, helper: User, stronger: Group) -> dict[str, User]:
    """Whoever may be edited, by what they are; `peer` has the rights that Hal has."""
    of_group = member_of_staff("greta")
    of_group.groups.add(stronger)
    inactive_superuser = new_user("iris", is_superuser=True, is_active=False)
    return {
        "superuser": superuser,
        "inactive superuser": inactive_superuser,
        "stronger": member_of_staff("sam", "delete_organization"),
        "stronger by a group": of_group,
        "peer": member_of_staff("pia", *MANAGED),
        "person": viewer,
        "self": helper,
    }


BEYOND = ["superuser", "inactive superuser", "stronger", "stronger by a group"]
TARGETS = [*BEYOND, "peer", "person", "self"]


def form_of(user: User, **changes: Any) -> dict[str, Any]:
    """Return the form of a user as their page sends it."""
    form = {"username": user.username, "first_name": "", "last_name": "", "email": "", **changes}
    return form | {name: "on" for name in ("is_active", "is_staff", "is_superuser") if getattr(user, name)}


def rights(user: User) -> tuple[Any, ...]:
    user = User.objects.get(pk=user.pk)
    sets = (set(user.groups.values_list("pk", flat=True)), set(user.user_permissions.values_list("pk", flat=True)))
    return (user.is_staff, user.is_superuser, *sets)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("field", ["is_staff", "is_superuser", "groups", "user_permissions"])
def test_only_superusers_hand_out_rights(
    helper: User, targets: dict[str, User], stronger: Group, target: str, field: str
) -> None:
    user, everything = targets[target], [each.pk for each in Permission.objects.all()]
    claimed = {"groups": [stronger.pk], "user_permissions": everything}.get(field, "on")
    before = rights(user)

    answer = logged_in(helper).post(page_url(user), form_of(user, email="new@example.com") | {field: claimed})

    assert answer.status_code == (403 if target in BEYOND else 302)
    assert rights(user) == before
    changed = User.objects.get(pk=user.pk).email == "new@example.com"
    assert changed == (target not in BEYOND), "other fields of those within reach are changed"


@pytest.mark.parametrize("field", ["is_staff", "is_superuser", "groups", "user_permissions"])
def test_superusers_hand_out_rights(superuser: User, viewer: User, stronger: Group, field: str) -> None:
    permission = Permission.objects.get(codename="view_user").pk
    claimed: Any = {"groups": stronger.pk, "user_permissions": permission}.get(field, "on")
    before = rights(viewer)

    assert logged_in(superuser).post(page_url(viewer), form_of(viewer) | {field: claimed}).status_code == 302

    assert rights(viewer) != before


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("route", ["password", "delete", "action", "deactivate"])
def test_nobody_reaches_those_with_more_rights(helper: User, targets: dict[str, User], target: str, route: str) -> None:
    user, client = targets[target], logged_in(helper)
    if route == "password":
        form = {"usable_password": "true", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
        answer = client.post(reverse("admin:auth_user_password_change", args=[user.pk]), form)
    elif route == "delete":
        answer = client.post(reverse("admin:models_registry_user_delete", args=[user.pk]), {"post": "yes"})
    elif route == "action":
        form = {"action": "delete_selected", "_selected_action": str(user.pk), "post": "yes"}
        answer = client.post(list_url(User), form)
    else:
        form = form_of(user)
        form.pop("is_active", None)
        answer = client.post(page_url(user), form)

    left = User.objects.filter(pk=user.pk).first()
    untouched = left is not None and left.check_password(PASSWORD) and left.is_active == user.is_active
    if target in BEYOND:
        assert (answer.status_code, untouched) == (403, True)
    elif target == "self" and route in {"delete", "action"}:
        assert answer.status_code in {302, 403}  # their own log entries go with them
    else:
        assert untouched is False or answer.status_code == 403


def test_a_list_is_not_edited(helper: User, superuser: User) -> None:
    form = {
        "_save": "1",
        "form-TOTAL_FORMS": "1",
        "form-INITIAL_FORMS": "1",
        "form-0-id": str(helper.pk),
        "form-0-is_superuser": "on",
    }
    before = rights(helper)

    logged_in(helper).post(list_url(User), form)

    assert rights(helper) == before


def test_a_new_user_has_no_rights(helper: User) -> None:
    form = {"username": "nina", "usable_password": "true", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    everything = {"user_permissions": [each.pk for each in Permission.objects.all()]}

    assert logged_in(helper).post(add_url(User), form | CLAIMED | everything).status_code == 302

    assert rights(User.objects.get(username="nina")) == (False, False, set(), set())


def test_a_new_service_account_has_no_rights(superuser: User) -> None:
    staff = member_of_staff("stan", *ACCOUNTS)
    account = ServiceAccount.objects.create(username="pipeline", is_service_account=True)
    client = logged_in(staff)

    client.post(page_url(account), {"username": "pipeline", "is_active": "on", **CLAIMED})
    client.post(add_url(ServiceAccount), {"username": "second", **CLAIMED})

    assert {rights(each)[:2] for each in ServiceAccount.objects.all()} == {(False, False)}
    assert ServiceAccount.objects.count() == 2
    assert client.get(page_url(ServiceAccount(pk=superuser.pk))).status_code in {302, 404}


class TestGroups:
    @pytest.fixture
    def client(self, db: None) -> Client:
        """Log in as Gus, who may manage groups."""
        return logged_in(member_of_staff("gus", *GROUPS))

    def test_groups_get_permissions_from_superusers_alone(
        self, client: Client, stronger: Group, superuser: User
    ) -> None:
        own = Group.objects.create(name="own")
        own.user_set.add(User.objects.get(username="gus"))
        form = {"name": "renamed", "permissions": [each.pk for each in Permission.objects.all()]}

        assert client.post(page_url(own), form).status_code == 302
        assert client.post(add_url(Group), form | {"name": "new"}).status_code == 302

        assert [group.permissions.count() for group in Group.objects.filter(name__in=["renamed", "new"])] == [0, 0]
        assert logged_in(superuser).post(page_url(own), form).status_code == 302
        assert own.permissions.count() > 0


def test_no_page_shows_the_hash_of_a_password(helper: User, targets: dict[str, User], superuser: User) -> None:
    looker = member_of_staff("lou", "view_user")
    for client in map(logged_in, (helper, looker, superuser)):
        for user in targets.values():
            page = client.get(page_url(user))
            assert page.status_code == 200
            assert user.password not in page.content.decode()
