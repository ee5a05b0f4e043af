"""Which URLs and addresses a request may go to."""

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.api.http_client import DeliveryError, check_url, is_public
from tests.models_registry.api.hosts import HOST, HOSTILE_URLS, send
from tests.receiver import Receiver

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


@pytest.mark.parametrize("url", HOSTILE_URLS)
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
