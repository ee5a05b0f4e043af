"""Build tables of texts: the metrics and classes of a snapshot, and its confusion matrix."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from models_registry.task_types.base import Metric, TaskType
from performance.formatting import NumberText, format_short, format_six_digits
from performance.metrics.result import ConfusionMatrixDocument
from performance.metrics.statistics.intervals import IntervalDocument
from performance.snapshots.charts import omitted_note

MAX_ROWS_UNSCROLLED = 20  # longer tables scroll
MAX_CLASSES = 50
MAX_MATRIX_CELLS = MAX_CLASSES * 1000  # enough for the rows that are shown of a matrix of 1,000 classes
NOT_RECORDED = "not recorded"
OTHER_VALUES = "(all other values)"
NOTHING: Mapping[str, str] = {}


class SliceRow(Protocol):
    """A stored slice: the metrics of the examples with one value of an attribute, `None` for all other values."""

    attribute: str
    value: str | None
    sample_count: int
    metrics: dict[str, float]
    confidence_intervals: dict[str, IntervalDocument]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts below `headers`. The first cell of a row is its header.

    `prose` says that the last column holds sentences and needs space; `note` says what is omitted.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    prose: bool = False
    note: str = ""

    @property
    def is_scrolled(self) -> bool:
        """Whether the table is too long to be shown without scrolling."""
        return len(self.rows) > MAX_ROWS_UNSCROLLED


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """The number of examples of one class that were predicted as another, and its share of the class, from 0 to 1."""

    count: str
    share: float
    is_correct: bool

    @property
    def shade(self) -> int:
        """The opacity of the cell's colour in percent: 1% of the class is visible, 100% is still readable."""
        return round(55 * math.sqrt(self.share))


@dataclass(frozen=True, slots=True)
class MatrixLayout:
    """The cells of each actual class, in the order of `labels`. `note` says what is omitted."""

    labels: Sequence[str]
    rows: Sequence[tuple[str, Sequence[MatrixCell]]]
    note: str

    @property
    def is_scrolled(self) -> bool:
        """Whether the matrix is too large to be shown without scrolling."""
        return len(self.labels) > MAX_ROWS_UNSCROLLED


def metric_table(
    task_type: TaskType,
    metrics: Mapping[str, float],
    intervals: Mapping[str, IntervalDocument],
    *,
    unavailable: Mapping[str, str] = NOTHING,
    intervals_unavailable: Mapping[str, str] = NOTHING,
) -> Table:
    """Return the table of all summary metrics, and of the further metrics that were recorded or say why they weren't.

    `unavailable` says why a metric has no value, and `intervals_unavailable` why it has no interval.
    """
    further = [metric for metric in task_type.further if metric.name in metrics or metric.name in unavailable]
    rows = [
        _metric_row(
            each,
            metrics.get(each.name),
            intervals.get(each.name),
            unavailable.get(each.name, NOT_RECORDED),
            intervals_unavailable.get(each.name, ""),
        )
        for each in (*task_type.metrics, *further)
    ]
    return Table("Metrics", ("Metric", "Value", "Interval", "Better", "Bounds", "Definition"), rows, prose=True)


def class_table(task_type: TaskType, per_class: Mapping[str, Mapping[str, float]]) -> Table | None:
    """Return the table of the metrics of each class, `None` if there are none.

    It is sorted here, as a database may not keep the order of JSON.
    """
    if not per_class:
        return None
    labels = {metric.name: metric.label for metric in task_type.all_metrics} | {"support": "Support"}
    names = [name for name in labels if any(name in metrics for metrics in per_class.values())]
    rows = [
        [label, *("" if name not in metrics else format_six_digits(metrics[name]) for name in names)]
        for label, metrics in sorted(per_class.items())[:MAX_CLASSES]
    ]
    return Table(
        "Classes", ("Class", *(labels[name] for name in names)), rows, note=omitted_note(len(per_class), MAX_CLASSES)
    )


def slice_tables(task_type: TaskType, slices: Iterable[SliceRow]) -> list[Table]:
    """Return a table of the slices by each attribute, those with the worst value of the first summary metric first."""
    by_attribute: dict[str, list[SliceRow]] = {}
    for each in slices:
        by_attribute.setdefault(each.attribute, []).append(each)
    headers = ("Value", "Examples", *(metric.label for metric in task_type.metrics))
    return [
        Table(
            f"Slices by {attribute}", headers, [_slice_row(task_type, each) for each in _worst_first(task_type, rows)]
        )
        for attribute, rows in sorted(by_attribute.items())
    ]


