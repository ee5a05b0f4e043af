"""Compute the charts of a comparison as SVG coordinates: differences, and curves one over the other. Pure Python."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models_registry.task_types.base import Direction, Metric
from performance.formatting import NumberText, format_short
from performance.metrics.comparison import Change, MetricComparison
from performance.snapshots.chart_tables import grid_table
from performance.snapshots.charts import COLOURS, DASHES, Chart, Line, Point
from performance.snapshots.tables import Table


@dataclass(frozen=True, slots=True)
class ForestRow:
    """The difference in one metric: a point with its interval, on an axis with no difference in the middle.

    Coordinates are in percent of the axis, whose right side is better. `ends` are the differences at its ends, and
    `label` states the numbers and the result in words.
    """

    label: str
    change: Change
    x: float
    lower: float | None
    upper: float | None
    ends: tuple[str, str]


@dataclass(frozen=True, slots=True)
class OverlaidChart:
    """Curves of both versions in one chart, and the table of their values."""

    chart: Chart
    table: Table


def forest_rows(metrics: Iterable[Metric], differences: Mapping[str, MetricComparison]) -> list[ForestRow]:
    """Return a row for each metric with a difference that has a better side.

    Each row has a scale of its own, as the units of metrics differ. A metric that is best at 0 has no better side.
    """
    return [
        _forest_row(metric, compared, compared.difference)
        for metric in metrics
        if metric.direction is not Direction.ZERO and (compared := differences[metric.name]).difference is not None
    ]


def _forest_row(metric: Metric, compared: MetricComparison, difference: float) -> ForestRow:
    interval = compared.confidence_interval
    ends = [] if interval is None else [interval.lower, interval.upper]
    extent = max(abs(each) for each in (difference, *ends)) or 1.0
    sign = 1 if metric.direction is Direction.HIGHER else -1
    x, *whisker = (50 + 50 * sign * each / extent for each in (difference, *ends))
    within = f", {interval.level:.0%} interval {signed(ends[0])} to {signed(ends[1])}" if interval else ", no interval"
    return ForestRow(
        f"{metric.label} {compared.direction}: {signed(difference)}{within}",
        compared.direction,
        x,
        min(whisker) if whisker else None,
        max(whisker) if whisker else None,
        (signed(-sign * extent), signed(sign * extent)),
    )


def signed(number: float) -> NumberText:
    """Return a difference with its sign, such as `+0.012`."""
    return NumberText(f"{'+' if number > 0 else ''}{format_short(number)}", number)


def labels_of(newer: Mapping[str, Any], older: Mapping[str, Any]) -> list[str]:
    """Return the classes that have curves in both snapshots, sorted."""
    return sorted(set(newer.get("roc") or {}) & set(older.get("roc") or {}))


def overlaid_charts(
    newer: Mapping[str, Any], older: Mapping[str, Any], label: str | None, names: tuple[str, str]
) -> list[OverlaidChart]:
    """Return the charts of the curves that both snapshots have.

    Args:
        newer: the curves of the newer snapshot.
        older: those of the baseline.
        label: the class whose ROC and precision-recall curves are drawn; `None` for none.
        names: what the legend calls the two.
    """
    found = []
    for kind, title, x, y, diagonal in _THRESHOLD_CURVES if label is not None else ():
        both = [(curves.get(kind) or {}).get(label) for curves in (newer, older)]
        if all(both):
            points = [[(each[x], each[y]) for each in curve or []] for curve in both]
            found.append(
                _overlaid(f"{title} of {label}", x.replace("_", " "), y.replace("_", " "), points, names, diagonal)
            )
    if newer.get("calibration") and older.get("calibration"):
        points = [
            [(each["confidence"], each["accuracy"]) for each in curves["calibration"]] for curves in (newer, older)
        ]
        found.append(_overlaid("Calibration", "confidence", "accuracy", points, names, True))
    return found


_THRESHOLD_CURVES = (
    ("roc", "ROC curve", "false_positive_rate", "true_positive_rate", True),
    ("precision_recall", "Precision-recall curve", "recall", "precision", False),
)


def _overlaid(
    title: str, x: str, y: str, curves: Sequence[Sequence[Point]], names: tuple[str, str], diagonal: bool
) -> OverlaidChart:
    lines = [
        Line(name, " ".join(f"{100 * left:.2f},{100 - 100 * height:.2f}" for left, height in points), colour, dash)
        for name, points, colour, dash in zip(names, curves, COLOURS, DASHES, strict=False)
    ]
    description = f"{y.capitalize()} against {x}: {names[0]} as a solid line, {names[1]} as a dashed one."
    chart = Chart(title, description, ("0", x, "1"), ("0", y, "1"), lines=lines, diagonal=diagonal, legend="Versions")
    return OverlaidChart(chart, grid_table(title, x, dict(zip(names, curves, strict=True))))
