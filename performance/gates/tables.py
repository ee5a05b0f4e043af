"""A verdict and its rules as tables for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from performance.formatting import format_consistently
from performance.gates.gate_input import format_number
from performance.snapshots.tables import Table


def rule_table(rules: Sequence[Mapping[str, Any]]) -> Table:
    """Return the rules of a policy's document."""
    headers = ("Metric", "Operator", "Threshold", "Worse by at most", "Confidence")
    return Table("Rules", headers, [_rule(rule) for rule in rules])


def verdict_table(rules: Sequence[Mapping[str, Any]]) -> Table:
    """Return what became of the rules of a verdict's document."""
    headers = ("Metric", "Status", "Asked", "Value", "Interval", "Promoted", "Why")
    return Table("Rules", headers, [_judged(rule) for rule in rules], prose=True)


def _rule(rule: Mapping[str, Any]) -> list[str]:
    limit = rule.get("max_regression")
    worse = "" if limit is None else f"{limit} of the promoted value" if rule.get("relative") else format_number(limit)
    confidence = f"{rule['confidence']:.0%}" if "confidence" in rule else ""
    return [rule["metric"], rule.get("operator", ""), _bound_text(rule.get("threshold")), worse, confidence]


def _judged(rule: Mapping[str, Any]) -> list[str]:
    before, interval = rule.get("baseline_value"), rule.get("interval")
    # Of a limit on regression the interval is that of the difference.
    of = "" if before is None else "difference "
    within = f"{of}{format_number(interval['lower'])} to {format_number(interval['upper'])}" if interval else ""
    asked = f"{rule.get('operator') or ''} {_bound_text(rule.get('threshold'))}".strip()
    numbers = asked, _bound_text(rule.get("value")), within, _bound_text(before), rule.get("detail", "")
    return [rule.get("metric", ""), rule.get("status", ""), *format_consistently(numbers)]


def _bound_text(number: float | None) -> str:
    return "" if number is None else format_number(number)
