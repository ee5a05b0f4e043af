"""Trust in other issuers: which URLs their keys may come from, and which claims match a rule. Pure Python."""

import json
from collections.abc import Collection, Mapping
from ipaddress import ip_address
from typing import Any

from models_registry.api.http_client import split_url

MAX_TEXT = 255
WILDCARD = "*"


def check_url(url: str, allowed_hosts: Collection[str]) -> None:
    """Raise `ValueError`, which says what to change, if no keys may be fetched from a URL."""
    parts = split_url(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ValueError("It must begin with https://")
    if host not in allowed_hosts:
        raise ValueError(f"Its host is not in OIDC_ALLOWED_HOSTS, which holds {', '.join(allowed_hosts)}.")


def check_patterns(patterns: Any) -> None:
    """Raise `ValueError` unless the value maps claims to patterns, at least one of them exact."""
    if not isinstance(patterns, Mapping) or not patterns:
        raise ValueError('It must be an object of claims and patterns, such as {"repository": "acme/churn"}.')
    for name, pattern in patterns.items():
        if not _is_text(name) or not _is_text(pattern):
            raise ValueError(f"Each claim and each pattern must be a text of 1 to {MAX_TEXT} characters.")
    if all(WILDCARD in pattern for pattern in patterns.values()):
        raise ValueError(f"At least one pattern must be without {WILDCARD}.")


def matches(patterns: Mapping[str, str], claims: Mapping[str, Any]) -> bool:
    """Return whether each pattern matches the claim of its name. Without patterns, nothing matches."""
    return bool(patterns) and all(_fits(pattern, _text(claims.get(name))) for name, pattern in patterns.items())


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= MAX_TEXT


def _text(value: Any) -> str | None:
    """Return a claim as text: a boolean or an integer as in JSON. `None` for any other type."""
    if isinstance(value, bool | int):
        return json.dumps(value)
    return value if isinstance(value, str) else None


def _fits(pattern: str, text: str | None) -> bool:
    """Return whether a pattern matches a whole text. Unlike a regex, it takes time linear in their lengths."""
    if text is None or WILDCARD not in pattern:
        return text == pattern
    first, *middle, last = pattern.split(WILDCARD)
    position = len(first)
    for part in middle:
        found = text.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return text.startswith(first) and text.endswith(last) and position + len(last) <= len(text)
