"""A rule that fails for lack of examples says how many are needed."""

from typing import Any

import pytest

from performance.gates.measurement import Measurement
from performance.gates.renderers import markdown
from performance.metrics.comparison import MetricValues
from performance.metrics.paired.matrices import RightAlone, accuracy_difference
from performance.metrics.statistics.intervals import Interval
from tests.performance.gates.cases import FAILED, PASSED, SURE, between, judge_rule, judge_rules


def test_threshold_that_lacks_examples_says_how_many() -> None:
    interval = Interval(0.90, 0.98, "a test")
    measured = Measurement("ver-00002", MetricValues({"accuracy": 0.95}, {"accuracy": interval}), sample_count=400)

    rule = judge_rule(SURE, between(measured))

    assert (rule.status, rule.needed_sample_count) == (FAILED, 2501)  # the margin is .02, the half width .05
    text = "About 2,500 examples in all (now 400) would be needed to pass if the value stays 0.95."
    assert rule.detail.endswith(f" is required. {text}")


@pytest.mark.parametrize(("metric", "ends"), [("accuracy", (-0.04, 0.04)), ("log_loss", (-0.04, 0.04))])
def test_limit_that_lacks_examples_says_how_many(metric: str, ends: tuple[float, float]) -> None:
    measured, baseline = (
        Measurement(version, MetricValues({metric: 0.5}, {}), sample_count=100)
        for version in ("ver-00002", "ver-00001")
    )

    rule = judge_rule(
        {"metric": metric, "max_regression": 0.02, "confidence": 0.95},
        between(measured, baseline, differences={metric: ends}),
    )

    assert (rule.status, rule.needed_sample_count) == (FAILED, 401)
    text = "About 400 examples in all (now 100) would be needed to pass if the difference stays the same."
    assert rule.detail.endswith(f" is unknown. {text}")


@pytest.mark.parametrize(("value", "count"), [(0.92, 400), (0.93, 400), (0.95, None)])
def test_needed_sample_count_is_left_out_if_unknown_or_of_no_help(value: float, count: int | None) -> None:
    metrics = MetricValues({"accuracy": value}, {"accuracy": Interval(0.90, 0.98, "a test")})

    rule = judge_rule(SURE, between(Measurement("ver-00002", metrics, sample_count=count)))

    assert (rule.status, rule.needed_sample_count) == (FAILED, None)
    assert "would be needed" not in rule.detail


def measured_with(
    columns: dict[str, str], size: float | None, *, metric: str = "mae", count: int = 600, **options: str
) -> Measurement:
    """Return a measurement of 0.9 within ±0.3, with the effective sample size of clusters."""
    values = {metric: 0.9} | ({} if size is None else {"effective_sample_size": size})
    choices: dict[str, Any] = {"columns": {"actual": "actual", **columns}, **options}
    return Measurement(
        "ver-00002",
        MetricValues(values, {metric: Interval(0.6, 1.2, "a test")}, choices),
        sample_count=count,
    )


@pytest.mark.parametrize(
    ("task_type", "columns", "size", "needed"),
    [
        ("regression", {"group": "patient"}, 30, "About 68 groups of the same size in all (now 30)"),
        ("regression", {"group": "patient"}, 22.5, "About 51 groups of the same size in all (now 22.5, effectively)"),
        ("regression", {"group": "patient"}, None, "About 2.3 times as many groups of the same size"),
        ("forecasting", {"series": "shop"}, 30, "About 68 series of the same size in all (now 30)"),
        ("forecasting", {"series": "shop", "group": "city"}, 30, "About 68 groups of the same size in all (now 30)"),
    ],
)
def test_clusters_need_more_of_them(task_type: str, columns: dict[str, str], size: float | None, needed: str) -> None:
    rule = {"metric": "mae", "operator": "<=", "threshold": 1.1, "confidence": 0.95}

    judged = judge_rule(rule, between(measured_with(columns, size)), task_type)

    unit = needed.split(" of the same size")[0].split()[-1]
    assert judged.needed_sample_count == pytest.approx(600 * 9 / 4, abs=1)
    assert judged.detail.endswith(
        f" {needed} would be needed to pass if the value stays 0.9; more examples of the same {unit} hardly help."
    )


