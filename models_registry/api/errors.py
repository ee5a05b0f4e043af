"""What can go wrong in the registry, in its own words. `config.problems` gives each code its HTTP form."""

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


class BusyError(RegistryError):
    """The process is already doing as much work of this kind as it may. Ask again after `wait` seconds."""

    code = "service_unavailable"
    wait = 1


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


class ConflictError(RegistryError):
    """The write contradicts what is stored."""

    code = "conflict"


class PayloadTooLargeError(RegistryError):
    """The body is over the limit."""

    code = "payload_too_large"


class PreconditionFailedError(RegistryError):
    """`If-Match` names a state that is no longer there."""

    code = "precondition_failed"


class IdempotencyMismatchError(RegistryError):
    """The idempotency key was used with another request."""

    code = "idempotency_mismatch"


class IdempotencyInProgressError(RegistryError):
    """The first request of this idempotency key is still under way."""

    code = "idempotency_in_progress"
