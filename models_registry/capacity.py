"""Bound how much expensive work a process does at a time, so that one caller cannot stop the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from models_registry.exceptions import BusyError


class Capacity:
    """The number of threads of this process that may do one kind of expensive work at a time.

    The other threads stay free for cheap requests. Callers beyond that number are refused at once: a caller who waited
    would hold a thread.

    Args:
        threads: how many threads may do the work at a time, 1 or more.
        detail: what a caller who is refused reads; it says what is busy and what to do.
    """

    def __init__(self, threads: int, detail: str) -> None:
        self._free = BoundedSemaphore(threads)
        self._detail = detail

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Do the work inside as one of the threads that may. Raises `BusyError` if none is free."""
        if not self._free.acquire(blocking=False):
            raise BusyError(self._detail)
        try:
            yield
        finally:
            self._free.release()
