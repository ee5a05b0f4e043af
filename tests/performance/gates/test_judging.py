"""Verdicts: which rules pass, fail or are missing, and what holds for every verdict."""

import math
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models_registry import task_types
from performance.gates.gate_input import RuleStatus
from performance.gates.measurement import Measurement
from performance.gates.verdict import Status, judge
from performance.metrics.comparison import MetricValues, known_options
from performance.metrics.statistics.intervals import Interval
from tests.performance.gates.cases import NOW, between, gate_input, judge_rule, judge_rules

AT_LEAST = {"metric": "accuracy", "operator": ">=", "threshold": 0.93}
SURE = AT_LEAST | {"confidence": 0.95}
LIMIT = {"metric": "accuracy", "max_regression": 0.1}
PASSED, FAILED, MISSING = RuleStatus
UNSAID: dict[str, Any] = {
    "source": "computed",
    "sample_count": None,
    "evaluated_at": None,
    "dataset": {"name": None, "version": None, "digest": None},
    "evaluation_options": {},
    "warnings": [],
}
UNKNOWN = " Whether both were measured on the same examples is unknown."


def known(values: dict[str, float], positive_class: str | None, averaging: str | None) -> MetricValues:
    """Return values of an evaluation that says its positive class and averaging, if they are not `None`."""
    return MetricValues(values, {}, known_options({}, positive_class, averaging))


class TestThreshold:
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
    def test_includes_the_bound_or_not_by_its_operator(self, operator: str, value: float, status: RuleStatus) -> None:
        assert judge_rule(AT_LEAST | {"operator": operator}, gate_input({"accuracy": value})).status is status

    def test_failure_is_reported_with_both_numbers(self) -> None:
        rule = judge_rule(AT_LEAST, gate_input({"accuracy": 0.91}))

        assert (rule.metric, rule.operator, rule.threshold, rule.value) == ("accuracy", ">=", 0.93, 0.91)
        assert (rule.interval, rule.baseline_value) == (None, None)
        assert rule.detail == "accuracy is 0.91; at least 0.93 is required."

    @pytest.mark.parametrize(
        ("operator", "words"), [(">", "more than"), ("<=", "at most"), ("<", "less than"), (">=", "at least")]
    )
    def test_operator_is_reported_in_words(self, operator: str, words: str) -> None:
        rule = {"metric": "sample_count", "operator": operator, "threshold": 1000}

        assert (
            judge_rule(rule, gate_input({"sample_count": 990})).detail
            == f"sample_count is 990; {words} 1000 is required."
        )

    @pytest.mark.parametrize("name", ["custom.cost", "per_class.a cat.recall", "specificity", "sample_count"])
    def test_may_use_any_number_of_a_snapshot(self, name: str) -> None:
        rule = {"metric": name, "operator": ">", "threshold": 0.5}

        assert judge_rule(rule, gate_input({name: 0.75})).status is PASSED
        assert judge_rule(rule, gate_input({name: 0.25})).status is FAILED
        assert judge_rule(rule, gate_input({"accuracy": 0.75})).status is MISSING


