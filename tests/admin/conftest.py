"""A record of each kind that has pages in the admin."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from axes.models import AccessAttempt
from django.contrib.auth.models import Group
from django.db.models import Model
from django.utils import timezone

from models_registry.accounts.models import ModelGrant, Organization, ServiceAccount, User
from models_registry.accounts.scopes import ALL_SCOPES, Scope
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import Promotion, RegisteredModel
from models_registry.tokens.models import PersonalToken, TokenFamily, TrustedIssuer, TrustRule
from models_registry.tokens.services import create_named_token, open_token_family
from performance.badges.models import Badge
from performance.evaluations.models import EvaluationJob
from performance.gates.models import GatePolicy, GateVerdict
from performance.snapshots.models import Dataset, MetricSnapshot
from performance.webhooks.models import Webhook, WebhookDelivery
from tests.factories import new_user

Records = dict[type[Model], Model]


@pytest.fixture
def records(model: RegisteredModel, acme: Organization, viewer: User, superuser: User) -> Records:
    """Store a record of each kind."""
    account = ServiceAccount.objects.create(username="pipeline", is_service_account=True, owner=acme)
    issuer = TrustedIssuer.objects.create(issuer="https://ci.example.com", jwks_url="https://ci.example.com/jwks")
    webhook = Webhook.objects.create(organization=acme, url="https://example.com/hook", events=["gate.failed"])
    version = model.versions.get()
    open_token_family(user=viewer, scope=ALL_SCOPES)
    token, own = (
        create_named_token(
            user=user, name="CI", scopes=[Scope.MODEL_READ], lifetime=timedelta(days=1), created_by=superuser
        )[0]
        for user in (account, superuser)
    )
    stored: list[Any] = [
        acme,
        model,
        version,
        viewer,
        account,
        issuer,
        webhook,
        Promotion.objects.get(),
        MetricSnapshot.objects.get(),
        Dataset.objects.create(organization=acme, name="october"),
        TokenFamily.objects.get(user=viewer),
        token,
        PersonalToken.objects.get(pk=own.pk),
        Group.objects.create(name="readers"),
        ModelGrant.objects.create(model=model, user=viewer, scope="model:read"),
        TrustRule.objects.create(
            issuer=issuer, name="main", service_account=account, claims={"ref": "main"}, scopes=["model:read"]
        ),
        Authenticator.objects.create(user=new_user("tess"), type="totp", data={"secret": "encrypted"}),
        SocialAccount.objects.create(user=viewer, provider="https://login.example.com", uid="s-1"),
        AccessAttempt.objects.create(username="vera", ip_address="192.0.2.1", failures_since_start=10),
        Badge.objects.create(
            model=model, metric="accuracy", dataset_split="test", expires_at=timezone.now() + timedelta(days=1)
        ),
        EvaluationJob.objects.create(version=version, dataset_split="test"),
        GatePolicy.objects.create(
            organization=acme, version=1, document={"rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0}]}
        ),
        GateVerdict.objects.create(model=model, version=version, status="passed", occasion="promotion", document={}),
        WebhookDelivery.objects.create(webhook=webhook, event="gate.failed", payload="{}", due_at=timezone.now()),
    ]
    entry = AuditEntry.objects.first()
    assert entry is not None
    return {type(record): record for record in [*stored, entry]}
