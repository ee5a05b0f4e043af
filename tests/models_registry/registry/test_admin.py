"""The registry in the admin."""

import re
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from models_registry.accounts.models import Membership, ModelGrant, Organization, User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.registry.models import Promotion, RegisteredModel, Version
from models_registry.registry.promotions import promote
from models_registry.tokens.models import TokenFamily
from models_registry.tokens.services import open_token_family
from tests.admin_pages import add_url, list_url, logged_in, page_url, rows, text_of
from tests.factories import PASSWORD, completed_version, new_user

NO_VERSIONS = {"versions-TOTAL_FORMS": 0, "versions-INITIAL_FORMS": 0}


@pytest.fixture
def root(superuser: User) -> Client:
    return logged_in(superuser)


@pytest.fixture
def staff(db: None) -> User:
    """Stan, a staff user who may view models and versions in the admin."""
    user = new_user("stan", is_staff=True)
    names = ["view_registeredmodel", "view_version"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


def listed(client: Client, model: type[Any], **query: str) -> list[str]:
    """Return the text of each row of a model's list page."""
    response = client.get(list_url(model), query)
    assert response.status_code == 200
    return rows(response)


class TestModels:
    def test_models_are_listed_with_organization_task_type_state_and_promoted_version(
        self, root: Client, model: RegisteredModel
    ) -> None:
        [row] = listed(root, RegisteredModel)
        assert row.startswith("churn mdl-7f3a19bc92 Acme Classification ready ver-001a1")

    @pytest.mark.parametrize("state", ["draft", "training", "ready", "archived"])
    def test_models_are_filtered_by_state(self, root: Client, acme: Organization, state: str) -> None:
        for name in ("draft", "training", "ready", "archived"):
            RegisteredModel.objects.create(organization=acme, name=f"the {name} one", task_type="ranking")
        Version.objects.create(model=RegisteredModel.objects.get(name="the training one"), number=1)
        completed_version(RegisteredModel.objects.get(name="the ready one"), number=1)
        RegisteredModel.objects.filter(name="the archived one").update(archived_at=timezone.now())
        [row] = listed(root, RegisteredModel, state=state)
        assert row.startswith(f"the {state} one")

    def test_models_are_filtered_by_organization_and_task_type(
        self, root: Client, model: RegisteredModel, empty_model: RegisteredModel, outsider: User
    ) -> None:
        globex = Organization.objects.get(slug="globex")
        RegisteredModel.objects.create(organization=globex, name="theirs", task_type="regression")
        assert len(listed(root, RegisteredModel)) == 3
        assert len(listed(root, RegisteredModel, organization__id__exact=str(globex.pk))) == 1
        assert len(listed(root, RegisteredModel, task_type__exact="regression")) == 2

    @pytest.mark.parametrize("words", ["churn", "mdl-7f3a19bc92", "CHUR"])
    def test_models_are_found_by_name_and_id(
        self, root: Client, model: RegisteredModel, empty_model: RegisteredModel, words: str
    ) -> None:
        assert len(listed(root, RegisteredModel, q=words)) == 1

    def test_models_are_filtered_by_date(self, root: Client, model: RegisteredModel) -> None:
        assert len(listed(root, RegisteredModel, created_at__year=str(model.created_at.year))) == 1
        assert listed(root, RegisteredModel, created_at__year="1999") == []

    def test_a_models_page_lists_its_versions_newest_first(self, root: Client, model: RegisteredModel) -> None:
        newer = completed_version(model, number=418)
        response = root.get(page_url(model))
        newest, promoted = rows(response)[:2]
        assert newest.startswith("ver-001a2 - completed")
        assert promoted.startswith("ver-001a1 promoted completed")
        assert f'href="{page_url(newer)}"' in response.content.decode()

    def test_a_models_page_shows_twenty_versions_at_a_time(self, root: Client, empty_model: RegisteredModel) -> None:
        for number in range(1, 31):
            completed_version(empty_model, number=number)
        first = root.get(page_url(empty_model))
        second = root.get(page_url(empty_model), {"versions-page": "2"})
        assert rows(first)[0].startswith("ver-0001e")
        assert rows(second)[0].startswith("ver-0000a")
        assert len([row for row in rows(first) if row.startswith("ver-")]) == 20
        assert "30 versions" in text_of(first.content.decode())

    def test_a_models_page_takes_the_same_number_of_queries_for_any_number_of_versions(
        self, root: Client, model: RegisteredModel, django_assert_num_queries: Any
    ) -> None:
        root.get(page_url(model))
        for number in range(1, 31):
            completed_version(model, number=number)
        with django_assert_num_queries(7):
            root.get(page_url(model))

    def test_a_model_is_created_with_a_task_type(self, root: Client, acme: Organization) -> None:
        form = {"name": "new", "organization": acme.pk, "task_type": "clustering", "description": ""}
        response = root.post(add_url(RegisteredModel), form)
        assert response.status_code == 302
        assert RegisteredModel.objects.get(name="new").task_type == "clustering"

    @pytest.mark.parametrize(
        ("task_type", "fault"),
        [("astrology", "astrology is not one of the available choices"), ("", "This field is required")],
    )
    def test_a_model_is_not_created_without_a_known_task_type(
        self, root: Client, acme: Organization, task_type: str, fault: str
    ) -> None:
        form = {"name": "new", "organization": acme.pk, "task_type": task_type, "description": ""}
        assert fault in root.post(add_url(RegisteredModel), form).content.decode()

    def test_editing_a_model_keeps_its_task_type_and_promoted_version(
        self, root: Client, model: RegisteredModel
    ) -> None:
        promoted, other = model.versions.get(), completed_version(model, number=1)
        form = {"name": "churn", "organization": model.organization_id, "description": "edited", **NO_VERSIONS}
        forged = {"task_type": "ranking", "promoted_version": other.pk, "state": "archived"}
        assert root.post(page_url(model), {**form, **forged}).status_code == 302
        model.refresh_from_db()
        kept = (model.description, model.task_type, model.promoted_version, model.archived_at)
        assert kept == ("edited", "classification", promoted, None)

    def test_a_model_with_an_unknown_task_type_stays_readable(
        self, root: Client, model: RegisteredModel, acme: Organization
    ) -> None:
        RegisteredModel.objects.filter(pk=model.pk).update(task_type="astrology")
        for url in (list_url(RegisteredModel), page_url(model), page_url(model.versions.get()), list_url(Version)):
            assert root.get(url).status_code == 200
        assert "There is no task type 'astrology'; use one of" in listed(root, RegisteredModel)[0]
        assert "There is no task type 'astrology'" in text_of(root.get(page_url(model)).content.decode())


class TestVersions:
    def test_versions_are_listed_with_the_promoted_one_marked(self, root: Client, model: RegisteredModel) -> None:
        Version.objects.create(model=model, number=418)
        training, promoted = listed(root, Version)
        assert training.startswith("ver-001a2 churn Acme training")
        assert promoted.startswith("ver-001a1 churn Acme promoted completed")

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"promoted": "yes"}, 1),
            ({"state__exact": "training"}, 1),
            ({"model__task_type__exact": "classification"}, 2),
            ({"model__task_type__exact": "ranking"}, 0),
            ({"q": "ver-001a1"}, 1),
            ({"q": "churn ver-001a2"}, 1),
            ({"q": "prices ver-001a1"}, 0),
            ({"q": "mdl-7f3a19bc92"}, 2),
        ],
    )
    def test_versions_are_filtered_and_found_by_id(
        self, root: Client, model: RegisteredModel, query: dict[str, str], found: int
    ) -> None:
        Version.objects.create(model=model, number=418)
        assert len(listed(root, Version, **query)) == found

    def test_versions_are_read_only(self, root: Client, model: RegisteredModel) -> None:
        version = model.versions.get()
        assert root.get(add_url(Version)).status_code == 403
        assert root.post(page_url(version), {"state": "failed", "number": 9}).status_code == 403
        assert root.post(f"{page_url(version).removesuffix('change/')}delete/", {"post": "yes"}).status_code == 403
        assert 'name="_save"' not in root.get(page_url(version)).content.decode()


