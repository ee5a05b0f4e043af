"""Rendered verdicts: readable by the programs that use the formats, whatever a label contains."""

import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped, TestSuite
from xmlschema import XMLSchema

from models_registry import task_types
from performance.gates.renderers import RENDERERS, html, junit, markdown
from performance.gates.verdict import Verdict, judge
from tests.performance.gates.cases import NOW, gate_input, judge_rules

SCHEMA = XMLSchema(Path(__file__).parent / "junit.xsd")
RULES: list[dict[str, Any]] = [
    {"metric": "accuracy", "operator": ">=", "threshold": 0.93},
    {"metric": "recall", "operator": ">=", "threshold": 0.9},
    {"metric": "roc_auc", "operator": ">=", "threshold": 0.95, "confidence": 0.95},
    {"metric": "log_loss", "max_regression": 0.01},
    {"metric": "precision", "operator": "<", "threshold": 1},
]
MEASURED = "{}: metrics computed, number of examples unknown, evaluated at an unknown time, examples unknown."
HOSTILE = '<script>alert(1)</script>|`x`\n# [a](javascript:b) ![c](d) @everyone & "q" \x01\ud800 www.x.test_'


@pytest.fixture
def verdict() -> Verdict:
    """A verdict with one rule missing, one failed, and the others passed, one of these with a warning."""
    values = {"accuracy": 0.95, "recall": 0.5, "log_loss": 0.14, "precision": 0.9}
    return judge_rules(RULES, gate_input(values, {"log_loss": 0.135}))


@pytest.fixture
def without_policy() -> Verdict:
    return judge(None, task_types.get("classification"), gate_input({}), judged_at=NOW)


def about(label: str) -> Verdict:
    """Return a verdict on a class with this label, with a failure and a warning."""
    return judge_rules(
        [{"metric": f"per_class.{label}.recall", "operator": "<", "threshold": 0.25}],
        gate_input({f"per_class.{label}.recall": 0.5}),
    )


def suite_of(text: str) -> TestSuite:
    SCHEMA.validate(StringIO(text))
    [suite] = JUnitXml.fromstring(text.encode())
    assert isinstance(suite, TestSuite)
    return suite


class TestJUnit:
    def test_has_a_test_case_for_each_rule(self, verdict: Verdict) -> None:
        suite = suite_of(junit(verdict))

        assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (5, 1, 1, 0)
        assert suite.name == "gate of mdl-7f3a19bc92 ver-00002"
        assert suite.timestamp == "2026-03-13T14:22:10"
        names = ["accuracy >= 0.93", "recall >= 0.9", "roc_auc >= 0.95", "log_loss <= 0.145", "precision < 1"]
        assert [each.name for each in suite] == names
        assert {each.classname for each in suite} == {"mdl-7f3a19bc92"}

    def test_junit_has_the_reason_of_each_rule_that_did_not_pass(self, verdict: Verdict) -> None:
        results = [each.result for each in suite_of(junit(verdict))]

        assert [[type(one) for one in each] for each in results] == [[], [Failure], [Error], [], []]
        text = [rule.detail for rule in verdict.rules]
        assert [(one.message, one.text) for each in results for one in each] == [(text[1],) * 2, (text[2],) * 2]
        assert [each.system_out for each in suite_of(junit(verdict))] == [text[0], None, None, text[3], text[4]]
        notes = junit(verdict).rpartition("<system-out>")[2].split("\n")
        assert notes[0] == MEASURED.format("ver-00002")
        assert notes[1] == MEASURED.format("ver-00001")
        assert notes[2].startswith("precision &lt; 1 lets worse values pass")

    def test_is_exactly_this_text(self) -> None:
        rule = {"metric": "per_class.\x01.recall", "operator": ">", "threshold": 0.5}

        assert junit(judge_rules([rule], gate_input({"per_class.\x01.recall": 0.25}))) == (
            '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites><testsuite name="gate of mdl-7f3a19bc92 ver-00002" '
            'tests="1" failures="1" errors="0" skipped="0" time="0" timestamp="2026-03-13T14:22:10" '
            'hostname="registry"><testcase name="per_class.\ufffd.recall &gt; 0.5" classname="mdl-7f3a19bc92" time="0">'
            '<failure message="per_class.\ufffd.recall is 0.25; more than 0.5 is required." type="failed">'
            "per_class.\ufffd.recall is 0.25; more than 0.5 is required.</failure></testcase>"
            f"<system-out>{MEASURED.format('ver-00002')}</system-out></testsuite></testsuites>"
        )

    def test_is_skipped_without_a_policy(self, without_policy: Verdict) -> None:
        suite = suite_of(junit(without_policy))
        [[skipped]] = [each.result for each in suite]

        assert (suite.tests, suite.skipped, suite.failures) == (1, 1, 0)
        assert isinstance(skipped, Skipped)
        assert skipped.message == "There is no policy for ver-00002."


