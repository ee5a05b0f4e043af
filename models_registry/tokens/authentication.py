"""Authentication by bearer token, without a query.

The query for the requested data also reads the state of the user and the login.
"""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from models_registry.tokens.errors import InvalidTokenError, TokenExpiredError
from models_registry.tokens.jwt import Caller, read_access_token


class BearerAuthentication(BaseAuthentication):
    """Verifies the signature and claims of a bearer token. The scheme is case-insensitive (RFC 9110, 11.1)."""

    errors = (InvalidTokenError, TokenExpiredError)

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        """Return the caller, or `None` without a bearer token. Raises `InvalidTokenError` or `TokenExpiredError`."""
        scheme, _, token = request._request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token.strip(" ")
        if not token:
            raise InvalidTokenError("The Authorization header holds no token: send `Authorization: Bearer <access>`.")
        return read_access_token(token.encode("iso-8859-1")), None

    def authenticate_header(self, request: Request) -> str:
        """Return the `WWW-Authenticate` header of a 401 response."""
        return "Bearer"
