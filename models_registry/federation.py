"""Identity tokens of other issuers: verified with the issuer's published keys, and judged by its rules."""

import json
import logging
import time
from collections.abc import Mapping
from functools import lru_cache
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.request import HTTPErrorProcessor, build_opener

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from django.conf import settings
from jwt import PyJWKClient, PyJWKSet

from models_registry.exceptions import InvalidTokenError, IssuerUnavailableError, NotTrustedError, TokenExpiredError
from models_registry.models import TrustedIssuer, TrustRule
from models_registry.strict_json import parse_json
from models_registry.trust import check_url, matches

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
REQUIRED_CLAIMS = ["exp", "iat", "iss", "aud", "sub"]
MAX_TOKEN_BYTES = 16 * 1024
MAX_KEYS_BYTES = 1024 * 1024
KEYS_KEPT = 300  # seconds
FETCH_WITHIN = 5  # seconds
PAUSE_AFTER_FAILURE = 5  # seconds

_INVALID = "The subject token is not valid here. Have the pipeline ask its platform for one with the right audience."
_EXPIRED = "The subject token has expired. Have the pipeline ask its platform for a new one just before the exchange."
_UNKNOWN_ISSUER = "No trusted issuer has made the subject token. An operator sets issuers up in the admin."

# What the library lets through where a foreign token, or document of keys, is malformed in a way it does not foresee.
_MALFORMED = (
    jwt.PyJWTError,
    UnsupportedAlgorithm,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)

log = logging.getLogger(__name__)


def read_identity_token(encoded: str) -> tuple[TrustedIssuer, dict[str, Any]]:
    """Return who issued a valid identity token, and its claims.

    Raises `InvalidTokenError`, `TokenExpiredError` or `IssuerUnavailableError`.
    """
    if len(encoded) > MAX_TOKEN_BYTES:
        raise InvalidTokenError(_INVALID)
    try:
        unverified = jwt.decode_complete(encoded, options={"verify_signature": False})
        issuer = _issuer(unverified["payload"].get("iss"))
        return issuer, _verified(encoded, unverified["header"].get("kid"), issuer)
    except jwt.ExpiredSignatureError:
        raise TokenExpiredError(_EXPIRED) from None
    except _MALFORMED:
        raise InvalidTokenError(_INVALID) from None


def matching_rule(issuer: TrustedIssuer, claims: Mapping[str, Any]) -> TrustRule:
    """Return the first active rule of an issuer that a token's claims match. Raises `NotTrustedError`."""
    rules = issuer.rules.filter(is_active=True).select_related("service_account").order_by("id")
    rule = next((rule for rule in rules if matches(rule.claims, claims)), None)
    if rule is None:
        subject = json.dumps(claims["sub"][:200])
        raise NotTrustedError(
            f"No rule of {issuer} matches this token, whose `sub` is {subject}. Ask an operator for a rule that does."
        )
    return rule


def _issuer(name: Any) -> TrustedIssuer:
    # Compared here, as there are a few of them, so that no text of a forged token reaches the database.
    issuer = next((each for each in TrustedIssuer.objects.filter(is_active=True) if each.issuer == name), None)
    if issuer is None:
        raise InvalidTokenError(_UNKNOWN_ISSUER)
    return issuer


def _verified(encoded: str, kid: Any, issuer: TrustedIssuer) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        encoded,
        _client(issuer.jwks_url).get_signing_key(kid),
        algorithms=ALGORITHMS,
        audience=issuer.audience,
        issuer=issuer.issuer,
        leeway=settings.CLOCK_LEEWAY,
        options={"require": REQUIRED_CLAIMS, "enforce_minimum_key_length": True},
    )
    if int(claims["exp"]) <= time.time():  # the leeway is for `iat` and `nbf`
        raise jwt.ExpiredSignatureError
    return claims


@lru_cache(maxsize=64)
def _client(jwks_url: str) -> "KeysClient":
    return KeysClient(jwks_url, lifespan=KEYS_KEPT, timeout=FETCH_WITHIN)


class KeysClient(PyJWKClient):
    """Fetches an issuer's keys as the library does, from an allowed host, with bounds on size and time.

    After a failure it fails at once for a while: an issuer that hangs must not hold up one thread after another.
    """

    failed_at = float("-inf")

    def fetch_data(self) -> PyJWKSet:
        """Return the keys. Raises `IssuerUnavailableError`."""
        if time.monotonic() < self.failed_at + PAUSE_AFTER_FAILURE:
            raise self._unavailable()
        try:
            check_url(self.uri, settings.OIDC_ALLOWED_HOSTS)
            return PyJWKSet.from_dict(parse_json(self._download()))
        except (OSError, HTTPException, *_MALFORMED) as error:
            self.failed_at = time.monotonic()
            log.error("The keys at %s cannot be used: %s", self.uri, error)
            raise self._unavailable() from None

    def _download(self) -> bytes:
        deadline = time.monotonic() + self.timeout
        with build_opener(_AnyStatus).open(self.uri, timeout=self.timeout) as response:
            if response.status != 200:
                raise ValueError(f"the status is {response.status}")
            return _read(response, deadline)

    def _unavailable(self) -> IssuerUnavailableError:
        return IssuerUnavailableError(
            "The keys of the token's issuer cannot be fetched. Try again after the seconds that Retry-After gives; "
            "if that does not help, an operator finds the reason in the log."
        )


class _AnyStatus(HTTPErrorProcessor):
    """Gives answers as they come: above all it follows no redirect, which could lead to any host."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response

    https_response = http_response


def _read(response: HTTPResponse, deadline: float) -> bytes:
    body = b""
    while chunk := response.read1(65536):
        body += chunk
        if len(body) > MAX_KEYS_BYTES:
            raise ValueError(f"the document is over {MAX_KEYS_BYTES} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError("the document comes too slowly")
    return body
