"""How verdicts and texts of the registry are shown."""

import unicodedata
from html.parser import HTMLParser
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from performance_registry import GateFailedError, ProblemError, Verdict
from performance_registry.errors import problem_error
from performance_registry.text import escape_controls, round_consistently

from performance.formatting import format_consistently
from tests.conftest import golden

VERDICT = golden("gate")
HOSTILE = "<script>alert(1)</script>\x1b[2J&\"'"
ELEMENTS = {"p", "strong", "table", "thead", "tbody", "tr", "th", "td"}


class Elements(HTMLParser):
    """Collects the names of elements and their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes.update(name for name, _ in attrs)


def with_text(text: str) -> Verdict:
    """Return a verdict that has a text wherever the registry may have one."""
    rule = {**VERDICT["rules"][0], "metric": text, "detail": text, "operator": text, "status": text}
    texts = dict.fromkeys(("model_id", "version_id", "status"), text)
    dataset = dict.fromkeys(("name", "version", "digest"), text)
    options = dict.fromkeys(("positive_class", "averaging"), text)
    measured = {"version_id": text, "source": text, "sample_count": 1, "evaluated_at": text, "dataset": dataset}
    measured |= {"evaluation_options": options}
    return Verdict.from_document({**VERDICT, **texts, "rules": [rule], "warnings": [text], "candidate": measured})


def test_a_verdict_is_a_table_in_a_terminal_and_in_a_notebook() -> None:
    verdict = Verdict.from_document(VERDICT)
    rule = verdict.rules[0]

    assert str(verdict).splitlines()[0] == f"{verdict.version_id} of {verdict.model_id}: {verdict.status}"
    assert any(line.startswith(rule.metric) and rule.status in line for line in str(verdict).splitlines())
    assert f"<td>{rule.metric}</td>" in verdict._repr_html_()


def test_a_verdict_says_what_was_measured() -> None:
    dataset = {"name": "october", "version": "2", "digest": "ab" * 32}
    options = {"positive_class": "1", "averaging": "binary", "threshold": None, "columns": {"actual": "y"}}
    measured = {"version_id": "ver-00002", "source": "computed", "sample_count": 500, "dataset": dataset}
    measured |= {"evaluated_at": "2026-11-01T00:00:00Z", "evaluation_options": options, "warnings": []}
    unknown: dict[str, Any] = {
        "version_id": "ver-00001",
        "source": "reported",
        "sample_count": None,
        "evaluation_options": {},
    }
    unknown |= {"evaluated_at": None, "dataset": dict.fromkeys(("name", "version", "digest"))}
    verdict = Verdict.from_document({**VERDICT, "candidate": measured, "baselines": [unknown]})

    assert tuple(map(str, verdict.measured)) == (
        "ver-00002: metrics computed, 500 examples, evaluated at 2026-11-01T00:00:00Z, dataset october 2, "
        "examples abababababab, positive class 1, averaging binary.",
        "ver-00001: metrics reported, number of examples unknown, evaluated at an unknown time, examples unknown.",
    )
    for note in map(str, verdict.measured):
        assert note in str(verdict)
        assert f"<p>{note}</p>" in verdict._repr_html_()
    assert Verdict.from_document({**VERDICT, "candidate": None, "baselines": []}).measured == ()


def test_numbers_have_six_digits_unless_more_tell_a_value_from_its_threshold() -> None:
    rule = {**VERDICT["rules"][0], "operator": ">=", "threshold": 0.93, "baseline_value": 2 / 3}
    rule["interval"] = {"lower": 0.91234567891234, "upper": 0.95, "level": 0.95, "method": "wilson"}

    def cells(value: float, detail: str) -> tuple[str, ...]:
        changed = {**rule, "value": value, "detail": detail}
        return Verdict.from_document({**VERDICT, "rules": [changed]}).rules[0].cells()[2:]

    assert cells(0.9299999712345678, "accuracy is 0.9299999712345678; v1.25 had 100.0 of 12345678 examples.") == (
        ">= 0.93",
        "0.92999997",
        "0.91234568 to 0.95",
        "0.66666667",
        "accuracy is 0.92999997; v1.25 had 100 of 12345678 examples.",
    )
    assert cells(0.123456789012, "It is 0.123456789012.") == (
        ">= 0.93",
        "0.123457",
        "0.912346 to 0.95",
        "0.666667",
        "It is 0.123457.",
    )


@given(st.lists(st.text(max_size=5) | st.floats().map(repr) | st.floats(0, 1).map("It is {}.".format), max_size=6))
@example(["0.93", "0.9299999999", "1e400", "12345678.0", "1e+22"])
def test_the_client_rounds_as_the_registry_does(texts: list[str]) -> None:
    assert round_consistently(texts) == format_consistently(texts)


@given(st.text() | st.just(HOSTILE))
def test_a_text_of_the_registry_is_neither_html_nor_steers_the_terminal(text: str) -> None:
    verdict = with_text(text)

    elements = Elements(verdict._repr_html_())
    assert elements.found <= ELEMENTS
    assert elements.attributes <= {"style"}
    controls = {c for c in str(verdict) if unicodedata.category(c) in ("Cc", "Cf")}
    assert controls <= {"\n"}


@given(st.text())
def test_only_control_characters_are_escaped(text: str) -> None:
    plain = "".join(c for c in text if unicodedata.category(c)[0] not in "CZ")

    assert escape_controls(plain) == plain
    assert escape_controls(escape_controls(text)) == escape_controls(text)


def test_a_problem_has_its_fields_and_a_refusal_its_verdict() -> None:
    document: dict[str, Any] = {"type": "urn:problem:gate_failed", "title": "Gate failed", "status": 409}
    document |= {"code": "gate_failed", "detail": "It failed.", "request_id": "1"}

    plain = problem_error({**document, "errors": [{"field": "rules.0", "code": "invalid", "detail": "No\x1b."}]})
    refusal = problem_error({**document, "verdict": VERDICT})

    assert type(plain) is ProblemError
    assert (plain.type, plain.title, plain.status) == ("urn:problem:gate_failed", "Gate failed", 409)
    assert (plain.code, plain.detail, plain.request_id) == ("gate_failed", "It failed.", "1")
    assert str(plain) == "It failed. (gate_failed)\n  rules.0: No\\x1b."
    assert isinstance(refusal, GateFailedError)
    assert refusal.verdict == Verdict.from_document(VERDICT)
