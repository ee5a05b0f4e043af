"""Build the tables of a comparison: differences, slices side by side, and confusion matrices. Pure Python."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from models_registry.task_types.base import Metric, TaskType
from performance.comparison_pages.charts import signed
from performance.formatting import NumberText, format_six_digits
from performance.metrics.comparison import MetricComparison, MetricValues, OptionValue, compare_metric
from performance.metrics.statistics.intervals import Interval, stored_intervals
from performance.snapshots.charts import omitted_note
from performance.snapshots.tables import (
    MAX_CLASSES,
    NOT_RECORDED,
    OTHER_VALUES,
    MatrixCell,
    MatrixLayout,
    SliceRow,
    Table,
)


@dataclass(frozen=True, slots=True)
class StoredMatrix:
    """The labels of a stored confusion matrix, and the counts of its first rows."""

    labels: Sequence[str]
    counts: Sequence[Sequence[float]]

    def row(self, label: str) -> Mapping[str, float] | None:
        """Return the counts of an actual class, by predicted class; `None` if its row is not at hand."""
        if label not in self.labels:
            return {}
        at = self.labels.index(label)
        return dict(zip(self.labels, self.counts[at], strict=True)) if at < len(self.counts) else None


def difference_table(task_type: TaskType, differences: Mapping[str, MetricComparison], names: tuple[str, str]) -> Table:
    """Return the table of both values of each summary metric, their difference, and what it means."""
    headers = ("Metric", *names, "Difference", "Interval", "Method", "Result", "Why")
    rows = [[metric.label, *_difference_cells(differences[metric.name])] for metric in task_type.metrics]
    if any(row[-1] for row in rows):
        return Table("Differences", headers, rows, prose=True)
    return Table("Differences", headers[:-1], [row[:-1] for row in rows])


def _difference_cells(compared: MetricComparison) -> list[str]:
    interval = compared.confidence_interval
    return [
        _number(compared.value),
        _number(compared.baseline_value),
        "" if compared.difference is None else signed(compared.difference),
        _interval_text(interval),
        interval.method.replace("_", " ") if interval else "",
        str(compared.direction),
        compared.detail or "",
    ]


def _number(value: float | None) -> str:
    return NOT_RECORDED if value is None else format_six_digits(value)


def _interval_text(interval: Interval | None) -> str:
    if interval is None:
        return ""
    text = f"{signed(interval.lower)} to {signed(interval.upper)} ({interval.level:.0%})"
    return NumberText(text, interval.lower, interval.upper)


def slice_tables(
    metric: Metric,
    newer: Iterable[SliceRow],
    older: Iterable[SliceRow],
    options: tuple[Mapping[str, OptionValue], Mapping[str, OptionValue]],
    names: tuple[str, str],
) -> list[Table]:
    """Return a table for each attribute that both have slices by: the slices that got worse the most come first."""
    before = {(each.attribute, each.value): each for each in older}
    by_attribute: dict[str, list[tuple[float, list[str]]]] = {}
    for each in newer:
        if baseline := before.get((each.attribute, each.value)):
            row = _slice_row(metric, each, baseline, options)
            by_attribute.setdefault(each.attribute, []).append(row)
    headers = ("Value", *(f"Examples, {name}" for name in names), *names, "Difference", "Interval", "Result")
    return [
        Table(
            f"{metric.label} by {attribute}",
            headers,
            [cells for _, cells in sorted(rows, key=lambda row: row[0])],
            note="The intervals treat both samples as independent.",
        )
        for attribute, rows in sorted(by_attribute.items())
    ]


def _slice_row(
    metric: Metric,
    newer: SliceRow,
    older: SliceRow,
    options: tuple[Mapping[str, OptionValue], Mapping[str, OptionValue]],
) -> tuple[float, list[str]]:
    """Return how much better a slice has become, and its cells."""
    values, baseline = (
        MetricValues(each.metrics, stored_intervals(each.confidence_intervals), known)
        for each, known in zip((newer, older), options, strict=True)
    )
    compared = compare_metric(metric, values, baseline)
    gain = 0.0
    if compared.value is not None and compared.baseline_value is not None:
        gain = metric.goodness(compared.value) - metric.goodness(compared.baseline_value)
    examples = [format_six_digits(each.sample_count) for each in (newer, older)]
    value, before, difference, interval, _, result, _ = _difference_cells(compared)
    return gain, [
        OTHER_VALUES if newer.value is None else newer.value, *examples, value, before, difference, interval, result
    ]  # fmt: skip


def matrices(
    newer: StoredMatrix, older: StoredMatrix, *, same_examples: bool
) -> tuple[MatrixLayout, MatrixLayout, MatrixLayout]:
    """Return both confusion matrices with the same classes in the same order, and their difference.

    The difference is in examples if both versions predicted the same ones, otherwise in percentage points of each
    actual class.
    """
    every = [*newer.labels, *(label for label in older.labels if label not in set(newer.labels))]
    labels = [
        label for label in every[: 2 * MAX_CLASSES] if newer.row(label) is not None and older.row(label) is not None
    ][:MAX_CLASSES]
    note = omitted_note(len(every), len(labels))
    both = [_aligned(each, labels) for each in (newer, older)]
    first, second = (
        MatrixLayout(
            labels, [(label, _cells(row, at)) for at, (label, row) in enumerate(zip(labels, rows, strict=True))], note
        )
        for rows in both
    )
    changed = [
        (label, _change_cells(now, before, at, same_examples))
        for at, (label, now, before) in enumerate(zip(labels, *both, strict=True))
    ]
    return first, second, MatrixLayout(labels, changed, note)


def _aligned(matrix: StoredMatrix, labels: Sequence[str]) -> list[list[float]]:
    rows = [matrix.row(label) or {} for label in labels]
    return [[row.get(label, 0) for label in labels] for row in rows]


def _cells(counts: Sequence[float], at: int) -> list[MatrixCell]:
    whole = sum(counts) or 1
    return [MatrixCell(format_six_digits(each), each / whole, at == other) for other, each in enumerate(counts)]


def _change_cells(now: Sequence[float], before: Sequence[float], at: int, same_examples: bool) -> list[MatrixCell]:
    """Return the changes of a row. A cell is marked as right if the change is one for the better."""
    wholes = sum(now) or 1, sum(before) or 1
    cells = []
    for other, (count, earlier) in enumerate(zip(now, before, strict=True)):
        share = count / wholes[0] - earlier / wholes[1]
        change = count - earlier if same_examples else 100 * share
        text = f"{'+' if change > 0 else ''}{change:.6g}" if same_examples else f"{change:+.1f}"
        cells.append(
            MatrixCell(NumberText(text, change), min(abs(share), 1.0), change != 0 and (change > 0) == (at == other))
        )
    return cells
