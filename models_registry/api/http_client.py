"""Requests to URLs that users give: only to the public internet or to trusted hosts, within limits. Pure Python.

A host is checked by the addresses that its name has when the request is made, and the connection goes to one of these
addresses, whatever the name server returns a moment later. No redirect is followed, and no proxy is used.
"""

import re
import socket
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Timer
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

MAX_URL = 2000
MAX_TEXT = 500  # characters of a response that are returned
MAX_ADDRESSES = 3  # of a host that are tried
CONNECT_TIMEOUT = 5.0  # seconds, for all of them together
RESPONSE_TIMEOUT = 10.0  # seconds in all
USER_AGENT = "model-performance-registry"
PORTS = {"https": 443, "http": 80}

# Neither white space nor controls, which some readers of a URL drop, nor a backslash, which some take for a slash.
_url = re.compile(r"[!-\[\]-~]+")
_label = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_number = re.compile(r"[0-9]+|0x[0-9a-f]*")

# Networks that Python's library, or some version of it, does not distinguish from the public internet.
_PUBLIC_IPV6 = ip_network("2000::/3")
_SPECIAL_IPV4 = [ip_network("192.0.0.0/24"), ip_network("192.88.99.0/24")]
_NAT64 = ip_network("64:ff9b::/96")

Address = tuple[socket.AddressFamily, tuple[str | int | bytes, ...]]
Result = TypeVar("Result")


class DeliveryError(Exception):
    """No usable response came, or no request was made. The message says why, and `status` what came."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Response:
    """The status of a response, and the beginning of its body as text."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """A request, and the seconds that it may take."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout: float = RESPONSE_TIMEOUT


def check_url(url: str, trusted_hosts: Collection[str]) -> None:
    """Raise `ValueError`, which says what to change, if nothing may be sent to a URL.

    Trusted hosts may be of a private network, on any port, and without TLS. No name is looked up.
    """
    parts = split_url(url)
    host = parts.hostname or ""
    if host in trusted_hosts and parts.scheme in PORTS:
        return
    if parts.scheme != "https":
        raise ValueError("It must begin with https://, but for hosts that WEBHOOK_PRIVATE_HOSTS names")
    if parts.port not in (None, PORTS["https"]):
        raise ValueError("It must have no port other than 443.")
    _check_host(host)


def split_url(url: str) -> SplitResult:
    """Return the parts of a URL. Raises `ValueError`, which says what to change."""
    try:
        if len(url) > MAX_URL or not _url.fullmatch(url):
            raise ValueError
        parts = urlsplit(url)
        _ = parts.port  # the library checks it only now
        if ("[" in parts.netloc) != (":" in (parts.hostname or "")):  # only IPv6 addresses have brackets
            raise ValueError
    except ValueError:
        raise ValueError(f"It is not a URL of up to {MAX_URL} printable ASCII characters.") from None
    if "@" in parts.netloc:
        raise ValueError("It must hold no user name or password.")
    if "#" in url:
        raise ValueError("It must have no fragment.")
    return parts


def is_public(address: str) -> bool:
    """Return whether an IP address, or the one that is embedded in it, is of the public internet."""
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return ip.is_global and not ip.is_multicast and not any(ip in network for network in _SPECIAL_IPV4)
    inner = _embedded_ipv4(ip)
    return is_public(str(inner)) if inner else ip.is_global and ip in _PUBLIC_IPV6


def post(url: str, body: bytes, headers: Mapping[str, str], *, trusted_hosts: Collection[str]) -> Response:
    """Send a body to a URL and return the response, whatever its status. Raises `DeliveryError`.

    It takes `RESPONSE_TIMEOUT` seconds at most, and the time in which the system's resolver finds the name.
    """
    return _send(Request("POST", url, headers, body, timeout=RESPONSE_TIMEOUT), trusted_hosts, _read_beginning)


def get(url: str, *, trusted_hosts: Collection[str], timeout: float, max_bytes: int) -> bytes:
    """Return the body of a response with status 200, of at most `max_bytes`. Raises `DeliveryError`.

    It takes `timeout` seconds at most, and the time in which the system's resolver finds the name.
    """
    return fetch(Request("GET", url, timeout=timeout), trusted_hosts=trusted_hosts, max_bytes=max_bytes)


def fetch(request: Request, *, trusted_hosts: Collection[str], max_bytes: int) -> bytes:
    """Return the body of a response with status 200, of at most `max_bytes`. Raises `DeliveryError`."""

    def whole_body(response: HTTPResponse) -> bytes:
        if response.status != 200:
            raise DeliveryError(f"The status is {response.status}.", response.status)
        body = response.read(max_bytes + 1)
        if len(body) > max_bytes:
            raise DeliveryError(f"The body is over {max_bytes} bytes.")
        return body

    return _send(request, trusted_hosts, whole_body)


