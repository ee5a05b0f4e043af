"""Predictions in the file storage: exported predictions, by their digest, and uploads until they are evaluated."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path, PurePath
from typing import Any

from django.core.files import File
from django.core.files.storage import default_storage
from django.utils import timezone

from performance.snapshots.errors import KeptFileUnavailableError
from performance.snapshots.models import SnapshotDetail

FOLDER = "predictions"
CHUNK = 2**20
BATCH = 1_000  # files that the purge looks up at once
UNREFERENCED_AGE = timedelta(days=1)  # past which a file that no snapshot names is deleted

log = logging.getLogger(__name__)


def put(file: Path) -> str:
    """Store a file, and return its SHA-256. Raises `KeptFileUnavailableError`.

    A stored file is reused only if a snapshot names it, as `delete_unnamed` never deletes such a file. Otherwise it is
    written again, so that its age starts anew: the snapshot that will name it has a day to be stored.
    """
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    name = _name(digest)
    with _reaching_storage():
        there = default_storage.size(name) if default_storage.exists(name) else None
    if there == file.stat().st_size and SnapshotDetail.objects.filter(predictions_digest=digest).exists():
        return digest
    if there is not None:
        with _reaching_storage():
            default_storage.delete(name)  # incomplete, or perhaps about to be purged
    with file.open("rb") as content, _reaching_storage():
        stored = _saved(name, content, file.stat().st_size)
        if stored != name:  # another process stored the same file meanwhile
            default_storage.delete(stored)
    return digest


def _saved(name: str, content: Any, size: int) -> str:
    """Store a file and return its name. Deletes a file that was not stored whole."""
    try:
        return default_storage.save(name, File(content))
    except OSError:
        if default_storage.exists(name) and default_storage.size(name) != size:  # else another worker has stored it
            default_storage.delete(name)
        raise


def fetch(digest: str, to: Path, *, most: int | None = None, heartbeat: Callable[[], object] = lambda: None) -> None:
    """Copy a stored file to a path. `heartbeat` is called for each chunk; an exception of it ends the copy.

    Raises `KeptFileUnavailableError` if the file is missing, has another digest, or has more than `most` bytes.
    """
    found = hashlib.sha256()
    with to.open("wb") as file:
        for chunk in _chunks(digest, most):
            heartbeat()
            found.update(chunk)
            file.write(chunk)
    if found.hexdigest() != digest:
        raise KeptFileUnavailableError(f"{_name(digest)} holds something else.")


def delete_unnamed() -> int:
    """Delete the files that no snapshot names: the snapshot was never stored, or the file is incomplete.

    Return their number. Files of the last day stay, as their snapshots may be about to be stored. The age of a file is
    looked up just before it is deleted; if it is written again at that very moment, its snapshot is compared as if it
    had no file. Names are read folder by folder, which is one of 256 at a time.
    """
    return sum(map(_delete_unnamed_of, _batches_of_names()))


def _batches_of_names() -> Iterator[list[str]]:
    """Yield the names of the stored files, in batches."""
    try:
        folders = default_storage.listdir(FOLDER)[0]
    except FileNotFoundError:  # before the first
        return
    for folder in folders:
        names = [f"{FOLDER}/{folder}/{name}" for name in default_storage.listdir(f"{FOLDER}/{folder}")[1]]
        yield from (names[i : i + BATCH] for i in range(0, len(names), BATCH))


def _delete_unnamed_of(names: list[str]) -> int:
    digests = {PurePath(name).stem for name in names}
    named = SnapshotDetail.objects.filter(predictions_digest__in=digests).values_list("predictions_digest", flat=True)
    needed = {_name(digest or "") for digest in named}
    return sum(_delete_if_old(name) for name in names if name not in needed)


def _delete_if_old(name: str) -> bool:
    try:
        is_old: bool = default_storage.get_modified_time(name) < timezone.now() - UNREFERENCED_AGE
    except FileNotFoundError:  # it is being written again
        return False
    if is_old:
        default_storage.delete(name)
    return is_old


def store_upload(name: str, file: Any) -> None:
    """Store an upload. Raises `KeptFileUnavailableError`."""
    with _reaching_storage():
        default_storage.save(name, file)


def delete_upload(name: str) -> None:
    """Delete an upload, complete or not. If the storage fails, `purge` deletes it later."""
    try:
        default_storage.delete(name)
    except Exception:
        log.exception("The upload %s is not deleted.", name)


def _chunks(digest: str, most: int | None) -> Iterator[bytes]:
    """Yield the content of a stored file in chunks. Raises `KeptFileUnavailableError`."""
    with _reaching_storage(), default_storage.open(_name(digest)) as kept:
        if most is not None and kept.size > most:
            raise KeptFileUnavailableError(f"{_name(digest)} has {kept.size:,} bytes, and {most:,} are the most.")
        yield from kept.chunks(CHUNK)


def _name(digest: str) -> str:
    return f"{FOLDER}/{digest[:2]}/{digest}.parquet"


@contextmanager
def _reaching_storage() -> Iterator[None]:
    """Turn any error of the storage into a `KeptFileUnavailableError`: each storage has its own."""
    try:
        yield
    except KeptFileUnavailableError:
        raise
    except Exception as error:
        raise KeptFileUnavailableError(f"{type(error).__name__}: {error}") from error


def store_predictions(file: Path | None) -> str | None:
    """Store the file from which predictions can be compared, if there is one, and return its digest.

    Call it before the snapshot is stored, so that no snapshot names a missing file, and outside a transaction, as a
    storage may be slow. If the storage fails, the result is `None`, and the snapshot names no file.
    """
    try:
        return put(file) if file else None
    except KeptFileUnavailableError as error:
        log.error("The predictions are not kept for comparisons: %s", error)
        return None
