"""The published keys of an issuer."""

import logging
import time
from functools import lru_cache
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.request import HTTPErrorProcessor, build_opener

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from django.conf import settings
from jwt import PyJWKClient, PyJWKSet

from models_registry.api.strict_json import parse_json
from models_registry.tokens.errors import IssuerUnavailableError
from models_registry.tokens.oidc.claims import check_url

MAX_KEYS_BYTES = 1024 * 1024
KEYS_KEPT = 300  # seconds
FETCH_WITHIN = 5  # seconds
PAUSE_AFTER_FAILURE = 5  # seconds

# What the library lets through where a foreign token, or document of keys, is malformed in a way it does not foresee.
log = logging.getLogger(__name__)

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


@lru_cache(maxsize=64)
def keys_client(jwks_url: str) -> "KeysClient":
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
        except (OSError, HTTPException, *MALFORMED_TOKENS) as error:
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