class TestThresholdWithConfidence:
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
    def test_unfavourable_end_of_the_interval_must_be_within_the_bound(
        self, operator: str, ends: tuple[float, float], status: RuleStatus
    ) -> None:
        rule = judge_rule(SURE | {"operator": operator}, gate_input({"accuracy": 0.93}, intervals={"accuracy": ends}))

        assert rule.status is status
        assert rule.interval == Interval(*ends, "a test")

    def test_value_and_end_of_the_interval_are_reported(self) -> None:
        low = judge_rule(SURE, gate_input({"accuracy": 0.95}, intervals={"accuracy": (0.92, 0.97)}))
        high = judge_rule(
            SURE | {"operator": "<"}, gate_input({"accuracy": 0.95}, intervals={"accuracy": (0.92, 0.97)})
        )

        text = "accuracy is 0.95, and the {} end of its 95% interval {}; {} 0.93 is required."
        assert low.detail == text.format("lower", 0.92, "at least")
        assert high.detail == text.format("upper", 0.97, "less than")

    @pytest.mark.parametrize("ends", [None, (math.nan, 0.99), (0.95, math.inf), (-math.inf, 0.99)])
    def test_without_a_finite_interval_it_fails_closed(self, ends: tuple[float, float] | None) -> None:
        rule = judge_rule(SURE, gate_input({"accuracy": 0.99}, intervals={} if ends is None else {"accuracy": ends}))

        assert (rule.status, rule.interval, rule.value) == (MISSING, None, 0.99)
        assert rule.detail == "accuracy is 0.99, without the 95% interval that is required."

    def test_interval_of_another_level_does_not_count(self) -> None:
        wide = {"accuracy": Interval(0.95, 0.99, "a test", level=0.5)}

        assert (
            judge_rule(SURE, between(Measurement("ver-00002", MetricValues({"accuracy": 0.97}, wide)))).status
            is MISSING
        )


class TestRegression:
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
    def test_decimals_count_as_they_are_written(
        self, limit: float, before: float, value: float, status: RuleStatus
    ) -> None:
        rule = judge_rule(LIMIT | {"max_regression": limit}, gate_input({"accuracy": value}, {"accuracy": before}))

        assert rule.status is status

    def test_metric_that_is_better_lower_is_limited_upwards(self) -> None:
        rule = {"metric": "log_loss", "max_regression": 0.01}

        kept = judge_rule(rule, gate_input({"log_loss": 0.15}, {"log_loss": 0.14}))
        broken = judge_rule(rule, gate_input({"log_loss": 0.16}, {"log_loss": 0.14}))
        better = judge_rule(rule, gate_input({"log_loss": 0.1}, {"log_loss": 0.14}))

        assert [each.status for each in (kept, broken, better)] == [PASSED, FAILED, PASSED]
        assert (broken.operator, broken.threshold, broken.value, broken.baseline_value) == ("<=", 0.15, 0.16, 0.14)
        text = "log_loss is {}, and 0.14 in the promoted ver-00001: {}; worse by 0.01 is allowed." + UNKNOWN
        assert broken.detail == text.format(0.16, "worse by 0.02")
        assert better.detail == text.format(0.1, "no worse")

    def test_metric_that_is_best_at_zero_is_limited_by_magnitude(self) -> None:
        rule = {"metric": "bias", "max_regression": 0.5}

        def status(value: float, before: float) -> RuleStatus:
            return judge_rule(rule, gate_input({"bias": value}, {"bias": before}), "regression").status

        assert [status(-2.5, 2), status(2.5, -2), status(-2.75, 2), status(1, -2)] == [PASSED, PASSED, FAILED, PASSED]

    @pytest.mark.parametrize("before", [2, -2])
    @pytest.mark.parametrize(
        ("value", "bound"), [(1, ("<=", 2.5)), (2.75, ("<=", 2.5)), (-1, (">=", -2.5)), (-2.75, (">=", -2.5))]
    )
    def test_metric_that_is_best_at_zero_has_a_threshold_on_its_side(
        self, before: float, value: float, bound: tuple[str, float]
    ) -> None:
        rule = {"metric": "bias", "max_regression": 0.5}

        found = judge_rule(rule, gate_input({"bias": value}, {"bias": before}), "regression")

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
    def test_limit_may_be_a_fraction_of_the_promoted_value(
        self, metric: str, before: float, value: float, status: RuleStatus, bound: float
    ) -> None:
        rule = {"metric": metric, "max_regression": 0.1, "relative": True}

        found = judge_rule(rule, gate_input({metric: value}, {metric: before}))

        assert (found.status, found.threshold) == (status, bound)

    def test_first_promotion_passes(self) -> None:
        rule = judge_rule(LIMIT, gate_input({"accuracy": 0.1}, promoted=None))

        assert (rule.status, rule.threshold, rule.operator) == (PASSED, None, None)
        assert rule.detail == "accuracy is 0.1, and no version was promoted before to compare it with."
        assert judge_rule(LIMIT, gate_input({}, promoted=None)).status is MISSING

    @pytest.mark.parametrize("baseline", [None, {}, {"accuracy": math.nan}, {"log_loss": 0.1}])
    def test_fails_closed_when_the_promoted_version_was_not_measured(self, baseline: Any) -> None:
        rule = judge_rule(LIMIT, gate_input({"accuracy": 0.99}, baseline))

        assert (rule.status, rule.baseline_value) == (MISSING, None)
        what = "metrics" if baseline is None else "accuracy"
        assert rule.detail == f"The promoted ver-00001 has no {what} for the split test."

    def test_limit_beyond_a_double_is_judged(self) -> None:
        rule = {"metric": "log_loss", "max_regression": 1e308, "relative": True}

        found = judge_rule(rule, gate_input({"log_loss": 1e308}, {"log_loss": 1e308}))

        assert (found.status, found.threshold) == (PASSED, None)
        assert found.detail.endswith("worse by more than a double can hold is allowed." + UNKNOWN)


