"""What a reader makes of a file: models, their versions, and the metrics of each. Pure Python."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

MAX_MODELS = 100  # of a file
MAX_VERSIONS = 500
MAX_SNAPSHOTS = 2000
MAX_QUOTED = 80  # characters of a foreign text in a message


class ReadError(Exception):
    """A file cannot be read. `place` says where in the file, `reason` what is wrong and what to do."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.place or 'the document'}: {self.reason}"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file: its name, which messages quote, and its content."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ImportedSnapshot:
    """The numbers of one evaluation, by the names that the file gives them.

    Attributes:
        place: where in the file they are.
        values: the metrics. Their names may begin with a split, such as `test_`.
        standard_errors: of some metrics, by the same names.
        dataset_split: the split of all metrics, unless their names or the caller say it.
    """

    place: str
    values: Mapping[str, float]
    standard_errors: Mapping[str, float] = field(default_factory=dict)
    per_class: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    evaluation_options: Mapping[str, object] = field(default_factory=dict)
    dataset_split: str | None = None
    dataset: str = ""
    dataset_version: str = ""
    sample_count: int | None = None
    evaluated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ImportedVersion:
    """One training of a model.

    `key` identifies it at its source, such as a run's id. Without one, its content does.
    """

    place: str
    snapshots: list[ImportedSnapshot]
    key: str = ""
    description: str = ""
    source_uri: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """A model. An empty name is the caller's to choose, and an empty task type follows from the metrics."""

    place: str
    versions: list[ImportedVersion]
    name: str = ""
    task_type: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class SkippedItem:
    """A part of a file that is left out on purpose, and why."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportedDocument:
    """Everything that one file holds."""

    models: list[ImportedModel]
    skipped: list[SkippedItem] = field(default_factory=list)


def check_size(document: ImportedDocument) -> None:
    """Raise `ReadError` if a document holds more than one transaction should store, or nothing."""
    versions = [version for model in document.models for version in model.versions]
    counts = (
        ("models", len(document.models), MAX_MODELS),
        ("versions", len(versions), MAX_VERSIONS),
        ("evaluations", sum(len(version.snapshots) for version in versions), MAX_SNAPSHOTS),
        ("parts that are left out", len(document.skipped), MAX_SNAPSHOTS),
    )
    for name, count, most in counts:
        if count > most:
            raise ReadError("", f"It holds {count} {name}, and a file may hold {most}. Split it.")
    if not versions and not document.skipped:
        raise ReadError("", "It holds nothing to import.")


def quoted(text: str) -> str:
    """Return the beginning of a foreign text, as messages show it."""
    return repr(text[:MAX_QUOTED])
