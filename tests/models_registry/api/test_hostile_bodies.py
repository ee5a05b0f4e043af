"""Whatever is sent, the answer is a problem document that says what is wrong with it, and never a failure of ours."""

import io
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.core.signals import request_started
from django.db import close_old_connections
from django.test import Client, RequestFactory

from config.wsgi import application
from models_registry.models import RegisteredModel, User

TOKEN = "/api/v1/auth/token"
MODEL = "mdl-7f3a19bc92"

# A good body of each route, with a place for one hostile value.
BODIES = {
    TOKEN: b'{"username": %b, "password": "x"}',
    f"{TOKEN}/refresh": b'{"refresh": %b}',
    f"{TOKEN}/revoke": b'{"refresh": %b}',
}
GOOD = b'"x"'
TOO_DEEP, NOT_UTF8, NO_JSON = "deeper than 32 levels", "not UTF-8", "not a JSON document"

HOSTILE_VALUES: dict[str, tuple[bytes, str]] = {
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

HOSTILE_DOCUMENTS: dict[str, Callable[[bytes], bytes]] = {
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


def post(path: str, body: bytes, content_type: str = "application/json", **extra: Any) -> Any:
    return Client().generic("POST", path, body, content_type, **extra)


def problem(answer: Any) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = json.loads(answer.content)
    assert document["status"] == answer.status_code
    assert document["type"] == f"urn:problem:{document['code']}"
    assert document["request_id"] == answer.headers["X-Request-ID"]
    assert document["detail"]
    for internal in ("Traceback", "Error", "sys.", "SELECT", "site-packages"):
        assert internal not in document["detail"]
    return answer.status_code, document["code"]


# Bodies


@pytest.mark.parametrize("path", BODIES)
def test_the_good_body_is_read(db: None, path: str) -> None:
    assert post(path, BODIES[path] % GOOD).status_code == 401


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("name", HOSTILE_VALUES)
def test_a_hostile_value_is_refused_for_what_it_is(db: None, path: str, name: str) -> None:
    value, reason = HOSTILE_VALUES[name]

    answer = post(path, BODIES[path] % value)

    assert problem(answer) == (400, "invalid_body")
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("name", HOSTILE_DOCUMENTS)
def test_a_hostile_document_is_refused(db: None, path: str, name: str) -> None:
    assert problem(post(path, HOSTILE_DOCUMENTS[name](BODIES[path] % GOOD))) == (400, "invalid_body")


@pytest.mark.parametrize("path", BODIES)
def test_thirty_two_levels_are_read(db: None, path: str) -> None:
    answer = post(path, BODIES[path] % (b"[" * 31 + b"]" * 31))

    assert problem(answer) == (400, "invalid_body")
    assert [error["code"] for error in answer.json()["errors"]] == ["invalid"]


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("name", ["", " ", "__proto__", "constructor", "a" * 10_000, "\u202e", "\U0001f4a3", "a.b[0]"])
def test_a_strange_key_is_named_as_unknown(db: None, path: str, name: str) -> None:
    body = {**json.loads(BODIES[path] % GOOD), name: 1}

    answer = post(path, json.dumps(body).encode())

    assert problem(answer) == (400, "invalid_body")
    assert [error["code"] for error in answer.json()["errors"]] == ["unknown_field"]


@pytest.mark.parametrize(("path", "status"), [(TOKEN, 400), (f"{TOKEN}/refresh", 401), (f"{TOKEN}/revoke", 401)])
def test_a_huge_string_is_refused(db: None, path: str, status: int) -> None:
    assert problem(post(path, BODIES[path] % (b'"' + b"x" * 900_000 + b'"')))[0] == status


# Sizes


def padded(path: str, size: int) -> bytes:
    return (BODIES[path] % GOOD).ljust(size)


@pytest.mark.parametrize("path", BODIES)
def test_a_body_of_the_largest_size_is_read(db: None, path: str) -> None:
    assert post(path, padded(path, settings.MAX_BODY_BYTES)).status_code == 401


@pytest.mark.parametrize("path", BODIES)
def test_a_body_over_the_largest_size_is_too_large(db: None, path: str) -> None:
    assert problem(post(path, padded(path, settings.MAX_BODY_BYTES + 1))) == (413, "payload_too_large")


class Endless(io.RawIOBase):
    """A body without an end, which counts what is read of it."""

    given = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "read without a limit"
        self.given += size
        return b" " * size


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("length", [{"CONTENT_LENGTH": str(10**12)}, {"HTTP_TRANSFER_ENCODING": "chunked"}])
def test_an_endless_body_is_too_large_and_not_read_past_the_limit(db: None, path: str, length: dict[str, str]) -> None:
    body = Endless()
    environ = {**environ_of("POST", path, "application/json"), "wsgi.input": body, **length}

    assert served(environ) == (413, "payload_too_large")
    assert body.given <= settings.MAX_BODY_BYTES + 1


def test_a_chunked_body_is_read(db: None) -> None:
    body = io.BytesIO(BODIES[TOKEN] % GOOD)
    environ = {**environ_of("POST", TOKEN, "application/json"), "HTTP_TRANSFER_ENCODING": "chunked"}

    assert served({**environ, "wsgi.input": body}) == (401, "not_authenticated")


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("length", "status"),
    [("5", 400), ("0", 400), ("", 400), ("-1", 400), ("many", 400), ("1e3", 400), ("\u0665", 400), ("999", 401)],
)
def test_a_wrong_content_length_does_no_harm(db: None, path: str, length: str, status: int) -> None:
    extra: dict[str, Any] = {"wsgi.input": io.BytesIO(BODIES[path] % GOOD), "CONTENT_LENGTH": length}

    answer = post(path, b"", **extra, CONTENT_TYPE="application/json")

    assert problem(answer)[0] == status


# Media types


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    "content_type",
    [
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
    ],
)
def test_another_media_type_is_unsupported(db: None, path: str, content_type: str) -> None:
    assert problem(post(path, BODIES[path] % GOOD, content_type)) == (415, "unsupported_media_type")


