"""Organizations, grants, users and staff in the admin."""

import re
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from models_registry.accounts.models import Membership, ModelGrant, Organization, User
from models_registry.registry.models import RegisteredModel, Version
from tests.admin_pages import add_url, list_url, listed, logged_in, page_url
from tests.factories import PASSWORD, new_user


def test_an_organizations_page_adds_members(root: Client, acme: Organization, viewer: User) -> None:
    newcomer = new_user("nina")
    membership = acme.memberships.get()
    form = {
        "name": "Acme",
        "slug": "acme",
        "memberships-TOTAL_FORMS": 2,
        "memberships-INITIAL_FORMS": 1,
        "memberships-0-id": membership.pk,
        "memberships-0-organization": acme.pk,
        "memberships-0-user": viewer.pk,
        "memberships-0-role": "viewer",
        "memberships-1-organization": acme.pk,
        "memberships-1-user": newcomer.pk,
        "memberships-1-role": "editor",
    }
    assert root.post(page_url(acme), form).status_code == 302
    assert Membership.objects.get(user=newcomer).role == "editor"


def test_an_organizations_page_takes_the_same_number_of_queries_for_30_members_as_for_60(
    root: Client, acme: Organization
) -> None:
    for number in range(60):
        Membership.objects.create(organization=acme, user=new_user(f"member{number}"), role="viewer")
    with CaptureQueriesContext(connection) as many:
        root.get(page_url(acme))
    acme.memberships.filter(user__username__gte="member4").delete()
    with CaptureQueriesContext(connection) as fewer:
        root.get(page_url(acme))
    assert len(fewer) == len(many)


def test_grants_are_listed_and_created(root: Client, model: RegisteredModel, grantee: User) -> None:
    [row] = listed(root, ModelGrant)
    assert row.endswith("gil model:read churn Acme")
    form = {"user": grantee.pk, "model": model.pk, "scope": "model:write"}
    assert root.post(add_url(ModelGrant), form).status_code == 302
    assert grantee.grants.count() == 2


def test_a_user_is_created_with_a_password_that_works(root: Client) -> None:
    form = {"username": "nina", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    assert root.post(add_url(User), form).status_code == 302
    assert User.objects.get(username="nina").check_password(PASSWORD)


def test_a_user_has_a_page_and_a_password_form(root: Client, viewer: User) -> None:
    assert root.get(page_url(viewer)).status_code == 200
    form = {"usable_password": "true", "password1": "another good one", "password2": "another good one"}
    url = page_url(viewer).removesuffix("change/") + "password/"
    assert root.get(url).status_code == 200
    assert root.post(url, form).status_code == 302
    viewer.refresh_from_db()
    assert viewer.check_password("another good one")


def test_staff_see_only_the_pages_that_they_may_view(staff: User, model: RegisteredModel) -> None:
    client = logged_in(staff)
    assert len(listed(client, RegisteredModel)) == 1
    page = client.get(page_url(model))
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    assert client.post(page_url(model), {"name": "mine"}).status_code == 403
    assert client.get(list_url(User)).status_code == 403


def test_the_sidebar_shows_staff_only_the_pages_that_they_may_view(staff: User) -> None:
    body = logged_in(staff).get("/admin/").content.decode()
    assert list_url(Version) in body
    assert list_url(Organization) not in body
    assert list_url(User) not in body


def test_the_first_page_names_the_pages_as_the_sidebar_does(superuser: User) -> None:
    body = logged_in(superuser).get("/admin/").content.decode()
    index = body.split('aria-label="All pages"', 1)[1].split("</nav>", 1)[0]
    theme: Any = settings.UNFOLD
    groups = theme["SIDEBAR"]["navigation"]
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", index) == [group["title"] for group in groups]
    assert re.findall(r"</span>([^<]+)</a>", index) == [page["title"] for group in groups for page in group["items"]]


def test_people_may_log_in_and_service_accounts_may_not(viewer: User) -> None:
    assert logged_in(viewer).get(list_url(RegisteredModel)).status_code == 200
    User.objects.filter(pk=viewer.pk).update(is_service_account=True)
    response = logged_in(viewer).get(list_url(RegisteredModel))
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")
