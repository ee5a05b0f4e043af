"""Where predictions are: in files of this machine, or in an object store that fsspec has a driver for."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path, PurePosixPath
from typing import Any

from performance.metrics.engines.base import Engine

KINDS = {".csv", ".parquet"}
CHUNK = 2**20


class SourceError(ValueError):
    """Files that are not there, of another kind or out of reach. The message says which, and why."""


@dataclass(frozen=True, slots=True)
class PredictionFiles:
    """The names of files of one kind, all of this machine, or all in a `store`: one of fsspec's file systems."""

    names: Sequence[str]
    store: Any = None

    @property
    def are_csv(self) -> bool:
        """Whether they are CSV, and not Parquet."""
        return _kind(self.names[0]) == ".csv"

    def read_into(self, engine: Engine) -> None:
        """Have an engine read them as one, as its predictions. Raises what that does."""
        (engine.read_csv if self.are_csv else engine.read_parquet)(self.names)

    def digest(self) -> str:
        """Return the SHA-256 of the files' bytes, one after the other."""
        digest = hashlib.sha256()
        for name in self.names:
            with Path(name).open("rb") if self.store is None else self.store.open(name, "rb") as file:
                while chunk := file.read(CHUNK):
                    digest.update(chunk)
        return digest.hexdigest()


def find(files: Sequence[str]) -> PredictionFiles:
    """Return the files that paths, patterns or URIs name. Raises `SourceError`."""
    remote = ["://" in file for file in files]
    if any(remote) and not all(remote):
        raise SourceError("All files must be on this machine, or all in one store.")
    sources = _in_store(files) if any(remote) else _here(files)
    if not sources.names:
        raise SourceError("The pattern matches no file.")
    kinds = set(map(_kind, sources.names))
    if len(kinds) > 1 or not kinds <= KINDS:
        raise SourceError(f"All files must end in .parquet, or all in .csv; these end in {', '.join(sorted(kinds))}.")
    return sources


def _here(files: Iterable[str]) -> PredictionFiles:
    names = [name for file in files for name in (sorted(glob(file)) if has_magic(file) else [file])]
    for name in names:
        if not Path(name).is_file():
            raise SourceError(f"There is no file {name}.")
    return PredictionFiles(names)


def _in_store(uris: Sequence[str]) -> PredictionFiles:
    try:
        from fsspec.core import url_to_fs

        stores = [url_to_fs(uri) for uri in uris]
    except ImportError as error:
        raise SourceError(f"{uris[0]} needs a package that is not installed: {error}. For s3:// it is s3fs.") from None
    except ValueError as error:
        raise SourceError(f"{uris[0]} cannot be read: {error}.") from None
    store = stores[0][0]
    if any(other is not store for other, _ in stores):  # fsspec gives the same one for the same store
        raise SourceError("All files must be on this machine, or all in one store.")
    return PredictionFiles([store.unstrip_protocol(name) for _, path in stores for name in _found(store, path)], store)


def _found(store: Any, path: str) -> list[str]:
    """Return the files that a path or a pattern stands for in a store. Raises `SourceError`."""
    try:
        found: list[str] = sorted(store.glob(path)) if has_magic(path) else [path]
        for name in found:
            store.info(name)
    except FileNotFoundError:
        raise SourceError(f"There is no file {store.unstrip_protocol(path)}.") from None
    except Exception as error:  # whatever the store's driver raises
        reason = str(error).partition("\n")[0]
        raise SourceError(f"{store.unstrip_protocol(path)} cannot be reached: {reason}") from error
    return found


def _kind(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
