"""The SVG coordinates of a snapshot's charts."""

from itertools import pairwise
from typing import Any

import pytest

from models_registry import task_types
from performance.metrics.statistics.intervals import IntervalDocument
from performance.snapshots import charts
from performance.snapshots.charts import Chart
from tests.conftest import golden

CURVES = golden("curves")["curves"]


def only_chart(**curves: Any) -> Chart:
    [chart] = charts.charts(curves)
    return chart


def test_a_curve_goes_from_the_lower_left_to_the_upper_right() -> None:
    chart = only_chart(roc=CURVES["roc"])

    [line] = chart.lines
    assert (chart.title, line.label) == ("ROC curve", "yes")
    assert line.points == "0.00,100.00 25.00,25.00 100.00,0.00"
    assert chart.description.endswith("Class yes.")


def test_each_class_has_a_line_in_the_chart() -> None:
    chart = only_chart(
        precision_recall={"a": CURVES["precision_recall"]["yes"], "b": CURVES["precision_recall"]["yes"]}
    )

    assert [line.label for line in chart.lines] == ["a", "b"]
    assert chart.description.endswith("2 classes.")


def test_calibration_has_a_dot_for_each_bin() -> None:
    assert only_chart(calibration=CURVES["calibration"]).dots == [(62.5, 25.0)]


def test_residual_bars_are_adjacent_and_start_at_zero() -> None:
    counts = [2, 0, 8]
    bins = [{"lower": 0.5 * at, "upper": 0.5 * at + 0.5, "count": count} for at, count in enumerate(counts, -1)]

    chart = only_chart(residual_histogram=bins)

    assert [(bar.x, bar.width) for bar in chart.bars] == [
        pytest.approx((100 * at / 3, 100 / 3)) for at in range(len(counts))
    ]
    assert [bar.height for bar in chart.bars] == [25, 0, 100]
    assert all(bar.y + bar.height == 100 for bar in chart.bars)
    assert chart.bars[0].label == "2 from -0.5 to 0"
    assert chart.x_axis == ("-0.5", "predicted - actual", "1")


def test_a_single_residual_bin_has_full_width() -> None:
    [bar] = only_chart(residual_histogram=[{"lower": 2.0, "upper": 2.0, "count": 5}]).bars

    assert (bar.x, bar.y, bar.width, bar.height) == (0, 0, 100, 100)


@pytest.mark.parametrize("scale", [1.0, 1e-40, 1e44])
def test_predicted_and_actual_values_share_a_scale(scale: float) -> None:
    points = [
        {"actual": 0.0, "predicted": scale, "count": 1},
        {"actual": 4 * scale, "predicted": 3 * scale, "count": 2},
    ]

    dots = only_chart(predicted_versus_actual=points).dots

    assert [value for dot in dots for value in dot] == pytest.approx([0, 75, 100, 25])


def test_a_single_point_is_at_the_origin() -> None:
    assert only_chart(predicted_versus_actual=[{"actual": 7.0, "predicted": 7.0, "count": 1}]).dots == [(0, 100)]


@pytest.mark.parametrize("curves", [{}, {"roc": {}, "calibration": []}, {"something_else": [1]}])
def test_curves_without_points_have_no_chart(curves: dict[str, Any]) -> None:
    assert charts.charts(curves) == []


def test_lines_of_classes_differ_by_colour_and_dash_and_are_named_in_a_legend() -> None:
    chart = only_chart(roc={str(number): CURVES["roc"]["yes"] for number in range(20)})

    assert len({(line.colour, line.dash) for line in chart.lines}) == 20
    for one, next_one in pairwise(chart.lines):
        assert one.colour != next_one.colour
        assert one.dash != next_one.dash
    assert chart.lines[0].dash == ""
    assert (chart.legend, chart.note) == ("Classes", "")
    assert only_chart(calibration=CURVES["calibration"]).legend == ""


def test_a_chart_notes_how_many_classes_beyond_twenty_are_omitted() -> None:
    chart = only_chart(roc={f"{number:04}": CURVES["roc"]["yes"] for number in range(1_020)})

    assert [line.label for line in chart.lines] == [f"{number:04}" for number in range(20)]
    assert chart.note == "1,000 more classes are available from the API."


@pytest.mark.parametrize("colour", charts.COLOURS)
def test_colours_contrast_with_white_and_dark_pages(colour: str) -> None:
    luminance = luminance_of(colour)

    assert (1 + 0.05) / (luminance + 0.05) >= 3
    assert (luminance + 0.05) / (luminance_of("#101828") + 0.05) >= 3


def luminance_of(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_bounded_metrics_have_gauges_with_their_intervals() -> None:
    interval: IntervalDocument = {"lower": 0.5, "upper": 0.75, "level": 0.95, "method": "wilson"}
    metrics = {"accuracy": 0.625, "log_loss": 0.3, "specificity": 0.5}

    first, second = charts.gauges(task_types.get("classification"), metrics, {"accuracy": interval})

    assert (first.left, first.width, first.lower, first.upper) == (0, 62.5, 50, 75)
    assert first.label == "Accuracy 0.625, 95% interval 0.5 to 0.75"
    assert (second.label, second.lower) == ("Specificity 0.5", None)


def test_unbounded_metrics_have_gauges_scaled_to_their_intervals() -> None:
    intervals: dict[str, IntervalDocument] = {
        "rmse": {"lower": 30.0, "upper": 50.0, "level": 0.95, "method": "moments"},
        "r_squared": {"lower": -1.0, "upper": 0.5, "level": 0.95, "method": "moments"},
        "bias": {"lower": -3.0, "upper": 1.0, "level": 0.95, "method": "moments"},
    }
    metrics = {"rmse": 40.0, "mae": 30.0, "r_squared": 0.0, "bias": -1.0}

    rmse, r_squared, bias = charts.gauges(task_types.get("regression"), metrics, intervals)

    assert (rmse.left, rmse.width, rmse.lower, rmse.upper, rmse.ends) == (0, 80, 60, 100, ("0", "50"))
    assert (r_squared.left, r_squared.width, r_squared.lower, r_squared.upper) == (50, 0, 0, 75)
    assert (bias.left, bias.width, bias.lower, bias.upper, bias.ends) == (50, 25, 0, 100, ("-3", "1"))


def test_a_metric_of_0_has_a_gauge() -> None:
    nothing: IntervalDocument = {"lower": 0.0, "upper": 0.0, "level": 0.95, "method": "moments"}

    [gauge] = charts.gauges(task_types.get("regression"), {"rmse": 0.0}, {"rmse": nothing})

    assert (gauge.left, gauge.width, gauge.ends) == (0, 0, ("0", "1"))
