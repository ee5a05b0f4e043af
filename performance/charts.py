"""Charts of a snapshot, as the numbers that SVG is drawn from: a square of 100 by 100, its origin at the top left."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from models_registry.task_types import TaskType

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A line, as the `points` of a polyline; `label` is what it is of."""

    label: str
    points: str


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
    """What is drawn, and in words what it shows. The axes run from and to what their texts say."""

    title: str
    description: str
    across: tuple[str, str, str]
    upwards: tuple[str, str, str]
    lines: Sequence[Line] = ()
    bars: Sequence[Bar] = ()
    dots: Sequence[Point] = ()
    diagonal: bool = False


@dataclass(frozen=True, slots=True)
class Gauge:
    """A metric between 0 and 1 as a bar, with the ends of its interval, in hundredths; `label` says its numbers."""

    label: str
    value: float
    lower: float | None
    upper: float | None


def gauges(task_type: TaskType, metrics: Mapping[str, float], intervals: Mapping[str, Any]) -> list[Gauge]:
    """Return a gauge of each recorded metric that lies between 0 and 1."""
    bounded = [each for each in task_type.all_metrics if (each.lower, each.upper) == (0, 1) and each.name in metrics]
    return [_gauge(metric.label, metrics[metric.name], intervals.get(metric.name)) for metric in bounded]


def _gauge(name: str, value: float, interval: Mapping[str, Any] | None) -> Gauge:
    if interval is None:
        return Gauge(f"{name} {value:.4g}", 100 * value, None, None)
    lower, upper = interval["lower"], interval["upper"]
    label = f"{name} {value:.4g}, {interval['level']:.0%} interval {lower:.4g} to {upper:.4g}"
    return Gauge(label, 100 * value, 100 * lower, 100 * upper)


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


def _lines(curves: Mapping[str, Any], across: str, upwards: str) -> list[Line]:
    return [Line(label, _path((point[across], point[upwards]) for point in points)) for label, points in curves.items()]


def _path(points: Iterable[Point]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in (_place(*point) for point in points))


def _place(across: float, upwards: float) -> Point:
    """Return where a point of the unit square is drawn."""
    return 100 * across, 100 - 100 * upwards
