"""Tables for people, as texts: a snapshot's metrics and classes, a gate's rules and what became of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models_registry.task_types.base import Metric, TaskType
from performance.formatting import format_six_digits
from performance.snapshots.charts import left_out

SHOWN_WHOLE = 20  # rows, beyond which a table is scrolled
MAX_CLASSES = 50
NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts below `headers`, each headed by its first.

    `prose` says that the last column is of sentences, which need room; `note` says what is left out.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    prose: bool = False
    note: str = ""

    @property
    def scrolled(self) -> bool:
        """Whether it is too long to be shown whole."""
        return len(self.rows) > SHOWN_WHOLE


@dataclass(frozen=True, slots=True)
class Cell:
    """How many examples of one class were predicted as another; `share` of those of the class, from 0 to 1."""

    count: str
    share: float
    right: bool

    @property
    def shade(self) -> int:
        """How strong its colour is, in hundredths: strong enough to see one in a hundred, faint enough to read on."""
        return round(55 * math.sqrt(self.share))


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """Rows of cells, each of an actual class, in the order of `labels`; `note` says what is left out."""

    labels: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    note: str

    @property
    def scrolled(self) -> bool:
        """Whether it is too large to be shown whole."""
        return len(self.labels) > SHOWN_WHOLE


def metric_table(task_type: TaskType, metrics: Mapping[str, float], intervals: Mapping[str, Any]) -> Table:
    """Return every metric of the summary, and the further ones that were recorded."""
    further = [metric for metric in task_type.further if metric.name in metrics]
    rows = [_metric(each, metrics.get(each.name), intervals.get(each.name)) for each in (*task_type.metrics, *further)]
    return Table("Metrics", ("Metric", "Value", "Interval", "Better", "Bounds", "Definition"), rows, prose=True)


def class_table(task_type: TaskType, per_class: Mapping[str, Mapping[str, float]]) -> Table | None:
    """Return the metrics of each class, `None` where there are none. The order is ours: a database may keep none."""
    if not per_class:
        return None
    labels = {metric.name: metric.label for metric in task_type.all_metrics} | {"support": "Support"}
    names = [name for name in labels if any(name in metrics for metrics in per_class.values())]
    rows = [
        [label, *("" if name not in metrics else format_six_digits(metrics[name]) for name in names)]
        for label, metrics in sorted(per_class.items())[:MAX_CLASSES]
    ]
    return Table(
        "Classes", ("Class", *(labels[name] for name in names)), rows, note=left_out(len(per_class), MAX_CLASSES)
    )


def confusion_matrix(matrix: Mapping[str, Any] | None) -> ConfusionMatrix | None:
    """Return a confusion matrix to lay out, `None` where there is none."""
    if matrix is None:
        return None
    labels = matrix["labels"][:MAX_CLASSES]
    rows = [(label, _cells(at, matrix["counts"][at])) for at, label in enumerate(labels)]
    return ConfusionMatrix(labels, rows, left_out(len(matrix["labels"]), MAX_CLASSES))


def bounds(metric: Metric) -> str:
    """Say which values a metric may have."""
    if metric.lower is None:
        return "any" if metric.upper is None else f"{metric.upper:g} or less"
    return f"{metric.lower:g} or more" if metric.upper is None else f"{metric.lower:g} to {metric.upper:g}"


def _metric(metric: Metric, value: float | None, interval: Mapping[str, Any] | None) -> list[str]:
    recorded = NOT_RECORDED if value is None else format_six_digits(value)
    better = f"{metric.direction} is better"
    return [metric.label, recorded, _within(interval), better, bounds(metric), metric.definition]


def _within(interval: Mapping[str, Any] | None) -> str:
    if interval is None:
        return ""
    return f"{format_six_digits(interval['lower'])} to {format_six_digits(interval['upper'])} ({interval['level']:.0%})"


def _cells(at: int, counts: Sequence[float]) -> list[Cell]:
    whole = sum(counts) or 1
    return [Cell(format_six_digits(each), each / whole, at == other) for other, each in enumerate(counts[:MAX_CLASSES])]
