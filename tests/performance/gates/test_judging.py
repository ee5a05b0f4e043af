"""Verdicts: what passes, what fails, what is missing, and what must hold of every verdict."""

import math
from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models_registry import task_types
from performance.gates.gate_input import RuleStatus
from performance.gates.verdict import Status, judge
from performance.metrics.comparison import MetricValues
from performance.metrics.statistics.intervals import Interval
from tests.performance.gates.cases import NOW, case, judged, verdict_on

AT_LEAST = {"metric": "accuracy", "operator": ">=", "threshold": 0.93}
SURE = AT_LEAST | {"confidence": 0.95}
LIMIT = {"metric": "accuracy", "max_regression": 0.1}
PASSED, FAILED, MISSING = RuleStatus


class TestAThreshold:
    @pytest.mark.parametrize(
        ("operator", "value", "status"),
        [
            (">=", 0.93, PASSED),
            (">=", math.nextafter(0.93, 0), FAILED),
            (">", 0.93, FAILED),
            (">", math.nextafter(0.93, 1), PASSED),
            ("<=", 0.93, PASSED),
            ("<=", math.nextafter(0.93, 1), FAILED),
            ("<", 0.93, FAILED),
            ("<", math.nextafter(0.93, 0), PASSED),
        ],
    )
    def test_holds_up_to_the_very_number(self, operator: str, value: float, status: RuleStatus) -> None:
        assert judged(AT_LEAST | {"operator": operator}, case({"accuracy": value})).status is status

    def test_that_is_broken_is_told_with_both_numbers(self) -> None:
        rule = judged(AT_LEAST, case({"accuracy": 0.91}))

        assert (rule.metric, rule.operator, rule.threshold, rule.value) == ("accuracy", ">=", 0.93, 0.91)
        assert (rule.interval, rule.baseline_value) == (None, None)
        assert rule.detail == "accuracy is 0.91; at least 0.93 is required."

    @pytest.mark.parametrize(
        ("operator", "words"), [(">", "more than"), ("<=", "at most"), ("<", "less than"), (">=", "at least")]
    )
    def test_is_told_in_words(self, operator: str, words: str) -> None:
        rule = {"metric": "sample_count", "operator": operator, "threshold": 1000}

        assert judged(rule, case({"sample_count": 990})).detail == f"sample_count is 990; {words} 1000 is required."

    @pytest.mark.parametrize("name", ["custom.cost", "per_class.a cat.recall", "specificity", "sample_count"])
    def test_may_be_of_any_number(self, name: str) -> None:
        rule = {"metric": name, "operator": ">", "threshold": 0.5}

        assert judged(rule, case({name: 0.75})).status is PASSED
        assert judged(rule, case({name: 0.25})).status is FAILED
        assert judged(rule, case({"accuracy": 0.75})).status is MISSING


class TestWithConfidence:
    @pytest.mark.parametrize(
        ("operator", "ends", "status"),
        [
            (">=", (0.93, 0.99), PASSED),
            (">=", (0.92, 0.99), FAILED),
            (">", (0.93, 0.99), FAILED),
            ("<=", (0.80, 0.93), PASSED),
            ("<=", (0.80, 0.94), FAILED),
            ("<", (0.80, 0.93), FAILED),
        ],
    )
    def test_the_unfavourable_end_must_hold(self, operator: str, ends: tuple[float, float], status: RuleStatus) -> None:
        rule = judged(SURE | {"operator": operator}, case({"accuracy": 0.93}, intervals={"accuracy": ends}))

        assert rule.status is status
        assert rule.interval == Interval(*ends, "a test")

    def test_both_ends_and_numbers_are_told(self) -> None:
        low = judged(SURE, case({"accuracy": 0.95}, intervals={"accuracy": (0.92, 0.97)}))
        high = judged(SURE | {"operator": "<"}, case({"accuracy": 0.95}, intervals={"accuracy": (0.92, 0.97)}))

        told = "accuracy is 0.95, and the {} end of its 95% interval {}; {} 0.93 is required."
        assert low.detail == told.format("lower", 0.92, "at least")
        assert high.detail == told.format("upper", 0.97, "less than")

    @pytest.mark.parametrize("ends", [None, (math.nan, 0.99), (0.95, math.inf), (-math.inf, 0.99)])
    def test_without_a_finite_interval_it_fails_closed(self, ends: tuple[float, float] | None) -> None:
        rule = judged(SURE, case({"accuracy": 0.99}, intervals={} if ends is None else {"accuracy": ends}))

        assert (rule.status, rule.interval, rule.value) == (MISSING, None, 0.99)
        assert rule.detail == "accuracy is 0.99, without the 95% interval that is required."

    def test_an_interval_of_another_level_is_none(self) -> None:
        wide = {"accuracy": Interval(0.95, 0.99, "a test", level=0.5)}

        assert judged(SURE, replace(case({}), measured=MetricValues({"accuracy": 0.97}, wide))).status is MISSING


