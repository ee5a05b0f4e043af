"""The live service that the client talks to, with an issuer that it trusts."""

from dataclasses import dataclass

from tests.models_registry.tokens.issuer import AUDIENCE, ISSUER, Issuer
from tests.serving import ROOT

PASSWORD = "of a good length"
DEMO = "mdl-c41e08d5a7"  # breast-cancer
PREDICTIONS = ROOT / "fixtures" / "predictions" / "breast-cancer" / "ver-00003-test.csv"
EASY = {"rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.5}]}
HARD = {"rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.999}]}
SET_UP = f"""
from models_registry.models import *
acme = Organization.objects.get(slug="acme")
lena = User.objects.create_user("lena", password="{PASSWORD}")
account = ServiceAccount.objects.create(username="ci", is_service_account=True)
for user in (lena, account):
    Membership.objects.create(organization=acme, user=user, role="viewer")
issuer = TrustedIssuer.objects.create(issuer="{ISSUER}", jwks_url="%s", audience="{AUDIENCE}")
TrustRule.objects.create(
    issuer=issuer, name="ci", service_account=account, claims={{"repository": "acme/churn"}}, scopes=["model:read"]
)
"""


@dataclass
class Service:
    """The service with the demo's data and a worker, which trusts an issuer, and a token of Acme's admin."""

    url: str
    token: str
    issuer: Issuer
