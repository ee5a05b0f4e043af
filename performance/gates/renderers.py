"""A verdict in other forms than JSON: for CI systems, for a pull request, for people.

What a verdict tells may hold labels of classes, which may be any text: each form escapes it.
"""

import re
from collections.abc import Callable, Mapping
from xml.etree.ElementTree import Element, SubElement, tostring

from performance.formatting import format_consistently
from performance.gates.gate_input import RuleStatus, RuleVerdict, format_number
from performance.gates.verdict import Status, Verdict

_not_xml = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What means something in Markdown in the midst of a line; an underscore within a word does not.
_punctuation = re.compile(r"([\\`*\[\]<()#|~&!$:]|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.)", re.IGNORECASE)
_SIGNS = {RuleStatus.PASSED: "✅", RuleStatus.FAILED: "❌", RuleStatus.MISSING: "❔"}
_HEADERS = ("", "Metric", "Asked", "Value", "Promoted", "Why")
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8884; padding: .4rem .6rem; text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; }
.passed { color: #14733a; } .failed, .missing { color: #b3261e; }
@media (prefers-color-scheme: dark) { body { background: #16181d; color: #e6e6e6; }
.passed { color: #6fd08f; } .failed, .missing { color: #ff8a80; } }
"""


def junit(verdict: Verdict) -> str:
    """Return the verdict in JUnit XML: a test case a rule. A missing value is an error, and no policy a skip."""
    counts = {status: sum(rule.status is status for rule in verdict.rules) for status in RuleStatus}
    without = verdict.status is Status.NO_POLICY
    told = {
        "name": f"gate of {verdict.model_id} {verdict.version_id}",
        "tests": str(len(verdict.rules) + without),
        "failures": str(counts[RuleStatus.FAILED]),
        "errors": str(counts[RuleStatus.MISSING]),
        "skipped": str(int(without)),
        "time": "0",
        "timestamp": f"{verdict.judged_at:%Y-%m-%dT%H:%M:%S}",
        "hostname": "registry",
    }
    suites = Element("testsuites")
    suite = SubElement(suites, "testsuite", told)
    for rule in verdict.rules:
        _add_case(suite, verdict, rule)
    if without:
        case = SubElement(suite, "testcase", {"name": "policy", "classname": verdict.model_id, "time": "0"})
        SubElement(case, "skipped", {"message": verdict.detail})
    if verdict.warnings:
        SubElement(suite, "system-out").text = _xml("\n".join(verdict.warnings))
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suites, encoding="unicode")


def markdown(verdict: Verdict) -> str:
    """Return the verdict as a table in GitHub's Markdown, which GitLab reads as well."""
    lines = [f"### Gate: {_title(verdict)}", "", _escaped(*format_consistently([verdict.detail])), ""]
    if verdict.rules:
        rows = [[_escaped(cell) for cell in _cells(rule)] for rule in verdict.rules]
        table = [[*_HEADERS], ["---"] * len(_HEADERS), *rows]
        lines += [f"| {' | '.join(row)} |" for row in table] + [""]
    lines += [f"- {_escaped(warning)}" for warning in verdict.warnings]
    return "\n".join(lines).rstrip() + "\n"


def html(verdict: Verdict) -> str:
    """Return the verdict as a page."""
    page = Element("html", {"lang": "en"})
    head = SubElement(page, "head")
    SubElement(head, "meta", {"charset": "utf-8"})
    SubElement(head, "meta", {"name": "viewport", "content": "width=device-width"})
    SubElement(head, "title").text = f"Gate: {_title(verdict)}"
    SubElement(head, "style").text = _STYLE
    body = SubElement(page, "body")
    SubElement(body, "h1", {"class": verdict.status.value}).text = f"Gate: {_title(verdict)}"
    SubElement(body, "p").text = _xml(*format_consistently([verdict.detail]))
    if verdict.rules:
        _add_table(body, verdict)
    for warning in verdict.warnings:
        SubElement(body, "p").text = _xml(warning)
    return "<!DOCTYPE html>\n" + tostring(page, encoding="unicode", method="html")


RENDERERS: Mapping[str, Callable[[Verdict], str]] = {"junit": junit, "markdown": markdown, "html": html}


def requirement(rule: RuleVerdict) -> str:
    """Return what a rule asks of the value: `>= 0.93`; nothing when it could not be told."""
    if rule.operator is None or rule.threshold is None:
        return ""
    return f"{rule.operator} {format_number(rule.threshold)}"


def _add_case(suite: Element, verdict: Verdict, rule: RuleVerdict) -> None:
    about = {"name": _xml(f"{rule.metric} {requirement(rule)}".strip()), "classname": verdict.model_id, "time": "0"}
    case = SubElement(suite, "testcase", about)
    if rule.status is RuleStatus.PASSED:
        SubElement(case, "system-out").text = _xml(rule.detail)
    else:
        kind = "failure" if rule.status is RuleStatus.FAILED else "error"
        SubElement(case, kind, {"message": _xml(rule.detail), "type": rule.status.value}).text = _xml(rule.detail)


def _add_table(body: Element, verdict: Verdict) -> None:
    table = SubElement(body, "table")
    header = SubElement(SubElement(table, "thead"), "tr")
    for name in _HEADERS:
        SubElement(header, "th").text = name
    rows = SubElement(table, "tbody")
    for rule in verdict.rules:
        row = SubElement(rows, "tr", {"class": rule.status.value})
        for cell in _cells(rule):
            SubElement(row, "td").text = _xml(cell)


def _cells(rule: RuleVerdict) -> tuple[str, ...]:
    numbers = ["" if number is None else format_number(number) for number in (rule.value, rule.baseline_value)]
    return _SIGNS[rule.status], rule.metric, *format_consistently([requirement(rule), *numbers, rule.detail])


def _title(verdict: Verdict) -> str:
    return f"{verdict.version_id} of {verdict.model_id} {_OUTCOMES[verdict.status]}"


def _xml(text: str) -> str:
    """Return a text without what XML cannot hold."""
    return _not_xml.sub("\ufffd", text)


def _escaped(text: str) -> str:
    """Return a text on one line in which nothing is Markdown, HTML, a mention or a link."""
    line = re.sub(r"\s+", " ", _xml(text))
    return _punctuation.sub(r"\\\1", line).replace("@", "@\u200b")  # no mention of a user


_OUTCOMES = {Status.PASSED: "passed", Status.FAILED: "failed", Status.NO_POLICY: "has no policy"}
