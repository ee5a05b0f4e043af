"""What each of the cast may do on each page of the admin is what their scopes give them over HTTP.

The expected rights are stated here by hand, apart from the pages. All pages are read as each actor, and show nothing
of another organization.
"""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from models_registry.accounts.models import Membership, ModelGrant, Organization, ServiceAccount, User
from models_registry.accounts.scopes import Scope
from models_registry.registry.models import Promotion, RegisteredModel, Version
from models_registry.registry.promotions import promote
from models_registry.tokens.models import NamedToken, PersonalToken
from models_registry.tokens.services import create_named_token
from performance.badges.models import Badge
from performance.evaluations.models import EvaluationJob
from performance.gates.models import GatePolicy, GateVerdict
from performance.snapshots.models import Dataset, DatasetVersion, MetricSnapshot
from performance.webhooks.models import Webhook, WebhookDelivery
from tests.admin.conftest import Records
from tests.admin_pages import add_url, list_url, logged_in, page_url
from tests.factories import completed_version, new_user, snapshot

MARK = "xenon"  # in every name of the other organization
AUTOCOMPLETE = "/admin/autocomplete/"
ACTIONS = ("view", "add", "change", "delete")

READ, WRITE = Scope.MODEL_READ, Scope.MODEL_WRITE
MEMBER, EDIT, ADMINISTER = Scope.ORGANIZATION_VIEWER, Scope.ORGANIZATION_EDITOR, Scope.ORGANIZATION_ADMIN
VIEWER = {READ, MEMBER}
EDITOR = VIEWER | {WRITE, EDIT}
ADMIN = EDITOR | {Scope.MODEL_PROMOTE, ADMINISTER}

# The scope that each action needs over HTTP; what is not here is for staff alone, or nobody's.
RIGHTS: dict[type[Model], dict[str, Scope]] = {
    Organization: {"view": ADMINISTER, "change": ADMINISTER},
    ModelGrant: {"view": ADMINISTER, "add": ADMINISTER, "delete": ADMINISTER},
    RegisteredModel: {"view": READ, "add": EDIT, "change": WRITE},
    Version: {"view": READ},
    Promotion: {"view": READ},
    MetricSnapshot: {"view": READ},
    EvaluationJob: {"view": READ},
    GateVerdict: {"view": READ},
    GatePolicy: {"view": READ, "add": ADMINISTER},
    Dataset: {"view": MEMBER},
    Badge: {"view": ADMINISTER, "add": ADMINISTER},
    Webhook: dict.fromkeys(ACTIONS, ADMINISTER),
    WebhookDelivery: {"view": ADMINISTER},
    ServiceAccount: dict.fromkeys(("view", "add", "change"), ADMINISTER),
    NamedToken: {"view": ADMINISTER, "add": ADMINISTER},
}
OF_ORGANIZATION = (Organization, Dataset, Webhook, WebhookDelivery, GatePolicy, ServiceAccount, NamedToken)


@dataclass
class Actor:
    """Somebody with scopes in Acme and elsewhere. `on_model` are those by a grant on Acme's model."""

    name: str
    in_acme: set[Scope] = field(default_factory=set)
    on_model: set[Scope] = field(default_factory=set)
    elsewhere: set[Scope] = field(default_factory=set)

    @property
    def anywhere(self) -> set[Scope]:
        return self.in_acme | self.on_model | self.elsewhere

    def may(self, kind: type[Model], action: str, *, on_record: bool) -> bool:
        """Return whether the actor may do something at all, or to Acme's record of a kind."""
        if kind is PersonalToken:  # everybody's own, and Acme's record is the superuser's
            return action in ("view", "add") and not on_record
        scope = RIGHTS.get(kind, {}).get(action)
        of_model = kind not in OF_ORGANIZATION  # the policy is Acme's
        held = self.in_acme | (self.on_model if of_model else set()) if on_record else self.anywhere
        return scope in held


