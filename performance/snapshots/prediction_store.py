"""Predictions in the service's storage of files: what is kept of them, under its digest, and uploads, for a while."""

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
    """Have a file in the storage, and return its SHA-256. Raises `KeptFileUnavailableError`.

    A file that is there is taken as it is only where a snapshot names it, which `delete_unnamed` then never deletes.
    Else it is written anew, and so is young: the snapshot that is to name it has a day to be stored.
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
            default_storage.delete(name)  # begun and never ended, or perhaps about to be forgotten
    with file.open("rb") as content, _reaching_storage():
        stored = _saved(name, content, file.stat().st_size)
        if stored != name:  # as somebody else put the same there meanwhile
            default_storage.delete(stored)
    return digest


def _saved(name: str, content: Any, size: int) -> str:
    """Store a file and return its name. Leaves no part of one that the storage did not take whole."""
    try:
        return default_storage.save(name, File(content))
    except OSError:
        if default_storage.exists(name) and default_storage.size(name) != size:  # else another worker has stored it
            default_storage.delete(name)
        raise


def fetch(digest: str, to: Path, *, most: int | None = None, heartbeat: Callable[[], object] = lambda: None) -> None:
    """Write a kept file's content to a path. `heartbeat` is called meanwhile, and what it raises ends that.

    Raises `KeptFileUnavailableError` when it is not there, is another, or has more bytes than `most`.
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
    """Delete the files that no snapshot names: theirs were never stored, or they were begun and never ended.

    Return their number. Those of the last day are left, as the snapshots that are to name them may be on their way.
    Whether one has been written anew is looked up last of all; where that still came too late, by the time of one
    request, its snapshot is compared as if nothing had been kept. No more names are in memory than one folder has,
    which is one file of 256.
    """
    return sum(map(_delete_unnamed_of, _batches_of_names()))


def _batches_of_names() -> Iterator[list[str]]:
    """Yield the names of all that is stored as kept files are, some at a time."""
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
    except FileNotFoundError:  # as somebody is writing it anew
        return False
    if is_old:
        default_storage.delete(name)
    return is_old


def store_upload(name: str, file: Any) -> None:
    """Have an upload in the storage. Raises `KeptFileUnavailableError`."""
    with _reaching_storage():
        default_storage.save(name, file)


def delete_upload(name: str) -> None:
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
    return f"{FOLDER}/{digest[:2]}/{digest}.parquet"


@contextmanager
def _reaching_storage() -> Iterator[None]:
    """Turn whatever a storage raises, which is its own affair, into a `KeptFileUnavailableError`."""
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
