"""Files and folders that only their owner may read."""

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

OWNER_ONLY = 0o700
SQLITE_SUFFIXES = ("", "-wal", "-shm", "-journal")


def write_secret_file(path: Path, text: str) -> None:
    """Write a file that only its owner may read, atomically."""
    create_private_folder(path.parent)
    unfinished = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(path)


def create_private_folder(path: Path) -> None:
    """Create a folder and its parents so that only the owner may enter them. Existing folders stay unchanged."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=OWNER_ONLY, exist_ok=True)


def create_private_database(path: Path) -> None:
    """Create the file of a SQLite database and its parent folders if possible, unless the file exists.

    Only the owner may read them. SQLite gives its other files the same permissions. An existing file is not opened:
    closing it would release the locks of this process.
    """
    if path.exists():
        return
    with suppress(OSError):  # SQLite reports what is wrong
        create_private_folder(path.parent)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def restrict_database_to_owner(path: Path) -> None:
    """Remove all permissions except the owner's from a SQLite database and the files beside it, if they exist."""
    for suffix in SQLITE_SUFFIXES:
        restrict_to_owner(Path(f"{path}{suffix}"))


def can_be_created(path: Path) -> bool:
    """Return whether this process may read an existing file, or create a missing one and its parent folders."""
    if path.exists():
        return path.is_file() and os.access(path, os.R_OK)
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def restrict_to_owner(path: Path) -> None:
    """Remove all permissions except the owner's from a file or folder, if it exists and this process owns it.

    If the file system refuses, as a read-only one does, log a warning.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & ~OWNER_ONLY:
            path.chmod(mode & OWNER_ONLY)
    except (FileNotFoundError, PermissionError):
        pass
    except OSError as error:
        log.warning("Users other than the owner may read %s, and this cannot be changed: %s", path, error.strerror)
