"""`/api/v1/organizations` and its members."""

from typing import Any

import pytest

from models_registry.accounts.models import Membership, Organization, User
from models_registry.registry.models import RegisteredModel
from tests.api import Caller, faults, masked, refusal
from tests.conftest import golden
from tests.factories import new_user

pytestmark = pytest.mark.django_db
MEMBERS = "/organizations/acme/members"


class TestOrganizations:
    def test_a_superuser_creates_an_organization(self, superuser: User) -> None:
        answer = Caller(superuser).post("/organizations", {"slug": "initech", "name": "Initech"})

        assert answer.status_code == 201
        assert answer["Location"] == "/api/v1/organizations/initech"
        assert masked(answer.json()) == golden("organization")
        assert Caller(superuser).get(answer["Location"]).json() == answer.json()

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({"name": "Initech"}, "slug", "required"),
            ({"slug": "", "name": "Initech"}, "slug", "blank"),
            ({"slug": None, "name": "Initech"}, "slug", "null"),
            ({"slug": 7, "name": "Initech"}, "slug", "invalid"),
            ({"slug": "a b", "name": "Initech"}, "slug", "invalid"),
            ({"slug": "ümlaut", "name": "Initech"}, "slug", "invalid"),
            ({"slug": "../etc", "name": "Initech"}, "slug", "invalid"),
            ({"slug": "a" * 64, "name": "Initech"}, "slug", "max_length"),
            ({"slug": "initech"}, "name", "required"),
            ({"slug": "initech", "name": " "}, "name", "blank"),
            ({"slug": "initech", "name": "x" * 201}, "name", "max_length"),
            ({"slug": "initech", "name": "two\nlines"}, "name", "invalid"),
            ({"slug": "initech", "name": "Initech", "id": 1}, "id", "unknown_field"),
            ({"slug": "initech", "name": "Initech", "created_at": "x"}, "created_at", "unknown_field"),
        ],
    )
    def test_an_invalid_organization_is_refused_by_field_and_not_stored(
        self, superuser: User, body: dict[str, Any], field: str, code: str
    ) -> None:
        assert faults(Caller(superuser).post("/organizations", body)) == [(field, code)]
        assert not Organization.objects.exists()

    def test_a_repeated_slug_is_a_conflict(self, superuser: User, acme: Organization) -> None:
        answer = Caller(superuser).post("/organizations", {"slug": "acme", "name": "Another"})

        assert refusal(answer) == (409, "conflict")
        assert [each.name for each in Organization.objects.all()] == ["Acme"]

    def test_an_admin_of_an_organization_cannot_create_another(self, admin: User) -> None:
        answer = Caller(admin).post("/organizations", {"slug": "initech", "name": "Initech"})

        assert refusal(answer) == (403, "permission_denied")
        assert "organization:admin" in answer.json()["detail"]

    def test_only_the_name_of_an_organization_can_change(self, admin: User) -> None:
        caller = Caller(admin)

        assert caller.patch("/organizations/acme", {"name": "Acme Corporation"}).json()["name"] == "Acme Corporation"
        assert faults(caller.patch("/organizations/acme", {"slug": "x"})) == [("slug", "unknown_field")]
        assert caller.get("/organizations/acme").json()["name"] == "Acme Corporation"

    def test_an_empty_change_changes_nothing(self, admin: User) -> None:
        assert Caller(admin).patch("/organizations/acme", {}).json()["name"] == "Acme"

    @pytest.mark.parametrize("slug", ["nope", "ACME", "acme%00", "%2e%2e", "a" * 300, "a%0a"])
    def test_an_unknown_organization_is_not_found(self, admin: User, slug: str) -> None:
        assert refusal(Caller(admin).get(f"/organizations/{slug}")) in [(404, "not_found"), (400, "invalid_parameter")]

    def test_an_admin_lists_only_their_own_organizations(self, admin: User, outsider: User, superuser: User) -> None:
        def listed(user: User) -> list[str]:
            return [each["slug"] for each in Caller(user).get("/organizations").json()["results"]]

        assert (listed(admin), listed(outsider), listed(superuser)) == (["acme"], ["globex"], ["acme", "globex"])

    def test_members_who_are_not_admins_list_no_organizations(self, viewer: User, editor: User) -> None:
        for user in (viewer, editor):
            assert Caller(user).get("/organizations").json()["results"] == []
            assert refusal(Caller(user).get("/organizations/acme")) == (403, "permission_denied")