class TestMarkdown:
    def test_is_a_table_with_a_row_for_each_rule(self, verdict: Verdict) -> None:
        lines = markdown(verdict).splitlines()

        assert lines[0] == "### Gate: ver-00002 of mdl-7f3a19bc92 failed"
        assert lines[2].startswith("ver-00002 fails 2 of 5 rules. recall is 0.5; at least 0.9 is required.")
        assert lines[4:6] == [
            "|  | Metric | Required | Value | Baseline | Why |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        assert lines[6] == "| ✅ | accuracy | >= 0.93 | 0.95 |  | accuracy is 0.95; at least 0.93 is required. |"
        assert lines[7].startswith("| ❌ | recall | >= 0.9 | 0.5 |  |")
        assert lines[8].startswith("| ❔ | roc_auc | >= 0.95 |  |  |")
        assert lines[9].startswith(r"| ✅ | log_loss | \<= 0.145 | 0.14 | 0.135 |")
        assert lines[12].startswith(r"- ver-00002\: metrics computed")
        assert lines[14].startswith(r"- precision \< 1 lets worse values pass")

    def test_numbers_have_six_digits(self) -> None:
        rule = {"metric": "accuracy", "operator": ">=", "threshold": 0.93}
        text = markdown(judge_rules([rule], gate_input({"accuracy": 0.9736842105263158})))

        assert "| accuracy | >= 0.93 | 0.973684 |  | accuracy is 0.973684; at least 0.93 is required. |" in text

    def test_a_value_has_its_interval(self) -> None:
        rules = [
            {"metric": "accuracy", "operator": ">=", "threshold": 0.93, "confidence": 0.95},
            {"metric": "recall", "max_regression": 0.05, "confidence": 0.95},
        ]
        given = gate_input(
            {"accuracy": 0.95, "recall": 0.9},
            {"recall": 0.92},
            intervals={"accuracy": (0.94, 0.96)},
            differences={"recall": (-0.03, 0.01)},
        )
        text = markdown(judge_rules(rules, given))

        assert "| ✅ | accuracy | >= 0.93 | 0.95 \\(0.94 to 0.96\\) |  |" in text
        assert "| 0.9 \\(difference -0.03 to 0.01\\) | 0.92 |" in text

    def test_without_policy_has_no_table(self, without_policy: Verdict) -> None:
        text = "### Gate: ver-00002 of mdl-7f3a19bc92 has no policy\n\nThere is no policy for ver-00002.\n"

        assert markdown(without_policy) == text

    def test_label_is_escaped(self) -> None:
        text = markdown(about(HOSTILE))

        [row] = [line for line in text.splitlines() if "❌" in line]
        assert len(re.findall(r"(?<!\\)\|", row)) == 7
        for mark in ("`", "*", "[", "<", "!", "#"):
            assert not re.search(rf"(?<!\\){re.escape(mark)}", row), mark
        assert "@everyone" not in text
        assert "javascript:" not in text
        assert "www." not in text
        assert "\x01" not in text
        assert text.count("\n### ") == 0


class Tags(HTMLParser):
    """Collect the tags and texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    return tags


class TestHTML:
    def test_is_a_page_with_a_row_for_each_rule(self, verdict: Verdict) -> None:
        page = html(verdict)
        seen = read(page)

        assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
        assert seen.tags.count("tr") == 6
        assert {rule.detail for rule in verdict.rules} <= {*seen.texts}
        assert verdict.warnings[0] in seen.texts
        assert "Gate: ver-00002 of mdl-7f3a19bc92 failed" in seen.texts
        assert page.count('class="failed"') == 2
        assert page.count('class="missing"') == 1
        assert page.count('class="passed"') == 3

    def test_is_exactly_this_text(self) -> None:
        rules = [{"metric": "accuracy", "operator": "<", "threshold": 0.5}, {"metric": "recall", "max_regression": 0.5}]
        page = html(judge_rules(rules, gate_input({"accuracy": 0.5}, {"recall": 0.5})))

        assert re.sub(r"<style>(.*?)</style>", "<style></style>", page, flags=re.DOTALL) == (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            "<title>Gate: ver-00002 of mdl-7f3a19bc92 failed</title><style></style></head>"
            '<body><main><h1 class="failed">Gate: ver-00002 of mdl-7f3a19bc92 failed</h1>'
            "<p>ver-00002 fails 2 of 2 rules. accuracy is 0.5; less than 0.5 is required.</p>"
            "<table><thead><tr><th></th><th>Metric</th><th>Required</th><th>Value</th><th>Baseline</th><th>Why</th></tr>"
            '</thead><tbody><tr class="failed"><td>❌</td><td>accuracy</td><td>&lt; 0.5</td><td>0.5</td><td></td>'
            '<td>accuracy is 0.5; less than 0.5 is required.</td></tr><tr class="missing"><td>❔</td><td>recall</td>'
            "<td></td><td></td><td>0.5</td><td>ver-00002 has no recall for the split test.</td></tr></tbody></table>"
            f"<p>{MEASURED.format('ver-00002')}</p><p>{MEASURED.format('ver-00001')}</p>"
            "<p>accuracy &lt; 0.5 lets worse values pass: higher is better.</p></main></body></html>"
        )
        assert ".failed, .missing { color:" in page

    def test_without_policy_has_no_table(self, without_policy: Verdict) -> None:
        seen = read(html(without_policy))

        assert "table" not in seen.tags
        assert without_policy.detail in seen.texts


def test_every_renderer_has_a_name() -> None:
    assert set(RENDERERS) == {"junit", "markdown", "html"}


def test_the_junit_schema_refuses_invalid_documents(verdict: Verdict) -> None:
    assert SCHEMA.is_valid(StringIO(junit(verdict)))
    assert not SCHEMA.is_valid(StringIO(junit(verdict).replace(' tests="5"', "")))


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=30))
def test_junit_holds_any_label(label: str) -> None:
    suite = suite_of(junit(about(label)))

    assert suite.failures == 1


@given(st.text(max_size=30))
def test_markdown_has_one_row_whatever_the_label(label: str) -> None:
    rows = [line for line in markdown(about(label)).split("\n") if line.startswith("| ❌")]

    assert len(rows) == 1
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", rows[0])) == 7


@given(st.just(HOSTILE) | st.text(max_size=30))
def test_html_escapes_any_label(label: str) -> None:
    assert read(html(about(label))).tags == read(html(about("cat"))).tags
