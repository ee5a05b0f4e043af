"""The network address of a caller."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

UNKNOWN_ADDRESS = "::"
IPV6_PREFIX = 64  # bits: the smallest network that a provider gives to one customer


def client_address(request: HttpRequest | Request) -> str:
    """Return the caller's address. Only entries of `X-Forwarded-For` from trusted proxies count.

    Callers without an IP address, such as those that use a Unix socket, share one address.
    """
    return str(_address(request))


def client_network(request: HttpRequest | Request) -> str:
    """Return the network for which failed logins and requests are counted, as `network_of` does.

    One machine has a whole /64 of IPv6 addresses, and can use a new address for each request.
    """
    return network_of(_address(request))


def network_of(address: IPv4Address | IPv6Address) -> str:
    """Return an IPv4 address as text, or the first address of an IPv6 address's /64."""
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, IPV6_PREFIX), strict=False).network_address)


def _address(request: HttpRequest | Request) -> IPv4Address | IPv6Address:
    ident = BaseThrottle().get_ident(request) or ""  # type: ignore[arg-type]  # it only reads headers and META
    try:
        return ip_address(ident.partition("%")[0])  # without the zone of a link-local address
    except ValueError:
        return ip_address(UNKNOWN_ADDRESS)
