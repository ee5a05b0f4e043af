"""Evaluation of rankings, compared with scikit-learn and with plain counting."""

import math
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from performance.metrics.result import UnprocessablePredictionsError
from performance.metrics.tasks import ranking
from tests.performance.metrics.tables import EACH_EVALUATES, evaluate_columns

ITEM = st.tuples(st.sampled_from("abcd"), st.sampled_from([0, 0, 1, 2, 3]), st.sampled_from([0.0, 0.5, 0.5, 1.0, 2.0]))


@given(items=st.lists(ITEM, min_size=1, max_size=40), k=st.integers(1, 6))
@EACH_EVALUATES
def test_every_ranking_metric_is_a_mean_over_queries(
    tmp_path: Path, items: list[tuple[str, int, float]], k: int
) -> None:
    columns: dict[str, Any] = {
        "query_id": [query for query, _, _ in items],
        "relevance": [relevance for _, relevance, _ in items],
        "score": [score for _, _, score in items],
    }
    found = evaluate_columns(ranking.evaluate, tmp_path, columns, k=k)
    queries = {query: np.array([item[1:] for item in items if item[0] == query]) for query in columns["query_id"]}
    assert (found.rows, found.sample_count) == (len(items), len(queries))
    expected = {name: np.mean([one_query(name, rows, k) for rows in queries.values()]) for name in ranking.METRICS}
    for name, value in expected.items():
        assert found.metrics[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def bounded_interval(values: Any) -> tuple[float, float]:
    """Return Student's interval of a mean after adding one value at 0 and one at 1."""
    added = np.append(values, [0.0, 1.0])
    half = stats.t.ppf(0.975, len(added) - 1) * np.std(added, ddof=1) / math.sqrt(len(added))
    return max(added.mean() - half, 0.0), min(added.mean() + half, 1.0)


def test_intervals_are_of_student_t_with_a_query_added_at_each_bound(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    columns = {
        "query_id": np.repeat(range(12), 5),
        "relevance": random.integers(0, 2, 60),
        "score": random.normal(0, 1, 60),
    }
    found = evaluate_columns(ranking.evaluate, tmp_path, columns, k=2)

    for name, interval in found.confidence_intervals.items():
        values = [
            one_query(name, np.stack([columns["relevance"][rows], columns["score"][rows]], axis=1), 2)
            for rows in (columns["query_id"] == query for query in range(12))
        ]
        assert (interval.lower, interval.upper) == pytest.approx(bounded_interval(values)), name
        assert interval.method == "augmented_t"
    assert set(found.confidence_intervals) == set(ranking.METRICS)
    assert found.effective_sample_size == 12


def test_two_perfect_queries_have_wide_intervals(tmp_path: Path) -> None:
    columns = {"query_id": ["a", "a", "b", "b"], "relevance": [1, 0, 1, 0], "score": [2, 1, 2, 1]}

    found = evaluate_columns(ranking.evaluate, tmp_path, columns)

    assert found.metrics["ndcg"] == 1
    for name in ("ndcg", "map", "mrr", "recall_at_k"):
        assert found.confidence_intervals[name].lower < 0.1
        assert found.confidence_intervals[name].upper == 1


def grouped_queries(groups: int) -> dict[str, Any]:
    """Return ten equal queries in each group; those of every second group are perfect, others wrong."""
    relevance = np.array([1, 0] * (groups * 10))
    right = np.repeat(np.arange(groups) % 2 == 0, 20)
    return {
        "query_id": np.repeat(np.arange(groups * 10), 2),
        "relevance": relevance,
        "score": ((relevance == 1) == right).astype(float),
        "group": np.repeat([f"g{at}" for at in range(groups)], 20),
    }


def interval_of_groups(values: Any) -> tuple[float, float]:
    """Return Student's interval of a mean of the values `[group][query]`, of which some are worth one.

    To the groups, whose number is that of the informative ones, 0.7 are added whose queries are all equal.
    """
    groups, queries = values.shape
    apart = values - values.mean()
    of_groups, variance = apart.sum(axis=1), apart.var()
    informative, ratio = 0.0, 0.0
    if variance > 1e-12:
        informative = (of_groups**2).sum() ** 2 / (of_groups**4).sum()
        ratio = of_groups.var(ddof=1) / (queries * variance)
    effect = max((informative * ratio + 0.7 * queries) / (informative + 0.7), 1.0)
    effect *= (stats.t.ppf(0.975, groups - 1) / stats.norm.ppf(0.975)) ** 2
    size, mean = values.size / effect, values.mean()
    wider = (size * mean + 1) / (size + 2)
    spread = (size * (variance + mean**2) + 1) / (size + 2) - wider**2
    half = stats.t.ppf(0.975, size + 1) * math.sqrt(spread / (size + 1))
    return max(wider - half, 0.0), min(wider + half, 1.0)


def test_the_queries_of_a_group_count_as_about_one(tmp_path: Path) -> None:
    found = evaluate_columns(ranking.evaluate, tmp_path, grouped_queries(20))

    values = np.tile([[1.0], [0.5]], (10, 10))
    interval = found.confidence_intervals["mrr"]
    assert (interval.lower, interval.upper) == pytest.approx(interval_of_groups(values))
    assert (interval.lower, interval.upper) == pytest.approx(bounded_interval([1.0, 0.5] * 10), abs=0.03)
    assert (found.sample_count, found.effective_sample_size) == (200, 20)


def test_queries_of_groups_that_do_not_correlate_count_nearly_all(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    relevance, score = random.integers(0, 2, (30, 8, 6)), random.normal(0, 1, (30, 8, 6))
    columns = {
        "query_id": np.arange(240).repeat(6),
        "group": np.arange(30).repeat(48),
        "relevance": relevance.ravel(),
        "score": score.ravel(),
    }
    found = evaluate_columns(ranking.evaluate, tmp_path, columns, k=2)

    for name, interval in found.confidence_intervals.items():
        items = np.stack([relevance, score], axis=-1).reshape(240, 6, 2)
        values = np.array([one_query(name, rows, 2) for rows in items])
        grouped = interval_of_groups(values.reshape(30, 8))
        assert (interval.lower, interval.upper) == pytest.approx(grouped), name
        lower, upper = bounded_interval(values)
        assert interval.upper - interval.lower < 1.5 * (upper - lower), name
    assert set(found.confidence_intervals) == set(ranking.METRICS)


def test_equal_queries_do_not_show_that_groups_are_alike(tmp_path: Path) -> None:
    """A third of the first three items is relevant in each query, which is no exact number."""
    columns = {
        "query_id": np.arange(120).repeat(4),
        "group": np.arange(12).repeat(40),
        "relevance": [1, 0, 0, 0] * 120,
        "score": [4.0, 3.0, 2.0, 1.0] * 120,
    }
    found = evaluate_columns(ranking.evaluate, tmp_path, columns, k=3).confidence_intervals["precision_at_k"]

    assert (found.lower, found.upper) == pytest.approx(interval_of_groups(np.full((12, 10), 1 / 3)))


def test_fewer_than_ten_groups_have_no_interval(tmp_path: Path) -> None:
    found = evaluate_columns(ranking.evaluate, tmp_path, grouped_queries(9))

    assert not found.confidence_intervals
    assert found.intervals_unavailable["ndcg"] == "An interval needs at least 10 groups, not 9."


def test_a_query_in_two_groups_is_refused(tmp_path: Path) -> None:
    columns = {"query_id": ["a", "a", "b"], "relevance": [1, 0, 1], "score": [2, 1, 2], "group": ["x", "y", "x"]}

    with pytest.raises(UnprocessablePredictionsError, match="'a' has rows in more than one group") as refused:
        evaluate_columns(ranking.evaluate, tmp_path, columns)

    assert refused.value.column == "group"


def test_every_metric_has_an_interval(tmp_path: Path) -> None:
    columns = {"query_id": [1, 1, 2, 2], "relevance": [1, 0, 0, 2], "score": [0.5, 0.25, 0.5, 0.25]}

    assert set(evaluate_columns(ranking.evaluate, tmp_path, columns).confidence_intervals) == set(ranking.METRICS)


def one_query(name: str, rows: Any, k: int) -> float:
    gains, scores = rows[:, 0], rows[:, 1]
    relevant = gains > 0
    if not relevant.any():
        return 0.0
    if name == "ndcg":
        return float(sk.ndcg_score([gains], [scores])) if len(gains) > 1 else 1.0
    if name == "map":
        return float(sk.average_precision_score(relevant, scores))
    if name == "mrr":
        return float(max(1 / (scores >= score).sum() for score in scores[relevant]))
    hits = 0.0  # expected among the first k, where equals are in any order
    for score in np.unique(scores)[::-1]:
        tied, above = scores == score, (scores > score).sum()
        hits += relevant[tied].mean() * min(max(k - above, 0), tied.sum())
    return float(hits / (relevant.sum() if name == "recall_at_k" else k))


FEW_ITEMS = st.lists(st.tuples(st.sampled_from([0, 1, 3]), st.sampled_from([0.0, 1.0, 2.0])), min_size=1, max_size=5)


@given(items=FEW_ITEMS, k=st.integers(1, 6))
@EACH_EVALUATES
def test_metrics_at_k_average_over_the_orders_of_tied_items(
    tmp_path: Path, items: list[tuple[int, float]], k: int
) -> None:
    columns = {
        "query_id": [1] * len(items),
        "relevance": [relevance for relevance, _ in items],
        "score": [score for _, score in items],
    }
    found = evaluate_columns(ranking.evaluate, tmp_path, columns, k=k).metrics
    falling = sorted((score for _, score in items), reverse=True)
    orders = [order for order in permutations(items) if [score for _, score in order] == falling]
    hits = np.mean([sum(relevance > 0 for relevance, _ in order[:k]) for order in orders])
    relevant = sum(relevance > 0 for relevance, _ in items)

    assert found["precision_at_k"] == pytest.approx(hits / k)
    assert found["recall_at_k"] == pytest.approx(hits / relevant if relevant else 0)


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        ({"query_id": [], "relevance": [], "score": []}, None),
        ({"query_id": ["a", None], "relevance": [1, 1], "score": [1.0, 1.0]}, 2),
        ({"query_id": [1.0, 2.0, math.nan], "relevance": [1, 1, 1], "score": [1.0, 1.0, 1.0]}, 3),
        ({"query_id": ["a", "a"], "group": ["b", None], "relevance": [1, 1], "score": [1.0, 1.0]}, 2),
        ({"query_id": ["a", "a"], "relevance": [-1, 1], "score": [1.0, 1.0]}, 1),
        ({"query_id": ["a", "a"], "relevance": [1, 1], "score": [1.0, math.nan]}, 2),
        ({"query_id": ["a", "a"], "relevance": [1e308, 1.0], "score": [1.0, 1.0]}, 1),
        ({"query_id": ["a"], "score": [1.0]}, None),
    ],
)
def test_a_row_that_cannot_be_scored_is_refused_with_its_number(
    tmp_path: Path, columns: dict[str, Any], row: int | None
) -> None:
    with pytest.raises(UnprocessablePredictionsError) as refused:
        evaluate_columns(ranking.evaluate, tmp_path, columns)

    assert refused.value.row == row
