"""The WSGI application for a production server."""

import gc
import io
import os
import re
from collections.abc import Iterable
from functools import cached_property
from wsgiref.types import InputStream, StartResponse, WSGIEnvironment

import django
from django.conf import settings
from django.core.cache import close_caches
from django.core.exceptions import ImproperlyConfigured, RequestDataTooBig
from django.core.handlers.base import reset_urlconf
from django.core.signals import request_finished
from django.db import close_old_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

gc.disable()  # imports leave no garbage, and looking for it takes a fifth of the start
django.setup(set_prefix=False)

if settings.DEBUG:
    raise ImproperlyConfigured("DEBUG is true, which shows internals to callers; unset it to serve in production.")

# These need loaded applications.
from config.handler import Handler  # noqa: E402
from config.warm_up import warm_up  # noqa: E402
from performance.evaluations.uploads import PredictionsParser  # noqa: E402
from performance.imports.views import ImportParser  # noqa: E402


def _disconnect_idle_receivers() -> None:
    """Disconnect receivers of Django that have nothing to do here. They take a tenth of a summary's CPU time."""
    request_finished.disconnect(close_old_connections)  # the next request checks its connection anyway
    request_finished.disconnect(close_caches)  # neither local memory nor Redis closes anything
    request_finished.disconnect(reset_urlconf)  # no request has URLs of its own


django_application = Handler()
warm_up()
_disconnect_idle_receivers()
gc.collect()
gc.freeze()  # no collection needs to visit again what stays loaded, which takes 100 ms
gc.enable()

# The routes whose views read a large body in chunks, and the parsers that do it.
_uploads = (
    (re.compile("/api/v1/models/[^/]+/versions/[^/]+/evaluations"), PredictionsParser),
    (re.compile("/api/v1/organizations/[^/]+/imports"), ImportParser),
)


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Handle a request, after corrections of the environ that Django needs."""
    if "CONTENT_TYPE" in environ:
        _drop_charset(environ)
    if "HTTP_TRANSFER_ENCODING" in environ or "CONTENT_LENGTH" in environ:
        _bound_body(environ)
    return django_application(environ, start_response)


def _bound_body(environ: WSGIEnvironment) -> None:
    """Bound the body, as Django counts only the fields of a form, and give a chunked one a length."""
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        _set_length(environ)
    elif _length(environ) > settings.MAX_BODY_BYTES and _largest_file(environ) is None:
        environ["wsgi.input"] = _BoundedBody(environ["wsgi.input"])


def _drop_charset(environ: WSGIEnvironment) -> None:
    """Remove all parameters of the content type except a form's boundary: text is always UTF-8."""
    media_type, *parameters = environ["CONTENT_TYPE"].split(";")
    boundary = [parameter for parameter in parameters if parameter.strip().lower().startswith("boundary=")]
    environ["CONTENT_TYPE"] = ";".join([media_type, *boundary])


def _set_length(environ: WSGIEnvironment) -> None:
    """Set the content length of a chunked body to its limit: Django reads nothing from a body without a length.

    An upload is read in chunks that are counted; any other body is read at once.
    """
    if (largest := _largest_file(environ)) is not None:
        environ["CONTENT_LENGTH"] = str(largest + settings.MAX_BODY_BYTES)
        return
    environ["wsgi.input"] = _BoundedBody(environ["wsgi.input"])
    environ["CONTENT_LENGTH"] = str(settings.MAX_BODY_BYTES)


def _length(environ: WSGIEnvironment) -> int:
    """Return the announced length of the body, 0 if there is none."""
    announced = environ.get("CONTENT_LENGTH", "")
    return int(announced) if announced.isascii() and announced.isdigit() else 0


def _largest_file(environ: WSGIEnvironment) -> int | None:
    """Return how many bytes the file of an upload may have, or `None` if the request is no upload."""
    if environ["REQUEST_METHOD"] != "POST" or not environ.get("CONTENT_TYPE", "").startswith("multipart/"):
        return None
    parsers = (parser for route, parser in _uploads if route.fullmatch(environ["PATH_INFO"]))
    return next((parser().max_bytes for parser in parsers), None)


class _BoundedBody:
    """A body that is read completely, up to the limit, on the first read.

    A route that takes no body does not wait for one. Raises `RequestDataTooBig`.
    """

    def __init__(self, stream: InputStream) -> None:
        self.stream = stream

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        return self.buffer.read(size)

    def readline(self, size: int = -1) -> bytes:
        """Return a line of up to `size` bytes."""
        return self.buffer.readline(size)

    @cached_property
    def buffer(self) -> io.BytesIO:
        """The complete body."""
        body = self.stream.read(settings.MAX_BODY_BYTES + 1)
        if len(body) > settings.MAX_BODY_BYTES:
            raise RequestDataTooBig
        return io.BytesIO(body)
