"""Intervals, compared with statsmodels, from predictions to ends.

statsmodels has no intervals of F1, of balanced accuracy, of Matthews' correlation (simulated) and of average precision,
and none for weighted samples or groups: those are compared with first principles and with simulations, in
`test_confusion.py`, `test_roc.py`, `test_regression.py` and `test_coverage.py`.
"""

import warnings
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.nonparametric import rank_compare_2indep
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint, proportions_ztest
from statsmodels.stats.weightstats import DescrStatsW

from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.differences import independent_interval
from performance.metrics.statistics.intervals import Interval, score_interval, wilson
from performance.metrics.statistics.simultaneous import worst_interval
from performance.metrics.tasks import classification, ranking, regression
from tests.performance.metrics.areas import ranked
from tests.performance.metrics.tables import evaluate_columns

PROPERTY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
LEVELS = st.sampled_from([0.8, 0.95, 0.99, 0.999])
Z = stats.norm.ppf(0.975)


def ends(interval: Interval | None) -> tuple[float, float]:
    assert interval is not None
    return interval.lower, interval.upper


def close(expected: Any, within: float = 1e-9) -> Any:
    return pytest.approx(tuple(expected), rel=within, abs=within)


# Proportions


@given(share=st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, 1), size=st.floats(0.5, 1e9), level=LEVELS)
def test_score_intervals_are_those_of_statsmodels(share: float, size: float, level: float) -> None:
    """The size may be a fraction, as that of a weighted sample."""
    expected = proportion_confint(share * size, size, alpha=1 - level, method="wilson")

    assert ends(score_interval(share, size, level)) == close(expected)


@given(size=st.integers(1, 500), right=st.integers(0, 500), level=LEVELS)
def test_an_end_near_0_or_1_is_that_of_few_successes_of_poisson(size: int, right: int, level: float) -> None:
    """Brown, Cai & DasGupta (2001) take half the 5% quantile of chi-squared with two degrees for each success."""
    assume(right <= size)

    def bound(count: int) -> float:
        if count > max(2, min(4, size / 3)):
            return 1.0
        return float(stats.chi2.ppf(1 - level, 2 * count) / 2 / size) if count else 0.0

    low, high = proportion_confint(right, size, alpha=1 - level, method="wilson")
    expected = min(low, bound(right)), max(high, 1 - bound(size - right))
    assert ends(wilson(right / size, size, level)) == close(expected)


@given(cells=st.lists(st.integers(5, 60), min_size=4, max_size=4))
@PROPERTY
@pytest.mark.usefixtures("few_draws")
def test_shares_of_predictions_have_the_intervals_of_statsmodels(tmp_path: Path, cells: list[int]) -> None:
    pairs = [pair for pair, count in zip([(0, 0), (0, 1), (1, 0), (1, 1)], cells, strict=True) for _ in range(count)]
    actual, predicted = map(list, zip(*pairs, strict=True))

    found = evaluate_columns(classification.evaluate, tmp_path, {"actual": actual, "predicted": predicted})

    true_negative, false_positive, false_negative, true_positive = cells
    expected = {
        "accuracy": (true_negative + true_positive, sum(cells)),
        "precision": (true_positive, true_positive + false_positive),
        "recall": (true_positive, true_positive + false_negative),
        "specificity": (true_negative, true_negative + false_positive),
    }
    for name, (right, size) in expected.items():
        assert ends(found.confidence_intervals[name]) == close(proportion_confint(right, size, method="wilson")), name


COUNTS = st.tuples(st.integers(10, 300), st.integers(10, 300))  # right and wrong: neither are few


@given(one=COUNTS, other=COUNTS)
def test_the_difference_of_two_samples_is_that_of_newcombe_in_statsmodels(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    sizes, shares = (sum(one), sum(other)), (one[0] / sum(one), other[0] / sum(other))

    found = independent_interval(shares[0], wilson(shares[0], sizes[0]), shares[1], wilson(shares[1], sizes[1]))

    expected = confint_proportions_2indep(one[0], sizes[0], other[0], sizes[1], method="newcomb", compare="diff")
    assert ends(found) == close(expected)


@given(counts=st.lists(COUNTS, min_size=1, max_size=8), bound=st.floats(0.01, 0.99))
def test_the_end_of_the_worst_is_where_holms_procedure_of_statsmodels_stops(
    counts: list[tuple[int, int]], bound: float
) -> None:
    """Each share has a one-sided score test at 2.5%. All are above the bound if and only if it is below the end."""
    estimates = [(right / (right + wrong), wilson(right / (right + wrong), right + wrong)) for right, wrong in counts]
    known = [(value, interval) for value, interval in estimates if interval is not None]

    end = worst_interval(known, is_greatest=False, lower=0.0, upper=1.0)[0].lower

    assume(abs(end - bound) > 1e-9)
    tests = [proportions_ztest(right, right + wrong, bound, "larger", prop_var=bound) for right, wrong in counts]
    rejected, *_ = multipletests([p_value for _, p_value in tests], alpha=0.025, method="holm")
    assert bool(rejected.all()) == (bound < end)


# Ranks


@st.composite
def two_classes(draw: st.DrawFn) -> tuple[Any, Any]:
    """Classes and scores with many ties, at least two of each class."""
    actual = [0, 0, 1, 1, *draw(st.lists(st.integers(0, 1), max_size=60))]
    scores = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1)
    return np.array(actual), np.array(draw(st.lists(scores, min_size=len(actual), max_size=len(actual))))


