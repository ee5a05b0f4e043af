"""The logins of a user, in a file that only its owner can read."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # on Windows, where two processes that refresh one login at the same time may end it
    fcntl = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Login:
    """A pair of tokens. The access token ends at a time in seconds since 1970.

    `refresh` is empty for a token that was made in the registry.
    """

    access: str
    refresh: str
    ends: float


def folder() -> Path:
    """Return the folder of the logins."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "performance-registry"


def read(url: str) -> Login | None:
    """Return the login at a registry, or `None`."""
    try:
        return Login(**_read_all()[url])
    except (KeyError, TypeError):
        return None


def urls() -> list[str]:
    """Return the addresses of the registries that have a login."""
    return list(_read_all())


def write(url: str, login: Login) -> None:
    """Store a login."""
    _write_all({**_read_all(), url: asdict(login)})


def remove(url: str) -> None:
    """Forget the login at a registry."""
    _write_all({other: login for other, login in _read_all().items() if other != url})


def try_lock() -> IO[bytes] | None:
    """Return what holds the logins until it is closed, or `None` if another process or task holds them."""
    _make_folder()
    descriptor = os.open(folder() / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    lock = os.fdopen(descriptor, "rb")
    try:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    except OSError:  # a file system without locks, as some network drives are
        pass
    return lock


def _file() -> Path:
    return folder() / "logins.json"


def _make_folder() -> None:
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)


def _read_all() -> dict[str, Any]:
    try:
        found = json.loads(_file().read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_all(logins: dict[str, Any]) -> None:
    """Replace the file at once. `mkstemp` makes files that only their owner can read."""
    _make_folder()
    descriptor, name = tempfile.mkstemp(dir=folder())
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(logins, file)
        Path(name).replace(_file())
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