class TestLimitsBetweenDifferentAveraging:
    """A metric can be made to look better by another positive class, or another averaging."""

    OURS = known({"recall": 0.99, "accuracy": 0.9, "per_class.no.recall": 0.9}, "no", "binary")
    THEIRS = known({"recall": 0.9, "accuracy": 0.9, "per_class.no.recall": 0.9}, "yes", "binary")

    def status(self, metric: str, ours: MetricValues, theirs: MetricValues) -> RuleStatus:
        both = between(Measurement("ver-00002", ours), Measurement("ver-00001", theirs))
        return judge_rule({"metric": metric, "max_regression": 0.05}, both).status

    def test_rule_is_missing_and_names_both(self) -> None:
        both = between(Measurement("ver-00002", self.OURS), Measurement("ver-00001", self.THEIRS))

        rule = judge_rule({"metric": "recall", "max_regression": 0.05}, both)

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
    def test_metric_that_depends_on_averaging_is_missing(self, metric: str, ours: Any, theirs: Any) -> None:
        newer, older = (known({metric: 0.5}, *choice) for choice in (ours, theirs))

        assert self.status(metric, newer, older) is MISSING
        assert self.status(metric, newer, newer) is PASSED

    @pytest.mark.parametrize("choice", [(None, None), ("yes", None), (None, "binary")])
    def test_unknown_averaging_is_judged(self, choice: Any) -> None:
        assert self.status("recall", self.OURS, known({"recall": 0.99}, None, None)) is PASSED
        assert self.status("recall", known({"recall": 0.99}, *choice), self.THEIRS) is PASSED

    @pytest.mark.parametrize("metric", ["accuracy", "per_class.no.recall"])
    def test_metric_that_does_not_depend_on_averaging_is_judged(self, metric: str) -> None:
        assert self.status(metric, self.OURS, self.THEIRS) is PASSED

    def test_rule_with_confidence_is_missing_too(self) -> None:
        surely_better = {"recall": (0.05, 0.1)}
        measured, before = Measurement("ver-00002", self.OURS), Measurement("ver-00001", self.THEIRS)
        both = between(measured, before, differences=surely_better)

        rule = judge_rule({"metric": "recall", "max_regression": 0.05, "confidence": 0.95}, both)

        assert (rule.status, rule.interval) == (MISSING, None)


def of(options: dict[str, Any] | None = None, **facts: Any) -> Measurement:
    """Return what was measured of the judged version."""
    metrics = MetricValues({"accuracy": 0.95, "recall": 0.9}, {}, options or {})
    return Measurement("ver-00002", metrics, **facts)