def _worst_first(task_type: TaskType, slices: Sequence[SliceRow]) -> list[SliceRow]:
    metric = task_type.metrics[0]

    def goodness(each: SliceRow) -> float:
        value = each.metrics.get(metric.name)
        return math.inf if value is None else metric.goodness(value)

    return sorted(slices, key=goodness)


def _slice_row(task_type: TaskType, row: SliceRow) -> list[str]:
    value = OTHER_VALUES if row.value is None else row.value
    cells = (
        estimate_text(row.metrics.get(each.name), row.confidence_intervals.get(each.name)) for each in task_type.metrics
    )
    return [value, format_six_digits(row.sample_count), *cells]


def estimate_text(value: float | None, interval: IntervalDocument | None) -> str:
    """Return a metric's value with its interval, such as `0.934 (0.927 to 0.941)`."""
    if value is None:
        return NOT_RECORDED
    if interval is None:
        return format_short(value)
    ends = interval["lower"], interval["upper"]
    return NumberText(f"{format_short(value)} ({' to '.join(map(format_short, ends))})", value, *ends)


def matrix_layout(matrix: ConfusionMatrixDocument | None) -> MatrixLayout | None:
    """Return the layout of a confusion matrix, `None` if there is none."""
    if matrix is None:
        return None
    labels = matrix["labels"][:MAX_CLASSES]
    rows = [(label, _cells(at, matrix["counts"][at])) for at, label in enumerate(labels)]
    return MatrixLayout(labels, rows, omitted_note(len(matrix["labels"]), MAX_CLASSES))


def matrix_table(title: str, matrix: MatrixLayout) -> Table:
    """Return a confusion matrix as a plain table: a row for each actual class."""
    rows = [[label, *(cell.count for cell in cells)] for label, cells in matrix.rows]
    return Table(title, ("actual \\ predicted", *matrix.labels), rows)


def bounds(metric: Metric) -> str:
    """Describe the values that a metric may have."""
    if metric.lower is None:
        return "any" if metric.upper is None else f"{metric.upper:g} or less"
    return f"{metric.lower:g} or more" if metric.upper is None else f"{metric.lower:g} to {metric.upper:g}"


def _metric_row(
    metric: Metric, value: float | None, interval: IntervalDocument | None, why_missing: str, why_no_interval: str
) -> list[str]:
    recorded = why_missing if value is None else format_six_digits(value)
    shown = why_no_interval if interval is None and value is not None else _interval_text(interval)
    better = f"{metric.direction} is better"
    return [metric.label, recorded, shown, better, bounds(metric), metric.definition]


def option_table(options: Mapping[str, object]) -> Table | None:
    """Return the table of the options of an evaluation, `None` if none are known."""
    rows = [[name.replace("_", " "), _option_text(value)] for name, value in sorted(options.items())]
    return Table("Evaluation options", ("Option", "Value"), rows) if rows else None


def _option_text(value: object) -> str:
    """Return the value of an option in words. A column that has its usual name says nothing."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_option_text(each)}" for name, each in value.items() if name != each)
    if isinstance(value, list | tuple):
        return ", ".join(map(_option_text, value))
    return {None: "none", True: "yes", False: "no"}[value] if value is None or isinstance(value, bool) else str(value)


def warning_table(warnings: Sequence[Mapping[str, str]]) -> Table | None:
    """Return the table of the warnings of an evaluation, `None` if there are none."""
    rows = [[each["code"].replace("_", " "), each["detail"]] for each in warnings]
    return Table("Warnings", ("Warning", "Detail"), rows, prose=True) if rows else None


def _interval_text(interval: IntervalDocument | None) -> str:
    if interval is None:
        return ""
    ends = interval["lower"], interval["upper"]
    return NumberText(f"{' to '.join(map(format_six_digits, ends))} ({interval['level']:.0%})", *ends)


def _cells(at: int, counts: Sequence[float]) -> list[MatrixCell]:
    whole = sum(counts) or 1
    return [
        MatrixCell(format_six_digits(each), each / whole, at == other)
        for other, each in enumerate(counts[:MAX_CLASSES])
    ]
