"""Logins in the admin: revoked by an action, locked out, and the page to log in."""

from typing import Any

from django.contrib.auth.models import Permission
from django.test import Client

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.tokens.models import TokenFamily
from models_registry.tokens.services import open_token_family
from tests.admin_pages import list_url, listed, logged_in, page_url, text_of
from tests.factories import PASSWORD


def revoke(client: Client, family: TokenFamily) -> Any:
    form = {"action": "revoke", "_selected_action": [str(family.pk)]}
    return client.post(list_url(TokenFamily), form, follow=True)


def log_in(user: User) -> TokenFamily:
    open_token_family(user=user, scope=ALL_SCOPES)
    return user.token_families.get()


def test_logins_are_revoked_by_an_action(root: Client, viewer: User) -> None:
    family = log_in(viewer)
    assert "Logins revoked: 1." in text_of(revoke(root, family).content.decode())
    family.refresh_from_db()
    assert family.revoked_at is not None
    assert len(listed(root, TokenFamily, revoked="yes")) == 1
    assert listed(root, TokenFamily, revoked="no") == []


def test_logins_cannot_be_revoked_with_the_view_permission_alone(viewer: User, staff: User) -> None:
    staff.user_permissions.add(Permission.objects.get(codename="view_tokenfamily"))
    family = log_in(viewer)
    revoke(logged_in(staff), family)
    family.refresh_from_db()
    assert family.revoked_at is None


def test_logins_do_not_show_the_id_of_their_token(root: Client, viewer: User) -> None:
    family = log_in(viewer)
    assert family.current_jti not in root.get(page_url(family)).content.decode()


def attempt_login(password: str) -> Any:
    return Client().post("/admin/login/", {"username": "root", "password": password})


def test_a_superuser_logs_in_and_sees_the_first_page(superuser: User) -> None:
    response = attempt_login(PASSWORD)
    assert (response.status_code, response["Location"]) == (302, "/admin/")


def test_ten_failures_lock_out_even_the_right_password(superuser: User, root: Client) -> None:
    assert [attempt_login("wrong").status_code for _ in range(10)] == [200] * 9 + [429]
    assert attempt_login(PASSWORD).status_code == 429
    page = text_of(root.get("/admin/axes/accessattempt/").content.decode())
    assert "Locked Out" in page
