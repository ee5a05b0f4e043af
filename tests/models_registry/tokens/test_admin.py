"""Setting up pipelines in the admin: service accounts, trusted issuers and trust rules."""

import re
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client

from models_registry.accounts.models import ModelGrant, Organization, ServiceAccount, User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from models_registry.tokens.models import NamedToken, PersonalToken, TrustedIssuer, TrustRule
from tests.admin_pages import add_url, list_url, logged_in, page_url, rows, text_of
from tests.factories import new_user

ISSUER = {
    "issuer": "https://token.actions.githubusercontent.com",
    "jwks_url": "https://token.actions.githubusercontent.com/.well-known/jwks",
    "audience": "https://registry.example.com",
    "is_active": "on",
}
TOKEN = {"name": "nightly", "scopes": ["model:read"], "lifetime_days": 90}


@pytest.fixture
def account(db: None) -> ServiceAccount:
    return ServiceAccount.objects.create(username="churn-pipeline", is_service_account=True)


@pytest.fixture
def issuer(db: None) -> TrustedIssuer:
    return TrustedIssuer.objects.create(**{**ISSUER, "is_active": True})


@pytest.fixture
def rule(issuer: TrustedIssuer, account: ServiceAccount) -> dict[str, Any]:
    """Valid input for the form of a rule."""
    return {
        "issuer": issuer.pk,
        "name": "branches of churn",
        "service_account": account.pk,
        "claims": '{"repository": "acme/churn", "ref": "refs/heads/*"}',
        "scopes": ["model:read", "model:write"],
        "is_active": "on",
    }


def refused(answer: Any) -> str:
    assert answer.status_code == 200, "the form was taken"
    return text_of(answer.content.decode())


def shown_token(answer: Any) -> str:
    """Return the token that a page shows, once."""
    [token] = re.findall(r"not shown again: ([\w.-]+)", text_of(answer.content.decode()))
    return str(token)


def trail(record: Model) -> list[tuple[str, str]]:
    entries = AuditEntry.objects.get_for_object(record).order_by("pk")
    return [(entry.actor_name, entry.get_action_display()) for entry in entries]


