"""The WSGI application that a production server serves."""

import io
import os
import re
from collections.abc import Iterable
from functools import cached_property
from wsgiref.types import InputStream, StartResponse, WSGIEnvironment

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, RequestDataTooBig
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django_application = get_wsgi_application()

if settings.DEBUG:
    raise ImproperlyConfigured("DEBUG is true, which shows internals to callers; unset it to serve in production.")

from config.warm_up import warm_up  # noqa: E402  # which needs the applications to be loaded

warm_up()

_upload_route = re.compile("/api/v1/models/[^/]+/versions/[^/]+/evaluations")


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Serve a request, after three things that Django would trip over."""
    _forget_charset(environ)
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        _give_length(environ)
    elif _length(environ) > settings.MAX_BODY_BYTES and not _is_upload(environ):
        environ["wsgi.input"] = _Bounded(environ["wsgi.input"])  # of a form, Django counts the fields alone
    return django_application(environ, start_response)


def _forget_charset(environ: WSGIEnvironment) -> None:
    """Drop every parameter of the content type but a form's boundary: text is UTF-8, whatever charset is claimed."""
    media_type, *parameters = environ.get("CONTENT_TYPE", "").split(";")
    boundary = [parameter for parameter in parameters if parameter.strip().lower().startswith("boundary=")]
    environ["CONTENT_TYPE"] = ";".join([media_type, *boundary])


def _give_length(environ: WSGIEnvironment) -> None:
    """Give a body without a length the most that it may have: Django reads nothing of one that has none.

    An upload is read piece by piece, by what counts them; any other body at once.
    """
    if _is_upload(environ):
        environ["CONTENT_LENGTH"] = str(settings.MAX_UPLOAD_BYTES + settings.MAX_BODY_BYTES)
        return
    environ["wsgi.input"] = _Bounded(environ["wsgi.input"])
    environ["CONTENT_LENGTH"] = str(settings.MAX_BODY_BYTES)


def _length(environ: WSGIEnvironment) -> int:
    """Return how long the body says it is: 0 where it does not."""
    announced = environ.get("CONTENT_LENGTH", "")
    return int(announced) if announced.isascii() and announced.isdigit() else 0


def _is_upload(environ: WSGIEnvironment) -> bool:
    """Say whether the one view that reads a large body piece by piece answers the request."""
    is_form = environ["CONTENT_TYPE"].startswith("multipart/")
    return bool(is_form and environ["REQUEST_METHOD"] == "POST" and _upload_route.fullmatch(environ["PATH_INFO"]))


class _Bounded:
    """A body that is read whole, up to the limit, when anything of it is asked for.

    A route that takes no body does not wait for one. Raises `RequestDataTooBig`.
    """

    def __init__(self, stream: InputStream) -> None:
        self.stream = stream

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        return self.whole.read(size)

    def readline(self, size: int = -1) -> bytes:
        """Return a line of up to `size` bytes."""
        return self.whole.readline(size)

    @cached_property
    def whole(self) -> io.BytesIO:
        """The body."""
        body = self.stream.read(settings.MAX_BODY_BYTES + 1)
        if len(body) > settings.MAX_BODY_BYTES:
            raise RequestDataTooBig
        return io.BytesIO(body)
