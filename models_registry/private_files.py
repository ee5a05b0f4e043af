"""Files and folders that nobody but their owner may read."""

import os
import stat
from contextlib import suppress
from pathlib import Path

OWNER_ALONE = 0o700
SQLITE_SUFFIXES = ("", "-wal", "-shm", "-journal")


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody but its owner may read, whole or not at all."""
    make_private_folder(path.parent)
    unfinished = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(path)


def make_private_folder(path: Path) -> None:
    """Make a folder, and those above it, that nobody but its owner may enter. One that is there stays as it is."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=OWNER_ALONE, exist_ok=True)


def make_private_database(path: Path) -> None:
    """Make the file of an SQLite database, if it is missing, and let nobody but its owner read it.

    SQLite gives the files that it makes beside it the same permissions. Those that are there are tightened, if this
    process owns them. Raises `OSError` when there is no file and none can be made.
    """
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT, 0o600))
    for suffix in SQLITE_SUFFIXES:
        tighten(Path(f"{path}{suffix}"))


def tighten(path: Path) -> None:
    """Take all rights but the owner's from a file or folder, if it is there and this process owns it."""
    with suppress(FileNotFoundError, PermissionError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & ~OWNER_ALONE:
            path.chmod(mode & OWNER_ALONE)
