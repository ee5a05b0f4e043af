"""Decide which issuers' URLs and claims are trusted. Pure Python."""

import json
from collections.abc import Collection, Mapping
from ipaddress import ip_address

from models_registry.api.http_client import split_url

MAX_TEXT = 255
WILDCARD = "*"


def check_url(url: str, allowed_hosts: Collection[str]) -> None:
    """Check that keys may be fetched from a URL. Raises `ValueError` with what to change."""
    parts = split_url(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ValueError("It must begin with https://")
    if host not in allowed_hosts:
        raise ValueError(f"Its host is not in OIDC_ALLOWED_HOSTS, which holds {', '.join(allowed_hosts)}.")


def check_patterns(patterns: object) -> None:
    """Check that patterns are an object of claims that does not match nearly every token. Raises `ValueError`."""
    if not isinstance(patterns, Mapping) or not patterns:
        raise ValueError('It must be an object of claims and patterns, such as {"repository": "acme/churn"}.')
    for name, pattern in patterns.items():
        if not _is_text(name) or not _is_text(pattern):
            raise ValueError(f"Each claim and each pattern must be a text of 1 to {MAX_TEXT} characters.")
    if all(WILDCARD in pattern for pattern in patterns.values()):
        raise ValueError(f"At least one pattern must be without {WILDCARD}.")


def matches(patterns: Mapping[str, str], claims: Mapping[str, object]) -> bool:
    """Return whether each pattern matches the claim of its name. Empty patterns match nothing."""
    return bool(patterns) and all(_fits(pattern, _text(claims.get(name))) for name, pattern in patterns.items())


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= MAX_TEXT


def _text(value: object) -> str | None:
    """Return a claim as text: booleans and whole numbers as in JSON; `None` for other types."""
    if isinstance(value, bool | int):
        return json.dumps(value)
    return value if isinstance(value, str) else None


def _fits(pattern: str, text: str | None) -> bool:
    """Return whether a pattern matches the whole text, in linear time, unlike a regular expression."""
    if text is None or WILDCARD not in pattern:
        return text == pattern
    first, *inner, last = pattern.split(WILDCARD)
    position = len(first)
    for part in inner:
        found = text.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return text.startswith(first) and text.endswith(last) and position + len(last) <= len(text)