# Through the application that is served, as these are read before any middleware is asked.
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
    environ = RequestFactory(headers=headers).generic(method, path).environ
    return {
        **environ,
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }


def served(environ: dict[str, Any]) -> tuple[int, str | None]:
    """Return the status, and the code of the problem, with which the application answers."""
    started: list[Any] = []
    request_started.disconnect(close_old_connections)  # which holds the test's transaction
    try:
        content = b"".join(application(environ, lambda *response: started.extend(response)))  # type: ignore[arg-type]
    finally:
        request_started.connect(close_old_connections)
    status, headers = int(started[0][:3]), dict(started[1])
    is_problem = headers["Content-Type"] == "application/problem+json"
    return status, json.loads(content)["code"] if is_problem else None


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("path", BODIES)
def test_json_is_utf_8_whatever_charset_is_claimed(db: None, path: str, charset: str) -> None:
    media_type = f"application/json; {charset}"

    assert served(environ_of("POST", path, media_type, body=BODIES[path] % GOOD))[0] == 401
    assert served(environ_of("POST", path, media_type, body=BODIES[path] % b'"\xe9"')) == (400, "invalid_body")


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize(
    ("query", "status"),
    [("dataset_split=%74est", 200), ("%2B2AA-=1", 400), (r"\ud800=1", 400), ("dataset_split=%ff", 400)],
)
def test_a_query_is_utf_8_whatever_charset_is_claimed(
    reading: dict[str, str], charset: str, query: str, status: int
) -> None:
    path = f"/api/v1/models/{MODEL}/performance/summary?{query}"

    assert served(environ_of("GET", path, f"text/plain; {charset}", headers=reading))[0] == status


# The summary's path and query


@pytest.fixture
def reading(viewer: User, model: RegisteredModel, as_user: Callable[[User], Client]) -> dict[str, str]:
    """Return the headers of one who may read the model."""
    return {"Authorization": as_user(viewer).defaults["HTTP_AUTHORIZATION"]}


@pytest.mark.parametrize(
    "model_id",
    [
        "%00",
        f"{MODEL}%00",
        "mdl-7f3a19bc9%00",
        "%ff",
        "%ed%a0%80",
        "%c0%80",
        "%",
        "%zz",
        f"{MODEL}%0a",
        f"%20{MODEL}",
        MODEL.upper(),
        "mdl-" + quote("\uff17f3a19bc92"),
        "mdl-" + quote("\u0667" * 10),
        "m" * 10_000,
        "mdl-" + "f" * 10_000,
        quote("\U0001f4a3" * 1_000),
        "'%20OR%20'1'='1",
        "{0.__class__}",
        "%25s",
        "%s",
        "..%2f..%2fetc%2fpasswd",
        "..",
        "%2e%2e",
    ],
)
def test_a_hostile_model_id_is_not_found(reading: dict[str, str], model_id: str) -> None:
    answer = Client(headers=reading).get(f"/api/v1/models/{model_id}/performance/summary")

    assert problem(answer) in [(404, "model_not_found"), (404, "not_found")]
    assert len(answer.json()["detail"]) < 300