ACTORS = [
    Actor("vera", in_acme=VIEWER),
    Actor("ed", in_acme=EDITOR),
    Actor("ada", in_acme=ADMIN),
    Actor("gil", on_model={READ, WRITE}),
    Actor("otto", elsewhere=ADMIN),
    Actor("mia", in_acme=VIEWER, elsewhere=ADMIN),
    Actor("nobody"),
]


@pytest.fixture
def other(db: None) -> list[Model]:
    """Store a record of each kind in another organization, with the mark in every name."""
    organization = Organization.objects.create(slug=MARK, name=f"{MARK} labs")
    person = new_user(f"{MARK}-person")
    model = RegisteredModel.objects.create(
        organization=organization, name=f"{MARK} model", task_type="classification", description=MARK
    )
    version = completed_version(model, number=1)
    Version.objects.filter(pk=version.pk).update(description=MARK)
    webhook = Webhook.objects.create(
        organization=organization, url=f"https://{MARK}.example.com", events=["gate.failed"]
    )
    dataset = Dataset.objects.create(organization=organization, name=f"{MARK} data")
    DatasetVersion.objects.create(dataset=dataset, version=MARK)
    promote(version=version, promoted_by=person, reason=MARK)
    account = ServiceAccount.objects.create(username=f"{MARK}.ci", is_service_account=True, owner=organization)
    token, _ = create_named_token(user=account, name=MARK, scopes=[READ], lifetime=timedelta(days=1), created_by=person)
    verdict = {"rules": [], "warnings": [MARK]}
    return [
        organization,
        model,
        version,
        webhook,
        dataset,
        account,
        token,
        Promotion.objects.get(version=version),
        snapshot(version, metrics={"accuracy": 0.5}, dataset=f"{MARK} data"),
        Membership.objects.create(organization=organization, user=person, role="admin"),
        ModelGrant.objects.create(model=model, user=person, scope="model:read"),
        Badge.objects.create(model=model, metric=MARK, dataset_split="test", expires_at=timezone.now()),
        EvaluationJob.objects.create(version=version, dataset_split="test", requested_by=person),
        GatePolicy.objects.create(model=model, version=1, created_by=MARK),
        GateVerdict.objects.create(
            model=model, version=version, status="failed", occasion="promotion", document=verdict, requested_by=MARK
        ),
        WebhookDelivery.objects.create(webhook=webhook, event=MARK, payload="{}", due_at=timezone.now()),
    ]


@pytest.fixture
def cast(records: Records, admin: User, editor: User, grantee: User, outsider: User, model: RegisteredModel) -> None:
    """Make every actor. Gil may write to the model, too."""
    new_user("nobody")
    mia = new_user("mia")
    ModelGrant.objects.create(model=model, user=grantee, scope="model:write")
    Membership.objects.create(organization=model.organization, user=mia, role="viewer")
    Membership.objects.create(organization=Organization.objects.get(slug="globex"), user=mia, role="admin")


