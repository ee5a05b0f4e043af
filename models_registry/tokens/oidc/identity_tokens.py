"""Identity tokens: verify them with the published keys of a trusted issuer, and find the rule that accepts them."""

import json
import time
from collections.abc import Mapping

import jwt
from django.conf import settings

from models_registry.tokens.errors import InvalidTokenError, NotTrustedError, TokenExpiredError
from models_registry.tokens.models import TrustedIssuer, TrustRule
from models_registry.tokens.oidc.claims import matches
from models_registry.tokens.oidc.jwks import MALFORMED_TOKENS, keys_client

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
REQUIRED_CLAIMS = ["exp", "iat", "iss", "aud", "sub"]
MAX_TOKEN_BYTES = 16 * 1024

_INVALID = "The subject token is not valid here. Have the pipeline ask its platform for one with the right audience."
_EXPIRED = "The subject token has expired. Have the pipeline ask its platform for a new one just before the exchange."
_UNKNOWN_ISSUER = "No trusted issuer has made the subject token. An operator sets issuers up in the admin."


def read_identity_token(encoded: str) -> tuple[TrustedIssuer, dict[str, object]]:
    """Return the issuer and the claims of an identity token.

    Raises `InvalidTokenError`, `TokenExpiredError` or `IssuerUnavailableError`.
    """
    if len(encoded) > MAX_TOKEN_BYTES:
        raise InvalidTokenError(_INVALID)
    try:
        unverified = jwt.decode_complete(encoded, options={"verify_signature": False})
        issuer = _find_issuer(unverified["payload"].get("iss"))
        return issuer, _verify(encoded, unverified["header"].get("kid"), issuer)
    except jwt.ExpiredSignatureError:
        raise TokenExpiredError(_EXPIRED) from None
    except MALFORMED_TOKENS:
        raise InvalidTokenError(_INVALID) from None


def find_matching_rule(issuer: TrustedIssuer, claims: Mapping[str, object]) -> TrustRule:
    """Return the first active rule of the issuer that matches the claims. Raises `NotTrustedError` if none does."""
    rules = issuer.rules.filter(is_active=True).select_related("service_account").order_by("id")
    rule = next((rule for rule in rules if matches(rule.claims, claims)), None)
    if rule is None:
        subject = json.dumps(str(claims["sub"])[:200])
        raise NotTrustedError(
            f"No rule of {issuer} matches this token, whose `sub` is {subject}. Ask an operator for a rule that does."
        )
    return rule


def _find_issuer(name: object) -> TrustedIssuer:
    # There are few issuers. Comparing them here keeps text of a forged token out of database queries.
    issuer = next((each for each in TrustedIssuer.objects.filter(is_active=True) if each.issuer == name), None)
    if issuer is None:
        raise InvalidTokenError(_UNKNOWN_ISSUER)
    return issuer


def _verify(encoded: str, key_id: str | None, issuer: TrustedIssuer) -> dict[str, object]:
    claims = jwt.decode(
        encoded,
        keys_client(issuer.jwks_url).get_signing_key(key_id),
        algorithms=ALGORITHMS,
        audience=issuer.audience,
        issuer=issuer.issuer,
        leeway=settings.CLOCK_LEEWAY,
        options={"require": REQUIRED_CLAIMS, "enforce_minimum_key_length": True},
    )
    if int(claims["exp"]) <= time.time():  # the leeway applies only to `iat` and `nbf`
        raise jwt.ExpiredSignatureError
    return claims
