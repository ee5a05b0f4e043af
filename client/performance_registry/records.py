"""What the registry answers, as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, TypeVar

from performance_registry.text import escape_controls, format_interval, format_number, format_table

R = TypeVar("R", bound="Record")
T = TypeVar("T")

_KINDS: Mapping[str, type] = {"str": str, "bool": bool, "Mapping": Mapping, "Sequence": list, "tuple": list}


@dataclass(frozen=True)
class Record:
    """A JSON object of the registry. `document` has all members, also those that the client does not know."""

    document: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_document(cls: type[R], document: Mapping[str, Any]) -> R:
        """Return the record of a JSON object. A member that an older registry leaves out is `None`.

        Raises `ValueError` if it is none of a registry.
        """
        invalid = [item.name for item in fields(cls) if item.name != "document" and not _fits(item, document)]
        if invalid or not isinstance(document, Mapping):
            what = ", ".join(invalid) or "members"
            raise ValueError(f"The answer is no {cls.__name__} of a registry: its {what} cannot be read.")
        return cls(document=document, **cls.values(document))

    @classmethod
    def values(cls, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the fields."""
        named = [item for item in fields(cls) if item.name != "document"]
        return {item.name: document.get(item.name, _default(item.default)) for item in named}


@dataclass(frozen=True)
class Performance(Record):
    """A summary or a report: how well a version does on a split. A report has more members in `document`.

    `confidence_intervals` has the interval of each metric that has one, with `lower`, `upper`, `level` and `method`. A
    summary has none.
    """

    model_id: str
    version_id: str
    task_type: str
    dataset_split: str
    metrics: Mapping[str, float | None]
    confidence_intervals: Mapping[str, Mapping[str, Any]] | None
    sample_count: int | None
    evaluated_at: str

    @property
    def title(self) -> str:
        """What was measured, in one line."""
        examples = "" if self.sample_count is None else f", {self.sample_count} examples"
        return f"{self.version_id} of {self.model_id}, {self.dataset_split} split{examples}"

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings of the rows."""
        return ("metric", "value", "interval") if self.confidence_intervals else ("metric", "value")

    def rows(self) -> list[tuple[str, ...]]:
        """Return the metrics as rows under the headings."""
        if not self.confidence_intervals:
            return [(name, format_number(value)) for name, value in self.metrics.items()]
        intervals = {name: format_interval(each) for name, each in self.confidence_intervals.items()}
        return [(name, format_number(value), intervals.get(name, "")) for name, value in self.metrics.items()]

    @property
    def notes(self) -> tuple[str, ...]:
        """Why metrics have no value or no interval, and the warnings."""
        metrics, intervals = (
            _of_kind(dict, self.document.get(name)) for name in ("metrics_unavailable", "intervals_unavailable")
        )
        warnings = (_of_kind(dict, each).get("detail", "") for each in _of_kind(list, self.document.get("warnings")))
        return (
            *(f"No {name}: {reason}" for name, reason in metrics.items()),
            *(f"No interval of {name}: {reason}" for name, reason in intervals.items() if name in self.metrics),
            *(f"Warning: {detail}" for detail in warnings),
        )

    def __str__(self) -> str:
        parts = [escape_controls(self.title), format_table(self.headings, self.rows())]
        return "\n".join([*parts, *map(escape_controls, self.notes)])


@dataclass(frozen=True)
class Snapshot(Performance):
    """A stored snapshot of a version's metrics."""

    id: str
    dataset: Mapping[str, Any] | None
    custom_metrics: Mapping[str, float]
    source: str

    @property
    def title(self) -> str:
        """What was measured, in one line."""
        return f"Snapshot {self.id}: {super().title}"


@dataclass(frozen=True)
class Promotion(Record):
    """A promotion or a rollback."""

    model_id: str
    version_id: str
    previous_version_id: str | None
    kind: str
    reason: str
    overridden: bool
    promoted_at: str

    def __str__(self) -> str:
        before = f", before that {self.previous_version_id}" if self.previous_version_id else ""
        return escape_controls(f"{self.version_id} of {self.model_id} is promoted{before} ({self.kind}): {self.reason}")