def _send(request: Request, trusted_hosts: Collection[str], read: Callable[[HTTPResponse], Result]) -> Result:
    """Return what `read` makes of the response. Raises `DeliveryError`."""
    try:
        check_url(request.url, trusted_hosts)
    except ValueError as error:
        raise DeliveryError(f"The URL is not allowed here: {error}") from None
    parts = urlsplit(request.url)
    addresses = _resolve(parts, public=parts.hostname not in trusted_hosts)
    try:
        return _exchange(request, parts, addresses, read)
    except TimeoutError:
        raise DeliveryError("No answer came in time.") from None
    except (OSError, HTTPException, ValueError) as error:
        raise DeliveryError(f"No answer came: {printable(str(error)) or type(error).__name__}") from None


def printable(text: str) -> str:
    """Return the beginning of a text without unprintable characters."""
    return "".join(each if each.isprintable() else " " for each in text).strip()[:MAX_TEXT]


def _check_host(host: str) -> None:
    try:
        public = is_public(host)
    except ValueError:
        public = _is_public_name(host.removesuffix("."))
    if not public:
        raise ValueError("Its host must be a name or an address of the public internet.")


def _is_public_name(name: str) -> bool:
    """Return whether a name may be public: it has several labels, and does not end like a numeric address."""
    labels = name.split(".")
    return (
        len(name) <= 253
        and len(labels) > 1
        and all(map(_label.fullmatch, labels))
        and labels[-1] not in {"localhost", "local", "internal"}
        and not _number.fullmatch(labels[-1])
    )


def _embedded_ipv4(ip: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address embeds: mapped, or by NAT64 or 6to4."""
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _resolve(parts: SplitResult, *, public: bool) -> list[Address]:
    """Return the addresses of a URL's host. Raises `DeliveryError`, also if one must be public and is not."""
    port = parts.port or PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise DeliveryError("The host's name cannot be resolved.") from None
    if public and not all(is_public(str(address[0])) for *_, address in found):
        raise DeliveryError("The host's name stands for an address that is not of the public internet.")
    return [(family, address) for family, _, _, _, address in found]


def _exchange(
    request: Request, parts: SplitResult, addresses: list[Address], read: Callable[[HTTPResponse], Result]
) -> Result:
    deadline = time.monotonic() + request.timeout
    with _connect(addresses, min(CONNECT_TIMEOUT, request.timeout)) as plain, _wrap_tls(plain, parts) as connected:
        # The timeout is for each single read: a host that sends a byte now and then would never end.
        connected.settimeout(request.timeout)
        watchdog = Timer(deadline - time.monotonic(), _shut_down, [connected])
        watchdog.start()
        try:
            result = _request(connected, request, parts, read)
        except (OSError, HTTPException):
            _check_deadline(deadline)
            raise
        finally:
            watchdog.cancel()
    _check_deadline(deadline)
    return result


def _wrap_tls(plain: socket.socket, parts: SplitResult) -> socket.socket:
    """Return the connection with TLS, before its handshake, or unchanged if the URL is without TLS."""
    if parts.scheme != "https":
        return plain
    context = ssl.create_default_context()
    return context.wrap_socket(plain, server_hostname=parts.hostname, do_handshake_on_connect=False)


def _connect(addresses: list[Address], timeout: float) -> socket.socket:
    """Return a connection to the first of the addresses that accepts one. Raises `OSError`."""
    tried = addresses[:MAX_ADDRESSES]
    failure = OSError("the host has no address")
    for family, address in tried:
        connecting = socket.socket(family, socket.SOCK_STREAM)
        connecting.settimeout(timeout / len(tried))
        try:
            connecting.connect(address)
        except OSError as error:
            connecting.close()
            failure = error
        else:
            return connecting
    raise failure


def _check_deadline(deadline: float) -> None:
    """Raise `TimeoutError` if the watchdog may have cut the response."""
    if time.monotonic() >= deadline:
        raise TimeoutError


def _shut_down(connected: socket.socket) -> None:
    """End any read or write, without the closing message of TLS."""
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _request(
    connected: socket.socket, request: Request, parts: SplitResult, read: Callable[[HTTPResponse], Result]
) -> Result:
    if isinstance(connected, ssl.SSLSocket):
        connected.do_handshake()
    connection = HTTPConnection(parts.netloc)
    connection.sock = connected
    query = f"?{parts.query}" if parts.query else ""
    own = {"Host": parts.netloc, "Connection": "close", "User-Agent": USER_AGENT}
    connection.request(request.method, f"{parts.path or '/'}{query}", request.body, {**request.headers, **own})
    with connection.getresponse() as response:
        return read(response)


def _read_beginning(response: HTTPResponse) -> Response:
    """Return the status and the beginning of the body, which is for people and may be incomplete."""
    try:
        beginning = response.read(4 * MAX_TEXT)
    except (OSError, HTTPException):
        beginning = b""
    return Response(response.status, printable(beginning.decode(errors="replace")))
