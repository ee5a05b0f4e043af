"""Write model cards as Markdown and HTML. Names, labels and descriptions may be any text, so both escape them."""

from collections.abc import Callable, Mapping
from xml.etree.ElementTree import Element, SubElement

import yaml

from performance.formatting import escape_markdown, html_page, html_text, markdown_table, xml_text
from performance.model_cards.card import ModelCard, Section
from performance.snapshots.tables import Table

_STYLE = ".scrolled { overflow-x: auto; } dt { font-weight: 600; } dd { margin: 0 0 .5rem; overflow-wrap: anywhere; }"


def markdown(card: ModelCard) -> str:
    """Return the card in Markdown, with its metadata as YAML front matter."""
    metadata = yaml.safe_dump(card.metadata, sort_keys=False, allow_unicode=True)
    lines = ["---", metadata.rstrip(), "---", "", f"# {escape_markdown(card.title)}", ""]
    for section in card.sections:
        lines += _markdown_section(section)
    return "\n".join(lines).rstrip() + "\n"


def html(card: ModelCard) -> str:
    """Return the card as an HTML page."""
    page, main = html_page(card.title, _STYLE)
    _add(main, "h1", card.title)
    for section in card.sections:
        _add_section(main, section)
    return html_text(page)


RENDERERS: Mapping[str, Callable[[ModelCard], str]] = {"markdown": markdown, "html": html}


def _markdown_section(section: Section) -> list[str]:
    lines = [f"## {escape_markdown(section.title)}", ""]
    if section.facts:
        lines += [f"- **{escape_markdown(name)}:** {escape_markdown(value)}" for name, value in section.facts] + [""]
    for paragraph in section.paragraphs:
        lines += [escape_markdown(paragraph), ""]
    for table in section.tables:
        lines += [f"### {escape_markdown(table.title)}", ""]
        lines += markdown_table([[escape_markdown(cell) for cell in row] for row in (table.headers, *table.rows)])
        lines += ["", *([escape_markdown(table.note), ""] if table.note else [])]
    if section.remarks:
        lines += ["### Remarks", "", *(f"- {escape_markdown(remark)}" for remark in section.remarks), ""]
    return lines


def _add_section(main: Element, section: Section) -> None:
    part = SubElement(main, "section")
    _add(part, "h2", section.title)
    if section.facts:
        facts = SubElement(part, "dl")
        for name, value in section.facts:
            _add(facts, "dt", name)
            _add(facts, "dd", value)
    for paragraph in section.paragraphs:
        _add(part, "p", paragraph)
    for table in section.tables:
        _add_table(part, table)
    if section.remarks:
        _add(part, "h3", "Remarks")
        remarks = SubElement(part, "ul")
        for remark in section.remarks:
            _add(remarks, "li", remark)


def _add_table(part: Element, table: Table) -> None:
    _add(part, "h3", table.title)
    frame = SubElement(part, "div", {"class": "scrolled", "tabindex": "0", "role": "region", "aria-label": table.title})
    grid = SubElement(frame, "table")
    header = SubElement(SubElement(grid, "thead"), "tr")
    for name in table.headers:
        _add(header, "th", name, scope="col")
    rows = SubElement(grid, "tbody")
    for first, *others in table.rows:
        row = SubElement(rows, "tr")
        _add(row, "th", first, scope="row")
        for cell in others:
            _add(row, "td", cell)
    if table.note:
        _add(part, "p", table.note)


def _add(parent: Element, tag: str, text: str, **attributes: str) -> None:
    SubElement(parent, tag, attributes).text = xml_text(text)
