"""The content of a model card, whatever form it is written in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from performance.snapshots.tables import Table


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a card: facts, paragraphs, tables and remarks below a heading."""

    title: str
    facts: Sequence[tuple[str, str]] = ()
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    remarks: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A version's card. `metadata` is the Markdown file's front matter."""

    title: str
    sections: Sequence[Section]
    metadata: Mapping[str, object]
