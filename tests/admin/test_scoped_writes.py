"""Members and holders of grants write in the admin by the rules of the API, and only to what is theirs."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from models_registry.accounts.models import Membership, ModelGrant, Organization, ServiceAccount, User
from models_registry.accounts.scopes import Scope
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel, Version
from models_registry.tokens.models import NamedToken
from models_registry.tokens.services import create_named_token, create_service_account
from performance.badges.models import Badge
from performance.gates.models import GatePolicy
from performance.snapshots.models import MetricSnapshot
from performance.webhooks.models import Webhook
from performance.webhooks.services import MAX_WEBHOOKS
from tests.admin_pages import add_url, list_url, logged_in, page_url, rows, text_of
from tests.conftest import PinnedQueries
from tests.factories import completed_version, new_user, snapshot


@pytest.fixture
def ada(admin: User) -> Client:
    """Log in as the admin of Acme."""
    return logged_in(admin)


@pytest.fixture
def theirs(outsider: User) -> RegisteredModel:
    """A model of Globex."""
    return RegisteredModel.objects.create(
        organization=outsider.organizations.get(), name="theirs", task_type="regression"
    )


def send(client: Client, address: str, **form: object) -> str:
    """Send a form. Return the text of the page if it is shown again, or nothing if the form is stored."""
    answer = client.post(address, form)
    if answer.status_code == 302:
        return ""
    assert answer.status_code == 200, answer.status_code
    return text_of(answer.content.decode())


def member_form(organization: Organization, *added: tuple[str, str], **changes: str) -> dict[str, object]:
    """Return the form of an organization. `changes` has a new role, or nothing to remove a member, by user name."""
    members = list(organization.memberships.select_related("user").order_by("user__username"))
    form: dict[str, object] = {
        "name": organization.name,
        "memberships-TOTAL_FORMS": len(members) + len(added),
        "memberships-INITIAL_FORMS": len(members),
    }
    for number, member in enumerate(members):
        role = changes.get(member.user.username, member.role)
        row = {"id": member.pk, "organization": organization.pk, "role": role or member.role}
        row |= {} if role else {"DELETE": "on"}
        form |= {f"memberships-{number}-{name}": value for name, value in row.items()}
    for number, (username, role) in enumerate(added, len(members)):
        form |= {f"memberships-{number}-user": username, f"memberships-{number}-role": role}
    return form


def roles(organization: Organization) -> dict[str, str]:
    return dict(organization.memberships.values_list("user__username", "role"))


def test_an_organization_admin_manages_members_by_user_name(ada: Client, acme: Organization, viewer: User) -> None:
    new_user("nina")
    new_user("gone", is_active=False)
    page = page_url(acme)

    assert send(ada, page, **member_form(acme, ("nina", "editor"), vera="editor")) == ""
    assert roles(acme) == {"ada": "admin", "nina": "editor", "vera": "editor"}
    added = AuditEntry.objects.get(content_type__model="membership", action=AuditEntry.Action.CREATE)
    assert (added.actor_name, added.remote_addr) == ("ada", "127.0.0.1")
    for name in ("nobody", "gone", str(viewer.pk)):
        assert "There is no active user of that name." in send(ada, page, **member_form(acme, (name, "viewer")))
    refused = send(ada, page, **member_form(acme, ("nina", "viewer")))
    assert re.search("correct the duplicate data|with this Organization and User already exists", refused)  # Django's
    assert send(ada, page, **member_form(acme, vera="")) == ""
    assert roles(acme) == {"ada": "admin", "nina": "editor"}

    for role in ("", "viewer"):
        refused = send(ada, page, **member_form(acme, ("vera", "viewer"), ada=role))
        assert "ada is the only admin of acme. Make another one first." in refused
        assert roles(acme) == {"ada": "admin", "nina": "editor"}
    assert send(ada, page, **member_form(acme, nina="admin", ada="viewer")) == ""
    assert roles(acme) == {"ada": "viewer", "nina": "admin"}
    assert ada.get(page).status_code == 403, "the right is gone at once"


def test_the_name_of_a_service_account_stays(ada: Client, acme: Organization) -> None:
    account = create_service_account(owner=acme, username="acme.ci")

    assert not send(ada, page_url(account), username="globex.deploy", is_active="on")

    assert ServiceAccount.objects.get().username == "acme.ci"


def test_the_slug_and_the_user_of_a_member_stay(ada: Client, acme: Organization, viewer: User, outsider: User) -> None:
    form = member_form(acme) | {"slug": "globex", "name": "New", "memberships-0-user": "otto", "is_staff": "on"}

    assert "Must be one line" in send(ada, page_url(acme), **form | {"name": "two\nlines"})
    assert "change the direction" in send(ada, page_url(acme), **form | {"name": "acme\u202emoc"})
    assert "at least one visible" in send(ada, page_url(acme), **form | {"name": "\u200b"})
    assert send(ada, page_url(acme), **form) == ""

    acme.refresh_from_db()
    assert (acme.slug, acme.name) == ("acme", "New")
    assert roles(acme) == {"ada": "admin", "vera": "viewer"}
    assert not User.objects.filter(is_staff=True).exists()


def test_an_organization_admin_grants_scopes_on_own_models_only(
    ada: Client, model: RegisteredModel, theirs: RegisteredModel, outsider: User
) -> None:
    form = {"user": "otto", "model": model.pk, "scope": "model:read"}

    assert "not one of the available choices" in send(ada, add_url(ModelGrant), **form | {"model": theirs.pk})
    assert "no active user of that name" in send(ada, add_url(ModelGrant), **form | {"user": "nobody"})
    assert send(ada, add_url(ModelGrant), **form) == ""
    assert "already exists" in send(ada, add_url(ModelGrant), **form)
    grant = ModelGrant.objects.get()
    assert (grant.user, grant.model, grant.scope) == (outsider, model, "model:read")

    RegisteredModel.objects.filter(pk=model.pk).update(archived_at="2026-01-01T00:00:00Z")
    assert "is archived" in send(ada, add_url(ModelGrant), **form | {"scope": "model:write"})
    assert send(ada, page_url(grant).replace("change", "delete"), post="yes") == ""
    assert not ModelGrant.objects.exists()
    assert {each.actor_name for each in AuditEntry.objects.filter(content_type__model="modelgrant")} == {"ada"}


def test_an_organization_admin_makes_webhooks_badges_and_policies_of_own_models_only(
    ada: Client, acme: Organization, model: RegisteredModel, theirs: RegisteredModel
) -> None:
    foreign = "not one of the available choices"
    webhook = {"organization": acme.pk, "url": "https://example.com/hook", "events": ["gate.failed"]}
    assert foreign in send(ada, add_url(Webhook), **webhook | {"organization": theirs.organization_id})
    assert foreign in send(ada, add_url(Webhook), **webhook | {"model": theirs.pk})
    assert send(ada, add_url(Webhook), **webhook | {"model": model.pk}) == ""
    stored = Webhook.objects.get()
    assert (stored.organization, stored.model, stored.is_active) == (acme, model, True)
    assert stored.created_by == User.objects.get(username="ada")
    Webhook.objects.bulk_create(
        Webhook(organization=acme, url="https://example.com", events=["gate.failed"]) for _ in range(MAX_WEBHOOKS - 1)
    )
    assert "acme has 20 webhooks, which is the limit." in send(ada, add_url(Webhook), **webhook)
    assert Webhook.objects.count() == MAX_WEBHOOKS

    badge = {"model": model.pk, "metric": "accuracy", "lifetime_days": 90}
    assert foreign in send(ada, add_url(Badge), **badge | {"model": theirs.pk})
    assert "Neither a metric of classification" in send(ada, add_url(Badge), **badge | {"metric": "nice"})
    assert "Give a metric as well" in send(ada, add_url(Badge), **badge | {"metric": "", "dataset_split": "test"})
    assert "less than or equal to 3650" in send(ada, add_url(Badge), **badge | {"lifetime_days": 4000})
    shown = ada.post(add_url(Badge), badge, follow=True).content.decode()
    [address] = [word for word in text_of(shown).split() if "badge.svg?signature=" in word]
    assert Client().get(address).status_code == 200
    assert Badge.objects.get().dataset_split == "test"

    policy = {"model": model.pk, "document": '{"rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.5}]}'}
    assert foreign in send(ada, add_url(GatePolicy), **policy | {"model": theirs.pk})
    assert send(ada, add_url(GatePolicy), **policy) == ""
    stored_policy = GatePolicy.objects.get()
    assert stored_policy.created_by == "ada"
    form = reverse("admin:performance_gatepolicy_form")
    queries = ({"model": model.pk}, {"model": theirs.pk}, {"organization": theirs.organization_id})
    assert [ada.get(form, query).status_code for query in queries] == [200, 404, 404]
    assert ada.get(form, {"model": model.pk, "copy": theirs.pk}).status_code == 404
    assert ada.get(page_url(stored_policy).replace("change", "edit")).status_code == 302
    Membership.objects.filter(user__username="ada").update(role="viewer")
    assert ada.get(form, {"model": model.pk}).status_code == 403
    assert ada.get(page_url(stored_policy).replace("change", "edit")).status_code == 403


def test_an_editor_registers_and_edits_models_of_the_own_organization(
    editor: User, acme: Organization, model: RegisteredModel, theirs: RegisteredModel
) -> None:
    ed = logged_in(editor)
    form = {"name": "new", "organization": acme.pk, "task_type": "ranking", "description": ""}

    foreign = form | {"organization": theirs.organization_id}
    assert "not one of the available choices" in send(ed, add_url(RegisteredModel), **foreign)
    assert "Must be one line of text." in send(ed, add_url(RegisteredModel), **form | {"name": "two\nlines"})
    assert "change the direction" in send(ed, add_url(RegisteredModel), **form | {"name": "\u2067churn\u2069"})
    assert "at least one visible" in send(ed, add_url(RegisteredModel), **form | {"name": "\u200b"})
    assert "already exists" in send(ed, add_url(RegisteredModel), **form | {"name": "churn"})
    assert send(ed, add_url(RegisteredModel), **form) == ""
    assert RegisteredModel.objects.get(name="new").created_by == editor

    moved = {"name": "renamed", "organization": theirs.organization_id, "description": "better"}
    no_versions = {"versions-TOTAL_FORMS": 0, "versions-INITIAL_FORMS": 0}
    assert send(ed, page_url(model), **moved, **no_versions) == ""
    model.refresh_from_db()
    assert (model.name, model.description, model.organization) == ("renamed", "better", acme)
    assert Membership.objects.get(user=editor).role == "editor"


def test_staff_without_permissions_and_people_without_roles_see_whom_to_ask(db: None) -> None:
    for user in (new_user("nora"), new_user("stan", is_staff=True)):
        page = text_of(logged_in(user).get("/admin/").content.decode())
        assert "Nothing is shared with you yet" in page
        assert f"Your user name is {user.username}" in page


def test_history_leads_to_the_audit_trail_and_delete_is_there_if_it_works(
    superuser: User, ada: Client, model: RegisteredModel, acme: Organization, empty_model: RegisteredModel
) -> None:
    root = logged_in(superuser)
    empty_model.description = "changed"
    empty_model.save()
    history = page_url(empty_model).replace("change", "history")

    assert history in root.get(page_url(empty_model)).content.decode()
    [entry] = rows(root.get(history, follow=True))
    assert "update prices" in entry
    assert "1 audit entry" in text_of(root.get(history, follow=True).content.decode())
    assert history not in ada.get(page_url(empty_model)).content.decode()
    assert ada.get(history).status_code == 403
    for record, works in ((model, False), (acme, False), (empty_model, True)):
        assert (page_url(record).replace("change", "delete") in root.get(page_url(record)).content.decode()) is works


def test_a_members_pages_take_the_same_queries_for_one_model_as_for_many(
    ada: Client, model: RegisteredModel, pinned_queries: PinnedQueries
) -> None:
    kinds: list[type[Model]] = [RegisteredModel, Version, MetricSnapshot]
    pages: dict[str, Any] = {f"admin list of {each._meta.verbose_name_plural}": list_url(each) for each in kinds}
    pages |= {"admin start": "/admin/", "admin page of a model": page_url(model)}
    for many in (0, 20):
        for number in range(many):
            other = RegisteredModel.objects.create(
                organization=model.organization, name=f"m{number}", task_type="classification"
            )
            snapshot(completed_version(other, number=1), metrics={"accuracy": 0.5})
        for name, address in pages.items():
            ada.get(address)  # looks up kinds of records, once in a process
            with pinned_queries(name):
                assert ada.get(address).status_code == 200


def test_staff_use_a_role_only_where_it_gives_a_right(
    admin: User, model: RegisteredModel, theirs: RegisteredModel
) -> None:
    """Whoever may see all records by a Django permission writes only to those of their own organization."""
    names = ["view_badge", "change_modelgrant", "view_webhook", "view_namedtoken"]
    admin.user_permissions.set(Permission.objects.filter(codename__in=names))
    expires_at = timezone.now() + timedelta(days=1)
    badges = [Badge.objects.create(model=each, expires_at=expires_at) for each in (model, theirs)]
    webhook = Webhook.objects.create(
        organization=theirs.organization, url="https://example.com", events=["gate.failed"]
    )
    client = logged_in(admin)
    assert len(rows(client.get(list_url(Badge)))) == 1, "Django permissions count for staff only"
    User.objects.filter(pk=admin.pk).update(is_staff=True)

    assert len(rows(client.get(list_url(Badge)))) == 2
    client.post(list_url(Badge), {"action": "revoke", "_selected_action": [each.pk for each in badges]})
    assert [Badge.objects.get(pk=each.pk).revoked_at is not None for each in badges] == [True, False]
    tokens = [
        create_named_token(
            user=create_service_account(owner=each.organization, username=f"{each.organization.slug}.ci"),
            name="CI",
            scopes=[Scope.MODEL_READ],
            lifetime=timedelta(days=1),
            created_by=admin,
        )[0]
        for each in (model, theirs)
    ]
    client.post(list_url(NamedToken), {"action": "revoke", "_selected_action": [each.pk for each in tokens]})
    assert [NamedToken.objects.get(pk=each.pk).revoked_at is not None for each in tokens] == [True, False]
    form = {"user": "ada", "model": theirs.pk, "scope": "model:read"}
    assert "not one of the available choices" in send(client, add_url(ModelGrant), **form)
    assert client.get(page_url(webhook)).status_code == 200
    assert client.post(page_url(webhook), {"url": "https://example.org"}).status_code == 403
    delete = {"action": "delete_selected", "_selected_action": [webhook.pk], "post": "yes"}
    assert client.post(list_url(Webhook), delete).status_code == 403
    assert Webhook.objects.exists()
