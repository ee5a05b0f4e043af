"""What may be sent to harm: values, documents and media types, each with what is wrong with it."""

import io
import json
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from django.test import RequestFactory

TOO_DEEP, NOT_UTF8, NO_JSON = "deeper than 32 levels", "not UTF-8", "not a JSON document"

VALUES: dict[str, tuple[bytes, str]] = {
    "NUL": (rb'"a\u0000b"', "NUL"),
    "raw NUL": (b'"a\0b"', NO_JSON),
    "NUL in a key": (rb'{"a\u0000b": 1}', "NUL"),
    "lone high surrogate": (rb'"\ud800"', NOT_UTF8),
    "lone low surrogate": (rb'"\udfff"', NOT_UTF8),
    "surrogates the wrong way round": (rb'"\udc00\ud800"', NOT_UTF8),
    "lone surrogate in a key": (rb'{"\ud800": 1}', NOT_UTF8),
    "encoded surrogate": (b'"\xed\xa0\x80"', NOT_UTF8),
    "overlong NUL": (b'"\xc0\x80"', NOT_UTF8),
    "arrays 33 deep": (b"[" * 32 + b"]" * 32, TOO_DEEP),
    "objects 33 deep": (b'{"a":' * 32 + b"1" + b"}" * 32, TOO_DEEP),
    "arrays 100,000 deep": (b"[" * 100_000 + b"]" * 100_000, TOO_DEEP),
    "arrays 100,000 deep, left open": (b"[" * 100_000, TOO_DEEP),
    "objects 100,000 deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, TOO_DEEP),
    "NaN": (b"NaN", "NaN"),
    "Infinity": (b"Infinity", "Infinity"),
    "-Infinity": (b"[-Infinity]", "Infinity"),
    "1e999": (b"1e999", "too large"),
    "-1e999": (b'{"a": -1e999}', "too large"),
    "400 digits": (b"9" * 400, "too large"),
    "10,000 digits": (b"-" + b"9" * 10_000, "too large"),
    "repeated key": (b'{"a": 1, "a": 1}', "repeated"),
    "repeated key, spelled in two ways": (rb'{"a": 1, "\u0061": 1}', "repeated"),
    "repeated key at the top": (b'"x", "password": "y", "username": "z", "refresh": "w", "password": "v"', "repeated"),
    "Latin-1": (b'"caf\xe9"', NOT_UTF8),
    "control character": (b'"a\nb"', NO_JSON),
    "single quotes": (b"'x'", NO_JSON),
    "trailing comma": (b'["x",]', NO_JSON),
    "comment": (b'"x" // comment', NO_JSON),
    "hexadecimal": (b"0x10", NO_JSON),
    "leading zero": (b"01", NO_JSON),
    "nothing": (b"", NO_JSON),
}

DOCUMENTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda good: b"",
    "blank": lambda good: b" \n",
    "NUL": lambda good: b"\0",
    "BOM": lambda good: b"\xef\xbb\xbf" + good,
    "UTF-16": lambda good: good.decode().encode("utf-16"),
    "UTF-16 without BOM": lambda good: good.decode().encode("utf-16-le"),
    "UTF-32": lambda good: good.decode().encode("utf-32"),
    "gzip": lambda good: b"\x1f\x8b\x08\x00",
    "list": lambda good: b"[]",
    "list of bodies": lambda good: b"[" + good + b"]",
    "string": lambda good: json.dumps(good.decode()).encode(),
    "number": lambda good: b"1",
    "true": lambda good: b"true",
    "null": lambda good: b"null",
    "empty object": lambda good: b"{}",
    "two documents": lambda good: good + good,
    "truncated": lambda good: good[:-1],
    "form": lambda good: b"username=vera&password=x&refresh=x",
}


MEDIA_TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "application/problem+json",
    "application/json5",
    "text/json",
    "/",
    ";",
    "\xff",
    "application",
]

CHARSETS = [
    "charset=latin-1",
    "charset=utf-16",
    "charset=utf-7",
    "charset=unicode_escape",
    "charset=idna",
    "charset=base64",
    "charset=rot13",
    "charset=undefined",
    "charset=nosuch",
    "charset=",
    "charset*=utf-8''%00",
    "charset*=utf-8''%ff",
    "charset*=nosuch''x",
    "charset*0=utf",
    'charset="',
]


def environ_of(
    method: str, path: str, content_type: str, *, body: bytes = b"", headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return a request as the server hands it to the application, for what no test client would send."""
    environ = RequestFactory(headers=headers).generic(method, path).environ
    return {
        **environ,
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }


class Endless(io.RawIOBase):
    """A body without an end, which counts what is read of it."""

    given = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "read without a limit"
        self.given += size
        return b" " * size


def served(environ: dict[str, Any]) -> tuple[int, str | None]:
    """Return the status, and the code of the problem, with which the application answers."""
    from config.wsgi import application  # which prepares itself for requests, and takes seconds

    started: list[Any] = []
    with patch("config.handler.close_old_connections"):  # the connection holds the test's transaction
        content = b"".join(application(environ, lambda *response: started.extend(response)))  # type: ignore[arg-type]
    status, headers = int(started[0][:3]), dict(started[1])
    is_problem = headers["Content-Type"] == "application/problem+json"
    return status, json.loads(content)["code"] if is_problem else None
