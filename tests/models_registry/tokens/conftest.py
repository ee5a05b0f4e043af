"""An issuer that is trusted, a service account, and the rule by which it gets access."""

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from models_registry.accounts.models import Membership, Organization, ServiceAccount
from models_registry.tokens.models import TrustedIssuer, TrustRule
from models_registry.tokens.oidc import jwks
from tests.models_registry.tokens.issuer import AUDIENCE, ISSUER, Issuer, publishing


@pytest.fixture
def issuer(settings: Settings) -> Iterator[Issuer]:
    """An issuer of identity tokens, which publishes its keys on 127.0.0.1."""
    settings.OIDC_ALLOWED_HOSTS = ["127.0.0.1"]
    jwks.keys_client.cache_clear()
    with publishing() as issuer:
        yield issuer


@pytest.fixture
def trusted(issuer: Issuer) -> TrustedIssuer:
    """The issuer as a record of the registry."""
    return TrustedIssuer.objects.create(issuer=ISSUER, audience=AUDIENCE, jwks_url=issuer.jwks_url)


@pytest.fixture
def account(acme: Organization) -> ServiceAccount:
    """A pipeline that may write what Acme owns."""
    account = ServiceAccount.objects.create(username="churn-pipeline", is_service_account=True)
    Membership.objects.create(organization=acme, user=account, role="editor")
    return account


@pytest.fixture
def rule(trusted: TrustedIssuer, account: ServiceAccount) -> TrustRule:
    """The rule that gives the branches of one repository access as the pipeline."""
    return TrustRule.objects.create(
        issuer=trusted,
        name="branches of churn",
        service_account=account,
        claims={"repository": "acme/churn", "ref": "refs/heads/*"},
        scopes=["model:read", "model:write"],
    )
