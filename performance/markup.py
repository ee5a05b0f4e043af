"""Escape texts from outside for Markdown, XML and HTML."""

import re

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