class TestALimitOnRegression:
    @pytest.mark.parametrize(
        ("limit", "before", "value", "status"),
        [
            (0.1, 0.8, 0.7, PASSED),  # in doubles 0.10000000000000009
            (0.1, 0.3, 0.2, PASSED),
            (0.01, 0.93, 0.92, PASSED),
            (0.1, 0.8, math.nextafter(0.7, 0), FAILED),
            (0, 0.8, 0.8, PASSED),
            (0, 0.8, math.nextafter(0.8, 0), FAILED),
            (0, 0.8, 0.9, PASSED),
        ],
    )
    def test_counts_decimals_as_they_are_written(
        self, limit: float, before: float, value: float, status: RuleStatus
    ) -> None:
        rule = judged(LIMIT | {"max_regression": limit}, case({"accuracy": value}, {"accuracy": before}))

        assert rule.status is status

    def test_of_a_metric_that_is_better_lower_is_one_upwards(self) -> None:
        rule = {"metric": "log_loss", "max_regression": 0.01}

        kept = judged(rule, case({"log_loss": 0.15}, {"log_loss": 0.14}))
        broken = judged(rule, case({"log_loss": 0.16}, {"log_loss": 0.14}))
        better = judged(rule, case({"log_loss": 0.1}, {"log_loss": 0.14}))

        assert [each.status for each in (kept, broken, better)] == [PASSED, FAILED, PASSED]
        assert (broken.operator, broken.threshold, broken.value, broken.baseline_value) == ("<=", 0.15, 0.16, 0.14)
        told = "log_loss is {}, and 0.14 in the promoted ver-00001: {}; worse by 0.01 is allowed."
        assert broken.detail == told.format(0.16, "worse by 0.02")
        assert better.detail == told.format(0.1, "no worse")

    def test_of_a_metric_that_is_best_at_zero_is_one_of_its_magnitude(self) -> None:
        rule = {"metric": "bias", "max_regression": 0.5}

        def status(value: float, before: float) -> RuleStatus:
            return judged(rule, case({"bias": value}, {"bias": before}), "regression").status

        assert [status(-2.5, 2), status(2.5, -2), status(-2.75, 2), status(1, -2)] == [PASSED, PASSED, FAILED, PASSED]

    @pytest.mark.parametrize("before", [2, -2])
    @pytest.mark.parametrize(
        ("value", "bound"), [(1, ("<=", 2.5)), (2.75, ("<=", 2.5)), (-1, (">=", -2.5)), (-2.75, (">=", -2.5))]
    )
    def test_of_a_metric_that_is_best_at_zero_is_told_on_the_side_of_the_value(
        self, before: float, value: float, bound: tuple[str, float]
    ) -> None:
        rule = {"metric": "bias", "max_regression": 0.5}

        found = judged(rule, case({"bias": value}, {"bias": before}), "regression")

        assert (found.operator, found.threshold) == bound
        assert (found.status is PASSED) == (value >= bound[1] if bound[0] == ">=" else value <= bound[1])

    @pytest.mark.parametrize(
        ("metric", "before", "value", "status", "bound"),
        [
            ("accuracy", 0.8, 0.72, PASSED, 0.72),
            ("accuracy", 0.8, 0.71, FAILED, 0.72),
            ("log_loss", 0.2, 0.22, PASSED, 0.22),
            ("log_loss", 0.2, 0.23, FAILED, 0.22),
            ("matthews_correlation", -0.5, -0.55, PASSED, -0.55),
            ("matthews_correlation", -0.5, -0.56, FAILED, -0.55),
            ("log_loss", 0, 0.01, FAILED, 0),
        ],
    )
    def test_may_be_a_fraction_of_what_it_was(
        self, metric: str, before: float, value: float, status: RuleStatus, bound: float
    ) -> None:
        rule = {"metric": metric, "max_regression": 0.1, "relative": True}

        found = judged(rule, case({metric: value}, {metric: before}))

        assert (found.status, found.threshold) == (status, bound)

    def test_holds_for_the_first_promotion_which_has_nothing_to_be_worse_than(self) -> None:
        rule = judged(LIMIT, case({"accuracy": 0.1}, promoted=None))

        assert (rule.status, rule.threshold, rule.operator) == (PASSED, None, None)
        assert rule.detail == "accuracy is 0.1, and no version was promoted before to compare it with."
        assert judged(LIMIT, case({}, promoted=None)).status is MISSING

    @pytest.mark.parametrize("baseline", [None, {}, {"accuracy": math.nan}, {"log_loss": 0.1}])
    def test_fails_closed_when_the_promoted_version_was_not_measured(self, baseline: Any) -> None:
        rule = judged(LIMIT, case({"accuracy": 0.99}, baseline))

        assert (rule.status, rule.baseline_value) == (MISSING, None)
        what = "metrics" if baseline is None else "accuracy"
        assert rule.detail == f"The promoted ver-00001 has no {what} for the split test."

    def test_past_a_double_is_judged_all_the_same(self) -> None:
        rule = {"metric": "log_loss", "max_regression": 1e308, "relative": True}

        found = judged(rule, case({"log_loss": 1e308}, {"log_loss": 1e308}))

        assert (found.status, found.threshold) == (PASSED, None)
        assert found.detail.endswith("worse by more than a double can hold is allowed.")


