"""Render verdicts as JUnit XML, Markdown and HTML.

The details may contain labels of classes, which may be any text, so each format escapes them.
"""

from collections.abc import Callable, Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from performance.formatting import escape_markdown, format_consistently, html_page, html_text, markdown_table, xml_text
from performance.gates.gate_input import RuleStatus, RuleVerdict
from performance.gates.measurement import describe_measurement, format_number
from performance.gates.verdict import Status, Verdict

_SIGNS = {RuleStatus.PASSED: "✅", RuleStatus.FAILED: "❌", RuleStatus.MISSING: "❔"}
_HEADERS = ("", "Metric", "Required", "Value", "Baseline", "Why")


def junit(verdict: Verdict) -> str:
    """Return the verdict as JUnit XML with a test case for each rule.

    A missing value is an error, and a missing policy a skipped test.
    """
    counts = {status: sum(rule.status is status for rule in verdict.rules) for status in RuleStatus}
    no_policy = verdict.status is Status.NO_POLICY
    attributes = {
        "name": f"gate of {verdict.model_id} {verdict.version_id}",
        "tests": str(len(verdict.rules) + no_policy),
        "failures": str(counts[RuleStatus.FAILED]),
        "errors": str(counts[RuleStatus.MISSING]),
        "skipped": str(int(no_policy)),
        "time": "0",
        "timestamp": f"{verdict.judged_at:%Y-%m-%dT%H:%M:%S}",
        "hostname": "registry",
    }
    suites = Element("testsuites")
    suite = SubElement(suites, "testsuite", attributes)
    for rule in verdict.rules:
        _add_case(suite, verdict, rule)
    if no_policy:
        case = SubElement(suite, "testcase", {"name": "policy", "classname": verdict.model_id, "time": "0"})
        SubElement(case, "skipped", {"message": verdict.detail})
    if notes := _notes(verdict):
        SubElement(suite, "system-out").text = xml_text("\n".join(notes))
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suites, encoding="unicode")


def markdown(verdict: Verdict) -> str:
    """Return the verdict as a table in GitHub's Markdown, which GitLab supports as well."""
    lines = [f"### Gate: {_title(verdict)}", "", escape_markdown(*format_consistently([verdict.detail])), ""]
    if verdict.rules:
        rows = [[escape_markdown(cell) for cell in _cells(rule)] for rule in verdict.rules]
        lines += [*markdown_table([[*_HEADERS], *rows]), ""]
    lines += [f"- {escape_markdown(note)}" for note in _notes(verdict)]
    return "\n".join(lines).rstrip() + "\n"


def html(verdict: Verdict) -> str:
    """Return the verdict as an HTML page."""
    page, body = html_page(f"Gate: {_title(verdict)}")
    SubElement(body, "h1", {"class": verdict.status.value}).text = f"Gate: {_title(verdict)}"
    SubElement(body, "p").text = xml_text(*format_consistently([verdict.detail]))
    if verdict.rules:
        _add_table(body, verdict)
    for note in _notes(verdict):
        SubElement(body, "p").text = xml_text(note)
    return html_text(page)


RENDERERS: Mapping[str, Callable[[Verdict], str]] = {"junit": junit, "markdown": markdown, "html": html}


def measured_texts(document: Mapping[str, Any]) -> list[str]:
    """Return a line for each snapshot that a verdict used, from the verdict's document. Older documents have none."""
    measured = [document.get("candidate"), *document.get("baselines", [])]
    return [describe_measurement(each) for each in measured if each]


def requirement(rule: RuleVerdict) -> str:
    """Return the comparison that a rule requires, such as `>= 0.93`; empty if it is unknown."""
    if rule.operator is None or rule.threshold is None:
        return ""
    return f"{rule.operator} {format_number(rule.threshold)}"


def _notes(verdict: Verdict) -> list[str]:
    return [*measured_texts(verdict.as_document()), *verdict.warnings]


def _add_case(suite: Element, verdict: Verdict, rule: RuleVerdict) -> None:
    attributes = {
        "name": xml_text(f"{rule.metric} {requirement(rule)}".strip()),
        "classname": verdict.model_id,
        "time": "0",
    }
    case = SubElement(suite, "testcase", attributes)
    if rule.status is RuleStatus.PASSED:
        SubElement(case, "system-out").text = xml_text(rule.detail)
    else:
        kind = "failure" if rule.status is RuleStatus.FAILED else "error"
        SubElement(case, kind, {"message": xml_text(rule.detail), "type": rule.status.value}).text = xml_text(
            rule.detail
        )


def _add_table(body: Element, verdict: Verdict) -> None:
    table = SubElement(body, "table")
    header = SubElement(SubElement(table, "thead"), "tr")
    for name in _HEADERS:
        SubElement(header, "th").text = name
    rows = SubElement(table, "tbody")
    for rule in verdict.rules:
        row = SubElement(rows, "tr", {"class": rule.status.value})
        for cell in _cells(rule):
            SubElement(row, "td").text = xml_text(cell)


def _cells(rule: RuleVerdict) -> tuple[str, ...]:
    baseline = "" if rule.baseline_value is None else format_number(rule.baseline_value)
    return (
        _SIGNS[rule.status],
        rule.metric,
        *format_consistently([requirement(rule), _value(rule), baseline, rule.detail]),
    )


def _value(rule: RuleVerdict) -> str:
    """Return the value with its interval, which for a limit on regression is that of the difference."""
    if rule.value is None or rule.interval is None:
        return "" if rule.value is None else format_number(rule.value)
    ends = f"{format_number(rule.interval.lower)} to {format_number(rule.interval.upper)}"
    return f"{format_number(rule.value)} ({ends if rule.baseline_value is None else f'difference {ends}'})"


def _title(verdict: Verdict) -> str:
    return f"{verdict.version_id} of {verdict.model_id} {_OUTCOMES[verdict.status]}"


_OUTCOMES = {Status.PASSED: "passed", Status.FAILED: "failed", Status.NO_POLICY: "has no policy"}