class TestPromotions:
    def test_promotions_are_read_only(self, root: Client, model: RegisteredModel, admin: User) -> None:
        promote(version=completed_version(model, number=418), promoted_by=admin, reason="better")
        newest, _ = listed(root, Promotion)
        assert newest.startswith("ver-001a2 churn Acme ver-001a1 ada")
        assert newest.endswith("better")
        assert root.get(add_url(Promotion)).status_code == 403
        promotion = Promotion.objects.first()
        assert promotion is not None
        assert root.get(page_url(promotion)).status_code == 200
        assert root.post(page_url(promotion), {"reason": "x"}).status_code == 403

    def test_promotions_are_found_by_version(self, root: Client, model: RegisteredModel) -> None:
        assert len(listed(root, Promotion, q="ver-001a1")) == 1
        assert listed(root, Promotion, q="ver-00001") == []


class TestOrganizations:
    def test_an_organizations_page_adds_members(self, root: Client, acme: Organization, viewer: User) -> None:
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
        self, root: Client, acme: Organization
    ) -> None:
        for number in range(60):
            Membership.objects.create(organization=acme, user=new_user(f"member{number}"), role="viewer")
        with CaptureQueriesContext(connection) as many:
            root.get(page_url(acme))
        acme.memberships.filter(user__username__gte="member4").delete()
        with CaptureQueriesContext(connection) as fewer:
            root.get(page_url(acme))
        assert len(fewer) == len(many)


