"""Names that stand for given addresses."""

import socket
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return a function that makes all names stand for addresses, and returns the list of names that are looked up."""
    real = socket.getaddrinfo

    def resolve_to(*addresses: str) -> list[str]:
        asked: list[str] = []

        def getaddrinfo(host: str, port: int, **options: Any) -> Any:
            asked.append(host)
            return [found for address in addresses for found in real(address, port, **options)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return resolve_to
