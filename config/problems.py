"""From what went wrong to a problem document (RFC 9457). This module alone knows the HTTP form of each error."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

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
from django.utils.text import Truncator
from django.views import csrf, defaults
from rest_framework import exceptions
from rest_framework.request import Request

from config.admin.middleware import is_admin, too_many
from config.observability import current_request_id
from models_registry.api.errors import InvalidInputError, RegistryError
from models_registry.api.fields import MAX_ERRORS, list_errors
from models_registry.audit.denials import note_denial, seconds_to_wait
from models_registry.db.outages import RETRY_AFTER_OUTAGE, is_outage, outage_detail

CONTENT_TYPE = "application/problem+json"
MAX_DETAIL = 400  # characters of each of the faults
MALFORMED_REQUEST = "The request is malformed, or its Host is not one that this service answers for."


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of problem: its HTTP status, its title, and an example of its detail (the default one)."""

    status: int
    title: str
    detail: str


PROBLEMS: dict[str, Problem] = {
    "invalid_parameter": Problem(
        400, "Invalid parameter", "One or more query parameters are not valid; `errors` says which and why."
    ),
    "unknown_parameter": Problem(
        400, "Unknown parameter", "This route has no such query parameter; `errors` names the ones it has."
    ),
    "invalid_body": Problem(400, "Invalid body", "The body is not valid; `errors` says what and why."),
    "not_authenticated": Problem(
        401,
        "Not authenticated",
        "Send an access token: `Authorization: Bearer <access>`, from POST /api/v1/auth/token.",
    ),
    "invalid_token": Problem(
        401, "Invalid token", "The token is not valid here. Get a new one with POST /api/v1/auth/token."
    ),
    "token_expired": Problem(
        401, "Token expired", "The token has expired. Get a new one with POST /api/v1/auth/token/refresh."
    ),
    "permission_denied": Problem(
        403, "Permission denied", "You need the scope model:read on this model. Ask an admin of its organization."
    ),
    "model_not_found": Problem(404, "Model not found", "There is no model mdl-0123456789. Check the id."),
    "version_not_found": Problem(404, "Version not found", "This model has no version ver-00009. Check the id."),
    "no_promoted_version": Problem(
        404,
        "No promoted version",
        "No version of this model is promoted. Ask for one by name: its newest completed version is ver-00003.",
    ),
    "snapshot_not_found": Problem(
        404,
        "Snapshot not found",
        "Version ver-00003 was not evaluated on the split train. Ask for another split, or evaluate it first.",
    ),
    "not_available_for_task_type": Problem(
        404, "Not available for the task type", "A model of regression has no classes that could be confused."
    ),
    "not_found": Problem(404, "Not found", "There is nothing at this address. The API is described at /api/docs."),
    "method_not_allowed": Problem(
        405, "Method not allowed", "This address does not take that method; the Allow header lists those it takes."
    ),
    "not_acceptable": Problem(
        406, "Not acceptable", "This address has no form that you accept; the API answers in application/json."
    ),
    "conflict": Problem(409, "Conflict", "The request contradicts what is stored."),
    "gate_failed": Problem(
        409, "Gate failed", "The gate refuses this version: accuracy is 0.91, and 0.93 is the least. See `verdict`."
    ),
    "idempotency_in_progress": Problem(
        409, "Idempotency in progress", "The first request of this key is under way. Ask again in a second."
    ),
    "precondition_failed": Problem(
        412, "Precondition failed", "If-Match does not name the present state. Read it again, then change that."
    ),
    "payload_too_large": Problem(413, "Payload too large", "The body is over 1048576 bytes. Send less at a time."),
    "unsupported_media_type": Problem(
        415, "Unsupported media type", "Send the body as JSON, with `Content-Type: application/json`."
    ),
    "no_trained_version": Problem(
        422, "No trained version", "This model has no completed version yet. Ask again once its training has completed."
    ),
    "version_not_trained": Problem(
        422, "Version not trained", "Version ver-00004 is training. Ask for a completed version."
    ),
    "unprocessable_predictions": Problem(
        422,
        "Unprocessable predictions",
        "Row 17 has no finite number in the column 'score'. Mend the file, then send it.",
    ),
    "idempotency_mismatch": Problem(
        422, "Idempotency mismatch", "This Idempotency-Key was used for another request. Choose a new key."
    ),
    "throttled": Problem(429, "Too many requests", "Wait for the seconds that Retry-After gives, then ask again."),
    "header_too_large": Problem(
        431, "Request header too large", "The header Accept is over 16384 characters. Send a shorter one."
    ),
    "internal_error": Problem(
        500, "Internal error", "Something went wrong here. Report it with the request_id of this answer."
    ),
    "service_unavailable": Problem(
        503,
        "Service unavailable",
        "The database or cache cannot be reached. Ask again after the seconds that Retry-After gives.",
    ),
}

_CODES_OF_FRAMEWORK_ERRORS: dict[type[Exception], str] = {
    exceptions.NotAuthenticated: "not_authenticated",
    exceptions.AuthenticationFailed: "invalid_token",
    exceptions.PermissionDenied: "permission_denied",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.NotAcceptable: "not_acceptable",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.Throttled: "throttled",
    exceptions.ParseError: "invalid_body",
    exceptions.ValidationError: "invalid_body",
    Http404: "not_found",
    RequestDataTooBig: "payload_too_large",
    UnreadablePostError: "invalid_body",
}
_WITH_OWN_DETAIL = (exceptions.ParseError, exceptions.PermissionDenied)


