"""Compute charts of a metric over versions as SVG coordinates, and say the same in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from models_registry.task_types.base import Metric
from performance.formatting import format_short

SPARKLINE_WIDTH, SPARKLINE_HEIGHT = 100.0, 24.0
TREND_WIDTH, TREND_HEIGHT = 300.0, 100.0


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A small line without axes. `label` says what it shows, and `last` is its end."""

    label: str
    points: str
    last: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """The value of a metric for one version, with the ends of its interval if it has one."""

    version_id: str
    value: float
    lower: float | None
    upper: float | None
    was_promoted: bool
    is_promoted: bool

    @property
    def promotion(self) -> str:
        """Whether the version is, or once was, promoted; empty if it never was."""
        return "promoted" if self.is_promoted else "promoted before" if self.was_promoted else ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A version in a chart: a point, and the ends of its interval if it has one.

    `text` states the numbers, and `label` the version too.
    """

    measured: Measured
    text: str
    label: str
    x: float
    y: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class Trend:
    """A metric over versions. `ends` are the texts at the bottom and at the top of the axis."""

    metric: Metric
    description: str
    points: str
    marks: Sequence[Mark]
    ends: tuple[str, str]

    @property
    def title(self) -> str:
        """What the chart shows."""
        return f"{self.metric.label} over versions"

    @property
    def versions(self) -> tuple[str, str]:
        """The first and the last version."""
        return self.marks[0].measured.version_id, self.marks[-1].measured.version_id


def sparkline(metric: Metric, values: Sequence[tuple[str, float]]) -> Sparkline | None:
    """Return the line of a metric over versions, each with its id; `None` for fewer than two."""
    if len(values) < 2:
        return None
    numbers = [value for _, value in values]
    heights = _heights(numbers, SPARKLINE_HEIGHT, min(numbers), max(numbers))
    points = [*zip(_places(len(values), SPARKLINE_WIDTH), heights, strict=True)]
    (first_id, first), (last_id, last) = values[0], values[-1]
    label = (
        f"{metric.label} of {len(values)} versions: {format_short(first)} for {first_id}, {format_short(last)} for "
        f"{last_id}, from {format_short(min(numbers))} to {format_short(max(numbers))}."
    )
    return Sparkline(label, _text(points), points[-1])


def trend(metric: Metric, versions: Sequence[Measured]) -> Trend | None:
    """Return the chart of a metric over versions; `None` without any."""
    if not versions:
        return None
    ends = [end for each in versions for end in (each.value, each.lower, each.upper) if end is not None]
    low, high = min(ends), max(ends)
    xs = _places(len(versions), TREND_WIDTH)
    marks = [_mark(metric, each, x, low, high) for each, x in zip(versions, xs, strict=True)]
    values = [each.value for each in versions]
    best = max(versions, key=lambda each: metric.goodness(each.value))
    description = (
        f"{metric.label} of {len(versions)} versions, from {format_short(min(values))} to {format_short(max(values))}; "
        f"{metric.direction} is better. The best is {best.version_id} with {format_short(best.value)}."
        if len(versions) > 1
        else f"{metric.label} of {best.version_id}: {format_short(best.value)}; {metric.direction} is better."
    )
    line = _text([(mark.x, mark.y) for mark in marks])
    return Trend(metric, description, line, marks, (format_short(low), format_short(high)))


def _mark(metric: Metric, each: Measured, x: float, low: float, high: float) -> Mark:
    numbers = [each.value, *(end for end in (each.lower, each.upper) if end is not None)]
    y, *ends = _heights(numbers, TREND_HEIGHT, low, high)
    lower, upper = ends if len(ends) == 2 else (None, None)
    text = _estimate(each)
    return Mark(each, text, f"{each.version_id}: {metric.label} {text}", x, y, lower, upper)


def _estimate(each: Measured) -> str:
    """Return a value with its interval and promotion, such as `0.934 (0.927 to 0.941), promoted`."""
    ends = (
        ""
        if each.lower is None or each.upper is None
        else f" ({format_short(each.lower)} to {format_short(each.upper)})"
    )
    return f"{format_short(each.value)}{ends}{', ' if each.promotion else ''}{each.promotion}"


def _places(count: int, width: float) -> list[float]:
    """Return where to draw so many versions from left to right; one is in the middle."""
    return [width / 2] if count == 1 else [width * at / (count - 1) for at in range(count)]


def _heights(numbers: Sequence[float], height: float, low: float, high: float) -> list[float]:
    """Return how far below the top to draw numbers between `low` and `high`. Halves cannot overflow."""
    extent = high / 2 - low / 2
    if not extent:
        return [height / 2] * len(numbers)
    return [height - height * ((number / 2 - low / 2) / extent) for number in numbers]


def _text(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
