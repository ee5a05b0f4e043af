"""The OpenAPI document: every operation with every error that it can respond with, each with an example."""

from collections.abc import Iterator
from functools import cache
from itertools import groupby
from typing import Any, TypeAlias

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent
from drf_spectacular.serializers import PolymorphicProxySerializerExtension

from config.problems import CONTENT_TYPE, error_classes, problem_document
from models_registry.api.errors import (
    APIError,
    HeaderTooLargeError,
    IdempotencyMismatchError,
    InternalError,
    InvalidBodyError,
    InvalidInputError,
    InvalidParameterError,
    MethodNotAllowedError,
    NotAcceptableError,
    PayloadTooLargeError,
    PreconditionFailedError,
    ServiceUnavailableError,
    UnsupportedMediaTypeError,
)
from models_registry.api.renderers import CSVRenderer
from models_registry.api.viewsets import TABLE_FORMATS
from models_registry.registry import ids

# A part of an OpenAPI document, such as a schema, a response or an operation.
JSONObject: TypeAlias = dict[str, Any]

# Errors of the framework and the middleware, whatever the view.
COMMON_ERRORS = (
    InvalidParameterError,  # a malformed query or Host
    MethodNotAllowedError,
    NotAcceptableError,
    HeaderTooLargeError,
    InternalError,
    ServiceUnavailableError,
)
BODY_ERRORS = (InvalidBodyError, PayloadTooLargeError, UnsupportedMediaTypeError)

ETAG = {"type": "string", "pattern": '^"[0-9a-f]{32}"$'}
HEADERS: dict[str, JSONObject] = {
    "Allow": {"schema": {"type": "string"}, "description": "The methods that the URL takes."},
    "Cache-Control": {"schema": {"type": "string", "enum": ["private, no-cache"]}},
    "ETag": {"schema": ETAG, "description": "Changes when the response changes."},
    "Idempotency-Replayed": {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "Present if this response repeats the response to an earlier request with the same key.",
    },
    "Location": {"schema": {"type": "string", "format": "uri-reference"}},
    "Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds."},
    "Vary": {"schema": {"type": "string", "enum": ["Authorization", "Authorization, Accept"]}},
    "WWW-Authenticate": {"schema": {"type": "string", "enum": ["Bearer"]}},
    "X-Request-ID": {"schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}},
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "ETags that the caller expects: 412 if the response has another.",
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "ETags that the caller has: 304 if the response has one of them.",
}

FORMAT = {
    "name": "format",
    "in": "query",
    "schema": {"type": "string", "enum": list(TABLE_FORMATS)},
    "description": "The format of the response; by default the one in `Accept`, otherwise JSON.",
}
TABLE = {
    "type": "string",
    "description": (
        "The rows of the JSON response with a header (RFC 4180, UTF-8). A member of an object is a column of its own, "
        "named with dots; a list is JSON. A text that a spreadsheet program would take for a formula begins with an "
        'apostrophe. The header `Link` leads to the next page, `rel="next"`.'
    ),
}
IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
    "description": "The same key and body within 24 hours get the same response, and the work is done once.",
}
PATH_PARAMETERS = {
    "model_id": {"type": "string", "pattern": f"^{ids.MODEL_ID_PATTERN}$"},
    "version_id": {"type": "string", "pattern": f"^{ids.VERSION_ID_PATTERN}$"},
    "slug": {"type": "string", "pattern": "^[-a-zA-Z0-9_]{1,63}$"},
    "username": {"type": "string", "minLength": 1, "maxLength": 150},
    "name": {"type": "string", "minLength": 1, "maxLength": 200},
    "grant_id": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "snapshot_id": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "evaluation_id": {"type": "string", "format": "uuid"},
    "webhook_id": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "badge_id": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "account": {"type": "string", "minLength": 1, "maxLength": 150},
    "token_id": {"type": "string", "format": "uuid"},
}