def test_classes_in_groups_need_a_multiple_of_the_groups() -> None:
    """Their effective sample size is a number of examples, so the number of groups is unknown."""
    measured = measured_with({"group": "patient"}, 200, metric="accuracy", averaging="binary")

    judged = judge_rule(SURE | {"threshold": 0.87}, between(measured))

    assert judged.needed_sample_count == pytest.approx(60_000, abs=1)
    assert " About 100 times as many groups of the same size would be needed" in judged.detail


def test_rankings_need_more_queries() -> None:
    rule = {"metric": "ndcg", "operator": ">=", "threshold": 0.8, "confidence": 0.95}

    judged = judge_rule(rule, between(measured_with({"query": "query"}, 600, metric="ndcg")), "ranking")

    assert " About 5,400 queries in all (now 600) would be needed to pass if the value stays 0.9." in judged.detail


def test_number_beyond_reason_is_not_told() -> None:
    measured = measured_with({}, None, metric="accuracy")

    judged = judge_rule(SURE | {"threshold": 0.8999}, between(measured))

    assert judged.needed_sample_count == pytest.approx(600 * (0.3 / 0.0001) ** 2)
    assert judged.detail.endswith(" No realistic number of examples would let it pass if the value stays 0.9.")


@pytest.mark.parametrize(
    ("value", "threshold", "text"),
    [
        (0.9736842105263158, 0.93, "0.974"),
        (0.9304321, 0.93, "0.93043"),
        (0.9999999, 0.9999998, "0.9999999"),
        (0.95, 0.93, "0.95"),
        (0.99756, 0.997, "0.99756"),
        (0.30000000000000004, 0.2, "0.30000000000000004"),
        (12345.678, 12000, "12350"),
        (0.00012345678, 0.0001, "0.000123"),
    ],
)
def test_value_that_must_stay_is_short_and_does_not_look_like_the_threshold(
    value: float, threshold: float, text: str
) -> None:
    metrics = MetricValues(
        {"calinski_harabasz": value}, {"calinski_harabasz": Interval(value - 9 * (value - threshold), 2e4, "a test")}
    )
    rule = {"metric": "calinski_harabasz", "operator": ">=", "threshold": threshold, "confidence": 0.95}

    judged = judge_rule(rule, between(Measurement("ver-00002", metrics, sample_count=400)), "clustering")

    assert judged.detail.endswith(f" if the value stays {text}.")


def test_rounding_of_a_value_does_not_lengthen_the_numbers_of_a_report() -> None:
    metrics = MetricValues({"accuracy": 0.1 + 0.2}, {"accuracy": Interval(0.123456789, 0.4, "a test")})
    judged = between(Measurement("ver-00002", metrics, sample_count=400))

    report = markdown(judge_rules([SURE | {"threshold": 0.25}], judged))

    assert "if the value stays 0.3" in report
    assert "0.123457" in report
    assert "0.30000000000000004" not in report


@pytest.mark.parametrize("differing", [(20, 20), (0, 3), (2, 9), (20, 15)])
def test_limit_on_accuracy_needs_what_its_paired_interval_needs(differing: tuple[int, int]) -> None:
    """As many examples that differ as often have an interval within the limit, and a hundredth fewer have not."""
    count, (better, worse) = 1000, differing
    change = (better - worse) / count
    limit = round(max(-change, 0) + 0.004, 3)

    def judged(times: float) -> Any:
        size = count * times
        interval = accuracy_difference(RightAlone.of_equal_weights(size, better * times, worse * times))
        assert interval is not None
        now, before = (
            Measurement(
                "ver-00002", MetricValues({"accuracy": value, "effective_sample_size": size}, {}), sample_count=count
            )
            for value in (0.9 + change, 0.9)
        )
        given = between(now, before)
        given.promoted.differences = {"accuracy": interval}
        return judge_rule({"metric": "accuracy", "max_regression": limit, "confidence": 0.95}, given)

    failed = judged(1)
    assert failed.status == FAILED
    needed = failed.needed_sample_count

    assert judged(1.001 * needed / count).status == PASSED
    assert judged(0.99 * needed / count).status == FAILED
