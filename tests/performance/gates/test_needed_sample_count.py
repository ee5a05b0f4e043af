"""A rule that fails for lack of examples says how many are needed."""

import pytest

from performance.gates.measurement import Measurement
from performance.metrics.comparison import MetricValues
from performance.metrics.statistics.intervals import Interval
from tests.performance.gates.cases import FAILED, SURE, between, judge_rule


def test_threshold_that_lacks_examples_says_how_many() -> None:
    interval = Interval(0.90, 0.98, "a test")
    measured = Measurement("ver-00002", MetricValues({"accuracy": 0.95}, {"accuracy": interval}), sample_count=400)

    rule = judge_rule(SURE, between(measured))

    assert (rule.status, rule.needed_sample_count) == (FAILED, 2501)  # the margin is .02, the half width .05
    assert rule.detail.endswith(" About 2501 examples would be needed to decide at this margin.")


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


@pytest.mark.parametrize(("value", "count"), [(0.92, 400), (0.93, 400), (0.95, None)])
def test_needed_sample_count_is_left_out_if_unknown_or_of_no_help(value: float, count: int | None) -> None:
    metrics = MetricValues({"accuracy": value}, {"accuracy": Interval(0.90, 0.98, "a test")})

    rule = judge_rule(SURE, between(Measurement("ver-00002", metrics, sample_count=count)))

    assert (rule.status, rule.needed_sample_count) == (FAILED, None)
    assert "would be needed" not in rule.detail