class TestALimitBetweenWaysOfTaking:
    """A metric may be made to look better by another positive class, or another averaging."""

    OURS = MetricValues({"recall": 0.99, "accuracy": 0.9, "per_class.no.recall": 0.9}, {}, "no", "binary")
    THEIRS = MetricValues({"recall": 0.9, "accuracy": 0.9, "per_class.no.recall": 0.9}, {}, "yes", "binary")

    def status(self, metric: str, ours: MetricValues, theirs: MetricValues) -> RuleStatus:
        both = replace(case({}), measured=ours, baseline=theirs)
        return judged({"metric": metric, "max_regression": 0.05}, both).status

    def test_is_missing_and_names_both(self) -> None:
        both = replace(case({}), measured=self.OURS, baseline=self.THEIRS)

        rule = judged({"metric": "recall", "max_regression": 0.05}, both)

        assert (rule.status, rule.value, rule.baseline_value) == (MISSING, 0.99, 0.9)
        assert rule.detail == (
            "recall of ver-00002 is computed for the positive class 'no' with binary averaging, and that of "
            "the promoted ver-00001 for the positive class 'yes' with binary averaging: they are not comparable."
        )

    @pytest.mark.parametrize(
        "metric", ["precision", "recall", "f1_score", "specificity", "roc_auc", "average_precision"]
    )
    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [(("no", "binary"), ("yes", "binary")), (("", None), ("yes", None)), ((None, "macro"), ("yes", "binary"))],
    )
    def test_is_missing_of_what_depends_on_the_choice(self, metric: str, ours: Any, theirs: Any) -> None:
        newer, older = (MetricValues({metric: 0.5}, {}, *choice) for choice in (ours, theirs))

        assert self.status(metric, newer, older) is MISSING
        assert self.status(metric, newer, newer) is PASSED

    @pytest.mark.parametrize("choice", [(None, None), ("yes", None), (None, "binary")])
    def test_is_judged_where_one_of_both_is_not_known(self, choice: Any) -> None:
        assert self.status("recall", self.OURS, MetricValues({"recall": 0.99}, {}, None, None)) is PASSED
        assert self.status("recall", MetricValues({"recall": 0.99}, {}, *choice), self.THEIRS) is PASSED

    @pytest.mark.parametrize("metric", ["accuracy", "per_class.no.recall"])
    def test_is_judged_of_what_does_not_depend_on_it(self, metric: str) -> None:
        assert self.status(metric, self.OURS, self.THEIRS) is PASSED

    def test_is_missing_with_confidence_as_well(self) -> None:
        surely_better = {"recall": Interval(0.05, 0.1, "a test")}
        both = replace(case({}), measured=self.OURS, baseline=self.THEIRS, differences=surely_better)

        rule = judged({"metric": "recall", "max_regression": 0.05, "confidence": 0.95}, both)

        assert (rule.status, rule.interval) == (MISSING, None)


