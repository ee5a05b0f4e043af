"""The numbers behind the charts of a snapshot, as tables. Pure Python."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from performance.formatting import NumberText, format_short, format_six_digits
from performance.snapshots.charts import MAX_LINES, CurvesByLabel, Point, omitted_note
from performance.snapshots.tables import Table

GRID = [step / 10 for step in range(11)]  # where a table has the values of a curve


def curve_tables(curves: Mapping[str, Any]) -> list[Table]:
    """Return a table for each kind of curve that has points, in the order of their charts."""
    return [build(curves[name]) for name, build in _TABLES.items() if curves.get(name)]


def grid_table(title: str, x: str, curves: Mapping[str, Sequence[Point]], note: str = "") -> Table:
    """Return the table of the heights of drawn curves, by name, at each value of `GRID`."""
    rows = [[NumberText(f"{at:.1f}", at), *(_height_at(points, at) for points in curves.values())] for at in GRID]
    return Table(f"{title} in numbers", (x.capitalize(), *curves), rows, note=note)


def _height_at(points: Sequence[Point], x: float) -> str:
    """Return the greatest height of a drawn curve at `x` as a text; empty where it isn't drawn."""
    heights = [
        max(y0, y1) if x0 == x1 else y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False)
        if x0 <= x <= x1
    ]
    return format_short(max(heights)) if heights else ""


def _threshold_table(title: str, x: str, y: str) -> Callable[[CurvesByLabel], Table]:
    """Return what builds the table of one rate against another for each class that is drawn."""

    def build(curves: CurvesByLabel) -> Table:
        drawn = {label: [(each[x], each[y]) for each in curves[label]] for label in sorted(curves)[:MAX_LINES]}
        return grid_table(title, x.replace("_", " "), drawn, omitted_note(len(curves), MAX_LINES))

    return build


def _rows_table(title: str, headers: Mapping[str, str]) -> Callable[[Sequence[Mapping[str, float]]], Table]:
    """Return what builds the table of the stored points. `headers` has the header of each of their values."""

    def build(points: Sequence[Mapping[str, float]]) -> Table:
        rows = [[format_six_digits(point[name]) for name in headers] for point in points]
        return Table(f"{title} in numbers", [*headers.values()], rows)

    return build


_BIN = {"lower": "From", "upper": "To"}
_TABLES: Mapping[str, Callable[[Any], Table]] = {
    "roc": _threshold_table("ROC curve", "false_positive_rate", "true_positive_rate"),
    "precision_recall": _threshold_table("Precision-recall curve", "recall", "precision"),
    "calibration": _rows_table(
        "Calibration", {**_BIN, "confidence": "Confidence", "accuracy": "Accuracy", "count": "Examples"}
    ),
    "residual_histogram": _rows_table("Residuals", {**_BIN, "count": "Examples"}),
    "predicted_versus_actual": _rows_table("Predicted versus actual", {"actual": "Actual", "predicted": "Predicted"}),
}
