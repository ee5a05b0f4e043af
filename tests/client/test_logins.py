"""The lock on the file of logins."""

import errno

import pytest
from performance_registry import logins


def test_a_folder_without_locks_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl", reason="there are no locks on Windows")
    held = logins.try_lock()
    assert held is not None
    assert logins.try_lock() is None
    held.close()

    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock = logins.try_lock()
    assert lock is not None
    lock.close()
