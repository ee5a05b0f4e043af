"""A snapshot that does not meet the policy's requirements is not used, whatever its values are."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from performance.gates.measurement import Measurement
from tests.performance.gates.cases import MISSING, NOW, PASSED, baseline_with, between, candidate_with, judge_rules
from tests.performance.gates.rules import ACCURACY_AT_LEAST

RULES = [ACCURACY_AT_LEAST, {"metric": "recall", "max_regression": 0.05}]


def missing_details(measured: Measurement, baseline: Measurement, **required: Any) -> list[str]:
    """Return the detail of each rule that is missing, and an empty text for each other one."""
    verdict = judge_rules(RULES, between(measured, baseline), **required)
    assert verdict.refuses == any(rule.status is MISSING for rule in verdict.rules)
    return [rule.detail if rule.status is MISSING else "" for rule in verdict.rules]


def test_pinned_option_must_be_known_and_equal() -> None:
    pins = {"evaluation": {"threshold": 0.5}}
    asked = "the policy asks for an evaluation at the threshold 0.5."

    half, less, none = ({"threshold": threshold} for threshold in (0.5, 0.4, None))
    assert missing_details(candidate_with(half), baseline_with(half), **pins) == ["", ""]
    other = f"ver-00002 was evaluated at the threshold 0.4, and {asked}"
    assert missing_details(candidate_with(less), baseline_with(half), **pins) == [other, other]
    without = f"ver-00002 was evaluated without a threshold, and {asked}"
    assert missing_details(candidate_with(none), baseline_with(half), **pins) == [without, without]
    unknown = f"The threshold of the evaluation of ver-00002 is unknown, and {asked}"
    assert missing_details(candidate_with(), baseline_with(half), **pins) == [unknown, unknown]
    of_baseline = f"the promoted ver-00001 was evaluated at the threshold 0.4, and {asked}"
    assert missing_details(candidate_with(half), baseline_with(less), **pins) == ["", of_baseline]


@pytest.mark.parametrize("pinned", ["1", " 1 ", "1.0", "+1"])
def test_pinned_positive_class_may_be_written_as_in_a_file(pinned: str) -> None:
    ours, theirs = ({"positive_class": label} for label in ("1", "0"))

    assert missing_details(candidate_with(ours), baseline_with(ours), evaluation={"positive_class": pinned}) == ["", ""]
    assert all(missing_details(candidate_with(theirs), baseline_with(ours), evaluation={"positive_class": pinned}))


def test_pin_of_another_task_type_does_not_count() -> None:
    assert missing_details(candidate_with(), baseline_with(), evaluation={"k": 10}) == ["", ""]


def test_source_must_be_that_of_the_policy() -> None:
    text = "The metrics of {} are reported, and the policy asks for computed ones."
    ours, theirs = text.format("ver-00002"), text.format("the promoted ver-00001")

    assert missing_details(candidate_with(source="reported"), baseline_with(), source="computed") == [ours, ours]
    assert missing_details(candidate_with(), baseline_with(source="reported"), source="computed") == ["", theirs]
    assert missing_details(candidate_with(source="reported"), baseline_with(source="imported")) == ["", ""]


def test_only_the_judged_version_must_be_recent() -> None:
    month, more = NOW - timedelta(days=30), NOW - timedelta(days=30, seconds=1)
    asked = "the policy asks for an evaluation of the last 30 days."
    text = f"ver-00002 was evaluated at 2026-02-11T14:22:09Z, and {asked}"

    assert missing_details(candidate_with(evaluated_at=month), baseline_with(evaluated_at=more), max_age_days=30) == [
        "",
        "",
    ]
    assert missing_details(candidate_with(evaluated_at=more), baseline_with(), max_age_days=30) == [text, text]
    assert all("unknown" in detail for detail in missing_details(candidate_with(), baseline_with(), max_age_days=30))
    of_a_day = missing_details(candidate_with(evaluated_at=month), baseline_with(), max_age_days=1)
    assert all(detail.endswith("the policy asks for an evaluation of the last day.") for detail in of_a_day)


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [(0, 0, True), (None, 0, True), (0.1, 0, False), (0.1, None, False), (0.1, 0.2, False), (0.1, 0.1, None)],
)
def test_rows_without_a_prediction_are_left_out_of_the_examples(
    ours: float | None, theirs: float | None, same: bool | None
) -> None:
    measured, baseline = (
        replace(each, metrics=each.metrics._replace(values={**each.metrics.values, **missing}))
        for each, missing in (
            (candidate_with(digest="aa"), {} if ours is None else {"missing_fraction": ours}),
            (baseline_with(digest="aa"), {} if theirs is None else {"missing_fraction": theirs}),
        )
    )

    free = judge_rules(RULES, between(measured, baseline)).rules[1]
    bound = judge_rules(RULES, between(measured, baseline), same_dataset=True).rules[1]

    assert (free.status, free.same_dataset) == (PASSED, same)
    assert bound.status == (PASSED if same else MISSING)
    rows = "on the examples aa without the 10% that have no prediction"
    if same is False:
        assert f"ver-00002 was evaluated {rows}, the promoted ver-00001 on the examples aa" in bound.detail
    elif same is None:
        assert bound.detail == (
            f"ver-00002 and the promoted ver-00001 were evaluated {rows}. Whether these are the same rows is unknown, "
            "and the policy asks for the same examples."
        )


def test_a_tiny_share_of_rows_without_a_prediction_is_not_none() -> None:
    measured = candidate_with(digest="aa")
    measured = replace(measured, metrics=measured.metrics._replace(values={"recall": 0.9, "missing_fraction": 0.0003}))

    bound = judge_rules(RULES[1:], between(measured, baseline_with(digest="aa")), same_dataset=True).rules[0]

    assert "the examples aa without the 0.03% that have no prediction, the promoted" in bound.detail


@pytest.mark.parametrize(
    ("ours", "theirs", "same", "words"),
    [
        ("aa", "aa", True, "Both were measured on the same examples."),
        ("aa", "bb", False, "They were measured on different examples, weights or groups."),
        ("aa", None, None, "Whether both were measured on the same examples is unknown."),
        (None, None, None, "Whether both were measured on the same examples is unknown."),
    ],
)
def test_limit_says_whether_the_examples_are_the_same(
    ours: str | None, theirs: str | None, same: bool | None, words: str
) -> None:
    measured, baseline = candidate_with(digest=ours), baseline_with(digest=theirs)

    free = judge_rules(RULES, between(measured, baseline)).rules[1]
    bound = judge_rules(RULES, between(measured, baseline), same_dataset=True).rules

    assert (free.status, free.same_dataset) == (PASSED, same)
    assert free.detail.endswith(words)
    assert [rule.status for rule in bound] == [PASSED, PASSED if same else MISSING]
    assert same or "ver-00002 was evaluated on" in bound[1].detail
