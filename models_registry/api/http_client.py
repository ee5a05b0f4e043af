"""Requests to URLs that users name: to hosts of the public internet alone, within bounds. Pure Python.

A host is judged by the addresses that its name has when the request is made, and the connection goes to one of those
very addresses: what the name server says the next moment has no say. No redirect is followed, and no proxy asked.
"""

import re
import socket
import ssl
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Timer
from typing import Any
from urllib.parse import SplitResult, urlsplit

MAX_URL = 2000
MAX_TEXT = 500  # characters of an answer that are kept
MAX_ADDRESSES = 3  # of a host that are tried
CONNECT_WITHIN = 5.0  # seconds, for all of them together
ANSWER_WITHIN = 10.0  # seconds in all
PORTS = {"https": 443, "http": 80}

# Neither white space nor controls, which some readers of a URL drop, nor a backslash, which some take for a slash.
_url = re.compile(r"[!-\[\]-~]+")
_label = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_number = re.compile(r"[0-9]+|0x[0-9a-f]*")

# What is told apart from the rest of the internet nowhere in the library, or not by all its versions.
_PUBLIC_IPV6 = ip_network("2000::/3")
_SPECIAL_IPV4 = [ip_network("192.0.0.0/24"), ip_network("192.88.99.0/24")]
_NAT64 = ip_network("64:ff9b::/96")

Address = tuple[socket.AddressFamily, tuple[Any, ...]]


class DeliveryError(Exception):
    """No answer came, or no request was made. Tells why, in a sentence."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a host answered: the status, and the beginning of the body as text."""

    status: int
    text: str


def check_url(url: str, trusted_hosts: Collection[str]) -> None:
    """Refuse a URL to which nothing may be sent. Raises `ValueError`, with what to change.

    Trusted hosts may be of a private network, at any port, and without TLS. What a name stands for is not looked up.
    """
    parts = _split(url)
    host = parts.hostname or ""
    if "@" in parts.netloc:
        raise ValueError("It must hold no user name or password.")
    if "#" in url:
        raise ValueError("It must have no fragment.")
    if host in trusted_hosts and parts.scheme in PORTS:
        return
    if parts.scheme != "https":
        raise ValueError("It must begin with https://, but for hosts that WEBHOOK_PRIVATE_HOSTS names")
    if parts.port not in (None, PORTS["https"]):
        raise ValueError("It must have no port other than 443.")
    _check_host(host)


def is_public(address: str) -> bool:
    """Say whether an IP address is of the public internet; one that stands for another by what that one is."""
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return ip.is_global and not ip.is_multicast and not any(ip in network for network in _SPECIAL_IPV4)
    inner = _embedded(ip)
    return is_public(str(inner)) if inner else ip.is_global and ip in _PUBLIC_IPV6


def post(url: str, body: bytes, headers: Mapping[str, str], *, trusted_hosts: Collection[str]) -> Response:
    """Send a body to a URL and return the answer, whatever its status. Raises `NotSentError`.

    It takes 10 seconds at most, whatever comes, and the time in which the system's resolver finds the name.
    """
    try:
        check_url(url, trusted_hosts)
    except ValueError as error:
        raise DeliveryError(f"The URL is not allowed here: {error}") from None
    parts = urlsplit(url)
    addresses = _resolve(parts, public=parts.hostname not in trusted_hosts)
    try:
        return _exchange(parts, addresses, body, headers)
    except TimeoutError:
        raise DeliveryError("No answer came in time.") from None
    except (OSError, HTTPException, ValueError) as error:
        raise DeliveryError(f"No answer came: {printable(str(error)) or type(error).__name__}") from None


def printable(text: str) -> str:
    """Return the beginning of a text without what is not to be printed."""
    return "".join(each if each.isprintable() else " " for each in text).strip()[:MAX_TEXT]


def _split(url: str) -> SplitResult:
    try:
        if len(url) > MAX_URL or not _url.fullmatch(url):
            raise ValueError
        parts = urlsplit(url)
        _ = parts.port  # is read, and refused, only now
        if ("[" in parts.netloc) != (":" in (parts.hostname or "")):  # brackets are of IPv6 addresses alone
            raise ValueError
    except ValueError:
        raise ValueError(f"It is not a URL of up to {MAX_URL} printable ASCII characters.") from None
    return parts


