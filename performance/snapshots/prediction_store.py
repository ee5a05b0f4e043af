"""Predictions in the file storage.

An upload stays until it is evaluated. What later comparisons need of the predictions stays under its digest.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path, PurePath
from typing import IO

from django.core.files import File
from django.core.files.storage import default_storage
from django.utils import timezone

from performance.snapshots.errors import StoredFileUnavailableError
from performance.snapshots.models import SnapshotDetail

FOLDER = "predictions"
CHUNK = 2**20
BATCH = 1_000  # files that the purge looks up in one query
UNREFERENCED_AGE = timedelta(days=1)  # after which a file that no snapshot names is deleted

log = logging.getLogger(__name__)


def put(file: Path) -> str:
    """Store a file under its SHA-256, and return that. Raises `StoredFileUnavailableError`.

    A stored file is reused only if a snapshot names it, because `delete_unreferenced_files` never deletes such a file.
    Otherwise the file is written again. It is then new, and its snapshot can be stored within a day.
    """
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    name = _name(digest)
    with _storage_errors():
        stored_size = default_storage.size(name) if default_storage.exists(name) else None
    if stored_size == file.stat().st_size and SnapshotDetail.objects.filter(predictions_digest=digest).exists():
        return digest
    if stored_size is not None:
        with _storage_errors():
            default_storage.delete(name)  # incomplete, or about to be purged
    with file.open("rb") as content, _storage_errors():
        saved_name = _save(name, content, file.stat().st_size)
        if saved_name != name:  # another worker has stored the same file meanwhile
            default_storage.delete(saved_name)
    return digest


def _save(name: str, content: IO[bytes], size: int) -> str:
    """Store a file and return its name. If that fails, delete an incomplete file."""
    try:
        return default_storage.save(name, File(content))
    except OSError:
        if default_storage.exists(name) and default_storage.size(name) != size:  # a complete one is another worker's
            default_storage.delete(name)
        raise


def fetch(digest: str, to: Path, *, most: int | None = None, heartbeat: Callable[[], object] = lambda: None) -> None:
    """Copy a stored file to a path. `heartbeat` is called for each chunk; an exception of it ends the copy.

    Raises `StoredFileUnavailableError` if the file is missing, has other content, or has more bytes than `most`.
    """
    hasher = hashlib.sha256()
    with to.open("wb") as file:
        for chunk in _chunks(digest, most):
            heartbeat()
            hasher.update(chunk)
            file.write(chunk)
    if hasher.hexdigest() != digest:
        raise StoredFileUnavailableError(f"{_name(digest)} does not have the content that its name says.")


def delete_unreferenced_files() -> int:
    """Delete the stored files that no snapshot names, and return their number.

    Their snapshots were never stored, or writing them was interrupted. Files of the last day stay, because their
    snapshots may still be stored. A file's age is read immediately before it is deleted. If the file is written again
    between the two requests, it is lost, and its snapshot is compared as one without predictions. Only the names in
    one folder, 1/256 of all, are in memory at a time.
    """
    return sum(map(_delete_unreferenced, _batches_of_names()))


def _batches_of_names() -> Iterator[list[str]]:
    """Yield the names of all stored files, in batches."""
    try:
        folders = default_storage.listdir(FOLDER)[0]
    except FileNotFoundError:  # nothing has been stored yet
        return
    for folder in folders:
        names = [f"{FOLDER}/{folder}/{name}" for name in default_storage.listdir(f"{FOLDER}/{folder}")[1]]
        yield from (names[i : i + BATCH] for i in range(0, len(names), BATCH))


def _delete_unreferenced(names: list[str]) -> int:
    digests = {PurePath(name).stem for name in names}
    referenced = SnapshotDetail.objects.filter(predictions_digest__in=digests)
    needed = {_name(digest or "") for digest in referenced.values_list("predictions_digest", flat=True)}
    return sum(_delete_if_old(name) for name in names if name not in needed)


def _delete_if_old(name: str) -> bool:
    try:
        is_old: bool = default_storage.get_modified_time(name) < timezone.now() - UNREFERENCED_AGE
    except FileNotFoundError:  # it is being written again
        return False
    if is_old:
        default_storage.delete(name)
    return is_old


def store_upload(name: str, file: "File[bytes]") -> None:
    """Store an upload. Raises `StoredFileUnavailableError`."""
    with _storage_errors():
        default_storage.save(name, file)


def delete_upload(name: str) -> None:
    """Delete an upload, even an incomplete one. If the storage fails, `purge` deletes it later."""
    try:
        default_storage.delete(name)
    except Exception:
        log.exception("The upload %s is not deleted.", name)


def _chunks(digest: str, most: int | None) -> Iterator[bytes]:
    """Yield the content of a stored file in chunks. Raises `StoredFileUnavailableError`."""
    with _storage_errors(), default_storage.open(_name(digest)) as file:
        if most is not None and file.size > most:
            raise StoredFileUnavailableError(f"{_name(digest)} has {file.size:,} bytes; at most {most:,} are read.")
        yield from file.chunks(CHUNK)


def _name(digest: str) -> str:
    return f"{FOLDER}/{digest[:2]}/{digest}.parquet"


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Turn any exception of a storage into a `StoredFileUnavailableError`. Each storage raises its own classes."""
    try:
        yield
    except StoredFileUnavailableError:
        raise
    except Exception as error:
        raise StoredFileUnavailableError(f"{type(error).__name__}: {error}") from error


def store_predictions(file: Path | None) -> str | None:
    """Store the file from which predictions can be compared, if there is one, and return its digest.

    Call it before the snapshot is stored, so that no snapshot names a missing file, and outside a transaction, as a
    storage may be slow. If the storage fails, the result is `None`, and the snapshot names no file.
    """
    try:
        return put(file) if file else None
    except StoredFileUnavailableError as error:
        log.error("The predictions are not kept for comparisons: %s", error)
        return None
