"""Setting up pipelines in the admin: service accounts, trusted issuers and trust rules."""

from typing import Any

import pytest
from django.db.models import Model
from django.test import Client

from models_registry.accounts.models import ServiceAccount, User
from models_registry.audit.models import AuditEntry
from models_registry.tokens.models import TrustedIssuer, TrustRule
from tests.admin_pages import add_url, list_url, logged_in, page_url, rows, text_of

ISSUER = {
    "issuer": "https://token.actions.githubusercontent.com",
    "jwks_url": "https://token.actions.githubusercontent.com/.well-known/jwks",
    "audience": "https://registry.example.com",
    "is_active": "on",
}


@pytest.fixture
def root(superuser: User) -> Client:
    return logged_in(superuser)


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

    def test_only_service_accounts_are_listed(self, root: Client, viewer: User, account: ServiceAccount) -> None:
        [row] = rows(root.get(list_url(ServiceAccount)))
        assert row.startswith("churn-pipeline")


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