def document(path: str, code: str, *, detail: str = "", **more: Any) -> dict[str, Any]:
    """Return the problem document of a code for the request of `path`; `more` holds `errors` and other members."""
    problem = PROBLEMS[code]
    return {
        "type": f"urn:problem:{code}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail or problem.detail,
        "instance": path,
        "code": code,
        "request_id": current_request_id(),
        **{name: value for name, value in more.items() if value is not None},
    }


def respond(request: HttpRequest | Request, code: str, *, detail: str = "", **more: Any) -> HttpResponse:
    """Return the problem document of a code as a response, and note a denial.

    Who is refused too often gets a 429 in the place of a 401 or 403.
    """
    problem = PROBLEMS[code]
    if problem.status in {401, 403} and (wait := seconds_to_wait(request)):
        response = respond(request, "throttled")
        response["Retry-After"] = str(max(1, math.ceil(wait)))
        return response
    if problem.status in {401, 403, 429}:
        note_denial(request, problem.status, code)
    response = JsonResponse(
        document(request.path, code, detail=detail, **more),
        status=problem.status,
        content_type=CONTENT_TYPE,
        json_dumps_params={"ensure_ascii": False},
    )
    if problem.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if problem.status == 503:
        response["Retry-After"] = str(RETRY_AFTER_OUTAGE)
    return response


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Answer what a view raised; `None`, so that Django logs it and calls `handler500`, for what nobody foresaw."""
    request = context["request"]
    if isinstance(error, RegistryError):
        return _respond_to_registry_error(request, error)
    if is_outage(error):
        return respond(request, "service_unavailable", detail=outage_detail(error))
    code = next((code for kind, code in _CODES_OF_FRAMEWORK_ERRORS.items() if isinstance(error, kind)), None)
    if code is None:
        return None
    detail = str(error.detail) if isinstance(error, _WITH_OWN_DETAIL) else ""
    if isinstance(error, exceptions.UnsupportedMediaType):
        taken = " or ".join(parser.media_type for parser in context["view"].parser_classes)
        detail = f"Send the body as {taken}, declared in Content-Type."
    if isinstance(error, exceptions.NotAcceptable):
        forms = " or ".join(renderer.media_type for renderer in context["view"].renderer_classes)
        detail = f"This address has no form that you accept; it answers in {forms}."
    errors = _errors(list_errors(error.detail)) if isinstance(error, exceptions.ValidationError) else None
    response = respond(request, code, detail=detail, errors=errors)
    if isinstance(error, exceptions.Throttled):
        response["Retry-After"] = str(max(1, math.ceil(getattr(error, "wait", None) or 1)))
    if isinstance(error, exceptions.MethodNotAllowed):
        response["Allow"] = ", ".join(name for name in context["view"].allowed_methods if name != "OPTIONS")
    return response


def _respond_to_registry_error(request: Request, error: RegistryError) -> HttpResponse:
    errors = _errors(error.errors) if isinstance(error, InvalidInputError) else None
    response = respond(request, error.code, detail=error.detail, errors=errors, **error.members)
    if error.wait is not None:
        response["Retry-After"] = str(error.wait)
    return response


def _errors(found: Iterable[tuple[str, str, str]]) -> list[dict[str, str]]:
    return [
        {"field": field, "code": code, "detail": Truncator(detail).chars(MAX_DETAIL)}  # which may quote what was sent
        for field, code, detail in islice(found, MAX_ERRORS)
    ]


# What Django itself calls, outside of any API view.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a bad host, a malformed URL or an oversized form; people in the admin get a page."""
    if isinstance(exception, RequestDataTooBig):
        return respond(request, "payload_too_large")
    if is_admin(request) and not isinstance(exception, DisallowedHost):
        detail = str(exception) if isinstance(exception, BadRequest) else "This page does not take what was sent."
        return HttpResponseBadRequest(loader.render_to_string("400.html", {"detail": detail}))
    return respond(request, "invalid_parameter", detail=MALFORMED_REQUEST)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what the caller may not do; people in the admin get a page."""
    if not is_admin(request):
        return respond(request, "permission_denied")
    return _refusal(request, defaults.permission_denied(request, exception))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form of the admin that does not come from the admin."""
    return _refusal(request, csrf.csrf_failure(request, reason))


def _refusal(request: HttpRequest, page: HttpResponse) -> HttpResponse:
    """Note a denial in the admin, and return its page, or a 429 to who is refused too often."""
    if wait := seconds_to_wait(request):
        note_denial(request, 429, "throttled")
        return too_many("requests", wait)
    note_denial(request, 403, "permission_denied")
    return page


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer an unknown URL; people in the admin get a page."""
    return defaults.page_not_found(request, exception) if is_admin(request) else respond(request, "not_found")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an error that nobody foresaw."""
    return defaults.server_error(request) if is_admin(request) else respond(request, "internal_error")