class TestALimitWithConfidence:
    @pytest.mark.parametrize(
        ("metric", "task_type", "ends", "status"),
        [
            ("accuracy", "classification", (-0.1, 0.5), PASSED),
            ("accuracy", "classification", (-0.11, 0.5), FAILED),
            ("log_loss", "classification", (-0.5, 0.1), PASSED),
            ("log_loss", "classification", (-0.5, 0.11), FAILED),
            ("bias", "regression", (-0.1, 0.1), PASSED),
            ("bias", "regression", (-0.11, 0.1), FAILED),
            ("bias", "regression", (-0.1, 0.11), FAILED),
        ],
    )
    def test_the_unfavourable_end_of_the_difference_must_hold(
        self, metric: str, task_type: str, ends: tuple[float, float], status: RuleStatus
    ) -> None:
        rule = {"metric": metric, "max_regression": 0.1, "confidence": 0.95}

        found = judged(rule, case({metric: 0.5}, {metric: 0.5}, differences={metric: ends}), task_type)

        assert (found.status, found.interval) == (status, Interval(*ends, "a test"))

    def test_how_much_worse_it_may_be_is_told(self) -> None:
        rule = LIMIT | {"confidence": 0.95}
        told = "accuracy is 0.9, and 0.91 in the promoted ver-00001: with 95% confidence {}; worse by 0.1 is allowed."

        def detail(ends: tuple[float, float]) -> str:
            return judged(rule, case({"accuracy": 0.9}, {"accuracy": 0.91}, differences={"accuracy": ends})).detail

        assert detail((-0.03, 0.01)) == told.format("worse by up to 0.03")
        assert detail((0.01, 0.02)) == told.format("no worse")

    @pytest.mark.parametrize("ends", [None, (math.nan, 0), (-math.inf, 0), (0, math.inf)])
    def test_without_a_finite_interval_it_fails_closed(self, ends: tuple[float, float] | None) -> None:
        differences = {} if ends is None else {"accuracy": ends}
        rule = judged(LIMIT | {"confidence": 0.95}, case({"accuracy": 0.9}, {"accuracy": 0.9}, differences=differences))

        assert (rule.status, rule.interval) == (MISSING, None)
        assert rule.detail.endswith("without the 95% interval of the difference that is required.")