def before(options: dict[str, Any] | None = None, **facts: Any) -> Measurement:
    return replace(of(options, **facts), version_id="ver-00001")


class TestRequirements:
    """A snapshot that does not meet the policy's requirements is not used, whatever its values are."""

    RULES = [AT_LEAST, {"metric": "recall", "max_regression": 0.05}]

    def details(self, measured: Measurement, baseline: Measurement, **required: Any) -> list[str]:
        """Return the detail of each rule that is missing, and an empty text for each other one."""
        verdict = judge_rules(self.RULES, between(measured, baseline), **required)
        assert verdict.refuses == any(rule.status is MISSING for rule in verdict.rules)
        return [rule.detail if rule.status is MISSING else "" for rule in verdict.rules]

    def test_pinned_option_must_be_known_and_equal(self) -> None:
        pins = {"evaluation": {"threshold": 0.5}}
        asked = "the policy asks for an evaluation at the threshold 0.5."

        assert self.details(of({"threshold": 0.5}), before({"threshold": 0.5}), **pins) == ["", ""]
        other = f"ver-00002 was evaluated at the threshold 0.4, and {asked}"
        assert self.details(of({"threshold": 0.4}), before({"threshold": 0.5}), **pins) == [other, other]
        none = f"ver-00002 was evaluated without a threshold, and {asked}"
        assert self.details(of({"threshold": None}), before({"threshold": 0.5}), **pins) == [none, none]
        unknown = f"The threshold of the evaluation of ver-00002 is unknown, and {asked}"
        assert self.details(of(), before({"threshold": 0.5}), **pins) == [unknown, unknown]
        of_baseline = f"the promoted ver-00001 was evaluated at the threshold 0.4, and {asked}"
        assert self.details(of({"threshold": 0.5}), before({"threshold": 0.4}), **pins) == ["", of_baseline]

    def test_pin_of_another_task_type_does_not_count(self) -> None:
        assert self.details(of(), before(), evaluation={"k": 10}) == ["", ""]

    def test_source_must_be_that_of_the_policy(self) -> None:
        text = "The metrics of {} are reported, and the policy asks for computed ones."
        ours, theirs = text.format("ver-00002"), text.format("the promoted ver-00001")

        assert self.details(of(source="reported"), before(), source="computed") == [ours, ours]
        assert self.details(of(), before(source="reported"), source="computed") == ["", theirs]
        assert self.details(of(source="reported"), before(source="imported")) == ["", ""]

    def test_only_the_judged_version_may_be_too_old(self) -> None:
        month, more = NOW - timedelta(days=30), NOW - timedelta(days=30, seconds=1)
        asked = "the policy asks for an evaluation of the last 30 days."
        text = f"ver-00002 was evaluated at 2026-02-11T14:22:09Z, and {asked}"

        assert self.details(of(evaluated_at=month), before(evaluated_at=more), max_age_days=30) == ["", ""]
        assert self.details(of(evaluated_at=more), before(), max_age_days=30) == [text, text]
        assert all("unknown" in detail for detail in self.details(of(), before(), max_age_days=30))

    @pytest.mark.parametrize(
        ("ours", "theirs", "same", "words"),
        [
            ("aa", "aa", True, "Both were measured on the same examples."),
            ("aa", "bb", False, "They were measured on different examples."),
            ("aa", None, None, "Whether both were measured on the same examples is unknown."),
            (None, None, None, "Whether both were measured on the same examples is unknown."),
        ],
    )
    def test_limit_says_whether_the_examples_are_the_same(
        self, ours: str | None, theirs: str | None, same: bool | None, words: str
    ) -> None:
        measured, baseline = of(digest=ours), before(digest=theirs)

        free = judge_rules(self.RULES, between(measured, baseline)).rules[1]
        bound = judge_rules(self.RULES, between(measured, baseline), same_dataset=True).rules

        assert (free.status, free.same_dataset) == (PASSED, same)
        assert free.detail.endswith(words)
        assert [rule.status for rule in bound] == [PASSED, PASSED if same else MISSING]
        assert same or "ver-00002 was evaluated on" in bound[1].detail


