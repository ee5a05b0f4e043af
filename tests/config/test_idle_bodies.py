"""Callers who announce a body and do not send it, against the production server."""

import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.serving import serve

CALLERS = 8  # twice the threads that serve


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve on an empty SQLite: no request here gets as far as the database."""
    path: Path = tmp_path_factory.mktemp("idle") / "empty.sqlite3"
    with serve(DATABASE_URL=f"sqlite:///{path}") as url:
        yield url


def announce(server: str, method: str, path: str, *headers: str) -> socket.socket:
    caller = socket.create_connection(("127.0.0.1", urlsplit(server).port or 0))
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *headers, "", ""]
    caller.sendall("\r\n".join(lines).encode())
    return caller


def test_a_route_that_takes_no_body_does_not_wait_for_one(server: str) -> None:
    callers = [announce(server, "GET", "/nope", "Transfer-Encoding: chunked") for _ in range(CALLERS)]

    with urllib.request.urlopen(f"{server}/healthz", timeout=5) as answer:  # noqa: S310
        assert answer.status == 200
    for caller in callers:
        caller.close()
