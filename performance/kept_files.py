"""Predictions in the service's storage of files: what is kept of them, under its digest, and uploads, for a while."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.files.storage import default_storage

from performance.exceptions import KeptFileUnavailableError

CHUNK = 2**20

log = logging.getLogger(__name__)


def put(file: Path) -> str:
    """Have a file in the storage, and return its SHA-256. Raises `KeptFileUnavailableError`."""
    with file.open("rb") as content, _reaching_storage():
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        name, size = _name(digest), file.stat().st_size
        if default_storage.exists(name):
            if default_storage.size(name) == size:
                return digest
            default_storage.delete(name)  # begun, and never ended
        content.seek(0)
        stored = default_storage.save(name, File(content))
        if stored != name:  # as somebody else put the same there meanwhile
            default_storage.delete(stored)
        return digest


def fetch(digest: str, to: Path, *, most: int | None = None, go_on: Callable[[], object] = lambda: None) -> None:
    """Write a kept file's content to a path. `go_on` is called meanwhile, and what it raises ends that.

    Raises `KeptFileUnavailableError` when it is not there, is another, or has more bytes than `most`.
    """
    found = hashlib.sha256()
    with to.open("wb") as file:
        for chunk in _chunks(digest, most):
            go_on()
            found.update(chunk)
            file.write(chunk)
    if found.hexdigest() != digest:
        raise KeptFileUnavailableError(f"{_name(digest)} holds something else.")


def store_upload(name: str, file: Any) -> None:
    """Have an upload in the storage. Raises `KeptFileUnavailableError`."""
    with _reaching_storage():
        default_storage.save(name, file)


def forget_upload(name: str) -> None:
    """Delete an upload, or what there is of it. Where the storage does not, `purge` will."""
    try:
        default_storage.delete(name)
    except Exception:
        log.exception("The upload %s is not deleted.", name)


def _chunks(digest: str, most: int | None) -> Iterator[bytes]:
    """Yield what a kept file holds, a piece at a time. Raises `KeptFileUnavailableError`."""
    with _reaching_storage(), default_storage.open(_name(digest)) as kept:
        if most is not None and kept.size > most:
            raise KeptFileUnavailableError(f"{_name(digest)} has {kept.size:,} bytes, and {most:,} are the most.")
        yield from kept.chunks(CHUNK)


def _name(digest: str) -> str:
    return f"predictions/{digest[:2]}/{digest}.parquet"


@contextmanager
def _reaching_storage() -> Iterator[None]:
    """Turn whatever a storage raises, which is its own affair, into a `KeptFileUnavailableError`."""
    try:
        yield
    except KeptFileUnavailableError:
        raise
    except Exception as error:
        raise KeptFileUnavailableError(f"{type(error).__name__}: {error}") from error
