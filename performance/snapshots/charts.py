"""Compute the charts of a snapshot as SVG coordinates: a square of 100 by 100 with its origin at the top left."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from typing import Any

from models_registry.task_types.base import Metric, TaskType
from performance.metrics.statistics.intervals import IntervalDocument

Point = tuple[float, float]
CurvesByLabel = Mapping[str, Sequence[Mapping[str, float]]]

# Lines use the colours and the dashes in turn, so that no two of twenty lines are the same. The colours have a contrast
# of 3 to 1 with white and with dark pages (WCAG 2.2, 1.4.11), and are distinguishable with colour blindness.
COLOURS = ("#1f77d0", "#d55e00", "#c861a8", "#12947c")
DASHES = ("", "6 2", "1.5 1.5", "6 2 1.5 2", "3 1.5")
MAX_LINES = len(COLOURS) * len(DASHES)


@dataclass(frozen=True, slots=True)
class Line:
    """A polyline: its `points` and the `label` of what it shows."""

    label: str
    points: str
    colour: str = "currentColor"
    dash: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """An upright rectangle. `label` states its numbers."""

    label: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, with a description in words. An axis has texts at its start, in the middle and at its end.

    `legend` names what the lines stand for; without it, their labels are not shown. `note` says what is omitted.
    """

    title: str
    description: str
    x_axis: tuple[str, str, str]
    y_axis: tuple[str, str, str]
    lines: Sequence[Line] = ()
    bars: Sequence[Bar] = ()
    dots: Sequence[Point] = ()
    diagonal: bool = False
    legend: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Gauge:
    """A metric as a bar from 0, and the ends of its interval.

    They are in percent of an axis between `ends`. `label` states the numbers.
    """

    label: str
    left: float
    width: float
    lower: float | None
    upper: float | None
    ends: tuple[str, str]


def gauges(task_type: TaskType, metrics: Mapping[str, float], intervals: Mapping[str, IntervalDocument]) -> list[Gauge]:
    """Return a gauge for each recorded metric that has bounds or an interval, which determine its axis."""
    recorded = [metric for metric in task_type.all_metrics if metric.name in metrics]
    with_axis = [metric for metric in recorded if None not in (metric.lower, metric.upper) or metric.name in intervals]
    return [_metric_gauge(metric, metrics[metric.name], intervals.get(metric.name)) for metric in with_axis]


def _metric_gauge(metric: Metric, value: float, interval: IntervalDocument | None) -> Gauge:
    whisker = [] if interval is None else [interval["lower"], interval["upper"]]
    low, high = _axis(metric, [0.0, value, *whisker])
    left, right, *ends = (100 * (number - low) / (high - low) for number in (min(0, value), max(0, value), *whisker))
    within = "" if interval is None else f", {interval['level']:.0%} interval {whisker[0]:.4g} to {whisker[1]:.4g}"
    lower, upper = ends or (None, None)
    label = f"{metric.label} {value:.4g}{within}"
    return Gauge(label, left, right - left, lower, upper, (f"{low:.4g}", f"{high:.4g}"))


def _axis(metric: Metric, numbers: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis for these numbers: the metric's bounds, or the extreme numbers."""
    low = min(numbers) if metric.lower is None else metric.lower
    high = max(numbers) if metric.upper is None else metric.upper
    return low, high if high > low else low + 1


def charts(curves: Mapping[str, Any]) -> list[Chart]:
    """Return a chart for each kind of curve that has points."""
    return [draw(curves[name]) for name, draw in _CHARTS.items() if curves.get(name)]


def _threshold_chart(title: str, x: str, y: str, curves: CurvesByLabel, *, diagonal: bool) -> Chart:
    """Return the chart of one rate against another for each class."""
    names = x.replace("_", " "), y.replace("_", " ")
    return Chart(
        title,
        f"{names[1].capitalize()} against {names[0]} at each threshold. {_classes(curves)}",
        ("0", names[0], "1"),
        ("0", names[1], "1"),
        lines=_lines(curves, x, y),
        diagonal=diagonal,
        legend="Classes",
        note=omitted_note(len(curves), MAX_LINES),
    )


_roc = partial(_threshold_chart, "ROC curve", "false_positive_rate", "true_positive_rate", diagonal=True)
_precision_recall = partial(_threshold_chart, "Precision-recall curve", "recall", "precision", diagonal=False)


def _calibration(bins: Sequence[Mapping[str, float]]) -> Chart:
    return Chart(
        "Calibration",
        "Share of right predictions against mean confidence; a calibrated model is on the diagonal.",
        ("0", "confidence", "1"),
        ("0", "accuracy", "1"),
        lines=[Line("Calibration", _svg_points((each["confidence"], each["accuracy"]) for each in bins))],
        dots=[_to_svg(each["confidence"], each["accuracy"]) for each in bins],
        diagonal=True,
    )


def _residual_histogram(bins: Sequence[Mapping[str, float]]) -> Chart:
    low, high, most = bins[0]["lower"], bins[-1]["upper"], max(each["count"] for each in bins)
    return Chart(
        "Residuals",
        f"Number of examples by error, predicted - actual, of {sum(each['count'] for each in bins):,}.",
        (f"{low:.4g}", "predicted - actual", f"{high:.4g}"),
        ("0", "examples", f"{most:,}"),
        bars=[_bar(each, low, (high - low) or 1.0, most) for each in bins],
    )


def _bar(each: Mapping[str, float], low: float, extent: float, most: float) -> Bar:
    height = 100 * each["count"] / most
    label = f"{each['count']:,} from {each['lower']:.4g} to {each['upper']:.4g}"
    left = 100 * (each["lower"] - low) / extent
    return Bar(label, left, 100 - height, 100 * (each["upper"] - each["lower"]) / extent or 100.0, height)


def _predicted_versus_actual(points: Sequence[Mapping[str, float]]) -> Chart:
    values = [point[name] for point in points for name in ("actual", "predicted")]
    low, extent = min(values), max(values) - min(values) or 1.0
    ends = f"{low:.4g}", f"{low + extent:.4g}"
    return Chart(
        "Predicted versus actual",
        "Mean predicted against actual value; on the diagonal, both are equal.",
        (ends[0], "actual", ends[1]),
        (ends[0], "predicted", ends[1]),
        dots=[_to_svg((point["actual"] - low) / extent, (point["predicted"] - low) / extent) for point in points],
        diagonal=True,
    )


_CHARTS: Mapping[str, Callable[[Any], Chart]] = {
    "roc": _roc,
    "precision_recall": _precision_recall,
    "calibration": _calibration,
    "residual_histogram": _residual_histogram,
    "predicted_versus_actual": _predicted_versus_actual,
}


def _classes(curves: CurvesByLabel) -> str:
    return f"{len(curves)} classes." if len(curves) > 1 else f"Class {next(iter(curves))}."


def omitted_note(classes: int, shown: int) -> str:
    """Say how many classes are omitted; empty if there are none."""
    more = classes - shown
    return f"{more:,} more classes are available from the API." if more > 0 else ""


def _lines(curves: CurvesByLabel, x: str, y: str) -> list[Line]:
    return [
        Line(label, _svg_points((point[x], point[y]) for point in points), colour, dash)
        for (label, points), colour, dash in zip(
            islice(sorted(curves.items()), MAX_LINES), cycle(COLOURS), cycle(DASHES)
        )
    ]


def _svg_points(points: Iterable[Point]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in (_to_svg(*point) for point in points))


def _to_svg(x: float, y: float) -> Point:
    """Return the SVG coordinates of a point in the unit square."""
    return 100 * x, 100 - 100 * y
