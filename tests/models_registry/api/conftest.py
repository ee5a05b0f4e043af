"""A host that receives requests, and names that stand for given addresses."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A host on 127.0.0.1 that keeps the requests that it gets."""
    with receiving() as receiver:
        yield receiver


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
