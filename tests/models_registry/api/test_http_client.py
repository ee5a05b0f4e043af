"""Requests to hosts that users name, and what such a host may answer."""

import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from models_registry.api import http_client
from models_registry.api.http_client import DeliveryError, Response, get
from tests.models_registry.api.hosts import HOST, send
from tests.receiver import Receiver, new_certificate, raw, receiving, status, write


def test_a_post_sends_the_body_the_headers_and_the_whole_path(receiver: Receiver) -> None:
    send(f"{receiver.url}/a?b=c&d", "127.0.0.1", **{"Content-Type": "application/json"})

    [message] = receiver.messages
    assert (message.path, message.body) == ("/hook/a?b=c&d", b'{"a": 1}')
    assert message.headers["content-type"] == "application/json"
    assert message.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_proxies_in_the_environment_are_ignored(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert send(receiver.url, "127.0.0.1").status == 204

    assert (len(receiver.messages), len(proxy.messages)) == (1, 0)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(receiver: Receiver, code: int) -> None:
    with receiving() as private:
        receiver.answers = [status(code, Location=private.url)]
        assert send(receiver.url, "127.0.0.1").status == code

    assert (len(receiver.messages), len(private.messages)) == (1, 0)


def fetch(url: str, *trusted: str) -> bytes:
    return get(url, trusted_hosts=trusted, timeout=5, max_bytes=100)


def test_get_returns_the_whole_body(receiver: Receiver) -> None:
    receiver.answers = [status(200, b"x" * 100)]

    assert fetch(receiver.url, "127.0.0.1") == b"x" * 100


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (status(200, b"x" * 101), "over 100 bytes"),
        (status(404, b"x"), "status is 404"),
        (status(302, Location="http://127.0.0.1/"), "status is 302"),
    ],
    ids=["too large", "not found", "redirect"],
)
def test_get_refuses_any_other_response(receiver: Receiver, answer: Any, reason: str) -> None:
    receiver.answers = [answer]

    with pytest.raises(DeliveryError, match=reason):
        fetch(receiver.url, "127.0.0.1")


def test_get_connects_to_public_and_trusted_hosts_only(resolver: Callable[..., list[str]]) -> None:
    asked = resolver("10.0.0.1")

    with pytest.raises(DeliveryError, match="not of the public internet"):
        fetch(f"https://{HOST}/keys")
    with pytest.raises(DeliveryError, match="not allowed"):
        fetch("http://127.0.0.1/keys")
    assert asked == [HOST]


@pytest.fixture
def secure(tmp_path: Path, resolver: Callable[..., list[str]]) -> Iterator[Receiver]:
    resolver("127.0.0.1")
    with receiving(new_certificate(tmp_path, HOST)) as receiver:
        yield receiver


def test_the_certificate_must_be_for_the_name(
    secure: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / f"{HOST}.pem"))
    assert send(f"https://{HOST}:{secure.port}/hook", HOST).status == 204
    assert secure.messages[0].headers["host"] == f"{HOST}:{secure.port}"

    other = "other.example.com"
    with pytest.raises(DeliveryError, match="mismatch"):
        send(f"https://{other}:{secure.port}/hook", other)
    assert len(secure.messages) == 1


def test_an_untrusted_certificate_is_refused(secure: Receiver) -> None:
    with pytest.raises(DeliveryError, match="certificate verify failed"):
        send(f"https://{HOST}:{secure.port}/hook", HOST)
    assert not secure.messages


def test_a_huge_body_is_cut(receiver: Receiver) -> None:
    receiver.answers = [status(500, b"x" * 10_000_000)]

    assert send(receiver.url, "127.0.0.1") == Response(500, "x" * 500)


def test_unprintable_characters_of_a_response_are_dropped(receiver: Receiver) -> None:
    body = "\x00\x1b[31mr\u00e9d\r\n\u202e\u2028end".encode() + b"\xff\xed\xa0\x80"
    receiver.answers = [status(500, body)]

    text = send(receiver.url, "127.0.0.1").text
    assert text.isprintable()
    assert text.startswith("[31mréd")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
def test_a_malformed_response_is_an_error(receiver: Receiver, content: bytes) -> None:
    receiver.answers = [raw(content)]

    with pytest.raises(DeliveryError, match="No answer came"):
        send(receiver.url, "127.0.0.1")


@pytest.mark.parametrize(
    "content",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    ],
)
def test_the_status_counts_if_the_body_breaks_off(receiver: Receiver, content: bytes) -> None:
    receiver.answers = [raw(content)]

    assert send(receiver.url, "127.0.0.1").status == 200


@pytest.mark.parametrize("content", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nX-A: b\r\n"])
def test_a_silent_host_times_out(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(http_client, "RESPONSE_TIMEOUT", 0.3)
    done = Event()

    def fall_silent(handler: BaseHTTPRequestHandler) -> None:
        write(handler, content)
        done.wait(30)

    receiver.answers = [fall_silent]
    with pytest.raises(DeliveryError, match="in time"):
        send(receiver.url, "127.0.0.1")
    done.set()


@pytest.mark.parametrize("endless", [b"x", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nx"])
def test_a_slow_host_times_out(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, endless: bytes) -> None:
    monkeypatch.setattr(http_client, "RESPONSE_TIMEOUT", 0.3)

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        pause = Event()
        for _ in range(600):
            for byte in endless:
                write(handler, bytes([byte]))
                pause.wait(0.05)

    receiver.answers = [trickle]
    with pytest.raises(DeliveryError, match="in time"):
        send(receiver.url, "127.0.0.1")


def test_a_refused_connection_is_an_error(receiver: Receiver) -> None:
    with receiving() as closed:
        pass
    with pytest.raises(DeliveryError, match="refused"):
        send(closed.url, "127.0.0.1")


def test_an_endless_handshake_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "RESPONSE_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(DeliveryError, match="in time"):
            send(f"https://127.0.0.1:{port}/hook", "127.0.0.1")