class TestGrants:
    def test_grants_are_listed_and_created(self, root: Client, model: RegisteredModel, grantee: User) -> None:
        [row] = listed(root, ModelGrant)
        assert row.endswith("gil model:read churn Acme")
        form = {"user": grantee.pk, "model": model.pk, "scope": "model:write"}
        assert root.post(add_url(ModelGrant), form).status_code == 302
        assert grantee.grants.count() == 2


class TestSaving:
    def test_saving_keeps_the_changes_of_others_since_the_page_was_loaded(
        self, root: Client, model: RegisteredModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        second = completed_version(model, number=418)
        saved = RegisteredModel.save

        def promoted_first(self: RegisteredModel, *args: Any, **kwargs: Any) -> None:
            monkeypatch.setattr(RegisteredModel, "save", saved)
            promote(version=second, promoted_by=None, reason="meanwhile")
            saved(self, *args, **kwargs)

        monkeypatch.setattr(RegisteredModel, "save", promoted_first)
        form = {"name": model.name, "organization": model.organization_id, "description": "better", **NO_VERSIONS}
        assert root.post(page_url(model), form).status_code == 302

        model.refresh_from_db()
        assert (model.description, model.promoted_version) == ("better", second)

    def test_an_archived_model_is_read_only(self, root: Client, model: RegisteredModel) -> None:
        RegisteredModel.objects.update(archived_at=timezone.now())
        assert 'name="_save"' not in root.get(page_url(model)).content.decode()
        form = {
            "name": "new",
            "organization": model.organization_id,
            "archived_at_0": "",
            "archived_at_1": "",
            **NO_VERSIONS,
        }
        assert root.post(page_url(model), form).status_code == 403

        model.refresh_from_db()
        assert model.name == "churn"
        assert model.archived_at is not None


class TestLogins:
    def revoke(self, client: Client, family: TokenFamily) -> Any:
        form = {"action": "revoke", "_selected_action": [str(family.pk)]}
        return client.post(list_url(TokenFamily), form, follow=True)

    def login(self, user: User) -> TokenFamily:
        open_token_family(user=user, scope=ALL_SCOPES)
        return user.token_families.get()

    def test_logins_are_revoked_by_an_action(self, root: Client, viewer: User) -> None:
        family = self.login(viewer)
        assert "Logins revoked: 1." in text_of(self.revoke(root, family).content.decode())
        family.refresh_from_db()
        assert family.revoked_at is not None
        assert len(listed(root, TokenFamily, revoked="yes")) == 1
        assert listed(root, TokenFamily, revoked="no") == []

    def test_logins_cannot_be_revoked_with_the_view_permission_alone(self, viewer: User, staff: User) -> None:
        staff.user_permissions.add(Permission.objects.get(codename="view_tokenfamily"))
        family = self.login(viewer)
        self.revoke(logged_in(staff), family)
        family.refresh_from_db()
        assert family.revoked_at is None

    def test_logins_do_not_show_the_id_of_their_token(self, root: Client, viewer: User) -> None:
        family = self.login(viewer)
        assert family.current_jti not in root.get(page_url(family)).content.decode()


class TestUsers:
    def test_a_user_is_created_with_a_password_that_works(self, root: Client) -> None:
        form = {"username": "nina", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
        assert root.post(add_url(User), form).status_code == 302
        assert User.objects.get(username="nina").check_password(PASSWORD)

    def test_a_user_has_a_page_and_a_password_form(self, root: Client, viewer: User) -> None:
        assert root.get(page_url(viewer)).status_code == 200
        form = {"usable_password": "true", "password1": "another good one", "password2": "another good one"}
        url = page_url(viewer).removesuffix("change/") + "password/"
        assert root.get(url).status_code == 200
        assert root.post(url, form).status_code == 302
        viewer.refresh_from_db()
        assert viewer.check_password("another good one")


class TestStaff:
    def test_staff_see_only_the_pages_that_they_may_view(self, staff: User, model: RegisteredModel) -> None:
        client = logged_in(staff)
        assert len(listed(client, RegisteredModel)) == 1
        page = client.get(page_url(model))
        assert page.status_code == 200
        assert 'name="_save"' not in page.content.decode()
        assert client.post(page_url(model), {"name": "mine"}).status_code == 403
        assert client.get(list_url(User)).status_code == 403

    def test_the_sidebar_shows_staff_only_the_pages_that_they_may_view(self, staff: User) -> None:
        body = logged_in(staff).get("/admin/").content.decode()
        assert list_url(Version) in body
        assert list_url(Organization) not in body
        assert list_url(User) not in body

    def test_the_first_page_names_the_pages_as_the_sidebar_does(self, superuser: User) -> None:
        body = logged_in(superuser).get("/admin/").content.decode()
        index = body.split('aria-label="All pages"', 1)[1].split("</nav>", 1)[0]
        theme: Any = settings.UNFOLD
        groups = theme["SIDEBAR"]["navigation"]
        assert re.findall(r"<h2[^>]*>(.*?)</h2>", index) == [group["title"] for group in groups]
        assert re.findall(r"</span>([^<]+)</a>", index) == [
            page["title"] for group in groups for page in group["items"]
        ]

    def test_people_may_log_in_and_service_accounts_may_not(self, viewer: User) -> None:
        assert logged_in(viewer).get(list_url(RegisteredModel)).status_code == 200
        User.objects.filter(pk=viewer.pk).update(is_service_account=True)
        response = logged_in(viewer).get(list_url(RegisteredModel))
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")


class TestLoginPage:
    def attempt(self, password: str) -> Any:
        return Client().post("/admin/login/", {"username": "root", "password": password})

    def test_a_superuser_logs_in_and_sees_the_first_page(self, superuser: User) -> None:
        response = self.attempt(PASSWORD)
        assert (response.status_code, response["Location"]) == (302, "/admin/")

    def test_ten_failures_lock_out_even_the_right_password(self, superuser: User, root: Client) -> None:
        assert [self.attempt("wrong").status_code for _ in range(10)] == [200] * 9 + [429]
        assert self.attempt(PASSWORD).status_code == 429
        page = text_of(root.get("/admin/axes/accessattempt/").content.decode())
        assert "Locked Out" in page


def test_a_source_with_an_unlisted_scheme_is_no_link(root: Client, model: RegisteredModel) -> None:
    version = model.versions.get()
    Version.objects.filter(pk=version.pk).update(source_uri="javascript:alert(1)")

    page = root.get(f"/admin/models_registry/version/{version.pk}/change/").content.decode()

    assert "javascript:alert(1)" in page
    assert 'href="javascript:' not in page
