"""The formats that can be imported: each module in this package declares one, and is discovered at import."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from performance.imports.document import ImportedDocument, SourceFile

__all__ = ["FORMATS", "Format"]


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its name, what it is, how its files end, and the functions that read it. They raise `ReadError`.

    `read_folder` yields the documents of a folder, each with a name. Without it, each file of a folder is read.
    """

    name: str
    description: str
    suffixes: tuple[str, ...]
    read: Callable[[SourceFile], ImportedDocument]
    read_folder: Callable[[Path], Iterator[tuple[str, ImportedDocument]]] | None = None


def _discover() -> dict[str, Format]:
    found = {}
    for module in pkgutil.iter_modules(__path__):
        each: Format = importlib.import_module(f"{__name__}.{module.name}").FORMAT
        found[each.name] = each
    return dict(sorted(found.items()))


FORMATS: Mapping[str, Format] = _discover()