class TestWhatIsMissing:
    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("rule", [AT_LEAST, AT_LEAST | {"operator": "<="}, LIMIT])
    def test_includes_what_is_not_finite(self, value: float, rule: dict[str, Any]) -> None:
        found = judged(rule, case({"accuracy": value}, {"accuracy": 0.9}))

        assert (found.status, found.value) == (MISSING, None)
        assert found.detail == "ver-00002 has no accuracy for the split test."

    def test_includes_everything_of_a_version_without_a_snapshot(self) -> None:
        verdict = verdict_on([AT_LEAST, LIMIT], case(None, {"accuracy": 0.9}))

        assert verdict.status is Status.FAILED
        assert {rule.status for rule in verdict.rules} == {MISSING}
        assert verdict.rules[0].detail == "ver-00002 has no metrics for the split test."

    def test_includes_what_the_task_type_does_not_have(self) -> None:
        rules = [{"metric": "rmse", "operator": "<=", "threshold": 5}, {"metric": "rmse", "max_regression": 5}]

        verdict = verdict_on(rules, case({"accuracy": 1.0}, {"accuracy": 1.0}))

        assert [(rule.status, rule.threshold) for rule in verdict.rules] == [(MISSING, 5), (MISSING, None)]


class TestTheVerdict:
    def test_passes_only_when_every_rule_does(self) -> None:
        good, bad, none = AT_LEAST, AT_LEAST | {"metric": "recall"}, AT_LEAST | {"metric": "precision"}
        measured = case({"accuracy": 0.95, "recall": 0.5})

        assert verdict_on([good], measured).status is Status.PASSED
        assert verdict_on([good, bad], measured).status is Status.FAILED
        assert verdict_on([good, none], measured).status is Status.FAILED
        assert not verdict_on([good], measured).refuses
        assert verdict_on([bad], measured).refuses

    def test_says_in_a_sentence_how_it_comes(self) -> None:
        bad = AT_LEAST | {"metric": "recall"}
        measured = case({"accuracy": 0.95, "recall": 0.5})

        assert verdict_on([AT_LEAST], measured).detail == "ver-00002 passes 1 rule."
        assert verdict_on([AT_LEAST, LIMIT], case({"accuracy": 0.95}, promoted=None)).detail.endswith(" 2 rules.")
        told = "ver-00002 fails 1 of 2 rules. recall is 0.5; at least 0.93 is required."
        assert verdict_on([AT_LEAST, bad], measured).detail == told

    def test_without_a_policy_is_neither(self) -> None:
        verdict = judge(None, task_types.get("regression"), case(None), judged_at=NOW)

        assert (verdict.status, verdict.rules, verdict.refuses) == (Status.NO_POLICY, (), False)
        assert verdict.detail == "There is no policy for ver-00002."
        assert verdict.as_document()["policy"] is None

    @pytest.mark.parametrize(
        ("metric", "task_type", "operator", "threshold", "warns"),
        [
            ("accuracy", "classification", "<=", 0.9, True),
            ("accuracy", "classification", "<", 0.9, True),
            ("accuracy", "classification", ">", 0.9, False),
            ("log_loss", "classification", ">=", 0.9, True),
            ("log_loss", "classification", "<", 0.9, False),
            ("sample_count", "classification", "<", 10, True),
            ("custom.cost", "classification", "<", 10, False),
            ("bias", "regression", "<=", 0.5, False),
            ("bias", "regression", ">=", -0.5, False),
            ("bias", "regression", ">=", 0.5, True),
            ("bias", "regression", "<=", -0.5, True),
            ("bias", "regression", "<=", 0, False),
            ("bias", "regression", ">=", 0, False),
        ],
    )
    def test_warns_of_an_operator_that_contradicts_the_direction(
        self, metric: str, task_type: str, operator: str, threshold: float, warns: bool
    ) -> None:
        rule = {"metric": metric, "operator": operator, "threshold": threshold}

        warnings = verdict_on([rule], case({metric: threshold}), task_type).warnings

        assert len(warnings) == int(warns)
        assert all(text.startswith(f"{metric} {operator} {threshold} lets worse values pass: ") for text in warnings)

    def test_of_a_limit_warns_of_nothing(self) -> None:
        assert verdict_on([LIMIT], case({"accuracy": 0.5})).warnings == ()

    def test_is_told_in_the_contracts_form(self) -> None:
        measured = case({"accuracy": 0.91}, {"accuracy": 0.92}, intervals={"accuracy": (0.9, 0.92)})

        document = verdict_on([SURE, LIMIT | {"max_regression": 0.02}], measured).as_document()

        assert list(document) == [
            "model_id",
            "version_id",
            "baseline_version_id",
            "status",
            "rules",
            "judged_at",
            "warnings",
            "policy",
        ]
        told = "accuracy is 0.91, and the lower end of its 95% interval 0.9; at least 0.93 is required."
        assert document["rules"][0] == {
            "metric": "accuracy",
            "operator": ">=",
            "threshold": 0.93,
            "value": 0.91,
            "interval": {"lower": 0.9, "upper": 0.92, "method": "a test", "level": 0.95},
            "baseline_value": None,
            "status": "failed",
            "detail": told,
        }
        assert list(document["rules"][0]) == list(document["rules"][1])
        assert document["rules"][1]["operator"] == ">="
        del document["rules"]
        assert document == {
            "model_id": "mdl-7f3a19bc92",
            "version_id": "ver-00002",
            "baseline_version_id": "ver-00001",
            "status": "failed",
            "judged_at": "2026-03-13T14:22:10Z",
            "warnings": [],
            "policy": {"owner": "model", "version": 3},
        }

    def test_has_no_operator_for_a_limit_that_follows_from_nothing(self) -> None:
        [rule] = verdict_on([LIMIT], case({"accuracy": 0.9}, {})).as_document()["rules"]

        assert (rule["operator"], rule["threshold"], rule["status"]) == (None, None, "missing")

    def test_does_not_depend_on_the_order_of_the_rules(self) -> None:
        rules = [AT_LEAST, LIMIT, {"metric": "recall", "operator": ">", "threshold": 0.5}]
        measured = case({"accuracy": 0.95, "recall": 0.4}, {"accuracy": 0.9})

        for ordered in permutations(rules):
            verdict = verdict_on([*ordered], measured)
            assert verdict.status is Status.FAILED
            assert {rule.metric: rule.status for rule in verdict.rules} == {"accuracy": PASSED, "recall": FAILED}


