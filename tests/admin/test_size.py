"""A page of the admin costs the same however many records there are to choose from."""

from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.admin import RelatedFieldListFilter
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from models_registry.accounts.models import Membership, ModelGrant, Organization, ServiceAccount, User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import Promotion, RegisteredModel, Version
from models_registry.tokens.models import NamedToken, PersonalToken, TokenFamily, TrustedIssuer, TrustRule
from performance.badges.models import Badge
from performance.evaluations.models import EvaluationJob
from performance.gates.models import GatePolicy, GateVerdict
from performance.snapshots.models import Dataset, MetricSnapshot
from performance.webhooks.models import Webhook, WebhookDelivery
from tests.admin.conftest import Records
from tests.admin_pages import add_url, list_url, page_url

MANY = 2_000
# Of as many as there are kinds of records, and no more.
BOUNDED: set[type[Model]] = {ContentType, Permission}
LISTS: list[type[Model]] = [
    AccessAttempt, AuditEntry, Badge, Dataset, EvaluationJob, GatePolicy, GateVerdict, MetricSnapshot, ModelGrant,
    NamedToken, Organization, PersonalToken, Promotion, RegisteredModel, ServiceAccount, TokenFamily, TrustRule,
    TrustedIssuer, User, Version, Webhook, WebhookDelivery,
]  # fmt: skip
FORMS: list[type[Model]] = [
    GatePolicy, ModelGrant, NamedToken, Organization, RegisteredModel, ServiceAccount, TrustRule, User, Webhook
]  # fmt: skip
NONE = {"q": "nothing is called so"}


def store(many: int) -> None:
    """Store many organizations, models, users, service accounts and issuers."""
    organizations = [Organization(slug=f"o{number}", name=f"O {number}") for number in range(many)]
    Organization.objects.bulk_create(organizations)
    RegisteredModel.objects.bulk_create(
        RegisteredModel(organization=each, name=f"m {each.slug}", task_type="ranking") for each in organizations
    )
    users = [User(username=f"u{number}", is_service_account=number % 2 == 0) for number in range(many)]
    User.objects.bulk_create(users)
    Membership.objects.bulk_create(
        Membership(organization=organizations[0], user=user, role="viewer") for user in users
    )
    TrustedIssuer.objects.bulk_create(
        TrustedIssuer(issuer=f"https://{number}.example.com", jwks_url="https://example.com") for number in range(many)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as the database does by itself, a while after


def costs(root: Client, address: str, query: Any = None) -> tuple[int, int]:
    """Return a page's length in kilobytes, and its queries."""
    with CaptureQueriesContext(connection) as queries:
        answer = root.get(address, query)
    assert answer.status_code == 200, address
    return round(len(answer.content) / 1000), len(queries)


def test_lists_and_forms_are_as_long_and_take_as_many_queries_at_10_records_as_at_2000(
    root: Client, records: Records
) -> None:
    pages: list[tuple[str, Any]] = [(list_url(kind), NONE) for kind in LISTS]
    pages += [(add_url(kind), None) for kind in FORMS] + [(page_url(records[kind]), None) for kind in FORMS]
    store(10)
    ContentType.objects.get_for_models(*admin.site._registry, for_concrete_models=False)  # once in a process
    before = {address: costs(root, address, query) for address, query in pages}

    RegisteredModel.objects.filter(name__startswith="m ").delete()
    Organization.objects.filter(name__startswith="O ").delete()
    User.objects.filter(username__regex="^u[0-9]").delete()
    TrustedIssuer.objects.filter(issuer__regex="//[0-9]").delete()
    store(MANY)
    after = {address: costs(root, address, query) for address, query in pages}

    differing = {
        address: (before[address], after[address])
        for address in before
        if abs(before[address][0] - after[address][0]) > 1 or before[address][1] != after[address][1]
    }
    assert differing == {}


def test_a_filter_by_a_relation_is_a_search_box(superuser: User) -> None:
    for model, page in admin.site._registry.items():
        for listed in page.list_filter:
            if isinstance(listed, tuple) and issubclass(listed[1], RelatedFieldListFilter):
                chosen_from = listed[0] if listed[0] != "content_type" else None
                assert chosen_from is None or issubclass(listed[1], AutocompleteSelectFilter), (model, listed)


@pytest.mark.parametrize("kind", FORMS, ids=lambda kind: kind.__name__)
def test_a_relation_in_a_form_is_a_search_box(root: Client, superuser: User, kind: type[Model]) -> None:
    request: Any = root.get(add_url(kind)).wsgi_request
    page: Any = admin.site._registry[kind]
    for each in (page, *page.get_inline_instances(request)):
        own = [field for field in (*each.model._meta.fields, *each.model._meta.many_to_many) if field.related_model]
        chosen = [
            field.name
            for field in own
            if field.editable and field.related_model not in {*BOUNDED, kind} and _in_form(each, field, request)
        ]
        assert set(chosen) <= set(each.autocomplete_fields)


def _in_form(page: Any, field: Any, request: Any) -> bool:
    form = page.get_formset(request).form if hasattr(page, "get_formset") else page.get_form(request)
    return field.name in form.base_fields


def test_a_search_box_lists_a_page_at_a_time(root: Client, acme: Organization) -> None:
    store(100)
    query = {"app_label": "models_registry", "model_name": "registeredmodel", "field_name": "organization", "term": "o"}

    answer = root.get("/admin/autocomplete/", query).json()

    assert len(answer["results"]) == 20
    assert answer["pagination"] == {"more": True}
