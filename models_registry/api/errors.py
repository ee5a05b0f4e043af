"""Errors that the API answers with: each class holds its status, its code and its text.

A problem document (RFC 9457), the OpenAPI document and the documentation follow from the classes.
"""

from collections.abc import Iterable
from itertools import islice
from typing import ClassVar

from django.utils.text import Truncator
from rest_framework.exceptions import APIException

from models_registry.api.field_errors import FieldError
from models_registry.api.fields import MAX_ERRORS

MAX_DETAIL = 400  # characters of the detail of one error, which may quote the request


class APIError(APIException):
    """A request that the service refuses or cannot carry out.

    `code` is stable. A `detail` says what is wrong, where, and what to do. `wait` is the number of seconds after which
    the caller may try again. A subclass without a code of its own is a case of its base class.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    detail: str  # type: ignore[assignment]  # which is any structure in the framework
    wait: int | None = None

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or None, self.code)

    @property
    def members(self) -> dict[str, object]:
        """Return the members that the problem document has besides the standard ones; a null one is left out."""
        return {}

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that the response has besides the standard ones."""
        return {} if self.wait is None else {"Retry-After": str(self.wait)}


class InvalidInputError(APIError):
    """Input that is refused as a whole. `errors` lists the errors of its fields."""

    status_code = 400

    def __init__(self, detail: str = "", errors: Iterable[FieldError] = ()) -> None:
        super().__init__(detail)
        self.errors = list(islice(errors, MAX_ERRORS))

    @property
    def members(self) -> dict[str, object]:
        errors = [
            {"field": field, "code": code, "detail": Truncator(detail).chars(MAX_DETAIL)}
            for field, code, detail in self.errors
        ]
        return {"errors": errors or None}


class UnknownParameterError(InvalidInputError):
    """A query parameter that the route does not have."""

    code = "unknown_parameter"
    title = "Unknown parameter"
    default_detail = "This route has no such query parameter; `errors` names it."


class InvalidParameterError(InvalidInputError):
    """A query parameter or header with a value that is not allowed."""

    code = "invalid_parameter"
    title = "Invalid parameter"
    default_detail = "One or more query parameters are not valid; `errors` says which and why."


class InvalidBodyError(InvalidInputError):
    """A body that is malformed, or that contradicts what is stored."""

    code = "invalid_body"
    title = "Invalid body"
    default_detail = "The body is not valid; `errors` says what and why."


class AuthenticationError(APIError):
    """The service does not know who is calling."""

    status_code = 401

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class NotAuthenticatedError(AuthenticationError):
    """The request has no token, or the credentials match no active user."""

    code = "not_authenticated"
    title = "Not authenticated"
    default_detail = "Send an access token: `Authorization: Bearer <access>`, from POST /api/v1/auth/token."


class PermissionDeniedError(APIError):
    """The caller may not do this."""

    status_code = 403
    code = "permission_denied"
    title = "Permission denied"
    default_detail = "You need the scope model:read on this model. Ask an admin of its organization."


class NotFoundError(APIError):
    """The URL names something that does not exist."""

    status_code = 404
    code = "not_found"
    title = "Not found"
    default_detail = "There is nothing at this address. The API is described at /api/docs."


class MethodNotAllowedError(APIError):
    """The URL does not take this method. `allowed` names the methods that it takes."""

    status_code = 405
    code = "method_not_allowed"
    title = "Method not allowed"
    default_detail = "This address does not take that method; the Allow header lists those it takes."

    def __init__(self, detail: str = "", *, allowed: Iterable[str] = ()) -> None:
        super().__init__(detail)
        self.allowed = list(allowed)

    @property
    def headers(self) -> dict[str, str]:
        return {"Allow": ", ".join(self.allowed)}


class NotAcceptableError(APIError):
    """The URL has no representation that the caller accepts."""

    status_code = 406
    code = "not_acceptable"
    title = "Not acceptable"
    default_detail = "This address has no form that you accept; the API answers in application/json."


class ConflictError(APIError):
    """The write contradicts what is stored."""

    status_code = 409
    code = "conflict"
    title = "Conflict"
    default_detail = "The request contradicts what is stored."


class IdempotencyInProgressError(APIError):
    """The first request with this idempotency key has not ended yet."""

    status_code = 409
    code = "idempotency_in_progress"
    title = "Idempotency in progress"
    default_detail = "The first request of this key is under way. Ask again in a second."


class PreconditionFailedError(APIError):
    """`If-Match` names a state that is not the current one."""

    status_code = 412
    code = "precondition_failed"
    title = "Precondition failed"
    default_detail = "If-Match does not name the present state. Read it again, then change that."


class PayloadTooLargeError(APIError):
    """The body is over the limit."""

    status_code = 413
    code = "payload_too_large"
    title = "Payload too large"
    default_detail = "The body is over 1048576 bytes. Send less at a time."


class UnsupportedMediaTypeError(APIError):
    """The body's media type is not one that the route takes."""

    status_code = 415
    code = "unsupported_media_type"
    title = "Unsupported media type"
    default_detail = "Send the body as JSON, with `Content-Type: application/json`."


class IdempotencyMismatchError(APIError):
    """The idempotency key was used with another request."""

    status_code = 422
    code = "idempotency_mismatch"
    title = "Idempotency mismatch"
    default_detail = "This Idempotency-Key was used for another request. Choose a new key."


class ThrottledError(APIError):
    """The caller asks too often, or for too much at a time."""

    status_code = 429
    code = "throttled"
    title = "Too many requests"
    default_detail = "Wait for the seconds that Retry-After gives, then ask again."
    wait: int = 1

    def __init__(self, detail: str = "", *, wait: int | None = None) -> None:
        super().__init__(detail)
        self.wait = wait or self.wait


class HeaderTooLargeError(APIError):
    """A header is over the limit."""

    status_code = 431
    code = "header_too_large"
    title = "Request header too large"
    default_detail = "The header Accept is over 16384 characters. Send a shorter one."


class InternalError(APIError):
    """A defect of the service."""

    status_code = 500
    code = "internal_error"
    title = "Internal error"
    default_detail = "Something went wrong here. Report it with the request_id of this answer."


class ServiceUnavailableError(APIError):
    """Something that the service needs cannot be reached or used now."""

    status_code = 503
    code = "service_unavailable"
    title = "Service unavailable"
    default_detail = "The database or cache cannot be reached. Ask again after the seconds that Retry-After gives."
    wait: int = 2


class BusyError(ServiceUnavailableError):
    """The process already does as much work of this kind as it may."""

    wait = 1
