"""Locate files of predictions, on this machine or in an object store that fsspec supports."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path, PurePosixPath

from performance.metrics.engines import gzip_files
from performance.metrics.engines.base import Engine, ObjectStore

SUFFIXES = {".csv", ".csv.gz", ".parquet"}
CHUNK_SIZE = 2**20


class PredictionFilesError(ValueError):
    """Files are missing, unreachable or of an unsupported type. The message says which, and why."""


@dataclass(frozen=True, slots=True)
class PredictionFiles:
    """The names of files of one type, all on this machine or all in one `store`."""

    names: Sequence[str]
    store: ObjectStore | None = None

    @property
    def are_csv(self) -> bool:
        """Whether they are CSV files, compressed or not, and not Parquet."""
        return _suffix(self.names[0]) != ".parquet"

    def read_into(self, engine: Engine) -> None:
        """Make the files the predictions of an engine. Raises the errors of its `read_csv` and `read_parquet`."""
        (engine.read_csv if self.are_csv else engine.read_parquet)(self.names)

    def digest(self) -> str:
        """Return the SHA-256 of the concatenated files as hexadecimal digits."""
        digest = hashlib.sha256()
        for name in self.names:
            with Path(name).open("rb") if self.store is None else self.store.open(name, "rb") as file:
                while chunk := file.read(CHUNK_SIZE):
                    digest.update(chunk)
        return digest.hexdigest()


def find_files(files: Sequence[str]) -> PredictionFiles:
    """Return the files that paths, patterns or URIs name. Raises `PredictionFilesError`."""
    remote = ["://" in file for file in files]
    if any(remote) and not all(remote):
        raise PredictionFilesError("All files must be on this machine, or all in one store.")
    found = _remote_files(files) if any(remote) else _local_files(files)
    if not found.names:
        raise PredictionFilesError("The pattern matches no file.")
    suffixes = set(map(_suffix, found.names))
    if not suffixes <= SUFFIXES or (len(suffixes) > 1 and ".parquet" in suffixes):
        raise PredictionFilesError(
            f"All files must end in .parquet, or all in .csv or .csv.gz; these end in {', '.join(sorted(suffixes))}."
        )
    return found


def _local_files(files: Iterable[str]) -> PredictionFiles:
    names = [name for file in files for name in (sorted(glob(file)) if has_magic(file) else [file])]
    for name in names:
        if not Path(name).is_file():
            raise PredictionFilesError(f"There is no file {name}.")
    return PredictionFiles(names)


def _remote_files(uris: Sequence[str]) -> PredictionFiles:
    try:
        from fsspec.core import url_to_fs

        stores = [url_to_fs(uri) for uri in uris]
    except ImportError as error:
        raise PredictionFilesError(
            f"{uris[0]} needs a package that is not installed: {error}. For s3:// it is s3fs."
        ) from None
    except ValueError as error:
        raise PredictionFilesError(f"{uris[0]} cannot be read: {error}.") from None
    store = stores[0][0]
    if any(other is not store for other, _ in stores):  # fsspec returns the same object for the same store
        raise PredictionFilesError("All files must be on this machine, or all in one store.")
    return PredictionFiles(
        [store.unstrip_protocol(name) for _, path in stores for name in _list_store(store, path)], store
    )


def _list_store(store: ObjectStore, path: str) -> list[str]:
    """Return the files in a store that match a path or a pattern. Raises `PredictionFilesError`."""
    try:
        found: list[str] = sorted(store.glob(path)) if has_magic(path) else [path]
        for name in found:
            store.info(name)
    except FileNotFoundError:
        raise PredictionFilesError(f"There is no file {store.unstrip_protocol(path)}.") from None
    except Exception as error:  # the store's driver may raise anything
        reason = str(error).partition("\n")[0]
        raise PredictionFilesError(f"{store.unstrip_protocol(path)} cannot be reached: {reason}") from error
    return found


def _suffix(name: str) -> str:
    path = PurePosixPath(name.lower())
    return "".join(path.suffixes[-2:]) if path.suffix == gzip_files.SUFFIX else path.suffix
