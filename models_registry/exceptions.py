"""What can go wrong in the registry, in its own words. `config.problems` gives each code its HTTP form."""

from collections.abc import Callable
from typing import Any, ClassVar


class RegistryError(Exception):
    """A request that cannot be met. `code` is stable; `detail` tells the reader what to do next.

    `wait` is the number of seconds after which to ask again, for an error that passes.
    """

    code: ClassVar[str]
    wait: int | None = None

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def members(self) -> dict[str, Any]:
        """What else is told of it, by name."""
        return {}


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


class BusyError(RegistryError):
    """The process is already doing as much work of this kind as it may. Ask again after `wait` seconds."""

    code = "service_unavailable"
    wait = 1


class TooManyFailedLoginsError(RegistryError):
    """This user name and address failed to log in too often. `wait` is in seconds."""

    code = "throttled"

    def __init__(self, detail: str, wait: int) -> None:
        super().__init__(detail)
        self.wait = wait


class InvalidInputError(RegistryError):
    """Input that was refused whole. `errors` lists `(field, code, detail)` of each fault."""

    def __init__(self, detail: str, errors: list[tuple[str, str, str]]) -> None:
        super().__init__(detail)
        self.errors = errors


class UnknownParameterError(InvalidInputError):
    """A query parameter that the route does not have."""

    code = "unknown_parameter"


class InvalidParameterError(InvalidInputError):
    """A query parameter whose value is not allowed."""

    code = "invalid_parameter"


class InvalidBodyError(InvalidInputError):
    """A body that is well-formed, but that what is stored does not allow."""

    code = "invalid_body"


class NotFoundError(RegistryError):
    """What was asked for is not there."""

    code = "not_found"


class ModelNotFoundError(RegistryError):
    """There is no such registered model."""

    code = "model_not_found"


class VersionNotFoundError(RegistryError):
    """The model has no such version."""

    code = "version_not_found"


class NoPromotedVersionError(RegistryError):
    """The model has completed versions, but none is promoted."""

    code = "no_promoted_version"


class NoTrainedVersionError(RegistryError):
    """The model has no completed version."""

    code = "no_trained_version"


class VersionNotTrainedError(RegistryError):
    """The version is not completed."""

    code = "version_not_trained"


class ConflictError(RegistryError):
    """The write contradicts what is stored."""

    code = "conflict"


class PayloadTooLargeError(RegistryError):
    """The body is over the limit."""

    code = "payload_too_large"


class PreconditionFailedError(RegistryError):
    """`If-Match` names a state that is no longer there."""

    code = "precondition_failed"


class GateFailedError(RegistryError):
    """The version may not be promoted. `verdict` says why, rule by rule.

    `keep` stores the verdict in the name of a user. It is to be called once the refused promotion has been undone, as
    it would be undone with it.
    """

    code = "gate_failed"

    def __init__(self, detail: str, verdict: dict[str, Any], keep: Callable[[Any], object] = lambda user: None) -> None:
        super().__init__(detail)
        self.verdict = verdict
        self.keep = keep

    @property
    def members(self) -> dict[str, Any]:
        return {"verdict": self.verdict}


class IdempotencyMismatchError(RegistryError):
    """The idempotency key was used with another request."""

    code = "idempotency_mismatch"


class IdempotencyInProgressError(RegistryError):
    """The first request of this idempotency key is still under way."""

    code = "idempotency_in_progress"
