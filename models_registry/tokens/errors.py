"""Errors of logins and tokens."""

from models_registry.api.errors import RegistryError


class NotAuthenticatedError(RegistryError):
    """The credentials match no active user."""

    code = "not_authenticated"


class InvalidTokenError(RegistryError):
    """The token is malformed, forged, revoked, of the wrong type, or its user may no longer log in."""

    code = "invalid_token"


class TokenExpiredError(RegistryError):
    """The token's lifetime is over."""

    code = "token_expired"


class NotTrustedError(RegistryError):
    """The token of another issuer is genuine, but stands for no account, or not for what is asked."""

    code = "permission_denied"


class IssuerUnavailableError(RegistryError):
    """The keys of another issuer cannot be fetched."""

    code = "service_unavailable"


class TooManyFailedLoginsError(RegistryError):
    """This user name and address failed to log in too often. `wait` is in seconds."""

    code = "throttled"

    def __init__(self, detail: str, wait: int) -> None:
        super().__init__(detail)
        self.wait = wait
