"""Charts of a snapshot, as the numbers that SVG is drawn from: a square of 100 by 100, its origin at the top left."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from typing import Any

from models_registry.task_types.base import Metric, TaskType

Point = tuple[float, float]


# Each line has the next colour and the next dash, so that no two of twenty have both in common. The colours stand out
# from a white and from a dark page by 3 to 1 (WCAG 2.2, 1.4.11), and from each other to those who see less than three.
COLOURS = ("#1f77d0", "#d55e00", "#c861a8", "#12947c")
DASHES = ("", "6 2", "1.5 1.5", "6 2 1.5 2", "3 1.5")
MAX_LINES = len(COLOURS) * len(DASHES)


@dataclass(frozen=True, slots=True)
class Line:
    """A line, as the `points` of a polyline; `label` is what it is of."""

    label: str
    points: str
    colour: str = "currentColor"
    dash: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """An upright rectangle; `label` says its numbers."""

    label: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn, and in words what it shows. The axes run from and to what their texts say.

    A `legend` says what kind of things the lines are of; without one their labels are not shown. `note` says what is
    left out.
    """

    title: str
    description: str
    across: tuple[str, str, str]
    upwards: tuple[str, str, str]
    lines: Sequence[Line] = ()
    bars: Sequence[Bar] = ()
    dots: Sequence[Point] = ()
    diagonal: bool = False
    legend: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Gauge:
    """A metric as a bar from 0, with the ends of its interval, in hundredths of an axis that runs between `ends`.

    `label` says its numbers.
    """

    label: str
    left: float
    width: float
    lower: float | None
    upper: float | None
    ends: tuple[str, str]


def gauges(task_type: TaskType, metrics: Mapping[str, float], intervals: Mapping[str, Any]) -> list[Gauge]:
    """Return a gauge of each recorded metric that has bounds or an interval: else nothing says how long its axis is."""
    recorded = [metric for metric in task_type.all_metrics if metric.name in metrics]
    drawn = [metric for metric in recorded if None not in (metric.lower, metric.upper) or metric.name in intervals]
    return [_gauge(metric, metrics[metric.name], intervals.get(metric.name)) for metric in drawn]


def _gauge(metric: Metric, value: float, interval: Mapping[str, Any] | None) -> Gauge:
    whisker = [] if interval is None else [interval["lower"], interval["upper"]]
    low, high = _axis(metric, [0.0, value, *whisker])
    left, right, *ends = (100 * (number - low) / (high - low) for number in (min(0, value), max(0, value), *whisker))
    within = "" if interval is None else f", {interval['level']:.0%} interval {whisker[0]:.4g} to {whisker[1]:.4g}"
    lower, upper = ends or (None, None)
    label = f"{metric.label} {value:.4g}{within}"
    return Gauge(label, left, right - left, lower, upper, (f"{low:.4g}", f"{high:.4g}"))


def _axis(metric: Metric, numbers: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis that holds the numbers: the metric's bounds, where it has any."""
    low = min(numbers) if metric.lower is None else metric.lower
    high = max(numbers) if metric.upper is None else metric.upper
    return low, high if high > low else low + 1


def charts(curves: Mapping[str, Any]) -> list[Chart]:
    """Return a chart of each kind of curve that has points."""
    return [draw(curves[name]) for name, draw in _CHARTS.items() if curves.get(name)]


def _of_thresholds(title: str, across: str, upwards: str, curves: Mapping[str, Any], *, diagonal: bool) -> Chart:
    """Return the chart of one rate against another, of each class."""
    names = across.replace("_", " "), upwards.replace("_", " ")
    return Chart(
        title,
        f"{names[1].capitalize()} against {names[0]} at each threshold. {_classes(curves)}",
        ("0", names[0], "1"),
        ("0", names[1], "1"),
        lines=_lines(curves, across, upwards),
        diagonal=diagonal,
        legend="Classes",
        note=left_out(len(curves), MAX_LINES),
    )


_roc = partial(_of_thresholds, "ROC curve", "false_positive_rate", "true_positive_rate", diagonal=True)
_precision_recall = partial(_of_thresholds, "Precision-recall curve", "recall", "precision", diagonal=False)


def _calibration(bins: Sequence[Mapping[str, float]]) -> Chart:
    return Chart(
        "Calibration",
        "Share of right predictions against mean confidence; on the diagonal a probability is what it says.",
        ("0", "confidence", "1"),
        ("0", "accuracy", "1"),
        lines=[Line("Calibration", _path((each["confidence"], each["accuracy"]) for each in bins))],
        dots=[_place(each["confidence"], each["accuracy"]) for each in bins],
        diagonal=True,
    )


def _residual_histogram(bins: Sequence[Mapping[str, float]]) -> Chart:
    low, high, most = bins[0]["lower"], bins[-1]["upper"], max(each["count"] for each in bins)
    return Chart(
        "Residuals",
        f"How many of {sum(each['count'] for each in bins):,} examples have which error, predicted - actual.",
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
        "Mean predicted against actual value; on the diagonal both are the same.",
        (ends[0], "actual", ends[1]),
        (ends[0], "predicted", ends[1]),
        dots=[_place((point["actual"] - low) / extent, (point["predicted"] - low) / extent) for point in points],
        diagonal=True,
    )


_CHARTS: Mapping[str, Callable[[Any], Chart]] = {
    "roc": _roc,
    "precision_recall": _precision_recall,
    "calibration": _calibration,
    "residual_histogram": _residual_histogram,
    "predicted_versus_actual": _predicted_versus_actual,
}


def _classes(curves: Mapping[str, Any]) -> str:
    return f"Of {len(curves)} classes." if len(curves) > 1 else f"Of the class {next(iter(curves))}."


def left_out(classes: int, shown: int) -> str:
    """Say how many classes there are beyond those that are shown; nothing if there are none."""
    more = classes - shown
    return f"And {more:,} more classes, which the API tells of." if more > 0 else ""


def _lines(curves: Mapping[str, Any], across: str, upwards: str) -> list[Line]:
    return [
        Line(label, _path((point[across], point[upwards]) for point in points), colour, dash)
        for (label, points), colour, dash in zip(
            islice(sorted(curves.items()), MAX_LINES), cycle(COLOURS), cycle(DASHES)
        )
    ]


def _path(points: Iterable[Point]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in (_place(*point) for point in points))


def _place(across: float, upwards: float) -> Point:
    """Return where a point of the unit square is drawn."""
    return 100 * across, 100 - 100 * upwards
