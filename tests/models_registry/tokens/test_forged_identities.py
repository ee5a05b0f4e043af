"""Forged, expired and premature identity tokens are refused."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.models_registry.tokens.exchanges import exchange, refused
from tests.models_registry.tokens.issuer import AUDIENCE, CLAIMS, ISSUER, Issuer, new_key, publishing

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rule")]


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


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_identity_token_is_refused(issuer: Issuer, forged: str) -> None:
    answer = exchange(FORGED[forged](issuer))

    assert refused(answer) == (401, "invalid_token")
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert exchange(issuer.token()).status_code == 200  # nothing broke


def test_an_expired_identity_token_is_refused_as_expired(issuer: Issuer) -> None:
    answer = exchange(issuer.token(iat=NOW - 1000, nbf=NOW - 1000, exp=NOW - 100))

    assert refused(answer) == (401, "token_expired")


@pytest.mark.parametrize(
    ("claims", "status"),
    [({"iat": 8}, 200), ({"nbf": 8}, 200), ({"iat": 60}, 401), ({"nbf": 60}, 401), ({"exp": -2}, 401)],
)
def test_the_issuers_clock_may_differ_a_little(issuer: Issuer, claims: dict[str, int], status: int) -> None:
    moved: dict[str, Any] = {name: int(time.time()) + seconds for name, seconds in claims.items()}

    assert exchange(issuer.token(**moved)).status_code == status


@pytest.mark.parametrize("header", ["jku", "x5u"])
def test_a_url_in_the_tokens_header_is_not_fetched(issuer: Issuer, header: str) -> None:
    with publishing() as thief:
        token = thief.token(headers={header: thief.jwks_url, "kid": issuer.kid})

        assert refused(exchange(token)) == (401, "invalid_token")
        assert thief.asked == 0
