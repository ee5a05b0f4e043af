"""Show policies and verdicts as tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from performance.formatting import format_consistently
from performance.gates.measurement import format_number
from performance.gates.verdict import RuleVerdictDocument
from performance.snapshots.tables import Table


def rule_table(rules: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table of a policy document's rules."""
    headers = ("Metric", "Operator", "Threshold", "Worse by at most", "Against", "Confidence", "Examples of a slice")
    return Table("Rules", headers, [_rule_row(rule) for rule in rules])


def verdict_table(rules: Sequence[RuleVerdictDocument]) -> Table:
    """Return the table of a verdict document's rules and their results."""
    headers = ("Metric", "Status", "Required", "Value", "Interval", "Baseline", "Why")
    return Table("Rules", headers, [_verdict_row(rule) for rule in rules], prose=True)


def _rule_row(rule: Mapping[str, Any]) -> list[str]:
    limit = rule.get("max_regression")
    worse = (
        "" if limit is None else f"{limit} of the baseline's value" if rule.get("relative") else format_number(limit)
    )
    confidence = f"{rule['confidence']:.0%}" if "confidence" in rule else ""
    least = f"at least {rule['min_sample_count']}" if "min_sample_count" in rule else ""
    threshold = _number_text(rule.get("threshold"))
    return [rule["metric"], rule.get("operator", ""), threshold, worse, rule.get("against", ""), confidence, least]


def _verdict_row(rule: RuleVerdictDocument) -> list[str]:
    baseline_value, interval = rule.get("baseline_value"), rule.get("interval")
    # The interval of a limit on regression is that of the difference.
    prefix = "" if baseline_value is None else "difference "
    interval_text = (
        f"{prefix}{format_number(interval['lower'])} to {format_number(interval['upper'])}" if interval else ""
    )
    required = f"{rule.get('operator') or ''} {_number_text(rule.get('threshold'))}".strip()
    numbers = (
        required,
        _number_text(rule.get("value")),
        interval_text,
        _number_text(baseline_value),
        rule.get("detail", ""),
    )
    return [rule.get("metric", ""), rule.get("status", ""), *format_consistently(numbers)]


def _number_text(number: float | None) -> str:
    return "" if number is None else format_number(number)
