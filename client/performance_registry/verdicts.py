"""The verdict of a gate, as text for a terminal and as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from performance_registry.records import Record
from performance_registry.text import (
    escape_controls,
    format_exactly,
    format_interval,
    format_table,
    round_consistently,
)

HEADINGS = ("rule", "status", "required", "value", "interval", "baseline", "why")
_OPTIONS = ("positive_class", "averaging", "threshold", "k")  # of an evaluation, that metrics depend on
_DIGEST_LENGTH = 12  # characters that are enough to tell two datasets apart
_COLORS = {"passed": "#1a7f37", "failed": "#cf222e", "missing": "#cf222e", "no_policy": "#9a6700"}


@dataclass(frozen=True)
class Rule(Record):
    """What one rule of the policy says about the version.

    Attributes:
        metric: what the rule looks at.
        status: `passed`, `failed` or `missing`.
        detail: why, in a sentence.
        operator: how the value is compared, such as `>=`.
        threshold: what it is compared with.
        value: the value of the version; `None` if it is missing.
        interval: the confidence interval that counted, with `lower`, `upper`, `level` and `method`.
        baseline_value: the value of the version that was compared with.
        needed_sample_count: how many examples it would take to pass, if the value stays the same.
    """

    metric: str
    status: str
    detail: str
    operator: str | None
    threshold: float | None
    value: float | None
    interval: Mapping[str, Any] | None
    baseline_value: float | None
    needed_sample_count: int | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the rule as a row under `HEADINGS`."""
        required = f"{self.operator or ''} {format_exactly(self.threshold)}".strip()
        values = (required, format_exactly(self.value), format_interval(self.interval, format_exactly))
        texts = round_consistently((*values, format_exactly(self.baseline_value), self.detail))
        return (self.metric, self.status, *texts)


@dataclass(frozen=True)
class Measurement(Record):
    """A snapshot that was judged, or compared with. `str` says in one line what was measured, how and when.

    Attributes:
        source: `computed`, `reported` or `imported`.
        dataset: `name`, `version` and `digest` of the dataset.
        evaluation_options: what the metrics depend on, such as `threshold`.
    """

    version_id: str
    source: str
    sample_count: int | None
    evaluated_at: str | None
    dataset: Mapping[str, str | None]
    evaluation_options: Mapping[str, object]

    def __str__(self) -> str:
        name = " ".join(filter(None, (self.dataset.get("name"), self.dataset.get("version"))))
        digest = self.dataset.get("digest")
        options = {name: self.evaluation_options.get(name) for name in _OPTIONS}
        parts = [
            f"metrics {self.source}",
            "number of examples unknown" if self.sample_count is None else f"{self.sample_count} examples",
            f"evaluated at {self.evaluated_at or 'an unknown time'}",
            f"dataset {name}" if name else "",
            f"examples {digest[:_DIGEST_LENGTH]}" if digest else "examples unknown",
            *(f"{name.replace('_', ' ')} {value}" for name, value in options.items() if value is not None),
        ]
        return f"{self.version_id}: {', '.join(filter(None, parts))}."


@dataclass(frozen=True)
class Verdict(Record):
    """The verdict of a gate on a version. `print` shows it as a table, and so does a notebook.

    Attributes:
        status: `passed`, `failed`, or `no_policy` if there is nothing to judge by.
        rules: each rule of the policy.
        warnings: what else to consider.
        judged_at: when, in UTC (RFC 3339).
        measured: the snapshots that were judged and compared with.
    """

    model_id: str
    version_id: str
    baseline_version_id: str | None
    status: str
    rules: tuple[Rule, ...]
    warnings: tuple[str, ...]
    judged_at: str
    measured: tuple[Measurement, ...] = ()

    @classmethod
    def values(cls, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the fields."""
        rules = tuple(map(Rule.from_document, document["rules"]))
        snapshots = [document.get("candidate"), *document.get("baselines", ())]
        measured = tuple(Measurement.from_document(item) for item in snapshots if item)
        found = {"rules": rules, "warnings": tuple(document.get("warnings", ())), "measured": measured}
        return {**super().values(document), **found}

    @property
    def passed(self) -> bool:
        """Whether there is a policy, and all its rules hold."""
        return self.status == "passed"

    @property
    def allows(self) -> bool:
        """Whether the version may be promoted: it passed, or there is no policy."""
        return self.status in ("passed", "no_policy")

    @property
    def title(self) -> str:
        """The verdict in one line."""
        status = "no gate policy" if self.status == "no_policy" else self.status
        return f"{self.version_id} of {self.model_id}: {status}"

    def __str__(self) -> str:
        parts = [escape_controls(self.title)]
        if self.rules:
            parts.append(format_table(HEADINGS, [rule.cells() for rule in self.rules]))
        return "\n".join([*parts, *map(escape_controls, self.notes)])

    @property
    def notes(self) -> tuple[str, ...]:
        """What was measured, and the warnings."""
        return *map(str, self.measured), *(f"Warning: {warning}" for warning in self.warnings)

    def _repr_html_(self) -> str:
        """Return the verdict as HTML, in which everything from the registry is escaped."""
        heading = "".join(f"<th>{name}</th>" for name in HEADINGS)
        rows = "".join(map(_html_row, self.rules))
        table = f"<table><thead><tr>{heading}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<p><strong{_style(self.status)}>{escape(self.title)}</strong></p>{table}{notes}"


def _html_row(rule: Rule) -> str:
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in rule.cells())
    return f"<tr{_style(rule.status)}>{cells}</tr>"


def _style(status: str) -> str:
    return f' style="color: {_COLORS[status]}"' if status in _COLORS else ""
