"""`POST /api/v1/auth/token/exchange`: a pipeline's identity token for an access token, without a stored secret."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import IntegrityError, transaction
from django.test import Client
from pytest_django.fixtures import Settings

from models_registry.accounts.models import Membership, Organization, ServiceAccount, User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from models_registry.tokens.models import TrustedIssuer, TrustRule
from models_registry.tokens.oidc import jwks
from tests.api import refusal
from tests.conftest import authenticated
from tests.models_registry.tokens.issuer import AUDIENCE, CLAIMS, ISSUER, Issuer, new_key, publishing, send

URL = "/api/v1/auth/token/exchange"
FORM = "application/x-www-form-urlencoded"
GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"

pytestmark = pytest.mark.django_db


@pytest.fixture
def issuer(settings: Settings) -> Iterator[Issuer]:
    settings.OIDC_ALLOWED_HOSTS = ["127.0.0.1"]
    jwks.keys_client.cache_clear()
    with publishing() as issuer:
        yield issuer


@pytest.fixture
def trusted(issuer: Issuer) -> TrustedIssuer:
    return TrustedIssuer.objects.create(issuer=ISSUER, audience=AUDIENCE, jwks_url=issuer.jwks_url)


@pytest.fixture
def account(acme: Organization) -> ServiceAccount:
    account = ServiceAccount.objects.create(username="churn-pipeline", is_service_account=True)
    Membership.objects.create(organization=acme, user=account, role="editor")
    return account


@pytest.fixture
def rule(trusted: TrustedIssuer, account: ServiceAccount) -> TrustRule:
    return TrustRule.objects.create(
        issuer=trusted,
        name="branches of churn",
        service_account=account,
        claims={"repository": "acme/churn", "ref": "refs/heads/*"},
        scopes=["model:read", "model:write"],
    )


def exchange(token: str, **fields: str) -> Any:
    form = {"grant_type": GRANT, "subject_token": token, "subject_token_type": JWT, **fields}
    return Client().post(URL, "&".join(f"{name}={value}" for name, value in form.items()), content_type=FORM)


def refused(answer: Any) -> tuple[int, str]:
    assert "access_token" not in answer.json()
    return refusal(answer)


@pytest.mark.usefixtures("rule")
class TestExchange:
    def test_an_identity_token_is_exchanged_for_the_scopes_of_its_rule(
        self, issuer: Issuer, model: RegisteredModel
    ) -> None:
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
        assert (
            client.post(f"/api/v1/models/{model.pk}/versions", {}, content_type="application/json").status_code == 201
        )
        promote = client.post(
            f"/api/v1/models/{model.pk}/versions/ver-001a1/promote", {"reason": "x"}, content_type="application/json"
        )
        assert refused(promote) == (403, "permission_denied")

    def test_an_exchanged_token_may_be_narrowed_further(self, issuer: Issuer, model: RegisteredModel) -> None:
        answer = exchange(issuer.token(), scope="model:read").json()

        assert answer["scope"] == "model:read"
        client = Client(headers={"Authorization": f"Bearer {answer['access_token']}"})
        created = client.post(f"/api/v1/models/{model.pk}/versions", {}, content_type="application/json")
        assert refused(created) == (403, "permission_denied")

    @pytest.mark.parametrize("scope", ["model:promote", "model:read model:promote", "organization:admin"])
    def test_a_scope_beyond_the_rule_is_refused(self, issuer: Issuer, scope: str) -> None:
        answer = exchange(issuer.token(), scope=scope.replace(" ", "+"))

        assert refused(answer) == (403, "permission_denied")
        assert "model:read model:write" in answer.json()["detail"]

    def test_the_rule_gives_no_more_than_the_account_has(self, issuer: Issuer, rule: TrustRule, account: Any) -> None:
        Membership.objects.filter(user=account).delete()
        client = Client(headers={"Authorization": f"Bearer {exchange(issuer.token()).json()['access_token']}"})

        assert client.get("/api/v1/models").json()["results"] == []

    def test_the_keys_are_fetched_once(self, issuer: Issuer) -> None:
        assert [exchange(issuer.token()).status_code for _ in range(3)] == [200, 200, 200]
        assert issuer.asked == 1

    def test_a_rotated_key_is_fetched_when_a_token_names_it(self, issuer: Issuer) -> None:
        old = issuer.token()
        assert exchange(old).status_code == 200
        issuer.rotate("second")

        assert exchange(issuer.token()).status_code == 200

    def test_unknown_key_ids_cause_one_more_fetch_and_no_others(self, issuer: Issuer) -> None:
        exchange(issuer.token())
        for kid in ("third", "fourth", "fifth"):
            assert refused(exchange(issuer.token(headers={"kid": kid}))) == (401, "invalid_token")

        assert issuer.asked == 2
        assert exchange(issuer.token()).status_code == 200

    def test_the_keys_are_fetched_without_the_proxies_of_the_environment(
        self, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with publishing() as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy.jwks_url)

            assert exchange(issuer.token()).status_code == 200
            assert (issuer.asked, proxy.asked) == (1, 0)

    def test_a_withdrawn_key_verifies_nothing_once_the_new_keys_are_fetched(self, issuer: Issuer) -> None:
        old = issuer.token()
        exchange(old)
        issuer.rotate("second")
        exchange(issuer.token())

        assert refused(exchange(old)) == (401, "invalid_token")

    def test_the_exchange_is_in_the_audit_trail_and_no_token_is(self, issuer: Issuer, account: ServiceAccount) -> None:
        token = issuer.token()
        access = exchange(token).json()["access_token"]

        entries = AuditEntry.objects.filter(content_type__model="tokenfamily")
        assert [entry.actor for entry in entries] == [User.objects.get(pk=account.pk)]
        trail = json.dumps([entry.changes for entry in AuditEntry.objects.all()], default=str)
        assert token.split(".")[2] not in trail
        assert access.split(".")[2] not in trail


def unsigned(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "", algorithm="none")


def signed_with_the_public_key(issuer: Issuer) -> str:
    """Return an HMAC token whose secret is the public key: the classic algorithm confusion attack."""
    pem = issuer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header, payload, _ = issuer.token().split(".")
    header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": issuer.kid}).encode()).rstrip(b"=").decode()
    signature = hmac.digest(pem, f"{header}.{payload}".encode(), "sha256")
    return f"{header}.{payload}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def changed(token: str) -> str:
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["repository"] = "acme/churn"
    claims["sub"] = "somebody else"
    return f"{header}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.{signature}"


NOW = int(time.time())
FORGED: dict[str, Callable[[Issuer], str]] = {
    "another key": lambda issuer: issuer.token(key=new_key()),
    "another key's claims under the signature": lambda issuer: changed(issuer.token()),
    "no algorithm": lambda issuer: unsigned({"iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 3000, "iat": NOW, **CLAIMS}),
    "the public key as a secret": signed_with_the_public_key,
    "an unknown key id": lambda issuer: issuer.token(headers={"kid": "third"}),
    "no key id": lambda issuer: issuer.token(headers={"kid": ""}),
    "an unknown critical header": lambda issuer: issuer.token(headers={"crit": ["x"], "x": 1}),
    "another audience": lambda issuer: issuer.token(aud="another-service"),
    "no audience": lambda issuer: issuer.token(aud=None),
    "another issuer": lambda issuer: issuer.token(iss="https://gitlab.com"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "no expiry": lambda issuer: issuer.token(exp=None),
    "no issue time": lambda issuer: issuer.token(iat=None),
    "no subject": lambda issuer: issuer.token(sub=None),
    "from the future": lambda issuer: issuer.token(nbf=NOW + 3000),
    "issued in the future": lambda issuer: issuer.token(iat=NOW + 3000),
    "an expiry past all time": lambda issuer: issuer.token(exp=float("inf")),
    "nothing like a token": lambda issuer: "x",
    "two parts": lambda issuer: "e30.e30",
    "parts that are lists": lambda issuer: "W10.W10.W10",
    "parts that are NUL": lambda issuer: "AA.AA.AA",
    "far too long": lambda issuer: issuer.token(padding="x" * 20_000),
}


@pytest.mark.usefixtures("rule")
@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_token_is_refused(issuer: Issuer, forged: str) -> None:
    answer = exchange(FORGED[forged](issuer))

    assert refused(answer) == (401, "invalid_token")
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert exchange(issuer.token()).status_code == 200  # nothing broke


@pytest.mark.usefixtures("rule")
def test_an_expired_identity_token_is_refused_as_expired(issuer: Issuer) -> None:
    answer = exchange(issuer.token(iat=NOW - 1000, nbf=NOW - 1000, exp=NOW - 100))

    assert refused(answer) == (401, "token_expired")


@pytest.mark.usefixtures("rule")
@pytest.mark.parametrize(
    ("claims", "status"),
    [({"iat": 8}, 200), ({"nbf": 8}, 200), ({"iat": 60}, 401), ({"nbf": 60}, 401), ({"exp": -2}, 401)],
)
def test_the_issuers_clock_may_differ_a_little(issuer: Issuer, claims: dict[str, int], status: int) -> None:
    moved: dict[str, Any] = {name: int(time.time()) + seconds for name, seconds in claims.items()}

    assert exchange(issuer.token(**moved)).status_code == status


@pytest.mark.usefixtures("rule")
@pytest.mark.parametrize("header", ["jku", "x5u"])
def test_a_url_in_the_tokens_header_is_not_fetched(issuer: Issuer, header: str) -> None:
    with publishing() as thief:
        token = thief.token(headers={header: thief.jwks_url, "kid": issuer.kid})

        assert refused(exchange(token)) == (401, "invalid_token")
        assert thief.asked == 0


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


def garbage(request: BaseHTTPRequestHandler) -> None:
    send(request, 200, b"<html>")


def error(request: BaseHTTPRequestHandler) -> None:
    send(request, 500)


def without_keys(request: BaseHTTPRequestHandler) -> None:
    send(request, 200, b'{"keys": []}')


def strange_keys(request: BaseHTTPRequestHandler) -> None:
    send(request, 200, b'{"keys": [{"kty": "RSA", "kid": "first", "n": "A", "e": 5}]}')


def a_list(request: BaseHTTPRequestHandler) -> None:
    send(request, 200, b"[]")


def deep(request: BaseHTTPRequestHandler) -> None:
    send(request, 200, b"[" * 100_000)


def huge(request: BaseHTTPRequestHandler) -> None:
    with suppress(OSError):  # nobody reads it to its end
        send(request, 200, b" " * (jwks.MAX_KEYS_BYTES + 1))


def hanging(request: BaseHTTPRequestHandler) -> None:
    time.sleep(1.5)


def dripping(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    with suppress(OSError):
        for _ in range(400):
            request.wfile.write(b" ")
            time.sleep(0.05)


@pytest.mark.usefixtures("rule")
@pytest.mark.parametrize(
    "misbehaving",
    [garbage, error, without_keys, strange_keys, a_list, deep, huge, hanging, dripping],
    ids=lambda way: way.__name__,
)
def test_an_issuer_without_usable_keys_is_a_503_that_says_when_to_come_back(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, misbehaving: Any
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT", 0.5)
    issuer.answer = misbehaving

    started = time.monotonic()
    answer = exchange(issuer.token())

    assert refused(answer) == (503, "service_unavailable")
    assert int(answer["Retry-After"]) > 0
    assert time.monotonic() - started < 10  # without a limit, the slowest takes 20
    assert refused(exchange(issuer.token())) == (503, "service_unavailable")
    assert issuer.asked == 1, "after a failure it was asked again at once"


@pytest.mark.usefixtures("rule")
def test_a_redirect_is_not_followed(issuer: Issuer) -> None:
    with publishing() as other:
        issuer.answer = lambda request: send(request, 302, Location=other.jwks_url)

        assert refused(exchange(issuer.token())) == (503, "service_unavailable")
        assert other.asked == 0


@pytest.mark.usefixtures("rule")
def test_the_exchange_recovers_when_the_issuer_does(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "PAUSE_AFTER_FAILURE", 0)
    issuer.answer = error
    assert refused(exchange(issuer.token())) == (503, "service_unavailable")

    issuer.answer = issuer.publish
    assert exchange(issuer.token()).status_code == 200


@pytest.mark.usefixtures("rule")
def test_keys_are_not_fetched_from_a_host_that_is_not_allowed(issuer: Issuer, settings: Settings) -> None:
    settings.OIDC_ALLOWED_HOSTS = ["token.actions.githubusercontent.com"]

    assert refused(exchange(issuer.token())) == (503, "service_unavailable")
    assert issuer.asked == 0


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
    form = {"grant_type": GRANT, "subject_token": "x", "subject_token_type": JWT}
    del form[missing]
    body = "&".join(f"{name}={value}" for name, value in form.items())
    answer = Client().post(URL, body, content_type=FORM)

    assert refused(answer) == (400, "invalid_body")
    assert [fault["field"] for fault in answer.json()["errors"]] == [missing]


@pytest.mark.parametrize(
    ("body", "media_type", "problem"),
    [
        ("{}", "application/json", (415, "unsupported_media_type")),
        (b"\xff=1", FORM, (400, "invalid_body")),
        ("&".join(["a=1"] * 101), FORM, (400, "invalid_body")),
        ("a" * 2_000_000, FORM, (413, "payload_too_large")),
    ],
    ids=["json", "not utf-8", "101 fields", "too large"],
)
def test_a_body_that_is_not_a_valid_form_is_refused(
    db: None, body: Any, media_type: str, problem: tuple[int, str]
) -> None:
    assert refused(Client().post(URL, body, content_type=media_type)) == problem


class TestServiceAccounts:
    def test_a_service_account_cannot_log_in_over_http(self, account: ServiceAccount) -> None:
        account.set_password("correct horse battery staple")
        account.save()

        credentials = {"username": account.username, "password": "correct horse battery staple"}
        answer = Client().post("/api/v1/auth/token", credentials, content_type="application/json")

        assert refused(answer) == (401, "not_authenticated")

    def test_a_service_account_cannot_log_in_to_the_admin(self, account: ServiceAccount) -> None:
        account.set_password("correct horse battery staple")
        account.save()
        with pytest.raises(IntegrityError, match="service_account_not_staff"), transaction.atomic():
            User.objects.filter(pk=account.pk).update(is_staff=True)

        client = Client()
        client.post("/admin/login/", {"username": account.username, "password": "correct horse battery staple"})

        assert client.get("/admin/").status_code == 302

    def test_a_service_account_works_with_a_token_that_an_operator_made(
        self, account: ServiceAccount, model: RegisteredModel
    ) -> None:
        client = authenticated(User.objects.get(pk=account.pk))

        assert client.get(f"/api/v1/models/{model.pk}").status_code == 200