class TestOptions:
    @pytest.mark.parametrize("ours", [0.4, None])
    def test_metric_of_decisions_is_not_compared_at_another_threshold(self, ours: float | None) -> None:
        both = between(of({"threshold": ours}), before({"threshold": 0.5}))

        rule = judge_rule({"metric": "accuracy", "max_regression": 0.05}, both)

        assert rule.status is MISSING
        way = "without a threshold" if ours is None else "at the threshold 0.4"
        assert rule.detail == (
            f"accuracy of ver-00002 is computed {way}, and that of the promoted ver-00001 at the threshold 0.5: they "
            "are not comparable."
        )

    def test_k_matters_to_metrics_at_k(self) -> None:
        metrics = {"recall_at_k": 0.9, "ndcg": 0.9}
        ours, theirs = (
            Measurement(version, MetricValues(metrics, {}, {"k": k}))
            for version, k in (("ver-00002", 20), ("ver-00001", 3))
        )
        rules = [{"metric": name, "max_regression": 0.05} for name in metrics]

        verdict = judge_rules(rules, between(ours, theirs), "ranking")

        assert [rule.status for rule in verdict.rules] == [MISSING, PASSED]


class TestNeededSampleCount:
    def test_threshold_that_lacks_examples_says_how_many(self) -> None:
        interval = Interval(0.90, 0.98, "a test")
        measured = Measurement("ver-00002", MetricValues({"accuracy": 0.95}, {"accuracy": interval}), sample_count=400)

        rule = judge_rule(SURE, between(measured))

        assert (rule.status, rule.needed_sample_count) == (FAILED, 2501)  # the margin is .02, the half width .05
        assert rule.detail.endswith(" About 2501 examples would be needed to decide at this margin.")

    @pytest.mark.parametrize(("value", "count"), [(0.92, 400), (0.93, 400), (0.95, None)])
    def test_it_is_not_said_if_it_is_unknown_or_would_not_help(self, value: float, count: int | None) -> None:
        metrics = MetricValues({"accuracy": value}, {"accuracy": Interval(0.90, 0.98, "a test")})

        rule = judge_rule(SURE, between(Measurement("ver-00002", metrics, sample_count=count)))

        assert (rule.status, rule.needed_sample_count) == (FAILED, None)
        assert "would be needed" not in rule.detail

    @pytest.mark.parametrize(("metric", "ends"), [("accuracy", (-0.04, 0.04)), ("log_loss", (-0.04, 0.04))])
    def test_limit_that_lacks_examples_says_how_many(self, metric: str, ends: tuple[float, float]) -> None:
        measured, baseline = (
            Measurement(version, MetricValues({metric: 0.5}, {}), sample_count=100)
            for version in ("ver-00002", "ver-00001")
        )

        rule = judge_rule(
            {"metric": metric, "max_regression": 0.02, "confidence": 0.95},
            between(measured, baseline, differences={metric: ends}),
        )

        assert (rule.status, rule.needed_sample_count) == (FAILED, 401)

    def test_reasons_of_what_is_missing_are_given(self) -> None:
        reasons = {"roc_auc": "There is only one class.", "accuracy": "Too few groups."}
        measured = Measurement("ver-00002", MetricValues({"accuracy": 0.95}, {}, {}, reasons))

        rules = judge_rules([SURE, AT_LEAST | {"metric": "roc_auc"}], between(measured)).rules

        assert rules[0].detail.endswith("without the 95% interval that is required. Too few groups.")
        assert rules[1].detail == "ver-00002 has no roc_auc for the split test. There is only one class."


