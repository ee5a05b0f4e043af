"""Draw badges for READMEs: small SVG images without external resources."""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from xml.etree.ElementTree import Element, SubElement, tostring

from performance.formatting import format_short
from performance.gates.verdict import Status, Verdict
from performance.metrics.statistics.intervals import Interval

GATE_LABEL = "gate"
MAX_TEXT = 60  # characters of a label or a message
_HEIGHT = 20
_PADDING = 6
_FONT = {"font-family": "Verdana,'DejaVu Sans',Geneva,sans-serif", "font-size": "11", "fill": "#fff"}
_NARROW = frozenset("!'(),.:;I[]`fijlrt| ")
_WIDE = frozenset("%@MWmw")


class Color(StrEnum):
    """The background of a badge's message, dark enough for white text (WCAG 2.2, 1.4.3)."""

    GREEN = "#14733a"
    RED = "#b3261e"
    BLUE = "#1b5fa8"
    GREY = "#63676e"
    DARK = "#3a3d42"


@dataclass(frozen=True, slots=True)
class BadgeContent:
    """The content of a badge. `aria_label` is the message for screen readers if it differs."""

    label: str
    message: str
    color: Color = Color.GREY
    aria_label: str = ""


def metric_content(label: str, value: float, interval: Interval | None) -> BadgeContent:
    """Return the content for a metric's value, such as `0.934 (0.921 to 0.945)` if it has an interval.

    It does not use `±`, as most intervals are asymmetric.
    """
    message = format_short(value)
    if interval is None:
        return BadgeContent(label, message, Color.BLUE)
    ends = f"{format_short(interval.lower)} to {format_short(interval.upper)}"
    return BadgeContent(label, f"{message} ({ends})", Color.BLUE, f"{message}, {interval.level:.0%} interval {ends}")


def verdict_content(verdict: Verdict) -> BadgeContent:
    """Return the content for a gate's verdict. It says if all that a failed version lacks is examples.

    The text for screen readers also counts the warnings.
    """
    message = "failed, too few examples" if verdict.lacks_examples else verdict.status.replace("_", " ")
    count = len(verdict.warnings)
    aria_label = f"{message}, with {count} warning{'s' if count > 1 else ''}" if count else ""
    return BadgeContent(GATE_LABEL, message, _COLORS[verdict.status], aria_label)


def render_svg(content: BadgeContent) -> str:
    """Return the image. Label and message may be any text."""
    label, message = _single_line(content.label), _single_line(content.message)
    left, right = _width(label), _width(message)
    title = f"{label}: {_single_line(content.aria_label) or message}"
    image = Element("svg", _numbers(width=left + right, height=_HEIGHT) | {"xmlns": "http://www.w3.org/2000/svg"})
    image.attrib |= {"role": "img", "aria-label": title}
    SubElement(image, "title").text = title
    SubElement(image, "rect", _numbers(width=left, height=_HEIGHT) | {"fill": Color.DARK.value})
    SubElement(image, "rect", _numbers(x=left, width=right, height=_HEIGHT) | {"fill": content.color.value})
    _add_text(image, label, 0, left)
    _add_text(image, message, left, right)
    return tostring(image, encoding="unicode")


def _add_text(image: Element, text: str, x: int, width: int) -> None:
    # With `textLength`, the text fits in any font.
    place = _numbers(x=x + _PADDING, y=14, textLength=width - 2 * _PADDING)
    SubElement(image, "text", place | _FONT | {"lengthAdjust": "spacingAndGlyphs"}).text = text


def _numbers(**values: int) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _single_line(text: str) -> str:
    """Return the text on one line, shortened.

    Characters that XML forbids, or that reverse the writing direction, are replaced.
    """
    line = " ".join(text.split())
    clean = "".join(character if character.isprintable() else "\ufffd" for character in line)
    return clean if len(clean) <= MAX_TEXT else f"{clean[: MAX_TEXT - 1]}…"


def _width(text: str) -> int:
    """Return the approximate width of a text in pixels, including its padding."""
    return round(sum(map(_character_width, text))) + 2 * _PADDING


def _character_width(character: str) -> float:
    if character in _NARROW:
        return 4.4
    if character in _WIDE or unicodedata.east_asian_width(character) in "FW":
        return 11
    return 7.6 if character.isupper() else 6.9


_COLORS = {Status.PASSED: Color.GREEN, Status.FAILED: Color.RED, Status.NO_POLICY: Color.GREY}
