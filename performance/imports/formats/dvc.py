"""Metrics of DVC and DVCLive: numbers in nested objects, as JSON or YAML."""

from collections.abc import Iterator
from pathlib import PurePath

from performance.imports.document import ImportedDocument, ImportedModel, ImportedSnapshot, ImportedVersion, SourceFile
from performance.imports.formats import Format
from performance.imports.metric_names import split_of
from performance.imports.nodes import Node, check_length, json_document, yaml_document

YAML = (".yaml", ".yml")
MAX_NUMBERS = 1000


def read(file: SourceFile) -> ImportedDocument:
    """Return the numbers by split: any name on the way to a number may name its split. Raises `ReadError`."""
    check_length(file.content)
    is_yaml = PurePath(file.name.lower()).suffix in YAML
    document = yaml_document(file.content) if is_yaml else json_document(file)
    values: dict[str, float] = {}
    for names, number in _numbers(document, ()):
        split = next((name for name in map(split_of, names) if name), None)
        rest = ".".join(name for name in names if split_of(name) is None)
        if not rest:
            raise number.error("Names a split, and no metric.")
        name = f"{split}/{rest}" if split else rest
        if name in values:
            raise number.error("Another metric of this split has the same name.")
        if len(values) == MAX_NUMBERS:
            raise number.error(f"There are more than {MAX_NUMBERS} metrics.")
        values[name] = number.number()
    version = ImportedVersion("", [ImportedSnapshot("", values)])
    return ImportedDocument([ImportedModel("", [version])] if values else [])


def _numbers(node: Node, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Node]]:
    """Yield each number with the names that lead to it."""
    for name, member in node.members().items():
        if member.is_number:
            yield (*names, name), member
        elif member.value is not None:
            yield from _numbers(member, (*names, name))


FORMAT = Format(
    name="dvc",
    description="metrics of DVC or DVCLive, as JSON or YAML",
    suffixes=(".json", *YAML),
    read=read,
)
