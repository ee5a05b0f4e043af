"""Serve the OpenAPI document: the committed file, converted and compressed once per process."""

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from models_registry.api.etags import etag_of, not_modified_or
from models_registry.api.negotiation import accepts_gzip

PATH: Path = settings.BASE_DIR / "openapi.yaml"


@dataclass(frozen=True, slots=True)
class EncodedDocument:
    """The bytes of a document in one encoding, with their ETag."""

    body: bytes
    etag: str


@cache
def encoded_document(form: str) -> tuple[EncodedDocument, EncodedDocument]:
    """Return the committed document as `yaml` or `json`: plain, then compressed with gzip."""
    body = PATH.read_bytes()
    if form == "json":
        body = OpenApiJsonRenderer().render(yaml.load(body, Loader=yaml.CSafeLoader))
    compressed = gzip.compress(body, mtime=0)
    return EncodedDocument(body, etag_of(body)), EncodedDocument(compressed, etag_of(compressed))


class SchemaView(APIView):
    """The OpenAPI document as YAML or JSON. It is read from a file, as generating it takes a second."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    renderer_classes = (OpenApiYamlRenderer, OpenApiYamlRenderer2, OpenApiJsonRenderer, OpenApiJsonRenderer2)
    http_method_names = ["get", "head"]

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Declare that the response depends on the accepted formats."""
        return {"Vary": "Accept, Accept-Encoding"}

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """Return the document, or 304 if the caller has it."""
        renderer: BaseRenderer = request.accepted_renderer
        plain, compressed = encoded_document(renderer.format)
        as_gzip = accepts_gzip(request.META.get("HTTP_ACCEPT_ENCODING", ""))
        encoded = compressed if as_gzip else plain
        charset = f"; charset={renderer.charset}" if renderer.charset else ""
        headers = {
            "ETag": encoded.etag,
            "Content-Disposition": f'inline; filename="openapi.{renderer.format}"',
            **({"Content-Encoding": "gzip"} if as_gzip else {}),
        }
        self.headers["Cache-Control"] = "public, max-age=60"
        return not_modified_or(
            request, HttpResponse(encoded.body, content_type=f"{renderer.media_type}{charset}", headers=headers)
        )
