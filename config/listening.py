"""Whether a process listens for TCP connections, as Linux shows it."""

import os
from contextlib import suppress
from pathlib import Path

_LISTENING = "0A"  # the state, in the kernel's tables of sockets
_STATE, _INODE = 3, 9  # columns there


def is_listening(pid: int) -> bool:
    """Return whether a child of this process has a listening socket of its own; `False` if it has ended."""
    held = _sockets(pid) - _sockets(os.getpid())
    return any(inode in held for name in ("tcp", "tcp6") for inode in _listening(Path(f"/proc/{pid}/net/{name}")))


def _sockets(pid: int) -> set[str]:
    """Return the inodes of a process's sockets."""
    links = set()
    with suppress(OSError):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                links.add(str(file.readlink()))
    return {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}


def _listening(table: Path) -> set[str]:
    """Return the inodes of the sockets that listen."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:  # the process has ended, or there is no IPv6
        return set()
    return {row[_INODE] for row in rows if row[_STATE] == _LISTENING}