class Reader:
    """An actor's browser, which notes each cell that differs from the rule, and each mark that it sees."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.client: Client = logged_in(User.objects.get(username=actor.name))
        self.faults: list[str] = []
        self.seen: set[str] = set()
        self.links: set[str] = set()

    def get(self, address: str, query: Any = None) -> Any:
        """Return a page, and note the marks and links on it."""
        answer = self.client.get(address, query)
        body = answer.getvalue().decode()
        self.seen.add(address)
        self.links |= {unescape(link) for link in re.findall(r'href="(/admin/[^"?#]*)', body)}
        if answer.status_code >= 500 or MARK in re.sub(r'value="[^"]*"|\?[^"]*"', "", body):
            self.faults.append(f"{address} {query or ''} has {answer.status_code} and the mark: {MARK in body}")
        return answer

    def expect(self, cell: str, may: bool, done: bool) -> None:
        """Note a cell that differs from the rule."""
        if may != done:
            self.faults.append(f"{cell}: {'refused' if may else 'allowed'}")


def route(record: Model, action: str) -> str:
    return reverse(f"admin:{record._meta.app_label}_{record._meta.model_name}_{action}", args=[record.pk])


@pytest.mark.parametrize("actor", ACTORS, ids=lambda actor: actor.name)
def test_an_actor_may_do_on_each_page_what_they_may_over_http(
    actor: Actor, cast: None, records: Records, other: list[Model]
) -> None:
    reader = Reader(actor)
    for kind in admin.site._registry:
        _check_page(reader, kind, records[kind])
    for record in other:
        if type(record) in RIGHTS:
            _check_foreign(reader, record)
    _check_filters(reader, other[0])
    _check_links(reader)

    assert reader.faults == []


def _check_page(reader: Reader, kind: type[Model], record: Model) -> None:
    """Check each action of a page on Acme's record."""
    name, actor = kind._meta.model_name, reader.actor
    may = {action: actor.may(kind, action, on_record=False) for action in ACTIONS}
    on_record = {action: actor.may(kind, action, on_record=True) for action in ACTIONS}

    reader.expect(f"list of {name}", may["view"], reader.get(list_url(kind)).status_code == 200)
    reader.expect(f"add {name}", may["add"], reader.get(add_url(kind)).status_code == 200)
    page = reader.get(page_url(record))
    reader.expect(f"view {name}", on_record["view"], page.status_code == 200)
    reader.expect(f"delete {name}", on_record["delete"], reader.get(route(record, "delete")).status_code == 200)
    if not may["view"]:
        return
    reader.expect(f"save button of {name}", on_record["change"], 'name="_save"' in page.content.decode())
    sent = reader.client.post(page_url(record), {})  # which stores a form without required fields
    changes = sent.status_code == 200 or (sent.status_code == 302 and on_record["view"])
    reader.expect(f"change {name}", on_record["change"], changes)
    reader.expect(f"history of {name}", False, "q=" in reader.get(route(record, "history")).get("Location", ""))
    reader.get(list_url(kind), {"q": MARK})


def _check_foreign(reader: Reader, record: Model) -> None:
    """Check that a record of the other organization is as if it did not exist."""
    name = f"the other {record._meta.model_name}"
    reader.expect(f"view {name}", False, reader.get(page_url(record)).status_code == 200)
    if reader.actor.may(type(record), "delete", on_record=False):
        reader.client.post(route(record, "delete"), {"post": "yes"})
        reader.expect(f"delete {name}", False, not type(record)._default_manager.filter(pk=record.pk).exists())


def _check_filters(reader: Reader, organization: Model) -> None:
    """Check that no search box of a form or filter offers or names a record of the other organization."""
    names = {"app_label": "models_registry", "model_name": "registeredmodel", "field_name": "organization"}
    pages: dict[type[Model], Any] = {**admin.site._registry}
    for kind, page in pages.items():
        paths = [item[0] for item in page.list_filter if isinstance(item, tuple) and "organization" in item[0]]
        for path in paths if reader.actor.may(kind, "view", on_record=False) else ():
            reader.get(list_url(kind), {f"{path}__id__exact": str(organization.pk)})
            reader.get(AUTOCOMPLETE, {"filter": kind._meta.label_lower, **names})
        for relation in kind._meta.fields if reader.actor.may(kind, "add", on_record=False) else ():
            if relation.related_model in (Organization, RegisteredModel, User):
                declared = relation.model._meta  # of a proxy, the parent's
                named = {"app_label": declared.app_label, "model_name": declared.model_name}
                query = {"form": kind._meta.label_lower, **named, "field_name": relation.name}
                offers = relation.related_model is not User
                found = reader.get(AUTOCOMPLETE, query).status_code == 200
                reader.expect(f"choose {kind._meta.model_name}.{relation.name}", offers, found)


def _check_links(reader: Reader) -> None:
    """Check that each link on the pages leads to a page."""
    reader.get("/admin/")
    for link in sorted(reader.links - reader.seen - {"/admin/logout/", "/admin/jsi18n/"}):
        answer = reader.get(link)
        target = answer.get("Location", "/admin/")  # a record that the caller may not see leads to the first page
        reader.expect(f"follow {link}", True, answer.status_code == 200 or target != "/admin/")