class TestRegressionWithConfidence:
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
    def test_unfavourable_end_of_the_difference_must_be_within_the_limit(
        self, metric: str, task_type: str, ends: tuple[float, float], status: RuleStatus
    ) -> None:
        rule = {"metric": metric, "max_regression": 0.1, "confidence": 0.95}

        found = judge_rule(rule, gate_input({metric: 0.5}, {metric: 0.5}, differences={metric: ends}), task_type)

        assert (found.status, found.interval) == (status, Interval(*ends, "a test"))

    def test_largest_regression_is_reported(self) -> None:
        rule = LIMIT | {"confidence": 0.95}
        text = (
            "accuracy is 0.9, and 0.91 in the promoted ver-00001: with 95% confidence {}; worse by 0.1 is allowed."
            + UNKNOWN
        )

        def detail(ends: tuple[float, float]) -> str:
            return judge_rule(
                rule, gate_input({"accuracy": 0.9}, {"accuracy": 0.91}, differences={"accuracy": ends})
            ).detail

        assert detail((-0.03, 0.01)) == text.format("worse by up to 0.03")
        assert detail((0.01, 0.02)) == text.format("no worse")

    @pytest.mark.parametrize("ends", [None, (math.nan, 0), (-math.inf, 0), (0, math.inf)])
    def test_without_a_finite_interval_it_fails_closed(self, ends: tuple[float, float] | None) -> None:
        differences = {} if ends is None else {"accuracy": ends}
        rule = judge_rule(
            LIMIT | {"confidence": 0.95}, gate_input({"accuracy": 0.9}, {"accuracy": 0.9}, differences=differences)
        )

        assert (rule.status, rule.interval) == (MISSING, None)
        assert rule.detail.endswith("without the 95% interval of the difference that is required.")


class TestMissingValues:
    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("rule", [AT_LEAST, AT_LEAST | {"operator": "<="}, LIMIT])
    def test_value_that_is_not_finite_is_missing(self, value: float, rule: dict[str, Any]) -> None:
        found = judge_rule(rule, gate_input({"accuracy": value}, {"accuracy": 0.9}))

        assert (found.status, found.value) == (MISSING, None)
        assert found.detail == "ver-00002 has no accuracy for the split test."

    def test_every_value_of_a_version_without_snapshot_is_missing(self) -> None:
        verdict = judge_rules([AT_LEAST, LIMIT], gate_input(None, {"accuracy": 0.9}))

        assert verdict.status is Status.FAILED
        assert {rule.status for rule in verdict.rules} == {MISSING}
        assert verdict.rules[0].detail == "ver-00002 has no metrics for the split test."

    def test_metric_of_another_task_type_is_missing(self) -> None:
        rules = [{"metric": "rmse", "operator": "<=", "threshold": 5}, {"metric": "rmse", "max_regression": 5}]

        verdict = judge_rules(rules, gate_input({"accuracy": 1.0}, {"accuracy": 1.0}))

        assert [(rule.status, rule.threshold) for rule in verdict.rules] == [(MISSING, 5), (MISSING, None)]


