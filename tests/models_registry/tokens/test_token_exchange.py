"""`POST …/auth/token/exchange`: an identity token for an access token, without a stored secret."""

import json
from typing import Any

import pytest
from django.test import Client

from models_registry.accounts.models import Membership, ServiceAccount, User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from models_registry.tokens.models import TrustedIssuer, TrustRule
from tests.models_registry.tokens.exchanges import EXCHANGE_URL, FORM_TYPE, GRANT_TYPE, JWT_TYPE, exchange, refused
from tests.models_registry.tokens.issuer import Issuer

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("rule")
def test_an_identity_token_is_exchanged_for_the_scopes_of_its_rule(issuer: Issuer, model: RegisteredModel) -> None:
    answer = exchange(issuer.token())

    assert answer.status_code == 200, answer.content
    assert answer["Cache-Control"] == "no-store"
    body = answer.json()
    access = body.pop("access_token")
    assert body == {
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "model:read model:write",
    }
    client = Client(headers={"Authorization": f"Bearer {access}"})
    assert client.get(f"/api/v1/models/{model.pk}/performance/summary").status_code == 200
    assert client.post(f"/api/v1/models/{model.pk}/versions", {}, content_type="application/json").status_code == 201
    promote = client.post(
        f"/api/v1/models/{model.pk}/versions/ver-001a1/promote", {"reason": "x"}, content_type="application/json"
    )
    assert refused(promote) == (403, "permission_denied")


@pytest.mark.usefixtures("rule")
def test_an_exchanged_token_may_be_narrowed_further(issuer: Issuer, model: RegisteredModel) -> None:
    answer = exchange(issuer.token(), scope="model:read").json()

    assert answer["scope"] == "model:read"
    client = Client(headers={"Authorization": f"Bearer {answer['access_token']}"})
    created = client.post(f"/api/v1/models/{model.pk}/versions", {}, content_type="application/json")
    assert refused(created) == (403, "permission_denied")


@pytest.mark.usefixtures("rule")
@pytest.mark.parametrize("scope", ["model:promote", "model:read model:promote", "organization:admin"])
def test_a_scope_beyond_the_rule_is_refused(issuer: Issuer, scope: str) -> None:
    answer = exchange(issuer.token(), scope=scope.replace(" ", "+"))

    assert refused(answer) == (403, "permission_denied")
    assert "model:read model:write" in answer.json()["detail"]


def test_the_rule_gives_no_more_than_the_account_has(issuer: Issuer, rule: TrustRule, account: Any) -> None:
    Membership.objects.filter(user=account).delete()
    client = Client(headers={"Authorization": f"Bearer {exchange(issuer.token()).json()['access_token']}"})

    assert client.get("/api/v1/models").json()["results"] == []


@pytest.mark.usefixtures("rule")
def test_the_exchange_is_in_the_audit_trail_and_no_token_is(issuer: Issuer, account: ServiceAccount) -> None:
    token = issuer.token()
    access = exchange(token).json()["access_token"]

    entries = AuditEntry.objects.filter(content_type__model="tokenfamily")
    assert [entry.actor for entry in entries] == [User.objects.get(pk=account.pk)]
    trail = json.dumps([entry.changes for entry in AuditEntry.objects.all()], default=str)
    assert token.split(".")[2] not in trail
    assert access.split(".")[2] not in trail


@pytest.mark.usefixtures("rule")
@pytest.mark.parametrize(
    "claims",
    [
        {"repository": "acme/other"},
        {"repository": "evil/acme/churn"},
        {"repository": "ACME/churn"},
        {"repository": None},
        {"repository": ["acme/churn"]},
        {"ref": "refs/tags/v1"},
        {"ref": None},
    ],
)
def test_a_token_that_matches_no_rule_is_refused(issuer: Issuer, claims: dict[str, Any]) -> None:
    answer = exchange(issuer.token(**claims))

    assert refused(answer) == (403, "permission_denied")
    assert "repo:acme/churn:ref:refs/heads/main" in answer.json()["detail"]


@pytest.mark.parametrize(
    "switch_off",
    [
        lambda rule: TrustedIssuer.objects.update(is_active=False),
        lambda rule: TrustRule.objects.update(is_active=False),
        lambda rule: User.objects.filter(pk=rule.service_account.pk).update(is_active=False),
    ],
    ids=["issuer", "rule", "account"],
)
def test_an_inactive_issuer_rule_or_account_is_refused(issuer: Issuer, rule: TrustRule, switch_off: Any) -> None:
    assert exchange(issuer.token()).status_code == 200
    switch_off(rule)

    assert refused(exchange(issuer.token()))[0] in (401, 403)


def test_the_first_rule_that_matches_decides(issuer: Issuer, rule: TrustRule, account: ServiceAccount) -> None:
    TrustRule.objects.create(
        issuer=rule.issuer,
        name="all of churn",
        service_account=account,
        claims={"repository": "acme/churn"},
        scopes=["model:promote"],
    )

    assert exchange(issuer.token()).json()["scope"] == "model:read model:write"
    assert exchange(issuer.token(ref="refs/tags/v1")).json()["scope"] == "model:promote"


@pytest.mark.usefixtures("rule")
@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"grant_type": "password"}, "grant_type"),
        ({"grant_type": ""}, "grant_type"),
        ({"subject_token": ""}, "subject_token"),
        ({"subject_token": "%00"}, "subject_token"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "subject_token_type"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "requested_token_type"),
        ({"scope": "model:everything"}, "scope"),
        ({"scope": ""}, "scope"),
        ({"actor_token": "x"}, "actor_token"),
        ({"scope": "model:read&scope=model:write"}, "scope"),
    ],
)
def test_a_form_that_is_not_valid_names_its_field(issuer: Issuer, fields: dict[str, str], named: str) -> None:
    answer = exchange(**{"token": issuer.token(), **fields})

    assert refused(answer) == (400, "invalid_body")
    assert [fault["field"] for fault in answer.json()["errors"]] == [named]
    assert issuer.asked == 0


@pytest.mark.parametrize("missing", ["grant_type", "subject_token", "subject_token_type"])
def test_a_field_that_is_missing_is_named(db: None, missing: str) -> None:
    form = {"grant_type": GRANT_TYPE, "subject_token": "x", "subject_token_type": JWT_TYPE}
    del form[missing]
    body = "&".join(f"{name}={value}" for name, value in form.items())
    answer = Client().post(EXCHANGE_URL, body, content_type=FORM_TYPE)

    assert refused(answer) == (400, "invalid_body")
    assert [fault["field"] for fault in answer.json()["errors"]] == [missing]


@pytest.mark.parametrize(
    ("body", "media_type", "problem"),
    [
        ("{}", "application/json", (415, "unsupported_media_type")),
        (b"\xff=1", FORM_TYPE, (400, "invalid_body")),
        ("&".join(["a=1"] * 101), FORM_TYPE, (400, "invalid_body")),
        ("a" * 2_000_000, FORM_TYPE, (413, "payload_too_large")),
    ],
    ids=["json", "not utf-8", "101 fields", "too large"],
)
def test_a_body_that_is_not_a_valid_form_is_refused(
    db: None, body: Any, media_type: str, problem: tuple[int, str]
) -> None:
    assert refused(Client().post(EXCHANGE_URL, body, content_type=media_type)) == problem
