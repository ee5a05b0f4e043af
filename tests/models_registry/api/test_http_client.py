"""Where requests to URLs that users name may go, and what a host may do to them."""

import ipaddress
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.api import http_client
from models_registry.api.http_client import DeliveryError, Response, check_url, get, is_public, post
from tests.receiver import Receiver, new_certificate, raw, receiving, status, write

HOST = "hooks.example.com"
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "172.32.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
    "2606:4700::1111",
]
PRIVATE = [
    *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254", "172.16.0.1", "192.0.0.8"),  # noqa: S104
    *("192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::808:808", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::"),
    *("2002:a00:1::", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"),
]
HOSTILE = [
    *("", "x", "//example.com", "example.com", "http://example.com", "ftp://example.com", "file:///etc/passwd"),
    *("javascript:alert(1)", "gopher://example.com", "https:", "https://", "https:///hook", "https://?x", "https:hook"),
    *("https://user:secret@example.com", "https://user@example.com", "https://@example.com", "https://a@b@example.com"),
    *("https://example.com#x", "https://example.com/#", "https://example.com:80", "https://example.com:8443/hook"),
    *("https://example.com:22", "https://example.com:0", "https://example.com:99999", "https://example.com:x"),
    *("https://example.com:-1", "https://localhost", "https://localhost.", "https://LOCALHOST", "https://a.localhost"),
    *("https://registry", "https://printer.local", "https://metadata.google.internal", "https://127.0.0.1"),
    *("https://127.0.0.1.", "https://127.1", "https://127.0.1", "https://2130706433", "https://0x7f000001"),
    *("https://0x7f.0.0.1", "https://0177.0.0.1", "https://00000177.1", "https://1.1.1.0x1", "https://example.0x"),
    *("https://0", "https://0.0.0.0", "https://10.0.0.1", "https://169.254.169.254/latest/meta-data"),
    *("https://[::1]", "https://[::]", "https://[::ffff:127.0.0.1]", "https://[::ffff:7f00:1]", "https://[::1%25lo]"),
    *("https://[64:ff9b::10.0.0.1]", "https://[2002:7f00:1::]", "https://[fe80::1]", "https://[::1", "https://::1"),
    *("https://[v1.x]", "https://[example.com]", "https://%31%32%37.0.0.1", "https://example%2ecom", "https://a..b"),
    *("https://.example.com", "https://-a.example.com", "https://exam ple.com", "https://example.com/a b"),
    *("https://example.com/\n", "https://exa\tmple.com", "https://example.com\x00", "https:\\\\example.com"),
    *(
        "https://example.com\\@127.0.0.1",
        "https://127.0.0.1\\.example.com",
        "https://exämple.com",
        "https://１２７.0.0.1",
    ),
    *("https://127。0。0。1", "https://ⓛocalhost", "https://example.com/ä", "https://\ud800.com"),
    *(
        f"https://{'a' * 64}.com",
        f"https://{'a.' * 130}com",
        f"https://example.com/{'a' * 2000}",
        " https://example.com",
    ),
    *("https://example.com,127.0.0.1", "https://example.com;@127.0.0.1", "https://{}.com", "https://example.com|x"),
]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return what makes names stand for addresses; it returns the list of names that are looked up from then on."""
    real = socket.getaddrinfo

    def resolve_to(*addresses: str) -> list[str]:
        asked: list[str] = []

        def getaddrinfo(host: str, port: int, **options: Any) -> Any:
            asked.append(host)
            return [found for address in addresses for found in real(address, port, **options)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return resolve_to


def send(url: str, *trusted: str, **headers: str) -> Response:
    return post(url, b'{"a": 1}', headers, trusted_hosts=trusted)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_any_other_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_an_embedded_ipv4_address_is_as_public_as_itself(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    forms = [(0xFFFF << 32) | number, (0x64FF9B << 96) | number, (0x2002 << 112) | (number << 80)]

    assert {is_public(str(ipaddress.IPv6Address(form))) for form in forms} == {is_public(str(address))}
    assert not (is_public(str(address)) and not address.is_global)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:443/hook?token=x",
        "HTTPS://EXAMPLE.COM./",
        "https://xn--exmple-cua.com/hook",
        "https://1.1.1.1.nip.io",  # which is judged by its address when it is used
        "https://a_b.example.com",
        "https://8.8.8.8/hook",
        "https://[2606:4700::1111]/hook",
    ],
)
def test_a_public_url_is_accepted(url: str) -> None:
    check_url(url, [])


@pytest.mark.parametrize("url", HOSTILE)
def test_any_other_url_is_refused_without_a_lookup(url: str, resolver: Callable[..., list[str]]) -> None:
    asked = resolver("8.8.8.8")

    with pytest.raises(ValueError, match=r"^Its? "):
        check_url(url, [])
    with pytest.raises(DeliveryError, match="not allowed"):
        send(url)
    assert not asked


@given(st.text())
def test_any_text_is_either_a_valid_url_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"https://example.com{text}"):
        try:
            check_url(url, [])
        except ValueError:
            continue
        assert url.lower().startswith("https://")
        assert "@" not in url.split("/")[2]


def test_a_trusted_host_may_be_private_on_any_port_without_tls(receiver: Receiver) -> None:
    assert send(receiver.url, "127.0.0.1").status == 204
    for url in ("http://u:p@127.0.0.1/", "http://127.0.0.1/#x", "ftp://127.0.0.1/", "http://127.0.0.2/"):
        with pytest.raises(DeliveryError, match="not allowed"):
            send(url, "127.0.0.1")
    assert len(receiver.messages) == 1


def test_a_post_sends_the_body_the_headers_and_the_whole_path(receiver: Receiver) -> None:
    send(f"{receiver.url}/a?b=c&d", "127.0.0.1", **{"Content-Type": "application/json"})

    [message] = receiver.messages
    assert (message.path, message.body) == ("/hook/a?b=c&d", b'{"a": 1}')
    assert message.headers["content-type"] == "application/json"
    assert message.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:127.0.0.1"], ["fd00::1"], ["64:ff9b::a00:1"]]
)
def test_a_name_that_resolves_to_a_private_address_is_refused_without_a_connection(
    resolver: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    resolver(*addresses)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))

    for url in ("https://1.1.1.1.nip.io/hook", f"https://{HOST}"):
        with pytest.raises(DeliveryError, match="not of the public internet") as refused:
            send(url)
        assert not any(address in str(refused.value) for address in addresses)


def test_a_name_is_resolved_once_and_the_connection_goes_to_that_address(
    resolver: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, connected = resolver("8.8.8.8", "2606:4700::1111"), []

    def connect(_: socket.socket, address: tuple[Any, ...]) -> None:
        connected.append(address[:2])
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket.socket, "connect", connect)

    with pytest.raises(DeliveryError, match="Connection refused"):
        send(f"https://{HOST}/hook")
    assert asked == [HOST]
    assert connected == [("8.8.8.8", 443), ("2606:4700::1111", 443)]


def test_an_unknown_name_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(DeliveryError, match="cannot be resolved"):
        send(f"https://{HOST}/hook")


def test_proxies_in_the_environment_are_ignored(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert send(receiver.url, "127.0.0.1").status == 204

    assert (len(receiver.messages), len(proxy.messages)) == (1, 0)


def fetch(url: str, *trusted: str) -> bytes:
    return get(url, trusted_hosts=trusted, timeout=5, max_bytes=100)


class TestGet:
    def test_get_returns_the_whole_body(self, receiver: Receiver) -> None:
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
    def test_get_refuses_any_other_response(self, receiver: Receiver, answer: Any, reason: str) -> None:
        receiver.answers = [answer]

        with pytest.raises(DeliveryError, match=reason):
            fetch(receiver.url, "127.0.0.1")

    def test_get_connects_to_public_and_trusted_hosts_only(self, resolver: Callable[..., list[str]]) -> None:
        asked = resolver("10.0.0.1")

        with pytest.raises(DeliveryError, match="not of the public internet"):
            fetch(f"https://{HOST}/keys")
        with pytest.raises(DeliveryError, match="not allowed"):
            fetch("http://127.0.0.1/keys")
        assert asked == [HOST]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(receiver: Receiver, code: int) -> None:
    with receiving() as private:
        receiver.answers = [status(code, Location=private.url)]
        assert send(receiver.url, "127.0.0.1").status == code

    assert (len(receiver.messages), len(private.messages)) == (1, 0)


class TestTLS:
    @pytest.fixture
    def secure(self, tmp_path: Path, resolver: Callable[..., list[str]]) -> Iterator[Receiver]:
        resolver("127.0.0.1")
        with receiving(new_certificate(tmp_path, HOST)) as receiver:
            yield receiver

    def test_the_certificate_must_be_for_the_name(
        self, secure: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / f"{HOST}.pem"))
        assert send(f"https://{HOST}:{secure.port}/hook", HOST).status == 204
        assert secure.messages[0].headers["host"] == f"{HOST}:{secure.port}"

        other = "other.example.com"
        with pytest.raises(DeliveryError, match="mismatch"):
            send(f"https://{other}:{secure.port}/hook", other)
        assert len(secure.messages) == 1

    def test_an_untrusted_certificate_is_refused(self, secure: Receiver) -> None:
        with pytest.raises(DeliveryError, match="certificate verify failed"):
            send(f"https://{HOST}:{secure.port}/hook", HOST)
        assert not secure.messages


class TestHostileResponses:
    def test_a_huge_body_is_cut(self, receiver: Receiver) -> None:
        receiver.answers = [status(500, b"x" * 10_000_000)]

        assert send(receiver.url, "127.0.0.1") == Response(500, "x" * 500)

    def test_unprintable_characters_of_a_response_are_dropped(self, receiver: Receiver) -> None:
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
    def test_a_malformed_response_is_an_error(self, receiver: Receiver, content: bytes) -> None:
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
    def test_the_status_counts_if_the_body_breaks_off(self, receiver: Receiver, content: bytes) -> None:
        receiver.answers = [raw(content)]

        assert send(receiver.url, "127.0.0.1").status == 200

    @pytest.mark.parametrize("content", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nX-A: b\r\n"])
    def test_a_silent_host_times_out(self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
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
    def test_a_slow_host_times_out(self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, endless: bytes) -> None:
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

    def test_a_refused_connection_is_an_error(self, receiver: Receiver) -> None:
        with receiving() as closed:
            pass
        with pytest.raises(DeliveryError, match="refused"):
            send(closed.url, "127.0.0.1")

    def test_an_endless_handshake_times_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_client, "RESPONSE_TIMEOUT", 0.3)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            with pytest.raises(DeliveryError, match="in time"):
                send(f"https://127.0.0.1:{port}/hook", "127.0.0.1")
