"""Intervals of the metrics of regression, and the samples that have none."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import binom

from performance.metrics.inputs.options import Columns, Options
from performance.metrics.tasks import regression
from tests.performance.metrics.augmented import augmented_t, skewness
from tests.performance.metrics.tables import EACH_EVALUATES, evaluate_columns, read_file, write_parquet

SKEWNESS = 0.25  # above it, there is no interval
HAS_ONE = "which has an interval."
USE_OTHERS = "Use `mae` or `median_absolute_error`, which have an interval."


@pytest.mark.parametrize("weighted", [False, True])
def test_intervals_are_of_student_t_with_an_example_added_beyond_the_extremes(tmp_path: Path, weighted: bool) -> None:
    random = np.random.default_rng(7)
    actual = random.normal(50, 3, 400)
    predicted = actual * 0.8 + random.normal(10, 1, 400)
    weight = random.uniform(0.5, 2, 400) if weighted else np.ones(400)

    found = evaluate_columns(
        regression.evaluate, tmp_path, {"actual": actual, "predicted": predicted, "weight": weight}
    )

    error = predicted - actual
    bias = np.average(error, weights=weight)
    spread = (actual - np.average(actual, weights=weight)) ** 2
    expected: dict[str, Any] = {
        "rmse": np.sqrt(augmented_t(error**2, weight, 3)),
        "mae": augmented_t(np.abs(error), weight, 2),
        "mape": augmented_t(np.abs(error) / actual, weight, 2),
        "bias": augmented_t(error, weight, 2, 2),
    }
    for name, unexplained in {"r_squared": error**2, "explained_variance": (error - bias) ** 2}.items():
        of_spread = np.average(spread, weights=weight)
        ratio = np.average(unexplained, weights=weight) / of_spread
        low, high = augmented_t(ratio + (unexplained - ratio * spread) / of_spread, weight, 3, 2)
        expected[name] = (1 - high, 1 - low)
    for name, ends in expected.items():
        interval = found.confidence_intervals[name]
        assert (interval.lower, interval.upper) == pytest.approx(tuple(ends), rel=1e-9), name
        assert interval.method == "augmented_t"
    assert found.effective_sample_size == pytest.approx(weight.sum() ** 2 / (weight**2).sum())


def test_errors_of_one_size_have_an_interval_of_the_bias(tmp_path: Path) -> None:
    columns = {"actual": np.zeros(40), "predicted": np.tile([1.0, -1.0], 20)}

    found = evaluate_columns(regression.evaluate, tmp_path, columns)

    assert found.confidence_intervals["bias"].upper > 0.3
    assert found.intervals_unavailable["mae"].startswith("All examples are alike")


def test_a_sample_that_lacks_the_largest_errors_has_no_interval(tmp_path: Path) -> None:
    """Errors up to the 97% quantile of a lognormal distribution look harmless but for their variation."""
    error = np.exp(1.5 * stats.norm.ppf(np.linspace(0.03, 0.97, 100)))
    scores = error - error.mean()
    assert 16 * stats.skew(scores) ** 2 < 150

    found = evaluate_columns(
        regression.evaluate, tmp_path, {"actual": np.zeros(150), "predicted": np.resize(error, 150)}
    )

    for name in ("mae", "bias"):
        assert "A few of the 150 examples decide" in found.intervals_unavailable[name]


@given(
    errors=st.lists(st.floats(-9, 9).map(lambda each: round(each, 3)), min_size=50, max_size=90),
    exponent=st.integers(1, 5),
)
@EACH_EVALUATES
def test_a_few_large_errors_leave_no_interval(tmp_path: Path, errors: list[float], exponent: int) -> None:
    predicted = np.array(errors) ** exponent
    found = evaluate_columns(regression.evaluate, tmp_path, {"actual": np.zeros(len(errors)), "predicted": predicted})

    count, absolute = len(errors), np.abs(predicted)
    one_sided = abs(predicted.mean()) > absolute.mean() / 2
    for name, scores, losses, least in (
        ("mae", absolute, absolute, 2),
        ("rmse", predicted**2, predicted**2, 1),
        ("bias", predicted, absolute if one_sided else predicted, 2 if one_sided else 0),
    ):
        if np.ptp(scores) < 1e-9:
            assert found.intervals_unavailable[name].startswith("All examples are alike")
            continue
        tail = least * (losses.std(ddof=1) / losses.mean()) ** 3 / math.sqrt(count) if least else 0.0
        apart = [each for each in (scores, losses) if np.ptp(each) >= 1e-9]
        skewed = max([abs(skewness(each, np.ones(count))) for each in apart] + [tail])
        if abs(skewed - SKEWNESS) > 1e-9:
            assert (name in found.confidence_intervals) == (skewed < SKEWNESS), name
        if name in found.intervals_unavailable:
            assert re.match(
                rf"A few of the {count} examples decide the value\. "
                r"(An interval needs at least about [\d,]+ examples|How many examples would be enough .* is unknown)\.",
                found.intervals_unavailable[name],
            )


def test_the_examples_of_a_group_count_as_one(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    of_groups = random.normal(0, 1, 30)
    columns = {"actual": np.zeros(600), "predicted": np.repeat(of_groups, 20), "group": np.repeat(np.arange(30), 20)}

    found = evaluate_columns(regression.evaluate, tmp_path, columns)

    for name, ends in {
        "mae": augmented_t(np.abs(of_groups), np.ones(30), 2),
        "bias": augmented_t(of_groups, np.ones(30), 2, 2),
    }.items():
        interval = found.confidence_intervals[name]
        assert (interval.lower, interval.upper) == pytest.approx(ends), name
    assert (found.sample_count, found.effective_sample_size) == (600, 30)


def test_large_errors_in_equal_groups_leave_no_interval_of_squares(tmp_path: Path) -> None:
    """The groups hardly differ, but their examples do: one in twenty decides."""
    random = np.random.default_rng(3)
    error = random.normal(0, 1, (30, 20))
    columns = {"actual": random.normal(0, 9, 600), "group": np.repeat(np.arange(30), 20)}
    heavy = np.where(np.arange(20) == 7, 6 + random.random((30, 20)), error)

    of_normal, of_heavy = (
        evaluate_columns(regression.evaluate, tmp_path, {**columns, "predicted": columns["actual"] + each.ravel()})
        for each in (error, heavy)
    )

    squares = {"rmse", "r_squared", "explained_variance"}
    assert squares < set(of_normal.confidence_intervals)
    assert not squares & set(of_heavy.confidence_intervals)
    assert "mae" in of_heavy.confidence_intervals
    assert of_heavy.intervals_unavailable["rmse"].startswith("A few examples in the 30 groups decide the value.")


def test_the_interval_of_the_median_is_for_as_many_examples_as_the_groups_are_worth(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    group = np.repeat(np.arange(30), 20)
    error = random.normal(size=30)[group] + random.normal(size=600)

    found = evaluate_columns(
        regression.evaluate, tmp_path, {"actual": np.zeros(600), "predicted": error, "group": group}
    ).confidence_intervals["median_absolute_error"]

    errors = np.sort(np.abs(error))
    sums = np.bincount(group, weights=np.sign(np.abs(error) - np.median(errors)))
    informative = (sums**2).sum() ** 2 / (sums**4).sum()
    effect = (informative * (sums**2).sum() / 600 * 30 / 29 + 0.7 * 20) / (informative + 0.7)
    size = 600 / effect * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 29)) ** 2
    rank = math.floor((size - stats.norm.ppf(0.975) * math.sqrt(size)) / 2) * 600 / size
    assert effect > 2
    assert (found.lower, found.upper) == (errors[math.ceil(rank) - 1], errors[600 - math.ceil(rank)])


def test_fewer_than_ten_groups_have_no_interval(tmp_path: Path) -> None:
    columns = {"actual": range(90), "predicted": np.arange(90) * 1.1, "group": [f"g{at % 9}" for at in range(90)]}

    found = evaluate_columns(regression.evaluate, tmp_path, columns)

    assert not found.confidence_intervals
    assert found.intervals_unavailable["mae"] == "An interval needs at least 10 groups, not 9."


@pytest.mark.parametrize(
    ("rows", "name", "reason"),
    [
        (19, "mae", f"An interval needs at least 20 examples, not 19. Use `median_absolute_error`, {HAS_ONE}"),
        (49, "rmse", f"An interval needs at least 50 examples, not 49. {USE_OTHERS}"),
        (49, "r_squared", f"An interval needs at least 50 examples, not 49. {USE_OTHERS}"),
        (7, "median_absolute_error", "An interval needs at least 8 examples, not 7."),
        (7, "max_error", "A sample bounds the largest error only from below."),
    ],
)
def test_a_metric_without_interval_says_why(tmp_path: Path, rows: int, name: str, reason: str) -> None:
    found = evaluate_columns(regression.evaluate, tmp_path, {"actual": range(rows), "predicted": [1.0] * rows})

    assert found.intervals_unavailable[name] == reason


def test_exact_predictions_have_no_interval_of_zero_width(tmp_path: Path) -> None:
    found = evaluate_columns(regression.evaluate, tmp_path, {"actual": range(100), "predicted": range(100)})

    assert not found.confidence_intervals
    assert set(found.intervals_unavailable) == set(found.metrics)


@given(errors=st.lists(st.integers(-5, 5) | st.floats(-9, 9), min_size=1, max_size=120))
@EACH_EVALUATES
def test_the_median_interval_is_symmetric_in_ranks(tmp_path: Path, errors: list[float]) -> None:
    found = evaluate_columns(regression.evaluate, tmp_path, {"actual": [0.0] * len(errors), "predicted": errors})

    interval = found.confidence_intervals.get("median_absolute_error")
    ordered = np.sort(np.abs(errors))
    # How often the true median is outside follows from tosses of a coin, one for each example.
    outside = [2 * binom.cdf(rank, len(errors), 0.5) for rank in range(len(errors))]
    if interval is None:
        assert len(errors) < 8 or found.intervals_unavailable["median_absolute_error"].startswith("The middle errors")
        return
    assert interval.method == "woodruff"
    close = [rank for rank, share in enumerate(outside) if 0.0015 <= share <= 0.057]
    assert any((interval.lower, interval.upper) == (ordered[rank], ordered[-1 - rank]) for rank in close)


def test_a_median_among_equal_errors_has_no_interval_instead_of_one_without_width(tmp_path: Path) -> None:
    actual = np.arange(200.0)
    columns = {"actual": actual, "predicted": actual + np.where(actual % 5 == 0, 1 + actual, 0)}

    found = evaluate_columns(regression.evaluate, tmp_path, columns)

    assert found.metrics["median_absolute_error"] == 0
    assert "median_absolute_error" not in found.confidence_intervals
    assert found.intervals_unavailable["median_absolute_error"].startswith("The middle errors are all alike")


def test_equal_weights_do_not_change_the_median_interval(tmp_path: Path) -> None:
    random = np.random.default_rng(9)
    columns = {"actual": np.zeros(500), "predicted": random.standard_cauchy(500)}
    found = [
        evaluate_columns(
            regression.evaluate, tmp_path, {**columns, "weight": np.full(500, weight)}
        ).confidence_intervals
        for weight in (1.0, 0.25)
    ]
    plain = evaluate_columns(regression.evaluate, tmp_path, columns).confidence_intervals

    assert [each["median_absolute_error"] for each in found] == [plain["median_absolute_error"]] * 2


def test_the_median_interval_is_wider_with_unequal_weights(tmp_path: Path) -> None:
    random = np.random.default_rng(10)
    columns = {"actual": np.zeros(2000), "predicted": random.normal(0, 1, 2000)}
    weight = np.where(np.arange(2000) % 20, 0.01, 1.0)

    plain = evaluate_columns(regression.evaluate, tmp_path, columns).confidence_intervals["median_absolute_error"]
    weighted = evaluate_columns(regression.evaluate, tmp_path, {**columns, "weight": weight}).confidence_intervals

    assert weighted["median_absolute_error"].upper - weighted["median_absolute_error"].lower > 2 * (
        plain.upper - plain.lower
    )


def test_the_largest_error_has_no_interval(tmp_path: Path) -> None:
    found = evaluate_columns(regression.evaluate, tmp_path, {"actual": [0.0] * 50, "predicted": range(50)})

    assert "max_error" not in found.confidence_intervals


@pytest.mark.parametrize("mean", [1e8, -1e9, 1e12])
def test_intervals_of_large_alike_errors_are_right(tmp_path: Path, mean: float) -> None:
    errors = np.random.default_rng(11).integers(-3, 4, 500) + mean
    found = evaluate_columns(regression.evaluate, tmp_path, {"actual": np.zeros(500), "predicted": errors})

    for name, scores, behind in (("mae", np.abs(errors) - abs(mean), None), ("bias", errors - mean, 2)):
        interval = found.confidence_intervals[name]
        low, high = augmented_t(scores, np.ones(500), 2, behind)
        base = mean if name == "bias" else abs(mean)
        assert interval.upper - interval.lower == pytest.approx(high - low, rel=1e-2), name
        assert (interval.lower, interval.upper) == pytest.approx((base + low, base + high), rel=1e-12), name


def test_errors_with_heavy_tails_name_metrics_that_have_an_interval(tmp_path: Path) -> None:
    error = np.random.default_rng(2).lognormal(0, 2, 300)
    error[0] = 300.0
    columns = {"actual": np.full(300, 50.0), "predicted": 50 + error, "part": np.repeat(["one", "other"], 150)}

    write_parquet(file := tmp_path / "parts.parquet", columns)
    found = regression.evaluate(read_file(file), Columns(slices=["part"]), Options())

    unknown = "How many examples would be enough for an interval is unknown."
    use = "Use `median_absolute_error`, which has an interval."
    for name in ("rmse", "mae", "mape"):
        reason = found.intervals_unavailable[name]
        assert reason == f"A few of the 300 examples decide the value. {unknown} {use}", name
    assert "median_absolute_error" in found.confidence_intervals
    assert found.slices[0].intervals_unavailable["mae"].endswith(unknown)  # a slice has the metrics of the summary


def test_slightly_skewed_errors_say_how_many_are_enough_at_least(tmp_path: Path) -> None:
    errors = stats.t(8).ppf((np.arange(100) + 0.5) / 100)
    tail = (np.std(errors**2, ddof=1) / np.mean(errors**2)) ** 3 / 10
    enough = 100 * (max(skewness(errors**2, np.ones(100)), tail) / SKEWNESS) ** 2

    found = evaluate_columns(regression.evaluate, tmp_path, {"actual": np.zeros(100), "predicted": errors})

    least = math.ceil(enough / 10) * 10  # two digits
    assert 100 < enough < 300
    assert found.intervals_unavailable["rmse"] == (
        f"A few of the 100 examples decide the value. An interval needs at least about {least} examples. {USE_OTHERS}"
    )