fractions = st.floats(min_value=0, max_value=1)
GOODNESS = {"accuracy": 1, "log_loss": -1}


@given(
    metric=st.sampled_from(["accuracy", "log_loss"]),
    value=fractions,
    gain=fractions,
    spread=fractions,
    before=fractions,
    limit=fractions,
    sure=st.booleans(),
    relative=st.booleans(),
)
def test_a_better_metric_never_turns_a_pass_into_a_failure(
    metric: str, value: float, gain: float, spread: float, before: float, limit: float, sure: bool, relative: bool
) -> None:
    better = value + GOODNESS[metric] * gain
    assume(0 <= better <= 1)
    more = {"confidence": 0.95} if sure else {}
    operator = ">=" if metric == "accuracy" else "<="
    rules = [
        {"metric": metric, "operator": operator, "threshold": limit, **more},
        {"metric": metric, "max_regression": limit, "relative": relative, **more},
    ]

    def passes(now: float) -> list[bool]:
        ends = {metric: (now - spread, now + spread)}
        apart = {metric: (now - before - spread, now - before + spread)}
        found = verdict_on(rules, case({metric: now}, {metric: before}, intervals=ends, differences=apart))
        return [rule.status is PASSED for rule in found.rules]

    assert all(then or not now for now, then in zip(passes(value), passes(better), strict=True))


@given(value=fractions, before=fractions, limit=fractions, relative=st.booleans())
def test_a_limit_is_kept_exactly_when_the_decimals_say_so(
    value: float, before: float, limit: float, relative: bool
) -> None:
    rule = LIMIT | {"max_regression": limit, "relative": relative}
    now, was, most = (Fraction(repr(number)) for number in (value, before, limit))

    found = judged(rule, case({"accuracy": value}, {"accuracy": before}))

    assert (found.status is PASSED) == (now >= was - most * (was if relative else 1))