class TestVerdict:
    def test_passes_only_when_every_rule_does(self) -> None:
        good, bad, none = AT_LEAST, AT_LEAST | {"metric": "recall"}, AT_LEAST | {"metric": "precision"}
        measured = gate_input({"accuracy": 0.95, "recall": 0.5})

        assert judge_rules([good], measured).status is Status.PASSED
        assert judge_rules([good, bad], measured).status is Status.FAILED
        assert judge_rules([good, none], measured).status is Status.FAILED
        assert not judge_rules([good], measured).refuses
        assert judge_rules([bad], measured).refuses

    def test_detail_is_a_sentence_with_the_first_reason(self) -> None:
        bad = AT_LEAST | {"metric": "recall"}
        measured = gate_input({"accuracy": 0.95, "recall": 0.5})

        assert judge_rules([AT_LEAST], measured).detail == "ver-00002 passes 1 rule."
        assert judge_rules([AT_LEAST, LIMIT], gate_input({"accuracy": 0.95}, promoted=None)).detail.endswith(
            " 2 rules."
        )
        text = "ver-00002 fails 1 of 2 rules. recall is 0.5; at least 0.93 is required."
        assert judge_rules([AT_LEAST, bad], measured).detail == text

    def test_without_policy_is_neither_passed_nor_failed(self) -> None:
        verdict = judge(None, task_types.get("regression"), gate_input(None), judged_at=NOW)

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

        warnings = judge_rules([rule], gate_input({metric: threshold}), task_type).warnings

        assert len(warnings) == int(warns)
        assert all(text.startswith(f"{metric} {operator} {threshold} lets worse values pass: ") for text in warnings)

    def test_limit_on_regression_has_no_warning(self) -> None:
        assert judge_rules([LIMIT], gate_input({"accuracy": 0.5})).warnings == ()

    def test_document_has_the_form_of_the_contract(self) -> None:
        measured = gate_input({"accuracy": 0.91}, {"accuracy": 0.92}, intervals={"accuracy": (0.9, 0.92)})

        document = judge_rules([SURE, LIMIT | {"max_regression": 0.02}], measured).as_document()

        assert list(document) == [
            "model_id",
            "version_id",
            "baseline_version_id",
            "status",
            "rules",
            "judged_at",
            "warnings",
            "policy",
            "candidate",
            "baselines",
        ]
        text = "accuracy is 0.91, and the lower end of its 95% interval 0.9; at least 0.93 is required."
        assert document["rules"][0] == {
            "metric": "accuracy",
            "operator": ">=",
            "threshold": 0.93,
            "value": 0.91,
            "interval": {"lower": 0.9, "upper": 0.92, "method": "a test", "level": 0.95},
            "baseline_value": None,
            "status": "failed",
            "detail": text,
            "baseline_version_id": None,
            "same_dataset": None,
            "needed_sample_count": None,
        }
        assert list(document["rules"][0]) == list(document["rules"][1])
        assert document["rules"][1]["operator"] == ">="
        assert document | {"rules": []} == {
            "rules": [],
            "model_id": "mdl-7f3a19bc92",
            "version_id": "ver-00002",
            "baseline_version_id": "ver-00001",
            "status": "failed",
            "judged_at": "2026-03-13T14:22:10Z",
            "warnings": [],
            "policy": {"owner": "model", "version": 3},
            "candidate": UNSAID | {"version_id": "ver-00002"},
            "baselines": [UNSAID | {"version_id": "ver-00001"}],
        }

    def test_limit_without_baseline_has_no_operator(self) -> None:
        [rule] = judge_rules([LIMIT], gate_input({"accuracy": 0.9}, {})).as_document()["rules"]

        assert (rule["operator"], rule["threshold"], rule["status"]) == (None, None, "missing")

    def test_does_not_depend_on_the_order_of_the_rules(self) -> None:
        rules = [AT_LEAST, LIMIT, {"metric": "recall", "operator": ">", "threshold": 0.5}]
        measured = gate_input({"accuracy": 0.95, "recall": 0.4}, {"accuracy": 0.9})

        for ordered in permutations(rules):
            verdict = judge_rules([*ordered], measured)
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
        found = judge_rules(rules, gate_input({metric: now}, {metric: before}, intervals=ends, differences=apart))
        return [rule.status is PASSED for rule in found.rules]

    assert all(then or not now for now, then in zip(passes(value), passes(better), strict=True))


@given(value=fractions, before=fractions, limit=fractions, relative=st.booleans())
def test_a_limit_is_exact_in_decimals(value: float, before: float, limit: float, relative: bool) -> None:
    rule = LIMIT | {"max_regression": limit, "relative": relative}
    now, was, most = (Fraction(repr(number)) for number in (value, before, limit))

    found = judge_rule(rule, gate_input({"accuracy": value}, {"accuracy": before}))

    assert (found.status is PASSED) == (now >= was - most * (was if relative else 1))
