"""Every write by a page of the admin leaves a row in the audit trail, as do logins, logouts and lifted lockouts."""

from collections.abc import Callable
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse

from models_registry.accounts.models import Membership, ModelGrant, Organization, ServiceAccount, User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from models_registry.tokens.models import TokenFamily, TrustedIssuer, TrustRule
from performance.badges.models import Badge
from performance.gates.models import GatePolicy
from performance.webhooks.models import Webhook, WebhookDelivery
from tests.admin.conftest import Records
from tests.admin_pages import add_url, list_url, logged_in, page_url
from tests.factories import PASSWORD

Form = dict[str, Any]

NO_MEMBERS = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
NO_VERSIONS = {"versions-TOTAL_FORMS": 0, "versions-INITIAL_FORMS": 0}
FORMS: dict[type[Model], Callable[[Records], Form]] = {
    Organization: lambda stored: {"name": "Initech", "slug": "initech", **NO_MEMBERS},
    RegisteredModel: lambda stored: {
        "name": "new",
        "organization": stored[Organization].pk,
        "task_type": "regression",
        "description": "",
        **NO_VERSIONS,
    },
    ModelGrant: lambda stored: {"user": stored[User].pk, "model": stored[RegisteredModel].pk, "scope": "model:write"},
    User: lambda stored: {
        "username": "nina",
        "usable_password": "true",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "is_active": "on",
    },
    ServiceAccount: lambda stored: {"username": "second", "is_active": "on"},
    Group: lambda stored: {"name": "writers"},
    TrustedIssuer: lambda stored: {
        "issuer": "https://gitlab.com",
        "jwks_url": "https://gitlab.com/oauth/discovery/keys",
        "audience": "registry",
    },
    TrustRule: lambda stored: {
        "issuer": stored[TrustedIssuer].pk,
        "name": "branches",
        "service_account": stored[ServiceAccount].pk,
        "claims": '{"ref": "x"}',
        "scopes": ["model:read"],
    },
    GatePolicy: lambda stored: {
        "organization": stored[Organization].pk,
        "document": '{"rules": [{"metric": "sample_count", "operator": ">=", "threshold": 1}]}',
    },
    Badge: lambda stored: {"model": stored[RegisteredModel].pk, "metric": "accuracy", "lifetime_days": 90},
    Webhook: lambda stored: {
        "organization": stored[Organization].pk,
        "url": "https://example.com/other",
        "events": ["gate.failed"],
    },
}
UNUSED: dict[type[Model], Callable[[Any], Model]] = {  # where the stored record is in use, and stays
    Organization: lambda stored: Organization.objects.create(slug="empty", name="Empty"),
    RegisteredModel: lambda stored: RegisteredModel.objects.create(
        organization=stored[Organization], name="empty", task_type="ranking"
    ),
}
ACTIONS = {"revoke": (TokenFamily, Badge)}


def pages(permission: str) -> list[type[Model]]:
    """Return the kinds of records that a superuser may write in one way on a page."""
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_active=True, is_staff=True)
    writable = [
        model for model, page in admin.site._registry.items() if getattr(page, f"has_{permission}_permission")(request)
    ]
    return sorted(writable, key=lambda model: model._meta.label_lower)


def rows_of(model: type[Model], action: int) -> int:
    found: int = AuditEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(model),
        action=action,
        actor_name="root",
        remote_addr="127.0.0.1",
    ).count()
    return found


def named(model: type[Model]) -> str:
    return model._meta.label_lower


@pytest.mark.parametrize("kind", pages("add"), ids=named)
def test_adding_a_record_leaves_an_audit_entry(root: Client, records: Records, kind: type[Model]) -> None:
    assert root.post(add_url(kind), FORMS[kind](records)).status_code == 302

    assert rows_of(kind, AuditEntry.Action.CREATE) == 1


@pytest.mark.parametrize("kind", pages("change"), ids=named)
def test_changing_a_record_leaves_an_audit_entry(root: Client, records: Records, kind: type[Model]) -> None:
    assert root.post(page_url(records[kind]), FORMS[kind](records)).status_code == 302

    assert rows_of(kind, AuditEntry.Action.UPDATE) >= 1


@pytest.mark.parametrize("route", ["page", "action"])
@pytest.mark.parametrize("kind", pages("delete"), ids=named)
def test_deleting_a_record_leaves_an_audit_entry(root: Client, records: Records, kind: type[Model], route: str) -> None:
    WebhookDelivery.objects.all().delete()
    TokenFamily.objects.all().delete()
    record = UNUSED[kind](records) if kind in UNUSED else records[kind]
    if route == "page":
        address = reverse(f"admin:{kind._meta.app_label}_{kind._meta.model_name}_delete", args=[record.pk])
        answer = root.post(address, {"post": "yes"})
    else:
        form = {"action": "delete_selected", "_selected_action": [record.pk], "post": "yes"}
        answer = root.post(list_url(kind), form)

    assert answer.status_code == 302
    assert not kind._default_manager.filter(pk=record.pk).exists()
    assert rows_of(kind, AuditEntry.Action.DELETE) == 1


@pytest.mark.parametrize(("action", "kind"), [(name, kind) for name, kinds in ACTIONS.items() for kind in kinds])
def test_an_action_leaves_an_audit_entry(root: Client, records: Records, action: str, kind: type[Model]) -> None:
    root.post(list_url(kind), {"action": action, "_selected_action": [str(records[kind].pk)]})

    assert rows_of(kind, AuditEntry.Action.UPDATE) == 1