class TestMembers:
    def test_an_admin_adds_a_member_who_gets_the_rights_of_the_role(self, admin: User, model: RegisteredModel) -> None:
        nora = new_user("nora")
        assert refusal(Caller(nora).get(f"/models/{model.pk}")) == (403, "permission_denied")

        answer = Caller(admin).post(MEMBERS, {"username": "nora", "role": "viewer"})

        assert answer.status_code == 201
        assert answer["Location"] == "/api/v1/organizations/acme/members/nora"
        assert answer.json() == golden("member")
        assert Caller(admin).get(answer["Location"]).json() == answer.json()
        assert Caller(nora).get(f"/models/{model.pk}").status_code == 200

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({"role": "viewer"}, "username", "required"),
            ({"username": "nora"}, "role", "required"),
            ({"username": "nora", "role": "owner"}, "role", "invalid_choice"),
            ({"username": "nora", "role": ["viewer"]}, "role", "invalid_choice"),
            ({"username": "nobody", "role": "viewer"}, "username", "does_not_exist"),
            ({"username": "gone", "role": "viewer"}, "username", "does_not_exist"),
            ({"username": "x" * 151, "role": "viewer"}, "username", "max_length"),
            ({"username": "nora", "role": "viewer", "organization": "globex"}, "organization", "unknown_field"),
        ],
    )
    def test_an_invalid_member_is_refused_by_field_and_not_stored(
        self, admin: User, body: dict[str, Any], field: str, code: str
    ) -> None:
        new_user("nora")
        new_user("gone", is_active=False)

        assert faults(Caller(admin).post(MEMBERS, body)) == [(field, code)]
        assert Membership.objects.count() == 1

    def test_adding_a_member_again_is_a_conflict(self, admin: User, viewer: User) -> None:
        answer = Caller(admin).post(MEMBERS, {"username": "vera", "role": "admin"})

        assert refusal(answer) == (409, "conflict")
        assert Membership.objects.get(user=viewer).role == "viewer"

    def test_members_are_listed_by_name(self, admin: User, viewer: User, editor: User, outsider: User) -> None:
        results = Caller(admin).get(MEMBERS).json()["results"]

        assert [(each["username"], each["role"]) for each in results] == [
            ("ada", "admin"),
            ("ed", "editor"),
            ("vera", "viewer"),
        ]

    def test_a_changed_role_takes_effect_at_once(self, admin: User, viewer: User, model: RegisteredModel) -> None:
        vera = Caller(viewer)
        assert refusal(vera.post(f"/models/{model.pk}/versions")) == (403, "permission_denied")

        changed = Caller(admin).patch(f"{MEMBERS}/vera", {"role": "editor"})

        assert changed.json() == {"username": "vera", "role": "editor"}
        assert vera.post(f"/models/{model.pk}/versions").status_code == 201

    def test_a_removed_member_loses_all_rights_at_once(self, admin: User, viewer: User, model: RegisteredModel) -> None:
        vera = Caller(viewer)
        assert vera.get(f"/models/{model.pk}").status_code == 200

        assert Caller(admin).delete(f"{MEMBERS}/vera").status_code == 204

        assert refusal(vera.get(f"/models/{model.pk}")) == (403, "permission_denied")
        assert refusal(Caller(admin).get(f"{MEMBERS}/vera")) == (404, "not_found")
        assert refusal(Caller(admin).delete(f"{MEMBERS}/vera")) == (404, "not_found")

    def test_the_last_admin_cannot_leave(self, admin: User, editor: User) -> None:
        ada = Caller(admin)
        assert refusal(ada.delete(f"{MEMBERS}/ada")) == (409, "conflict")
        assert refusal(ada.patch(f"{MEMBERS}/ada", {"role": "viewer"})) == (409, "conflict")
        assert ada.patch(f"{MEMBERS}/ada", {"role": "admin"}).status_code == 200

        ada.patch(f"{MEMBERS}/ed", {"role": "admin"})
        assert ada.delete(f"{MEMBERS}/ada").status_code == 204

    def test_the_last_active_admin_cannot_leave(self, admin: User, editor: User) -> None:
        Caller(admin).patch(f"{MEMBERS}/ed", {"role": "admin"})
        User.objects.filter(username="ed").update(is_active=False)

        assert refusal(Caller(admin).delete(f"{MEMBERS}/ada")) == (409, "conflict")

    def test_head_of_a_member_has_the_same_headers_as_get(self, admin: User) -> None:
        answer = Caller(admin).client.head(f"/api/v1{MEMBERS}/ada")

        assert (answer.status_code, answer.content) == (200, b"")

    def test_members_of_another_organization_are_not_found(self, admin: User, outsider: User) -> None:
        ada = Caller(admin)

        assert refusal(ada.get("/organizations/globex/members")) == (403, "permission_denied")
        assert refusal(ada.get("/organizations/globex/members/otto")) == (403, "permission_denied")
        assert refusal(ada.delete("/organizations/globex/members/otto")) == (403, "permission_denied")
        assert refusal(ada.get(f"{MEMBERS}/otto")) == (404, "not_found")

    def test_the_location_of_a_member_with_an_unusual_name_works(self, admin: User) -> None:
        new_user("zoë@x+y")

        answer = Caller(admin).post(MEMBERS, {"username": "zoë@x+y", "role": "viewer"})

        assert Caller(admin).get(answer["Location"]).json()["username"] == "zoë@x+y"
