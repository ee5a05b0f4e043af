"""Limit how much expensive work a process does at a time, so that one caller cannot block the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from models_registry.api.errors import BusyError

MAX_WAIT = 1.0  # seconds that a thread waits for its turn


class Capacity:
    """The number of threads of this process that may do one kind of expensive work at a time.

    The other threads stay free for cheap requests. A few callers may wait for a moment, as each occupies a thread
    meanwhile; all others are refused immediately.

    Args:
        threads: how many threads may do the work at a time, 1 or more.
        detail: the message for a refused caller, which says what is busy and what to do.
        waiting: how many more threads may wait for their turn.
    """

    def __init__(self, threads: int, detail: str, *, waiting: int = 0) -> None:
        self._free = BoundedSemaphore(threads)
        self._admitted = BoundedSemaphore(threads + waiting)
        self._detail = detail

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Run the body of the `with` statement within the limit. Raises `BusyError` if no thread is free in time."""
        if not self._admitted.acquire(blocking=False):
            raise BusyError(self._detail)
        try:
            if not self._free.acquire(timeout=MAX_WAIT):
                raise BusyError(self._detail)
            try:
                yield
            finally:
                self._free.release()
        finally:
            self._admitted.release()
