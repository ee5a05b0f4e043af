"""Format numbers for people, and texts from outside for Markdown, XML and HTML. JSON keeps all digits."""

import math
import re
from collections.abc import Sequence
from typing import Self
from xml.etree.ElementTree import Element, SubElement, tostring


class NumberText(str):
    """A text that keeps the numbers in it: one, the ends of an interval, or a value and the ends of its interval."""

    __slots__ = ("numbers",)

    numbers: tuple[float | None, ...]

    def __new__(cls, text: str, *numbers: float | None) -> Self:
        new = super().__new__(cls, text)
        new.numbers = numbers
        return new


def format_short(value: float) -> NumberText:
    """Return a number with three decimals, or with three significant digits if it is very small or large."""
    text = f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 1e6 else f"{value:.3g}"
    return NumberText(text, value)


MIN_DIGITS = 6
_decimal = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?e[+-]?\d+|(?<![\w.])-?\d+\.\d+")


def format_six_digits(number: float, digits: int = MIN_DIGITS) -> NumberText:
    """Return a finite number with at most `digits` significant digits.

    Whole numbers, mostly counts, keep all digits.
    """
    is_whole = number == int(number) and abs(number) < 1e15
    return NumberText(str(int(number)) if is_whole else f"{number:.{digits}g}", number)


def format_consistently(texts: Sequence[str]) -> list[str]:
    """Round the decimals in texts to six digits, or to more if different numbers would look equal.

    So a value that just misses a bound does not look equal to it.
    """
    decimals = {float(found) for text in texts for found in _decimal.findall(text)}
    digits = next(
        digits for digits in range(MIN_DIGITS, 18) if len({f"{each:.{digits}g}" for each in decimals}) == len(decimals)
    )
    return [_decimal.sub(lambda found: _rounded(found[0], digits), text) for text in texts]


def _rounded(decimal: str, digits: int) -> str:
    number = float(decimal)
    return format_six_digits(number, digits) if math.isfinite(number) else decimal


PAGE_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8884; padding: .4rem .6rem; text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; }
.passed { color: #14733a; } .failed, .missing { color: #b3261e; }
@media (prefers-color-scheme: dark) { body { background: #16181d; color: #e6e6e6; }
.passed { color: #6fd08f; } .failed, .missing { color: #ff8a80; } }
"""

_not_xml = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Characters with a meaning within a line of Markdown. An underscore within a word has none.
_punctuation = re.compile(r"([\\`*\[\]<()#|~&!$:]|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.)", re.IGNORECASE)


def xml_text(text: str) -> str:
    """Replace the characters that XML does not allow."""
    return _not_xml.sub("\ufffd", text)


def escape_markdown(text: str) -> str:
    """Return the text on one line, without Markdown, HTML, mentions or links."""
    line = re.sub(r"\s+", " ", xml_text(text))
    return _punctuation.sub(r"\\\1", line).replace("@", "@\u200b")  # prevents a mention of a user


def markdown_table(rows: list[list[str]]) -> list[str]:
    """Return the lines of a table, whose first row is the header. The cells must be escaped."""
    header, *others = rows
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *others)]


def html_page(title: str, style: str = "") -> tuple[Element, Element]:
    """Return a page with a title and the shared style, followed by more of it, and the element of its content."""
    page = Element("html", {"lang": "en"})
    head = SubElement(page, "head")
    SubElement(head, "meta", {"charset": "utf-8"})
    SubElement(head, "meta", {"name": "viewport", "content": "width=device-width"})
    SubElement(head, "title").text = xml_text(title)
    SubElement(head, "style").text = PAGE_STYLE + style
    return page, SubElement(SubElement(page, "body"), "main")


def html_text(page: Element) -> str:
    """Return a page as HTML."""
    return "<!DOCTYPE html>\n" + tostring(page, encoding="unicode", method="html")
