"""The published keys of an issuer (JSON Web Key Set)."""

import logging
import time
from collections.abc import Mapping
from functools import lru_cache
from threading import Lock

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from django.conf import settings
from jwt import PyJWK, PyJWKSet

from models_registry.api import http_client
from models_registry.api.http_client import DeliveryError
from models_registry.api.strict_json import parse_json
from models_registry.tokens.errors import IssuerUnavailableError
from models_registry.tokens.oidc.claims import check_url

MAX_KEYS_BYTES = 1024 * 1024
KEYS_LIFETIME = 300  # seconds
FETCH_TIMEOUT = 5  # seconds
REFRESH_PAUSE = 30  # seconds between two fetches because of an unknown key id
PAUSE_AFTER_FAILURE = 5  # seconds

# What PyJWT and cryptography raise for malformed tokens and keys.
MALFORMED_TOKENS = (
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


@lru_cache(maxsize=64)
def keys_client(jwks_url: str) -> "KeysClient":
    """Return the client of a URL, with the keys that it has fetched."""
    return KeysClient(jwks_url)


class KeysClient:
    """Fetches the signing keys of an issuer, and caches them.

    An unknown key id causes a fetch, as the issuer may have rotated its keys, but not again within `REFRESH_PAUSE`.
    After a failed fetch, it fails at once for a while: an issuer that hangs must not block one thread after another.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = Lock()
        self._keys: Mapping[str | None, PyJWK] = {}
        self._fetched_at = self._refreshed_at = self._failed_at = float("-inf")

    def get_signing_key(self, kid: str | None) -> PyJWK:
        """Return the key with an id. Raises `LookupError` without such a key, and `IssuerUnavailableError`."""
        if kid in self._keys and self._are_fresh():
            return self._keys[kid]  # without the lock, as another thread may wait for a slow issuer
        with self._lock:
            if not self._are_fresh():
                self._fetch()
            if kid not in self._keys and time.monotonic() > self._refreshed_at + REFRESH_PAUSE:
                self._refreshed_at = time.monotonic()
                self._fetch()
            return self._keys[kid]

    def _are_fresh(self) -> bool:
        return time.monotonic() <= self._fetched_at + KEYS_LIFETIME

    def _fetch(self) -> None:
        if time.monotonic() < self._failed_at + PAUSE_AFTER_FAILURE:
            raise _unavailable()
        try:
            document = parse_json(self._download())
            if not isinstance(document, dict):
                raise ValueError("They are not a JSON object.")
            key_set = PyJWKSet.from_dict(document)
        except (DeliveryError, *MALFORMED_TOKENS) as error:
            self._failed_at = time.monotonic()
            log.error("The keys at %s cannot be used: %s", self._url, error)
            raise _unavailable() from None
        self._keys = {key.key_id: key for key in key_set.keys if key.key_id and key.public_key_use in ("sig", None)}
        self._fetched_at = time.monotonic()

    def _download(self) -> bytes:
        """Return the document. Raises `DeliveryError`, and `ValueError` if the URL is not allowed (any more)."""
        allowed = settings.OIDC_ALLOWED_HOSTS
        check_url(self._url, allowed)
        return http_client.get(self._url, trusted_hosts=allowed, timeout=FETCH_TIMEOUT, max_bytes=MAX_KEYS_BYTES)


def _unavailable() -> IssuerUnavailableError:
    return IssuerUnavailableError(
        "The keys of the token's issuer cannot be fetched. Try again after the seconds that Retry-After gives; "
        "if that does not help, an operator finds the reason in the log."
    )