@dataclass(frozen=True)
class ImportResult(Record):
    """What an import did, or would do in a dry run. `document` also lists the models and versions."""

    format: str
    file: str
    dry_run: bool
    created: Mapping[str, int]
    unchanged: Mapping[str, int]
    skipped: Sequence[Mapping[str, str]]

    def __str__(self) -> str:
        verb = "would be created" if self.dry_run else "created"
        lines = [f"{self.file}: {verb}: {_counts(self.created)}; unchanged: {_counts(self.unchanged)}"]
        lines += [f"  skipped: {item['place']}: {item['reason']}" for item in self.skipped]
        return "\n".join(map(escape_controls, lines))


@dataclass(frozen=True)
class Export(Record):
    """The runs of MLflow that versions were exported to."""

    tracking_uri: str
    experiment: str
    runs: Sequence[Mapping[str, Any]]

    def __str__(self) -> str:
        return "\n".join(escape_controls(self._line(run)) for run in self.runs) or "There is no version to export."

    def _line(self, run: Mapping[str, Any]) -> str:
        verb = "created" if run["created"] else "updated"
        number = run["registered_version"]
        registered = "" if number is None else f", registered as version {number}"
        return f"{run['version_id']}: run {run['run_id']} {verb}, {run['metrics']} metrics{registered}"


@dataclass(frozen=True)
class MetricComparison(Record):
    """One metric of two versions."""

    value: float | None
    baseline_value: float | None
    difference: float | None
    relative_change: float | None
    direction: str | None
    confidence_interval: Mapping[str, Any] | None
    detail: str | None = None


@dataclass(frozen=True)
class Comparison(Record):
    """Two versions of a model, metric by metric."""

    HEADINGS = ("metric", "value", "baseline", "difference", "interval", "direction")

    model_id: str
    version_id: str
    baseline_version_id: str
    dataset_split: str
    metrics: Mapping[str, MetricComparison]
    pairing: str
    pairing_detail: str | None = None

    @classmethod
    def values(cls, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the fields."""
        metrics = {name: MetricComparison.from_document(item) for name, item in document["metrics"].items()}
        return {**super().values(document), "metrics": metrics}

    @property
    def title(self) -> str:
        """What is compared, in one line."""
        split = f"on the {self.dataset_split} split (paired: {self.pairing})"
        return f"{self.version_id} of {self.model_id} compared with {self.baseline_version_id} {split}"

    def rows(self) -> list[tuple[str, ...]]:
        """Return the metrics as rows under `HEADINGS`."""
        return [(name, *_comparison_cells(item)) for name, item in self.metrics.items()]

    @property
    def notes(self) -> tuple[str, ...]:
        """Why the examples cannot be compared one by one, and what limits the result of each metric."""
        details = (self.pairing_detail, *(item.detail for item in self.metrics.values()))
        return tuple(dict.fromkeys(detail for detail in details if detail))

    def __str__(self) -> str:
        parts = (escape_controls(self.title), format_table(self.HEADINGS, self.rows()))
        return "\n".join([*parts, *map(escape_controls, self.notes)])


def _comparison_cells(item: MetricComparison) -> tuple[str, ...]:
    numbers = map(format_number, (item.value, item.baseline_value, item.difference))
    return (*numbers, format_interval(item.confidence_interval), item.direction or "")


def _of_kind(kind: type[T], value: object) -> T:
    """Return a value of an answer, or an empty one if it is of another kind."""
    return value if isinstance(value, kind) else kind()


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _fits(item: Field[Any], document: object) -> bool:
    """Return whether a member of a JSON object has the kind of a record's field."""
    if not isinstance(document, Mapping) or item.name not in document:
        return item.default is not MISSING or str(item.type).endswith(" | None")
    value = document[item.name]
    optional, kind = str(item.type).endswith(" | None"), str(item.type).partition("[")[0].partition(" ")[0]
    return optional if value is None else isinstance(value, _KINDS.get(kind, object))


def _default(default: Any) -> Any:
    return None if default is MISSING else default