def test_no_other_actions_are_offered(superuser: User) -> None:
    request = RequestFactory().get("/")
    request.user = superuser
    offered = {(name, model) for model, page in admin.site._registry.items() for name in page.get_actions(request)}

    known = {(name, kind) for name, kinds in ACTIONS.items() for kind in kinds}
    assert offered - known == {("delete_selected", model) for model in pages("delete")}


def test_a_new_member_leaves_an_audit_entry(root: Client, records: Records) -> None:
    acme, otto = records[Organization], User.objects.create(username="otto")
    form = {
        "name": "Acme",
        "slug": "acme",
        "memberships-TOTAL_FORMS": 1,
        "memberships-INITIAL_FORMS": 0,
        "memberships-0-organization": acme.pk,
        "memberships-0-user": otto.pk,
        "memberships-0-role": "editor",
    }
    assert root.post(page_url(acme), form).status_code == 302

    assert rows_of(Membership, AuditEntry.Action.CREATE) == 1


def test_a_new_password_leaves_an_audit_entry(root: Client, viewer: User) -> None:
    form = {"usable_password": "true", "password1": "another good one", "password2": "another good one"}
    root.post(reverse("admin:auth_user_password_change", args=[viewer.pk]), form)

    assert rows_of(User, AuditEntry.Action.UPDATE) == 1


@pytest.mark.parametrize("field", ["groups", "user_permissions"])
def test_handing_out_rights_leaves_an_audit_entry(root: Client, records: Records, field: str) -> None:
    kinds: dict[str, type[Model]] = {"groups": Group, "user_permissions": Permission}
    chosen = kinds[field]._default_manager.first()
    assert chosen is not None
    root.post(page_url(records[User]), {"username": "vera", "is_active": "on", field: [chosen.pk]})

    assert rows_of(User, AuditEntry.Action.UPDATE) == 1


class TestLogins:
    def entries(self) -> list[tuple[str, str, str | None, str]]:
        entries = AuditEntry.objects.filter(action__in=(AuditEntry.LOGGED_IN, AuditEntry.LOGGED_OUT)).order_by("pk")
        return [(each.get_action_display(), each.actor_name, each.remote_addr, each.object_repr) for each in entries]

    def test_logins_and_logouts_leave_an_audit_entry_with_user_and_address(self, superuser: User) -> None:
        client = Client(REMOTE_ADDR="192.0.2.7")
        client.post("/admin/login/", {"username": "root", "password": PASSWORD})
        client.post("/admin/logout/")

        assert self.entries() == [
            ("logged in", "root", "192.0.2.7", "root"),
            ("logged out", "root", "192.0.2.7", "root"),
        ]

    def test_failed_logins_leave_no_login_in_the_audit_trail(self, superuser: User) -> None:
        Client().post("/admin/login/", {"username": "root", "password": "wrong"})
        Client().post("/admin/logout/")

        assert self.entries() == []

    def test_lockouts_are_listed_in_the_admin(self, superuser: User) -> None:
        client = Client()
        client.post("/admin/login/", {"username": "root", "password": PASSWORD})

        assert "logged in" in client.get(list_url(AuditEntry), {"action__exact": "5"}).content.decode()


class TestLockouts:
    LIFTED = {"username": ["vera", None], "ip_address": ["192.0.2.1", None], "failures_since_start": [10, None]}

    @pytest.fixture
    def attempt(self, db: None) -> AccessAttempt:
        return AccessAttempt.objects.create(username="vera", ip_address="192.0.2.1", failures_since_start=10)

    @pytest.mark.parametrize(
        "command",
        [
            ["axes_reset"],
            ["axes_reset_username", "vera"],
            ["axes_reset_ip", "192.0.2.1"],
            ["axes_reset_ip_username", "192.0.2.1", "vera"],
        ],
    )
    def test_lockouts_lifted_by_a_command_leave_an_audit_entry(
        self, attempt: AccessAttempt, command: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command(*command)

        assert "1 attempts removed" in capsys.readouterr().out
        [entry] = AuditEntry.objects.filter(content_type__model="accessattempt")
        assert (entry.get_action_display(), entry.actor_name, entry.changes) == ("delete", "", self.LIFTED)
        assert not AccessAttempt.objects.exists()

    @pytest.mark.parametrize("command", [["axes_reset_username", "otto"], ["axes_reset_ip", "192.0.2.9"]])
    def test_lockouts_of_others_stay(self, attempt: AccessAttempt, command: list[str]) -> None:
        call_command(*command)

        assert AccessAttempt.objects.exists()
        assert not AuditEntry.objects.exists()

    def test_lockouts_lifted_in_the_admin_name_who_lifted_them(self, root: Client, attempt: AccessAttempt) -> None:
        root.post(reverse("admin:axes_accessattempt_delete", args=[attempt.pk]), {"post": "yes"})

        [entry] = AuditEntry.objects.filter(content_type__model="accessattempt")
        assert (entry.actor_name, entry.remote_addr, entry.changes) == ("root", "127.0.0.1", self.LIFTED)

    @pytest.mark.parametrize("path", ["/api/v1/auth/token", "/admin/login/"])
    def test_lockouts_are_not_lifted_by_a_login_after_a_failure(self, superuser: User, path: str) -> None:
        content_type: dict[str, Any] = {"content_type": "application/json"} if path.startswith("/api/") else {}
        for password in ("wrong", PASSWORD):
            Client().post(path, {"username": "root", "password": password}, **content_type)

        assert AuditEntry.objects.filter(actor=superuser).exists()
        assert not AccessAttempt.objects.exists()
        assert not AuditEntry.objects.filter(content_type__model="accessattempt").exists()

    def test_lockouts_are_only_lifted(self, superuser: User, attempt: AccessAttempt) -> None:
        assert logged_in(superuser).post(page_url(attempt), {"failures_since_start": "0"}).status_code == 403