def _check_host(host: str) -> None:
    try:
        public = is_public(host)
    except ValueError:
        public = _is_public_name(host.removesuffix("."))
    if not public:
        raise ValueError("Its host must be a name or an address of the public internet.")


def _is_public_name(name: str) -> bool:
    """Say whether this may be a public name: none of one word, nor one that ends as the numbers of an address do."""
    labels = name.split(".")
    return (
        len(name) <= 253
        and len(labels) > 1
        and all(map(_label.fullmatch, labels))
        and labels[-1] not in {"localhost", "local", "internal"}
        and not _number.fullmatch(labels[-1])
    )


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to: mapped, or by NAT64 or 6to4."""
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _resolve(parts: SplitResult, *, public: bool) -> list[Address]:
    """Return the addresses of a URL's host. Raises `NotSentError`, also when one of them is not public and must be."""
    port = parts.port or PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise DeliveryError("The host's name cannot be resolved.") from None
    if public and not all(is_public(str(address[0])) for *_, address in found):
        raise DeliveryError("The host's name stands for an address that is not of the public internet.")
    return [(family, address) for family, _, _, _, address in found]


def _exchange(parts: SplitResult, addresses: list[Address], body: bytes, headers: Mapping[str, str]) -> Response:
    deadline = time.monotonic() + ANSWER_WITHIN
    with _connect(addresses) as plain, _secured(plain, parts) as connected:
        # The timeout is of each single read: a host that sent a byte now and then would never end.
        connected.settimeout(ANSWER_WITHIN)
        watchdog = Timer(deadline - time.monotonic(), _break_off, [connected])
        watchdog.start()
        try:
            answer = _ask(connected, parts, body, headers)
        except (OSError, HTTPException):
            _refuse_late(deadline)
            raise
        finally:
            watchdog.cancel()
    _refuse_late(deadline)
    return answer


def _secured(plain: socket.socket, parts: SplitResult) -> socket.socket:
    """Return the connection with TLS, whose handshake is yet to come, or as it is where the URL has none."""
    if parts.scheme != "https":
        return plain
    context = ssl.create_default_context()
    return context.wrap_socket(plain, server_hostname=parts.hostname, do_handshake_on_connect=False)


def _connect(addresses: list[Address]) -> socket.socket:
    """Return a connection to the first of the addresses that takes one. Raises `OSError`."""
    tried = addresses[:MAX_ADDRESSES]
    failure = OSError("the host has no address")
    for family, address in tried:
        connecting = socket.socket(family, socket.SOCK_STREAM)
        connecting.settimeout(CONNECT_WITHIN / len(tried))
        try:
            connecting.connect(address)
        except OSError as error:
            connecting.close()
            failure = error
        else:
            return connecting
    raise failure


def _refuse_late(deadline: float) -> None:
    """Refuse what the watchdog may have cut. Raises `TimeoutError`."""
    if time.monotonic() >= deadline:
        raise TimeoutError


def _break_off(connected: socket.socket) -> None:
    """End whatever is being read or written, without what TLS would say first."""
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _ask(connected: socket.socket, parts: SplitResult, body: bytes, headers: Mapping[str, str]) -> Response:
    if isinstance(connected, ssl.SSLSocket):
        connected.do_handshake()
    connection = HTTPConnection(parts.netloc)
    connection.sock = connected
    query = f"?{parts.query}" if parts.query else ""
    own = {"Host": parts.netloc, "Connection": "close"}
    connection.request("POST", f"{parts.path or '/'}{query}", body, {**headers, **own})
    with connection.getresponse() as response:
        return _answer(response)


def _answer(response: HTTPResponse) -> Response:
    """Return the status, and what can be read of the body: it is for people, and may break off."""
    try:
        beginning = response.read(4 * MAX_TEXT)
    except (OSError, HTTPException):
        beginning = b""
    return Response(response.status, printable(beginning.decode(errors="replace")))