BAD_PARAMETER = (400, "invalid_parameter")
UNKNOWN_PARAMETER = (400, "unknown_parameter")
NO_VERSION = (404, "version_not_found")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("dataset_split=%00", BAD_PARAMETER),
        ("dataset_split=test%00", BAD_PARAMETER),
        ("dataset_split=%ff", BAD_PARAMETER),
        ("dataset_split=%ed%a0%80", BAD_PARAMETER),
        ("dataset_split=", BAD_PARAMETER),
        ("dataset_split", BAD_PARAMETER),
        ("dataset_split=%20test", BAD_PARAMETER),
        ("dataset_split=TEST", BAD_PARAMETER),
        ("dataset_split=" + quote("\uff54est"), BAD_PARAMETER),
        ("dataset_split=" + "t" * 10_000, BAD_PARAMETER),
        ("dataset_split=test&dataset_split=test", BAD_PARAMETER),
        ("dataset_split=test&dataset_split=nosuch", BAD_PARAMETER),
        ("version_id=", BAD_PARAMETER),
        ("version_id=ver-001a1%00", BAD_PARAMETER),
        ("version_id=ver-001a1%0a", BAD_PARAMETER),
        ("version_id=%20ver-001a1", BAD_PARAMETER),
        ("version_id=ver-001A1", BAD_PARAMETER),
        ("version_id=ver-1a1", BAD_PARAMETER),
        ("version_id=ver-" + quote("\uff10\uff10\uff11a1"), BAD_PARAMETER),
        ("version_id=ver-" + quote("\u0660\u0660\u0661\u0661\u0661"), BAD_PARAMETER),
        ("version_id=ver-0_1a1", BAD_PARAMETER),
        ("version_id=%ff", BAD_PARAMETER),
        ("version_id=ver-001a1&version_id=ver-001a1", BAD_PARAMETER),
        ("version_id=ver-00000", NO_VERSION),
        ("version_id=ver-0001a1", NO_VERSION),
        ("version_id=ver-7fffffff", NO_VERSION),
        ("version_id=ver-80000000", NO_VERSION),
        ("version_id=ver-ffffffffffffffffffff", NO_VERSION),
        ("version_id=ver-" + "f" * 10_000, NO_VERSION),
        ("version_id=ver-" + "0" * 10_000, NO_VERSION),
        ("datasetsplit=validation", UNKNOWN_PARAMETER),
        ("Dataset_split=test", UNKNOWN_PARAMETER),
        ("dataset_split[]=test", UNKNOWN_PARAMETER),
        ("dataset_split%00=test", UNKNOWN_PARAMETER),
        ("%ff=1", UNKNOWN_PARAMETER),
        ("%ed%a0%80=1", UNKNOWN_PARAMETER),
        ("=1", UNKNOWN_PARAMETER),
        ("format=json", UNKNOWN_PARAMETER),
        ("x" * 10_000, UNKNOWN_PARAMETER),
        ("dataset_split=test;version_id=ver-001a1", BAD_PARAMETER),
        ("&".join(f"p{number}=1" for number in range(900)), UNKNOWN_PARAMETER),
        ("&".join(f"p{number}=1" for number in range(5_000)), BAD_PARAMETER),
    ],
)
def test_a_hostile_query_is_refused(reading: dict[str, str], query: str, expected: tuple[int, str]) -> None:
    assert problem(Client(headers=reading).get(f"/api/v1/models/{MODEL}/performance/summary?{query}")) == expected


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("query", ["%00", "%ff=1", "username=%00", "=", "&".join(f"p{n}=1" for n in range(5_000))])
def test_a_hostile_query_is_refused_by_the_token_routes_as_well(db: None, path: str, query: str) -> None:
    assert problem(post(f"{path}?{query}", BODIES[path] % GOOD)) in [BAD_PARAMETER, UNKNOWN_PARAMETER]


# Headers


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("User-Agent", "\xff" * 10_000),
        ("X-Forwarded-For", "x" * 10_000),
        ("X-Request-ID", "\r\nSet-Cookie: a=b"),
        ("Accept", "*/*" + ", */*" * 1_000),
        ("Cookie", "sessionid=%00; csrftoken=\xff"),
        ("If-None-Match", '"' * 10_000),
        ("Host", "testserver:0"),
    ],
)
def test_a_hostile_header_changes_nothing(reading: dict[str, str], header: str, value: str) -> None:
    answer = Client(headers={**reading, header: value}).get(f"/api/v1/models/{MODEL}/performance/summary")
    failure = Client(headers={header: value}).post(TOKEN, BODIES[TOKEN] % GOOD, content_type="application/json")

    assert answer.status_code == 200
    assert problem(failure) == (401, "not_authenticated")


@pytest.mark.parametrize("host", ["evil.example", "", "a b", "\xff", "testserver:port", "[::1", "x" * 10_000])
def test_another_host_is_refused(client: Client, host: str) -> None:
    assert problem(client.get("/healthz", headers={"Host": host})) == (400, "invalid_parameter")


def test_many_unknown_fields_are_not_all_told(db: None) -> None:
    body = json.dumps({f"{'x' * 60}{number}": 0 for number in range(10_000)})

    response = Client().post(TOKEN, body, content_type="application/json")

    assert problem(response) == (400, "invalid_body")
    assert len(response.json()["errors"]) <= 20
    assert len(response.content) < 4000
