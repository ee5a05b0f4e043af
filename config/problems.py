"""Problem documents (RFC 9457), the responses to errors."""

import math
from collections.abc import Iterator
from importlib import import_module
from typing import TypedDict

from django.conf import settings
from django.core.exceptions import BadRequest, DisallowedHost, RequestDataTooBig
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseBase,
    JsonResponse,
    UnreadablePostError,
)
from django.template import loader
from django.views import csrf, defaults
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.views import APIView

from config.admin.middleware import is_admin, too_many_requests
from config.logs import current_request_id
from models_registry.api.errors import (
    APIError,
    InternalError,
    InvalidBodyError,
    InvalidParameterError,
    MethodNotAllowedError,
    NotAcceptableError,
    NotAuthenticatedError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    ServiceUnavailableError,
    ThrottledError,
    UnsupportedMediaTypeError,
)
from models_registry.api.fields import list_errors
from models_registry.audit.denials import note_denial, seconds_to_wait
from models_registry.db.outages import is_outage, outage_detail
from models_registry.tokens.errors import InvalidTokenError

CONTENT_TYPE = "application/problem+json"
MALFORMED_REQUEST = "The request is malformed, or its Host is not one that this service answers for."


def error_classes() -> list[type[APIError]]:
    """Return every error class that has a code of its own, by status and code."""
    import_module(settings.ROOT_URLCONF)  # imports the views, and with them every error that they raise
    found = [each for each in _subclasses(APIError) if "code" in vars(each)]
    return sorted(found, key=lambda error: (error.status_code, error.code))


def _subclasses(error: type[APIError]) -> Iterator[type[APIError]]:
    for each in error.__subclasses__():
        yield each
        yield from _subclasses(each)


def problem_document(path: str, error: APIError) -> dict[str, object]:
    """Return the problem document of an error for a request of `path`."""
    return {
        "type": f"urn:problem:{error.code}",
        "title": error.title,
        "status": error.status_code,
        "detail": error.detail,
        "instance": path,
        "code": error.code,
        "request_id": current_request_id(),
        **{name: value for name, value in error.members.items() if value is not None},
    }


class ExceptionContext(TypedDict):
    """What DRF says of an exception that we use."""

    view: APIView
    request: Request


def problem_response(request: HttpRequest | Request, error: APIError) -> HttpResponse:
    """Return the problem document of an error as a response, and note a denial.

    A network with too many denials gets a 429 in place of a 401 or 403.
    """
    if error.status_code in {401, 403} and (wait := seconds_to_wait(request)):
        error = ThrottledError(wait=math.ceil(wait))
    if error.status_code in {401, 403, 429}:
        note_denial(request, error.status_code, error.code)
    return JsonResponse(
        problem_document(request.path, error),
        status=error.status_code,
        content_type=CONTENT_TYPE,
        headers=error.headers,
        json_dumps_params={"ensure_ascii": False},
    )


def exception_handler(error: Exception, context: ExceptionContext) -> HttpResponse | None:
    """Return the response to an exception that a view raised.

    Return `None` for an unexpected error: Django then logs it and calls `handler500`.
    """
    known = as_api_error(error, context["view"])
    return None if known is None else problem_response(context["request"], known)


def as_api_error(error: Exception, view: APIView) -> APIError | None:
    """Return the `APIError` for an exception of Django or DRF, or `None` for an unexpected one."""
    match error:
        case APIError():
            return error
        case exceptions.ValidationError():
            return InvalidBodyError(errors=list_errors(error.detail))
        case exceptions.ParseError():
            return InvalidBodyError(str(error.detail))
        case UnreadablePostError():
            return InvalidBodyError()
        case exceptions.NotAuthenticated():
            return NotAuthenticatedError()
        case exceptions.AuthenticationFailed():
            return InvalidTokenError()
        case exceptions.PermissionDenied():
            return PermissionDeniedError(str(error.detail))
        case exceptions.NotFound() | Http404():
            return NotFoundError()
        case exceptions.MethodNotAllowed():
            return MethodNotAllowedError(allowed=(name for name in view.allowed_methods if name != "OPTIONS"))
        case exceptions.NotAcceptable():
            forms = " or ".join(renderer.media_type for renderer in view.renderer_classes)
            return NotAcceptableError(f"This address has no form that you accept; it answers in {forms}.")
        case exceptions.UnsupportedMediaType():
            accepted = " or ".join(parser.media_type for parser in view.parser_classes)
            return UnsupportedMediaTypeError(f"Send the body as {accepted}, declared in Content-Type.")
        case exceptions.Throttled():
            return ThrottledError(wait=math.ceil(getattr(error, "wait", None) or 0))
        case RequestDataTooBig():
            return PayloadTooLargeError()
        case _:
            return ServiceUnavailableError(outage_detail(error)) if is_outage(error) else None


# Views that Django calls for errors outside of API views.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Respond to a bad host, a malformed URL or an oversized form, in the admin with a page."""
    if isinstance(exception, RequestDataTooBig):
        return problem_response(request, PayloadTooLargeError())
    if is_admin(request) and not isinstance(exception, DisallowedHost):
        detail = str(exception) if isinstance(exception, BadRequest) else "This page does not take what was sent."
        return HttpResponseBadRequest(loader.render_to_string("400.html", {"detail": detail}))
    return problem_response(request, InvalidParameterError(MALFORMED_REQUEST))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Respond to a forbidden request, in the admin with a page."""
    if not is_admin(request):
        return problem_response(request, PermissionDeniedError())
    return _refusal(request, defaults.permission_denied(request, exception))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Respond to a form that does not come from the admin."""
    return _refusal(request, csrf.csrf_failure(request, reason))


def _refusal(request: HttpRequest, page: HttpResponse) -> HttpResponse:
    """Note a denial in the admin. Return its page, or a 429 if this network was refused too often."""
    if wait := seconds_to_wait(request):
        note_denial(request, 429, "throttled")
        return too_many_requests("requests", wait)
    note_denial(request, 403, "permission_denied")
    return page


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Respond to an unknown URL, in the admin with a page."""
    return (
        defaults.page_not_found(request, exception) if is_admin(request) else problem_response(request, NotFoundError())
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Respond to an unexpected error, in the admin with a page."""
    return defaults.server_error(request) if is_admin(request) else problem_response(request, InternalError())