EXAMPLE_ERROR = ("dataset_split", "invalid_choice", "Must be one of train, validation, test.")
PROBLEM: JSONObject = {
    "type": "object",
    "description": "What is wrong, and what to do next (RFC 9457).",
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "`urn:problem:` and the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do next."},
        "instance": {"type": "string", "description": "The request's path."},
        "request_id": {"type": "string"},
        "verdict": {
            "type": "object",
            "additionalProperties": {},
            "description": "The verdict of a gate that refuses a promotion.",
        },
        "existing": {
            "type": "object",
            "description": "The model that has the name already.",
            "properties": {"model_id": PATH_PARAMETERS["model_id"]},
            "required": ["model_id"],
        },
        "column": {"type": "string", "description": "The column of predictions that cannot be scored."},
        "row": {"type": "integer", "minimum": 1, "description": "The row of predictions that cannot be scored."},
        "file": {"type": "string", "description": "The file that cannot be imported."},
        "errors": {
            "type": "array",
            "description": "The errors of invalid input.",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("field", "code", "detail")},
                "required": ["field", "code", "detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Documents how a caller authenticates."""

    target_class = "models_registry.tokens.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the security scheme."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class TaskTypeProxyExtension(PolymorphicProxySerializerExtension):  # type: ignore[no-untyped-call]
    """Documents a response that depends on the task type."""

    target_class = "performance.snapshots.serializers.TaskTypeProxySerializer"


class ProblemAutoSchema(AutoSchema):
    """Adds the errors that a view declares in `errors`, and those that any view can respond with.

    A viewset declares the body of each action in `input_serializers`.
    """

    def get_request_serializer(self) -> Any:
        """Return the serializer of the body."""
        inputs = getattr(self.view, "input_serializers", None)
        return super().get_request_serializer() if inputs is None else inputs.get(getattr(self.view, "action", None))

    def get_response_serializers(self) -> Any:
        """Return the serializer of the response, which is not that of the body."""
        return getattr(self.view, "serializer_class", None) or super().get_response_serializers()

    def _resolve_path_parameters(self, variables: list[str]) -> list[JSONObject]:
        return [{"name": name, "in": "path", "required": True, "schema": PATH_PARAMETERS[name]} for name in variables]

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> JSONObject | None:
        """Return the operation with its problem responses."""
        operation: JSONObject | None = super().get_operation(path, path_regex, path_prefix, method, registry)
        if operation is None:
            return None
        errors = {*declared_errors(self.view), *COMMON_ERRORS, *(BODY_ERRORS if "requestBody" in operation else ())}
        for response in operation["responses"].values():
            response["headers"] = {**response.get("headers", {}), **self._headers("X-Request-ID")}
        caching = {
            **self._headers("ETag", "Cache-Control", "Vary", "X-Request-ID"),
            **getattr(self.view, "caching", {}),
        }
        if getattr(self.view, "is_table", False):
            self._document_table(operation)
        if PreconditionFailedError in errors:
            self._document_conditions(operation, caching)
        if IdempotencyMismatchError in errors:
            self._document_idempotency(operation, caching)
        ordered = sorted(errors, key=lambda error: (error.status_code, error.code))
        for status, found in groupby(ordered, lambda error: error.status_code):
            self._add_problems(operation["responses"], str(status), [*found])
        return operation

    def _document_table(self, operation: JSONObject) -> None:
        """Add the parameter that names the form, and the form of a table as CSV."""
        operation.setdefault("parameters", []).append(FORMAT)
        table = {"schema": self._ref("Table", ResolvedComponent.SCHEMA, TABLE)}
        operation["responses"]["200"]["content"][CSVRenderer.media_type] = table

    def _add_problems(self, responses: JSONObject, status: str, errors: list[type[APIError]]) -> None:
        """Add the response for errors of one status: a shared component, unless the view itself has such responses."""
        response = self._response(errors)
        if status in responses:
            response["content"] |= responses[status]["content"]
        else:
            name = "-".join(error.__name__.removesuffix("Error") for error in errors)
            response = self._ref(name, ResolvedComponent.RESPONSE, response)
        responses[status] = response

    def _response(self, errors: list[type[APIError]]) -> JSONObject:
        headers = dict.fromkeys(name for error in errors for name in error().headers)
        return {
            "description": "; ".join(error.title for error in errors),
            "headers": self._headers(*headers, "X-Request-ID"),
            "content": {
                CONTENT_TYPE: {
                    "schema": self._ref("Problem", ResolvedComponent.SCHEMA, problem_schema()),
                    "examples": {error.code: self._example(error) for error in errors},
                }
            },
        }

    def _example(self, error: type[APIError]) -> JSONObject:
        path = "/api/v1/models/mdl-7f3a19bc92"
        value = problem_document(
            path, error(errors=[EXAMPLE_ERROR]) if issubclass(error, InvalidInputError) else error()
        )
        example = {"value": {**value, "request_id": "0f8fad5bd9cb469fa16570867728950e"}}
        return self._ref(error.code, ResolvedComponent.EXAMPLE, example)

    def _headers(self, *names: str) -> JSONObject:
        return {name: self._ref(name, ResolvedComponent.HEADER, HEADERS[name]) for name in names}

    def _ref(self, name: str, kind: str, content: JSONObject) -> JSONObject:
        """Return a reference to a shared component."""
        component = ResolvedComponent(name, kind, schema=content, object=name)  # type: ignore[no-untyped-call]
        self.registry.register_on_missing(component)
        reference: JSONObject = component.ref
        return reference

    def _document_conditions(self, operation: JSONObject, headers: JSONObject) -> None:
        """Add the headers of conditional requests, and the 304 response: a shared one, unless the view has its own."""
        reading = self.method == "GET"
        conditions = [IF_NONE_MATCH, IF_MATCH] if reading else [IF_MATCH]
        operation.setdefault("parameters", []).extend(conditions)
        if "200" in operation["responses"]:  # a removal has no body
            operation["responses"]["200"]["headers"] = headers
        if reading:
            response = {"description": "The caller has the current response.", "headers": headers}
            has_own = hasattr(self.view, "caching")
            not_modified = response if has_own else self._ref("NotModified", ResolvedComponent.RESPONSE, response)
            operation["responses"]["304"] = not_modified

    def _document_idempotency(self, operation: JSONObject, headers: JSONObject) -> None:
        """Add the header that makes a repeated request safe, and the headers of the response."""
        operation.setdefault("parameters", []).append(IDEMPOTENCY)
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                location = self._headers("Location") if status == "201" else {}
                response["headers"] = {
                    **response["headers"],
                    **headers,
                    **location,
                    **self._headers("Idempotency-Replayed"),
                }


def declared_errors(view: Any) -> Iterator[type[APIError]]:
    """Yield the errors that a view's classes declare for its action.

    They are the view's class, its base classes, and its authentication, permission and throttle classes. `errors` is
    a tuple, or a mapping from actions to tuples.
    """
    policies = (*view.authentication_classes, *view.permission_classes, *view.throttle_classes)
    for each in (base for kind in (type(view), *policies) for base in kind.__mro__):
        errors = vars(each).get("errors", ())
        yield from errors.get(view.action, ()) if isinstance(errors, dict) else errors


@cache
def problem_schema() -> JSONObject:
    """Return the schema of problem documents, with the code of every error."""
    properties = {**PROBLEM["properties"], "code": {"type": "string", "enum": sorted(e.code for e in error_classes())}}
    return {**PROBLEM, "properties": properties}
