"""Every list of the admin: its number of queries, its search and the pages of its rows."""

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from models_registry.accounts.models import ModelGrant, Organization, ServiceAccount, User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.tokens.models import PersonalToken, TrustedIssuer, TrustRule
from models_registry.tokens.services import create_named_token, open_token_family
from performance.badges.models import Badge
from performance.evaluations.models import EvaluationJob
from performance.gates.models import GatePolicy, GateVerdict
from performance.snapshots.models import Dataset
from performance.webhooks.models import Webhook, WebhookDelivery
from tests.admin_pages import list_url, page_url, rows
from tests.factories import new_user
from tests.operations import POLICY
from tests.performance.snapshots.snapshot_pages import promoted_with_snapshot

ADMIN_MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)


def create_rows(numbers: range) -> None:
    """Create a row of each model that the admin lists, for each number."""
    for number in numbers:
        organization = Organization.objects.create(slug=f"org{number}", name=f"Organization {number}")
        model = promoted_with_snapshot(organization, f"model {number}")
        Dataset.objects.create(organization=organization, name=f"dataset {number}")
        GatePolicy.objects.create(model=model, version=1, document=POLICY)
        GateVerdict.objects.create(
            model=model, version=model.versions.get(), occasion="promotion", status="passed", document={}
        )
        user = new_user(f"user{number}")
        Badge.objects.create(model=model, created_by=user, expires_at=timezone.now())
        ModelGrant.objects.create(model=model, user=user, scope="model:read")
        EvaluationJob.objects.create(
            version=model.versions.get(), dataset_split="test", file="uploads/none.csv", requested_by=user
        )
        webhook = Webhook.objects.create(
            organization=organization, model=model, url="https://example.com", events=["gate.failed"], created_by=user
        )
        WebhookDelivery.objects.create(webhook=webhook, event="gate.failed", payload="{}")
        open_token_family(user=user, scope=ALL_SCOPES)
        Group.objects.create(name=f"group {number}")
        AccessAttempt.objects.create(username=f"user{number}", failures_since_start=1)
        Authenticator.objects.create(user=user, type="totp", data={})
        SocialAccount.objects.create(user=user, provider="https://login.example.com", uid=f"user{number}")
        account = ServiceAccount.objects.create(username=f"pipeline{number}", is_service_account=True)
        root = User.objects.get(is_superuser=True)
        for owner in (account, root):
            lifetime = timedelta(days=1)
            create_named_token(user=owner, name=f"token {number}", scopes=[], lifetime=lifetime, created_by=root)
        url = f"https://gitlab.com/{number}"
        issuer = TrustedIssuer.objects.create(issuer=url, jwks_url=f"{url}/keys", audience="registry")
        claims = {"repository": f"acme/{number}"}
        TrustRule.objects.create(
            issuer=issuer, name=f"rule {number}", service_account=account, claims=claims, scopes=["model:read"]
        )


def queries_of_list(client: Client, model: type[Model], *, least: int) -> list[str]:
    """Return the queries that a list of at least so many rows takes."""
    with CaptureQueriesContext(connection) as queries:
        response = client.get(list_url(model))
    assert len(rows(response)) >= least
    return [query["sql"] for query in queries.captured_queries]


def test_each_list_takes_the_same_number_of_queries_for_3_rows_as_for_30(
    root: Client, subtests: pytest.Subtests
) -> None:
    create_rows(range(3))
    for model in ADMIN_MODELS:  # kinds of records are looked up once in a process
        root.get(list_url(model))
    few = {model: queries_of_list(root, model, least=3) for model in ADMIN_MODELS}
    create_rows(range(3, 30))
    for model in ADMIN_MODELS:
        with subtests.test(model._meta.model_name):
            many = queries_of_list(root, model, least=30)
            assert len(many) == len(few[model]), "\n".join(many)


def test_each_list_can_be_searched_and_leads_to_a_page_of_each_row(root: Client, subtests: pytest.Subtests) -> None:
    create_rows(range(1))
    for model in ADMIN_MODELS:
        with subtests.test(model._meta.model_name):
            assert root.get(list_url(model), {"q": "ver-00001 nothing"}).status_code == 200
            own = {"user__is_superuser": True} if model is PersonalToken else {}
            record = model._default_manager.filter(**own).first()
            assert record is not None
            assert root.get(page_url(record)).status_code == 200
