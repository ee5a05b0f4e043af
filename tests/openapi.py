"""Checks what Django's test client sends and gets against the OpenAPI document, both ways.

Every response must be documented: its status, its media type, its body and, for a problem, its code. So must every body
that was accepted. A property that the document doesn't have is an error as well.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jsonschema_rs
import yaml
from django.core.files.uploadhandler import MemoryFileUploadHandler, TemporaryFileUploadHandler
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser
from django.test import Client

COMMITTED = Path(__file__).parents[1] / "openapi.yaml"
PROBLEM = "application/problem+json"
ADDRESS = "urn:openapi"  # of the components, to which each schema refers
ABSENT = {"default", "discriminator", "enum", "example", "examples"}  # the keywords whose values are no schemas
_uuid = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_route_parameter = re.compile(r"<(?:\w+:)?(\w+)>")
_suspended = False


class Document:
    """An OpenAPI 3.0 document. Its validators are compiled when they are first needed."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self.validator = cache(self._validator)
        self.path = cache(lambda route: "/" + _route_parameter.sub(r"{\1}", route))

    @cached_property
    def registry(self) -> jsonschema_rs.Registry:
        """The components, as strict JSON Schemas. A validator compiles only those that it needs."""
        components = {"schemas": as_json_schema(self.content["components"]["schemas"])}
        return jsonschema_rs.Registry([(ADDRESS, {"components": components})], draft=jsonschema_rs.Draft4)

    def resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        """Return what a reference stands for, or else the node itself."""
        while "$ref" in node:
            target: Any = self.content
            for name in node["$ref"].removeprefix("#/").split("/"):
                target = target[name]
            node = target
        return node

    def operation(self, path: str, method: str) -> dict[str, Any] | None:
        """Return the operation of a method, where HEAD is that of GET; `None` if it is not documented."""
        found: dict[str, Any] | None = self.content["paths"].get(path, {}).get(method.replace("head", "get"))
        return found

    def check(self, instance: Any, *where: str) -> None:
        """Validate by the schema at a place of the document. Raises `AssertionError`."""
        errors = [
            f"{'.'.join(map(str, error.instance_path))}: {error.message[:500]}"
            for error in self.validator(*where).iter_errors(instance)
        ]
        assert not errors, "\n".join(errors)

    def _validator(self, *where: str) -> Any:
        node = self.content
        for name in where:
            node = self.resolve(node)[name]
        return jsonschema_rs.Draft4Validator(
            as_json_schema(node), registry=self.registry, validate_formats=True, formats={"uuid": _is_uuid}
        )


def as_json_schema(node: Any) -> Any:
    """Return an OpenAPI 3.0 schema as a JSON Schema (draft 4) that allows no undocumented property."""
    if isinstance(node, list):
        return [as_json_schema(each) for each in node]
    if not isinstance(node, dict):
        return node
    schema = {name: value if name in ABSENT else as_json_schema(value) for name, value in node.items()}
    if schema.pop("nullable", False) is True and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    if isinstance(schema.get("$ref"), str):
        schema["$ref"] = ADDRESS + schema["$ref"]
    if isinstance(schema.get("properties"), dict):
        schema.setdefault("additionalProperties", False)
    return schema


def check_exchange(document: Document, response: Any, sent: bytes) -> None:
    """Check a response, and the body that was sent if it was accepted. Raises `AssertionError`."""
    request = response.wsgi_request
    path = document.path(request.resolver_match.route) if request.resolver_match else request.path
    operation = document.operation(path, request.method.lower())
    try:
        if operation is None:
            check_undocumented(document, path, response)
            return
        check_response(document, path, operation, response)
        if 200 <= response.status_code < 300:
            check_request(document, path, operation, request, sent)
    except AssertionError as error:
        raise AssertionError(
            f"{request.method} {path} is not as documented ({response.status_code}): {error}"
        ) from None


def check_undocumented(document: Document, path: str, response: Any) -> None:
    """Check a response to what is not documented: a problem, or of another part of the service."""
    if response.headers.get("Content-Type") == PROBLEM and response.content:
        body = json.loads(response.content)
        document.check(body, "components", "schemas", "Problem")
        assert body["instance"] == response.wsgi_request.path
    assert path not in document.content["paths"] or response.status_code >= 400, "undocumented operation"


def check_response(document: Document, path: str, operation: dict[str, Any], response: Any) -> None:
    """Check a response's status, media type, body and problem code."""
    status = str(response.status_code)
    assert status in operation["responses"], f"undocumented status {status}"
    if response.streaming or response.wsgi_request.method == "HEAD" or not response.content:
        return
    media_type = response.headers["Content-Type"].partition(";")[0]
    contents = document.resolve(operation["responses"][status]).get("content", {})
    assert media_type in contents, f"undocumented media type {media_type}"
    if not media_type.endswith("json"):
        return
    body = json.loads(response.content)
    if media_type == PROBLEM:
        assert body["code"] in contents[PROBLEM]["examples"], f"undocumented code {body['code']}"
        assert body["instance"] == response.wsgi_request.path
    method = response.wsgi_request.method.lower()
    document.check(body, "paths", path, method, "responses", status, "content", media_type, "schema")


def check_request(document: Document, path: str, operation: dict[str, Any], request: HttpRequest, sent: bytes) -> None:
    """Check a body that was accepted."""
    body = operation.get("requestBody")
    if not sent or body is None:
        assert not (body and body.get("required")), "the body is required"
        return
    media_type = request.META.get("CONTENT_TYPE", "").partition(";")[0]
    where = ("paths", path, str(request.method).lower(), "requestBody", "content", media_type, "schema")
    document.check(parse(document, body["content"][media_type]["schema"], request, sent), *where)


def parse(document: Document, schema: dict[str, Any], request: HttpRequest, sent: bytes) -> Any:
    """Return a body as its schema describes it: the numbers in a form are texts, and its files have some content."""
    if request.META["CONTENT_TYPE"].startswith("application/json"):
        return json.loads(sent)
    if request.META["CONTENT_TYPE"].startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(sent.decode(), keep_blank_values=True))
    handlers = [MemoryFileUploadHandler(), TemporaryFileUploadHandler()]
    fields, files = MultiPartParser(request.META, BytesIO(sent), handlers, "utf-8").parse()
    properties = document.resolve(schema)["properties"]
    numbers = {name for name in fields if properties.get(name, {}).get("type") in {"integer", "number"}}
    values = {name: json.loads(str(value)) if name in numbers else value for name, value in fields.items()}
    return {**values, **dict.fromkeys(files, "content")}


@cache
def committed() -> Document:
    """Return the committed document."""
    return Document(yaml.load(COMMITTED.read_bytes(), Loader=yaml.CSafeLoader))


@contextmanager
def unchecked() -> Iterator[None]:
    """Check nothing, for a test that makes the service another than the documented one."""
    global _suspended  # noqa: PLW0603
    _suspended = True
    try:
        yield
    finally:
        _suspended = False


_generic = Client.generic


def checked_generic(self: Client, method: str, path: str, data: Any = "", *args: Any, **options: Any) -> Any:
    """Send a request as `Client.generic` does, and check what comes of it."""
    response = _generic(self, method, path, data, *args, **options)
    if not _suspended:
        check_exchange(committed(), response, data.encode() if isinstance(data, str) else bytes(data))
    return response


def _is_uuid(value: str) -> bool:
    return _uuid.fullmatch(value) is not None
