"""A table of evaluations, as CSV: a row an evaluation, a column a metric."""

import csv
import io
from collections.abc import Iterator

from performance.imports.document import (
    MAX_SNAPSHOTS,
    ImportedDocument,
    ImportedModel,
    ImportedSnapshot,
    ImportedVersion,
    ReadError,
    SourceFile,
    quoted,
)
from performance.imports.formats import Format
from performance.imports.metric_names import split_of
from performance.imports.nodes import Node, check_length

COLUMNS = ("model", "task_type", "version", "split", "dataset", "dataset_version", "sample_count", "evaluated_at")
MAX_COLUMNS = 200
Cells = dict[str, str]


def read(file: SourceFile) -> ImportedDocument:
    """Return the evaluations: of one version for each value of `version`, of a model each of `model`.

    All columns but `COLUMNS` are metrics. An empty cell holds nothing. Raises `ReadError`.
    """
    check_length(file.content)
    versions: dict[tuple[str, str, str], list[ImportedSnapshot]] = {}
    for place, cells in _rows(file.content):
        key = (cells.get("model", ""), cells.get("task_type", ""), cells.get("version", ""))
        versions.setdefault(key, []).append(_snapshot(place, cells))
    models: dict[tuple[str, str], list[ImportedVersion]] = {}
    for (model, task_type, label), snapshots in versions.items():
        version = ImportedVersion(snapshots[0].place, snapshots, key=label, description=label)
        models.setdefault((model, task_type), []).append(version)
    return ImportedDocument(
        [
            ImportedModel(versions[0].place, versions, name=name, task_type=task_type)
            for (name, task_type), versions in models.items()
        ]
    )


def _rows(content: bytes) -> Iterator[tuple[str, Cells]]:
    """Yield the cells of each row by column, with the row's place. Raises `ReadError`."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeError:
        raise ReadError("", "It is not UTF-8.") from None
    if "\0" in text:
        raise ReadError("", "It holds NUL.")
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        if len(set(header)) < len(header) or not all(header) or len(header) > MAX_COLUMNS:
            raise ReadError("row 1", f"Must name up to {MAX_COLUMNS} columns, each once.")
        for number, row in enumerate(rows, start=2):
            if number - 1 > MAX_SNAPSHOTS:
                raise ReadError(f"row {number}", f"Is past the {MAX_SNAPSHOTS} rows that are read. Split the file.")
            if not row:
                continue
            if len(row) != len(header):
                raise ReadError(f"row {number}", f"Has {len(row)} cells, but there are {len(header)} columns.")
            yield f"row {number}", dict(zip(header, (cell.strip() for cell in row), strict=True))
    except csv.Error as error:
        raise ReadError(f"line {rows.line_num}", f"It is not CSV: {error}.") from None


def _snapshot(place: str, cells: Cells) -> ImportedSnapshot:
    split = cells.get("split", "")
    if split and split_of(split) is None:
        raise ReadError(f"{place}, column split", f"Must be train, validation or test, not {quoted(split)}.")
    values = {
        name: _number(f"{place}, column {name}", cell) for name, cell in cells.items() if name not in COLUMNS and cell
    }
    return ImportedSnapshot(
        place=place,
        values=values,
        dataset_split=split_of(split),
        dataset=cells.get("dataset", ""),
        dataset_version=cells.get("dataset_version", ""),
        sample_count=_count(f"{place}, column sample_count", cells.get("sample_count", "")),
        evaluated_at=Node(cells.get("evaluated_at", ""), f"{place}, column evaluated_at").time(),
    )


def _number(place: str, cell: str) -> float:
    try:
        number = float(cell) if cell.isascii() and "_" not in cell else None
    except ValueError:
        number = None
    if number is None:
        raise ReadError(place, f"Must be a number, not {quoted(cell)}.")
    return Node(number, place).number()


def _count(place: str, cell: str) -> int | None:
    if not cell:
        return None
    count = Node(_number(place, cell), place).count()
    if count is None:
        raise ReadError(place, f"Must be a whole number of at least 1, not {quoted(cell)}.")
    return count


FORMAT = Format(
    name="csv",
    description="a table with a row for each evaluation and a column for each metric",
    suffixes=(".csv",),
    read=read,
)
