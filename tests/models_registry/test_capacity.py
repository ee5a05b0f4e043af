"""How much expensive work a process does at a time."""

import pytest

from models_registry.capacity import Capacity
from models_registry.exceptions import BusyError


def test_refuses_what_exceeds_the_capacity_at_once() -> None:
    capacity = Capacity(2, "Two at a time. Ask again.")
    with capacity.claim(), capacity.claim(), pytest.raises(BusyError, match="Two at a time"), capacity.claim():
        pass


def test_is_free_again_after_work_that_failed() -> None:
    capacity = Capacity(1, "One at a time. Ask again.")
    with pytest.raises(ValueError, match="broken"), capacity.claim():
        raise ValueError("broken")
    with capacity.claim():
        pass