class TestServiceAccounts:
    def test_a_service_account_is_created_by_name_without_a_password(self, root: Client) -> None:
        assert root.post(add_url(ServiceAccount), {"username": "churn-pipeline"}).status_code == 302

        account = ServiceAccount.objects.get()
        assert (account.username, account.is_service_account, account.is_active) == ("churn-pipeline", True, True)
        assert not account.has_usable_password()
        assert trail(account) == [("root", "create")]

    def test_a_service_account_can_be_deactivated(self, root: Client, account: ServiceAccount) -> None:
        assert root.post(page_url(account), {"username": account.username}).status_code == 302

        account.refresh_from_db()
        assert not account.is_active
        assert trail(account)[-1] == ("root", "update")

    def test_a_repeated_service_account_name_is_refused(self, root: Client, viewer: User) -> None:
        assert "already exists" in refused(root.post(add_url(ServiceAccount), {"username": "vera"}))

    def test_an_organizations_admin_names_an_account_after_the_organization(
        self, admin: User, acme: Organization, outsider: User
    ) -> None:
        ada, globex = logged_in(admin), Organization.objects.get(slug="globex")
        for form, error in (
            ({"username": "acme.ci"}, "This field is required."),
            (
                {"username": "ci", "owner": acme.pk},
                "Must begin with the organization's slug and a dot, such as acme.ci.",
            ),
            ({"username": "globex.ci", "owner": globex.pk}, "Select a valid choice."),
        ):
            assert error in refused(ada.post(add_url(ServiceAccount), form))
        assert ada.post(add_url(ServiceAccount), {"username": "acme.ci", "owner": acme.pk}).status_code == 302

        account = ServiceAccount.objects.get()
        assert (account.username, account.owner, account.has_usable_password()) == ("acme.ci", acme, False)

    def test_only_service_accounts_are_listed(self, root: Client, viewer: User, account: ServiceAccount) -> None:
        [row] = rows(root.get(list_url(ServiceAccount)))
        assert row.startswith("churn-pipeline")

    def test_deactivation_revokes_the_tokens_and_the_owner_of_an_account_stays(
        self, root: Client, acme: Organization, outsider: User
    ) -> None:
        root.post(add_url(ServiceAccount), {"username": "acme.ci", "owner": acme.pk})
        account = ServiceAccount.objects.get()
        assert account.owner == acme
        root.post(add_url(NamedToken), {"user": account.pk, **TOKEN})
        other = Organization.objects.get(slug="globex")

        assert root.post(page_url(account), {"username": "acme.ci", "owner": other.pk}).status_code == 302

        account.refresh_from_db()
        assert (account.owner, account.is_active) == (acme, False)
        person = {"username": "acme.ci", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
        assert "stays a service account" in refused(root.post(page_url(User.objects.get(pk=account.pk)), person))
        assert NamedToken.objects.get().revoked_at is not None


class TestTokens:
    def test_a_token_of_a_service_account_is_shown_once_works_and_is_revoked(
        self, root: Client, account: ServiceAccount, model: RegisteredModel
    ) -> None:
        ModelGrant.objects.create(model=model, user=account, scope="model:read")

        encoded = shown_token(root.post(add_url(NamedToken), {"user": account.pk, **TOKEN}, follow=True))

        pipeline = Client(headers={"Authorization": f"Bearer {encoded}"})
        assert pipeline.get(f"/api/v1/models/{model.pk}").status_code == 200
        token = NamedToken.objects.get()
        for page in (list_url(NamedToken), page_url(token)):
            text = root.get(page).content.decode()
            assert "nightly" in text
            assert encoded not in text
        root.post(list_url(NamedToken), {"action": "revoke", "_selected_action": [str(token.pk)]})
        assert pipeline.get(f"/api/v1/models/{model.pk}").status_code == 401
        assert trail(token) == [("root", "create"), ("root", "update")]

    def test_a_person_manages_their_own_tokens_and_sees_no_others(
        self, root: Client, superuser: User, model: RegisteredModel
    ) -> None:
        stan = new_user("stan", is_staff=True)
        shown_token(root.post(add_url(PersonalToken), TOKEN, follow=True))
        page = logged_in(stan)

        encoded = shown_token(
            page.post(add_url(PersonalToken), {**TOKEN, "name": "laptop", "user": superuser.pk}, follow=True)
        )

        own, foreign = PersonalToken.objects.get(user=stan), PersonalToken.objects.get(user=superuser)
        [row] = rows(page.get(list_url(PersonalToken)))
        assert "laptop" in row
        assert page.get(page_url(foreign)).status_code == 302
        page.post(list_url(PersonalToken), {"action": "revoke", "_selected_action": [str(foreign.pk), str(own.pk)]})
        own.refresh_from_db()
        foreign.refresh_from_db()
        assert (own.revoked_at is None, foreign.revoked_at is None) == (False, True)
        assert Client(headers={"Authorization": f"Bearer {encoded}"}).get("/api/v1/models").status_code == 401
        assert page.get(list_url(NamedToken)).status_code == page.get(add_url(NamedToken)).status_code == 403

    def test_a_token_for_a_person_or_without_scopes_is_refused(
        self, root: Client, account: ServiceAccount, viewer: User
    ) -> None:
        changes: list[dict[str, Any]] = [{"user": viewer.pk}, {"user": ""}, {"scopes": []}, {"lifetime_days": 366}]
        for change in [*changes, {"name": "two\nlines"}]:
            refused(root.post(add_url(NamedToken), {"user": account.pk, **TOKEN, **change}))
        ServiceAccount.objects.update(is_active=False)
        refused(root.post(add_url(NamedToken), {"user": account.pk, **TOKEN}))
        assert not NamedToken.objects.exists()


class TestIssuers:
    def test_an_issuer_is_created(self, root: Client) -> None:
        assert root.post(add_url(TrustedIssuer), ISSUER).status_code == 302

        assert TrustedIssuer.objects.get().audience == "https://registry.example.com"
        assert trail(TrustedIssuer.objects.get()) == [("root", "create")]
        [row] = rows(root.get(list_url(TrustedIssuer)))
        assert row.startswith("https://token.actions.githubusercontent.com https://registry.example.com")

    @pytest.mark.parametrize("name", ["issuer", "jwks_url"])
    @pytest.mark.parametrize(
        "url",
        [
            "http://token.actions.githubusercontent.com",
            "https://evil.example/keys",
            "https://token.actions.githubusercontent.com@evil.example/",
            "https://169.254.169.254/latest/meta-data",
            "https://localhost/keys",
            "file:///etc/passwd",
            "token.actions.githubusercontent.com",
            "",
        ],
    )
    def test_a_url_of_a_host_that_is_not_allowed_is_refused(self, root: Client, name: str, url: str) -> None:
        refused(root.post(add_url(TrustedIssuer), {**ISSUER, name: url}))
        assert not TrustedIssuer.objects.exists()

    def test_an_issuer_needs_an_audience(self, root: Client) -> None:
        assert "This field is required" in refused(root.post(add_url(TrustedIssuer), {**ISSUER, "audience": ""}))


class TestRules:
    def test_a_trust_rule_is_created(self, root: Client, rule: dict[str, Any]) -> None:
        answer = root.post(add_url(TrustRule), rule)
        assert answer.status_code == 302, text_of(answer.content.decode())

        stored = TrustRule.objects.get()
        assert stored.claims == {"repository": "acme/churn", "ref": "refs/heads/*"}
        assert stored.scopes == ["model:read", "model:write"]
        assert trail(stored) == [("root", "create")]
        [row] = rows(root.get(list_url(TrustRule)))
        assert "model:read model:write" in row
        assert root.get(page_url(stored)).status_code == 200

    @pytest.mark.parametrize(
        "change",
        [
            {"claims": "{}"},
            {"claims": '{"ref": "*"}'},
            {"claims": '{"ref": "refs/heads/*"}'},
            {"claims": '{"ref": 1}'},
            {"claims": '["ref"]'},
            {"claims": "repository=acme"},
            {"claims": '{"ref": "a", "ref": "b"}'},
            {"claims": '{"ref": "a\\u0000"}'},
            {"claims": ""},
            {"scopes": []},
            {"scopes": ["model:everything"]},
            {"name": ""},
            {"name": "\u3164"},
            {"name": "acme\u202emoc"},
            {"issuer": ""},
            {"service_account": ""},
        ],
        ids=str,
    )
    def test_a_rule_that_is_too_broad_or_empty_is_refused(
        self, root: Client, rule: dict[str, Any], change: dict[str, Any]
    ) -> None:
        refused(root.post(add_url(TrustRule), {**rule, **change}))
        assert not TrustRule.objects.exists()

    def test_a_rule_only_accepts_service_accounts(self, root: Client, rule: dict[str, Any], viewer: User) -> None:
        refused(root.post(add_url(TrustRule), {**rule, "service_account": viewer.pk}))
        assert not TrustRule.objects.exists()

    def test_the_account_of_a_rule_cannot_become_a_person(self, root: Client, account: ServiceAccount) -> None:
        staff = {"username": account.username, "is_staff": "on", "is_service_account": "on", "is_active": "on"}
        user = User.objects.get(pk=account.pk)
        moment = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
        refused(root.post(page_url(user), {**staff, **moment}))
        account.refresh_from_db()
        assert not account.is_staff
