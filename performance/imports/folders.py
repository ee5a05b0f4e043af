"""Find the files of a folder. No link is followed, as it may lead anywhere. Pure Python."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from performance.imports.document import ReadError, SourceFile
from performance.imports.nodes import MAX_BYTES

MAX_FILES = 10_000


def read_file(path: Path, name: str = "") -> SourceFile:
    """Return a file under a name, by default its path. Raises `ReadError`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ReadError("", f"It cannot be read: {error.strerror}.") from None
    return SourceFile(name or str(path), content)


def files_in(folder: Path, suffixes: Sequence[str] | None = None) -> Iterator[Path]:
    """Yield the files of a folder that end so, or all, by name. Raises `ReadError` if there are too many."""
    count = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not os.path.islink(os.path.join(parent, name)))
        for name in sorted(names):
            path = Path(parent, name)
            is_wanted = suffixes is None or path.suffix.lower() in suffixes
            if is_wanted and path.is_file() and not path.is_symlink():
                count += 1
                if count > MAX_FILES:
                    raise ReadError("", f"It holds more than {MAX_FILES} files. Import its folders one by one.")
                yield path
