"""Files and folders that nobody but their owner may read."""

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

OWNER_ALONE = 0o700
SQLITE_SUFFIXES = ("", "-wal", "-shm", "-journal")


def write_secret_file(path: Path, text: str) -> None:
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
    """Make the file of an SQLite database, and the folders above it, if they are missing and can be made.

    Nobody but their owner may read them. SQLite gives the files that it makes beside it the same permissions. A file
    that is there is not opened: closing it would release the locks of this process.
    """
    if path.exists():
        return
    with suppress(OSError):  # SQLite reports what is wrong
        make_private_folder(path.parent)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def tighten_database(path: Path) -> None:
    """Take all rights but the owner's from an SQLite database and the files beside it, where they are there."""
    for suffix in SQLITE_SUFFIXES:
        tighten(Path(f"{path}{suffix}"))


def can_be_made(path: Path) -> bool:
    """Say whether this process may read a file that is there, or make one that is not, with the folders above it."""
    if path.exists():
        return path.is_file() and os.access(path, os.R_OK)
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def tighten(path: Path) -> None:
    """Take all rights but the owner's from a file or folder, if it is there and this process owns it.

    Where the file system refuses, as a read-only one does, log a warning.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & ~OWNER_ALONE:
            path.chmod(mode & OWNER_ALONE)
    except (FileNotFoundError, PermissionError):
        pass
    except OSError as error:
        log.warning("Others than the owner may read %s, and this cannot be changed: %s", path, error.strerror)
