"""The production server, from raw bytes on: what a header with an underscore does, and what a body becomes."""

import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.originals import migrate
from tests.reliability.databases import execute, new_database
from tests.serving import ROOT, new_keys, serve

pytestmark = pytest.mark.served
CALLERS = 8  # twice the threads that serve
CLIENT, FORGED = "198.51.100.7", "203.0.113.66"
SUMMARY = "/api/v1/models/mdl-7f3a19bc92/performance/summary"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A database of its own, behind one proxy that ends TLS."""
    database = new_database(tmp_path_factory.mktemp("server"))
    migrate(database)
    return {"DATABASE_URL": database, "TRUSTED_PROXIES": "1", "HTTPS_ONLY": "true", **new_keys()}


@pytest.fixture(scope="module")
def server(settings: dict[str, str]) -> Iterator[str]:
    with serve(**settings) as url:
        yield url


def send(server: str, method: str, path: str, *headers: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the answer to raw bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers, "", ""]
    with socket.create_connection(("127.0.0.1", urlsplit(server).port or 0), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1") + body)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, content = received.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    return int(first.split()[1]), {k.lower(): v for k, _, v in (line.partition(": ") for line in rest)}, content


@pytest.mark.parametrize("name", ["X_Forwarded_For", "X-Forwarded_For", "x_forwarded-for"])
@pytest.mark.parametrize("forged_first", [True, False])
def test_a_forwarded_address_with_underscores_is_ignored(
    server: str, settings: dict[str, str], name: str, forged_first: bool
) -> None:
    path = f"{SUMMARY}?{name}{forged_first}"
    pair = [f"{name}: {FORGED}", f"X-Forwarded-For: {CLIENT}"]
    request = f"X-Request-ID: {name}.{forged_first}"
    https = "X-Forwarded-Proto: https"

    assert send(server, "GET", path, https, request, *(pair if forged_first else pair[::-1]))[0] == 401

    assert addresses(settings, f"{name}.{forged_first}") == [CLIENT]


def test_without_a_forwarded_address_the_address_is_the_peers(server: str, settings: dict[str, str]) -> None:
    request = "X-Request-ID: alone"
    send(server, "GET", SUMMARY, "X-Forwarded-Proto: https", request, f"X_Forwarded_For: {FORGED}")

    assert addresses(settings, "alone") == ["127.0.0.1"]


@pytest.mark.parametrize(
    "headers", [["X_Forwarded_Proto: https"], ["X-Forwarded-Proto: http", "X_Forwarded_Proto: https"]]
)
def test_a_forwarded_scheme_with_underscores_is_ignored(server: str, headers: list[str]) -> None:
    for given in (headers, headers[::-1]):
        status, answer, _ = send(server, "GET", SUMMARY, *given)
        assert (status, answer["location"]) == (301, f"https://127.0.0.1{SUMMARY}")


def addresses(settings: dict[str, str], request_id: str) -> list[str]:
    """Return from where the audit trail has the denials of a request, which are written behind the answer."""
    select = f"SELECT remote_addr FROM models_registry_auditentry WHERE cid = '{request_id}'"  # noqa: S608
    for _ in range(200):
        if found := [str(address) for (address,) in execute(settings["DATABASE_URL"], select)]:
            return found
        time.sleep(0.05)
    return []


CREDENTIALS = json.dumps({"username": "nobody", "password": "x"}).encode()
JSON = ("X-Forwarded-Proto: https", "Content-Type: application/json")


def test_a_body_with_a_length_is_read(server: str) -> None:
    status, _, content = send(
        server, "POST", "/api/v1/auth/token", *JSON, f"Content-Length: {len(CREDENTIALS)}", body=CREDENTIALS
    )
    assert (status, json.loads(content)["code"]) == (401, "not_authenticated")


def test_a_body_in_chunks_is_read(server: str) -> None:
    halves = CREDENTIALS[:7], CREDENTIALS[7:]
    body = b"".join(b"%x\r\n%s\r\n" % (len(half), half) for half in halves) + b"0\r\n\r\n"
    status, _, content = send(server, "POST", "/api/v1/auth/token", *JSON, "Transfer-Encoding: chunked", body=body)
    assert (status, json.loads(content)["code"]) == (401, "not_authenticated")


def test_a_large_body_is_refused(server: str) -> None:
    body = b" " * (2 * 2**20)
    status, _, _ = send(server, "POST", "/api/v1/auth/token", *JSON, f"Content-Length: {len(body)}", body=body)
    assert status == 413


@pytest.mark.parametrize("path", ["/%ff", "/caf%C3%A9", "/a%00b", "//", "/%25"])
def test_any_path_is_a_problem_document(server: str, path: str) -> None:
    status, answer, content = send(server, "GET", path, "X-Forwarded-Proto: https")
    assert (status, answer["content-type"]) == (404, "application/problem+json")
    assert json.loads(content)["code"] == "not_found"


def test_a_header_given_twice_is_joined(server: str) -> None:
    two = ("X-Forwarded-Proto: https", "Accept: text/html", "Accept: application/json")
    assert send(server, "GET", SUMMARY, *two)[0] == 401


def test_static_files_and_heads_are_served(server: str) -> None:
    status, answer, content = send(server, "GET", "/static/models_registry/favicon.svg", "X-Forwarded-Proto: https")
    assert (status, answer["content-length"]) == (200, str(len(content)))
    assert content == (ROOT / "models_registry" / "static" / "models_registry" / "favicon.svg").read_bytes()
    status, answer, content = send(server, "HEAD", "/healthz")
    assert (status, int(answer["content-length"]) > 0, content) == (200, True, b"")


def test_a_route_that_takes_no_body_does_not_wait_for_one(server: str) -> None:
    lines = ["GET /nope HTTP/1.1", "Host: 127.0.0.1", "Transfer-Encoding: chunked", *JSON, "", ""]
    callers = [socket.create_connection(("127.0.0.1", urlsplit(server).port or 0)) for _ in range(CALLERS)]
    for caller in callers:
        caller.sendall("\r\n".join(lines).encode())

    with urllib.request.urlopen(f"{server}/healthz", timeout=5) as answer:  # noqa: S310
        assert answer.status == 200
    for caller in callers:
        caller.close()
