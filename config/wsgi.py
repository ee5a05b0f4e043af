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
    """Serve a request. A chunked body, whose length Django does not see, is read first, up to the limit."""
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        body: Any = environ["wsgi.input"].read(settings.MAX_BODY_BYTES + 1)
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
    return django_application(environ, start_response)
