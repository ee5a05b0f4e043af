"""A load generator that costs little: keep-alive connections, each with one request under way at any time."""

import asyncio
import itertools
import re
import time
from collections.abc import Iterator

import uvloop

_length = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class UnexpectedAnswerError(Exception):
    """A server answered with another status than it should, or closed the connection."""


class Connection(asyncio.Protocol):
    """Sends a request, waits for the whole answer, and so on until the time is over."""

    def __init__(self, requests: Iterator[bytes], expected: int, deadline: float) -> None:
        self.requests = requests
        self.expected = expected
        self.deadline = deadline
        self.latencies: list[float] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self.transport: asyncio.WriteTransport = transport  # type: ignore[assignment]  # TCP's is one
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take the answer, or a part of it."""
        self.received += data
        if not _is_whole(self.received):
            return
        now = time.perf_counter()
        self.latencies.append(now - self.sent_at)
        if not self.received.startswith(b"HTTP/1.1 %d" % self.expected):
            self._end(UnexpectedAnswerError(self.received.decode()))
        elif now < self.deadline:
            self.received = b""
            self._send()
        else:
            self._end(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Notice that the server closed the connection, which it should not."""
        self._end(UnexpectedAnswerError("The connection was closed."))

    def _send(self) -> None:
        self.sent_at = time.perf_counter()
        self.transport.write(next(self.requests))

    def _end(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None) if error is None else self.ended.set_exception(error)
            self.transport.close()


def run_load(port: int, requests: list[bytes], *, expected: int, connections: int, seconds: float) -> list[float]:
    """Send the requests in turn for a while, and return how many seconds each answer took.

    Raises `UnexpectedAnswerError` at the first answer that has not the expected status.
    """
    latencies: list[float] = uvloop.run(_run(port, requests, expected, connections, seconds))
    return latencies


async def _run(port: int, requests: list[bytes], expected: int, connections: int, seconds: float) -> list[float]:
    loop = asyncio.get_running_loop()
    in_turn = itertools.cycle(requests)
    deadline = time.perf_counter() + seconds
    made = [
        (await loop.create_connection(lambda: Connection(in_turn, expected, deadline), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.ended for connection in made))
    return [latency for connection in made for latency in connection.latencies]


def _is_whole(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    if head.startswith(b"HTTP/1.1 304"):
        return True
    length = _length.search(head)
    return len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")  # without a length, it is chunked
