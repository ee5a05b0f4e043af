"""Bound how much expensive work a process does at a time, so that one caller cannot stop the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from models_registry.api.errors import BusyError

MAX_WAIT = 1.0  # seconds that a thread waits for its turn


class Capacity:
    """The number of threads of this process that may do one kind of expensive work at a time.

    The other threads stay free for cheap requests. A few callers may wait for a moment, as each holds a thread
    meanwhile; all others are refused at once.

    Args:
        threads: how many threads may do the work at a time, 1 or more.
        detail: what a caller who is refused reads; it says what is busy and what to do.
        waiting: how many further threads may wait until one of these is free.
    """

    def __init__(self, threads: int, detail: str, *, waiting: int = 0) -> None:
        self._free = BoundedSemaphore(threads)
        self._admitted = BoundedSemaphore(threads + waiting)
        self._detail = detail

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Do the work inside as one of the threads that may. Raises `BusyError` if none is free in time."""
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