def rank_test(actual: Any, score: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # if all pairs are alike, the test statistic is undefined
        return rank_compare_2indep(score[actual == 1], score[actual == 0])


@given(drawn=two_classes())
@PROPERTY
def test_roc_auc_and_its_interval_follow_from_the_rank_test_of_statsmodels(
    tmp_path: Path, drawn: tuple[Any, Any]
) -> None:
    """Brunner and Munzel's variance is DeLong's. Newcombe's ends are found for as many examples as it is worth."""
    actual, score = drawn
    theirs = rank_test(actual, score)

    columns = {"actual": actual, "predicted": actual, "score": score}
    found = evaluate_columns(classification.evaluate, tmp_path, columns)

    area, sizes = float(theirs.prob1), (int((actual == 1).sum()), int((actual == 0).sum()))
    assert found.metrics["roc_auc"] == pytest.approx(area, rel=1e-9, abs=1e-12)
    variance = theirs.var1 / sizes[0] + theirs.var2 / sizes[1]
    expected = hanley_mcneil(area, *sizes)
    ratio = (min(sizes) * (variance / expected if expected else 1) + 20) / (min(sizes) + 20)
    assert ends(found.confidence_intervals["roc_auc"]) == close(newcombe(area, *(size / ratio for size in sizes)), 1e-6)


def hanley_mcneil(area: float, positives: float, negatives: float) -> float:
    """Return the variance of an area with both classes of mean size: Newcombe (2006), method 5."""
    middle = (positives + negatives) / 2 - 1
    of_pairs = 1 + max(middle, 0) * ((1 - area) / (2 - area) + area / (1 + area))
    return area * (1 - area) * of_pairs / (positives * negatives)


def newcombe(area: float, positives: float, negatives: float) -> tuple[float, float]:
    """Return the areas from which the estimate is as far as the quantile of the normal distribution says."""

    def apart(other: float) -> float:
        return (other - area) ** 2 - float(Z) ** 2 * hanley_mcneil(other, positives, negatives)

    near = 1e-9  # at 0 and at 1 the area itself is a root, but not the end
    lower = optimize.brentq(apart, 0, area * (1 - near), xtol=1e-12) if area > 0 else 0.0
    upper = optimize.brentq(apart, area + (1 - area) * near, 1, xtol=1e-12) if area < 1 else 1.0
    return lower, upper


@given(drawn=two_classes())
@PROPERTY
def test_delongs_variance_is_that_of_brunner_and_munzel_in_statsmodels(drawn: tuple[Any, Any]) -> None:
    actual, score = drawn
    theirs = rank_test(actual, score)
    with duckdb.connect(config={"threads": 1}) as connection:
        variance, _ = ranked(connection, actual, score).variances()

    expected = theirs.var1 / (actual == 1).sum() + theirs.var2 / (actual == 0).sum()
    assert variance == pytest.approx(expected, rel=1e-9, abs=1e-12)


# Means


def test_intervals_of_means_are_those_of_student_in_statsmodels(tmp_path: Path) -> None:
    random = np.random.default_rng(12)
    error = random.normal(1, 2, 300)
    columns = {"actual": np.zeros(300), "predicted": error}

    found = evaluate_columns(regression.evaluate, tmp_path, columns).confidence_intervals

    def augmented(scores: Any, ahead: float, behind: float | None = None) -> tuple[float, float]:
        mean = scores.mean()
        added = [mean + ahead * (scores.max() - mean)]
        added += [] if behind is None else [mean + behind * (scores.min() - mean)]
        low, high = DescrStatsW(np.append(scores, added)).tconfint_mean()
        return float(low), float(high)

    assert ends(found["mae"]) == close(augmented(np.abs(error), 2))
    assert ends(found["bias"]) == close(augmented(error, 2, 2))
    assert ends(found["rmse"]) == close(np.sqrt(augmented(error**2, 3)))


def test_intervals_of_bounded_means_are_those_of_student_in_statsmodels(tmp_path: Path) -> None:
    random = np.random.default_rng(13)
    relevance = np.array([random.permutation([1, 0, 0, 0]) for _ in range(25)])
    columns = {
        "query_id": np.repeat(np.arange(25), 4),
        "relevance": relevance.ravel(),
        "score": np.tile([4.0, 3.0, 2.0, 1.0], 25),
    }

    found = evaluate_columns(ranking.evaluate, tmp_path, columns).confidence_intervals["mrr"]

    reciprocal = 1 / (relevance.argmax(axis=1) + 1)
    assert ends(found) == close(DescrStatsW(np.append(reciprocal, [0, 1])).tconfint_mean())


# Agreement


def test_the_interval_of_kappa_of_many_classes_is_that_of_statsmodels() -> None:
    """With so many classes it is not simulated, but has the variance of the delta method."""
    random = np.random.default_rng(14)
    cells = random.poisson(0.05, (220, 220)) + np.diag(random.poisson(4, 220) + 1)
    labels = [str(at) for at in range(220)]

    found = ConfusionMatrix(labels, cells.astype(float).tolist()).cohen_kappa

    theirs = cohens_kappa(cells)
    assert found.value == pytest.approx(theirs.kappa, rel=1e-12)
    assert ends(found.interval) == close((theirs.kappa_low, theirs.kappa_upp))
