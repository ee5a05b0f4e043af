"""Errors of logins and tokens."""

from models_registry.api.errors import (
    AuthenticationError,
    PermissionDeniedError,
    ServiceUnavailableError,
    ThrottledError,
)


class InvalidTokenError(AuthenticationError):
    """The token is malformed, forged, revoked, of the wrong type, or its user may no longer log in."""

    code = "invalid_token"
    title = "Invalid token"
    default_detail = "The token is not valid here. Get a new one with POST /api/v1/auth/token."


class TokenExpiredError(AuthenticationError):
    """The token has expired."""

    code = "token_expired"
    title = "Token expired"
    default_detail = "The token has expired. Get a new one with POST /api/v1/auth/token/refresh."


class TwoFactorRequiredError(AuthenticationError):
    """The user has, or must have, a second factor, so a password alone gets no token."""

    code = "two_factor_required"
    title = "Second factor required"
    default_detail = (
        "This user logs in with a second factor, so a password alone gets no token. Make a personal token in the admin."
    )


class NotTrustedError(PermissionDeniedError):
    """The token of another issuer is genuine, but no rule lets it do what is asked."""


class IssuerUnavailableError(ServiceUnavailableError):
    """The keys of another issuer cannot be fetched."""


class TooManyFailedLoginsError(ThrottledError):
    """Too many logins with this user name failed, from this network or from anywhere."""
