"""Badge images are well-formed, accessible and self-contained, whatever their text."""

from datetime import UTC, datetime
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from performance.badges.image import MAX_TEXT, BadgeContent, Color, metric_content, render_svg, verdict_content
from performance.formatting import format_short
from performance.gates.gate_input import RuleStatus, RuleVerdict
from performance.gates.verdict import Status, Verdict
from performance.metrics.statistics.intervals import Interval

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "</text><script>alert(1)</script>",
    '"/><image href="https://example.com/x.png"/>',
    "&lt;&amp;&nonsense;<![CDATA[",
    "a\nb\tc\u2028d",
    "\x00\x08\x1b\ufffe\ud800",
    "\u202eycarucca",
    "W" * 10_000,
    "準確率 👩‍🔬 é",
    "",
]


def drawn(face: BadgeContent) -> Element:
    return fromstring(render_svg(face).encode())  # noqa: S314  # it was made here


def verdict(status: Status, *rules: RuleVerdict, warnings: tuple[str, ...] = ()) -> Verdict:
    return Verdict("mdl-7f3a19bc92", "ver-00002", None, status, rules, datetime(2026, 3, 13, tzinfo=UTC), warnings)


def texts(image: Element) -> list[str]:
    return [text.text or "" for text in image.iter(f"{SVG}text")]


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_metric_badge_has_the_interval_on_blue() -> None:
    image = drawn(metric_content("Accuracy", 0.9341, Interval(0.92061, 0.9457, "wilson")))

    assert texts(image) == ["Accuracy", "0.934 (0.921 to 0.946)"]
    assert image.findtext(f"{SVG}title") == "Accuracy: 0.934, 95% interval 0.921 to 0.946" == image.get("aria-label")
    assert image.get("role") == "img"
    assert [box.get("fill") for box in image.iter(f"{SVG}rect")] == [Color.DARK, Color.BLUE]


def test_a_metric_badge_without_interval_has_only_the_value() -> None:
    assert texts(drawn(metric_content("RMSE", -0.5, None))) == ["RMSE", "-0.500"]


@pytest.mark.parametrize(
    ("status", "message", "color"),
    [
        (Status.PASSED, "passed", Color.GREEN),
        (Status.FAILED, "failed", Color.RED),
        (Status.NO_POLICY, "no policy", Color.GREY),
    ],
)
def test_a_verdict_badge_has_the_colour_of_its_status(status: Status, message: str, color: Color) -> None:
    assert verdict_content(verdict(status)) == BadgeContent("gate", message, color)


def test_a_verdict_badge_says_that_examples_are_all_that_is_lacking() -> None:
    lacking = RuleVerdict("recall", None, None, 0.9, RuleStatus.FAILED, "", needed_sample_count=500)
    broken = lacking._replace(needed_sample_count=None)

    assert verdict_content(verdict(Status.FAILED, lacking)).message == "failed, too few examples"
    assert verdict_content(verdict(Status.FAILED, lacking, broken)).message == "failed"


def test_a_verdict_badge_counts_the_warnings() -> None:
    content = verdict_content(verdict(Status.PASSED, warnings=("ver-00002: 5.0% of the rows have no prediction.",)))

    assert content.message == "passed"
    assert content.aria_label == "passed, with 1 warning"


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.000"), (0.00012345, "0.000123"), (12.34567, "12.346"), (1.5e9, "1.5e+09")]
)
def test_badge_numbers_are_short_and_never_rounded_to_zero(value: float, text: str) -> None:
    assert format_short(value) == text


@pytest.mark.parametrize("color", Color)
def test_white_text_is_readable_on_every_badge_colour(color: Color) -> None:
    assert 1.05 / (luminance(color) + 0.05) >= 4.5


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_escaped_in_a_badge(text: str) -> None:
    image = drawn(BadgeContent(text, text))

    assert {element.tag for element in image.iter()} == {f"{SVG}{name}" for name in ("svg", "title", "rect", "text")}
    assert all(len(each) <= MAX_TEXT and each.isprintable() for each in texts(image))
    assert not any("href" in name for element in image.iter() for name in element.attrib)


@given(label=st.text(), message=st.text())
def test_any_text_fits_into_its_half_of_a_badge(label: str, message: str) -> None:
    image = drawn(BadgeContent(label, message))

    left, right = image.iter(f"{SVG}rect")
    assert int(image.get("width", "")) == int(left.get("width", "")) + int(right.get("width", ""))
    for text, box in zip(image.iter(f"{SVG}text"), (left, right), strict=True):
        begin, length = int(text.get("x", "")), int(text.get("textLength", ""))
        assert int(box.get("x", "0")) < begin
        assert begin + length < int(box.get("x", "0")) + int(box.get("width", ""))
