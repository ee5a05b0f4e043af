"""How much expensive work a process does at a time."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from time import sleep

import pytest

from models_registry.api.capacity import Capacity
from models_registry.api.errors import BusyError


def test_work_beyond_the_capacity_is_refused_at_once() -> None:
    capacity = Capacity(2, "Two at a time. Ask again.")
    with capacity.claim(), capacity.claim(), pytest.raises(BusyError, match="Two at a time"), capacity.claim():
        pass


def test_failed_work_frees_its_capacity() -> None:
    capacity = Capacity(1, "One at a time. Ask again.")
    with pytest.raises(ValueError, match="broken"), capacity.claim():
        raise ValueError("broken")
    with capacity.claim():
        pass


def test_a_limited_number_may_wait_for_a_moment() -> None:
    capacity = Capacity(1, "One at a time. Ask again.", waiting=1)
    with ThreadPoolExecutor() as others, ExitStack() as first:
        first.enter_context(capacity.claim())
        second = others.submit(work, capacity)
        sleep(0.1)
        with pytest.raises(BusyError):
            work(capacity)
        first.close()
        assert second.result(timeout=10) == "done"


def work(capacity: Capacity) -> str:
    with capacity.claim():
        return "done"
