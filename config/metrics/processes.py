"""The memory of the processes that serve."""

import os
from collections.abc import Iterator
from pathlib import Path

from performance.jobs.memory import resident_bytes


def memory_by_pid() -> dict[int, int]:
    """Return the resident bytes of each process that serves: this one, and the others of its server."""
    return {pid: size for pid in _pids() if (size := resident_bytes(pid)) is not None}


def _pids() -> set[int]:
    return {os.getpid(), *_siblings()}


def _siblings() -> Iterator[int]:
    """Yield the processes of the same server that have counted something. Those that ended left their counts."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    for file in Path(folder).glob("histogram_*.db") if folder else ():
        pid = int(file.stem.rpartition("_")[2])
        if _parent_of(pid) == os.getppid():
            yield pid


def _parent_of(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
