"""The WSGI application that a production server serves."""

import io
import os
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django_application = get_wsgi_application()

if settings.DEBUG:
    raise ImproperlyConfigured("DEBUG is true, which shows internals to callers; unset it to serve in production.")


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Serve a request, after two things that Django would trip over."""
    _forget_charset(environ)
    _read_chunked(environ)
    return django_application(environ, start_response)


def _forget_charset(environ: WSGIEnvironment) -> None:
    """Drop every parameter of the content type but a form's boundary: text is UTF-8, whatever charset is claimed."""
    media_type, *parameters = environ.get("CONTENT_TYPE", "").split(";")
    boundary = [parameter for parameter in parameters if parameter.strip().lower().startswith("boundary=")]
    environ["CONTENT_TYPE"] = ";".join([media_type, *boundary])


def _read_chunked(environ: WSGIEnvironment) -> None:
    """Read a chunked body, whose length Django does not see, up to the limit."""
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        body: Any = environ["wsgi.input"].read(settings.MAX_BODY_BYTES + 1)
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
