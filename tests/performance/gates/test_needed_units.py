"""A verdict says how many more groups, series or queries are needed, from the file of predictions."""

import re
from typing import Any

import numpy as np
import pytest

from models_registry.accounts.models import Organization, User
from performance.metrics.statistics.sample_sizes import round_up
from tests.performance.gates.pipeline import Pipeline

pytestmark = pytest.mark.django_db


def csv(names: str, *columns: Any) -> bytes:
    return "\n".join([names, *(",".join(map(str, row)) for row in zip(*columns, strict=True))]).encode()


def short_of_examples(pipeline: Pipeline, metric: str, margin: float) -> Any:
    """Return the failed rule on an upper bound of a metric, with a margin that is a fraction of what it needs."""
    rule = {"metric": metric, "operator": "<=", "threshold": 1e9, "confidence": 0.95}
    [known] = pipeline.judge(rule)["rules"]
    assert known["status"] == "passed", known["detail"]
    value, end = known["value"], known["interval"]["upper"]
    [failed] = pipeline.judge(rule | {"threshold": value + margin * (end - value)})["rules"]
    return failed


@pytest.mark.parametrize("size", [20, 100])
def test_more_examples_of_the_same_groups_are_not_asked_for(admin: User, acme: Organization, size: int) -> None:
    pipeline, random = Pipeline(admin, acme, "regression"), np.random.default_rng(5)
    group = np.repeat(np.arange(30), size)
    predicted = random.uniform(-1, 1, 30)[group] + random.normal(size=30 * size)
    pipeline.version(csv("actual,predicted,group", np.zeros(30 * size), predicted, group))

    rule = short_of_examples(pipeline, "mae", 0.5)

    assert rule["needed_sample_count"] == pytest.approx(30 * size * 4, abs=1)
    assert " About 120 groups of the same size in all (now 30) would be needed to pass if " in rule["detail"]
    assert rule["detail"].endswith("; more examples of the same groups hardly help.")


def test_more_series_are_asked_for(admin: User, acme: Organization) -> None:
    pipeline, random = Pipeline(admin, acme, "forecasting"), np.random.default_rng(5)
    errors = random.normal(size=400) * np.repeat(np.linspace(1, 2, 40), 10)
    pipeline.version(csv("series_id,actual,predicted", np.repeat(np.arange(40), 10), np.zeros(400), errors))

    rule = short_of_examples(pipeline, "mae", 0.5)

    assert " About 160 series of the same size in all (now 40) would be needed" in rule["detail"]
    assert rule["needed_sample_count"] == pytest.approx(1600, abs=1)


def test_more_queries_are_asked_for(admin: User, acme: Organization) -> None:
    pipeline = Pipeline(admin, acme, "ranking")
    query = np.repeat(np.arange(50), 2)
    relevance = np.tile([1, 0], 50)
    score = np.where(query % 10, relevance, 1 - relevance)  # in a tenth of the queries, the wrong item is first
    pipeline.version(csv("query_id,relevance,score", query, relevance, score))

    rule = {"metric": "mrr", "operator": ">=", "threshold": 0.94, "confidence": 0.95}
    [judged] = pipeline.judge(rule)["rules"]

    needed = judged["needed_sample_count"]
    assert needed > 500
    assert f" About {round_up(needed):,} queries in all (now 50) would be needed to pass" in judged["detail"]
    assert judged["detail"].endswith(" if the value stays 0.95.")


def test_classes_in_groups_need_a_multiple_of_their_groups(admin: User, acme: Organization) -> None:
    pipeline, random = Pipeline(admin, acme, "classification"), np.random.default_rng(5)
    group = np.repeat(np.arange(30), 20)
    actual = random.integers(0, 2, 600)
    predicted = np.where((group % 5 == 0) & (random.random(600) < 0.5), 1 - actual, actual)
    pipeline.version(csv("actual,predicted,group", actual, predicted, group))

    rule = {"metric": "accuracy", "operator": ">=", "threshold": 0.85, "confidence": 0.95}
    [judged] = pipeline.judge(rule)["rules"]

    found = re.search(
        r" About ([\d.]+) times as many groups of the same size would be needed to pass", judged["detail"]
    )
    assert found, judged["detail"]
    assert float(found[1]) == pytest.approx(judged["needed_sample_count"] / 600, rel=0.1)
    assert judged["detail"].endswith("; more examples of the same groups hardly help.")


def test_limit_on_accuracy_needs_fewer_if_the_versions_hardly_differ(admin: User, acme: Organization) -> None:
    """With as many examples as are needed that differ as often, the version passes; with 2% fewer it does not."""
    pipeline = Pipeline(admin, acme, "classification")

    def predictions(count: int, wrong: int, *, newer: bool) -> bytes:
        """Return rows of which each version alone is wrong about some."""
        actual = np.arange(count) % 2
        start = wrong if newer else 0
        is_wrong = (np.arange(count) >= start) & (np.arange(count) < start + wrong)
        return csv("example_id,actual,predicted", np.arange(count), actual, np.where(is_wrong, 1 - actual, actual))

    def judged(count: int, wrong: int) -> Any:
        pipeline.version(predictions(count, wrong, newer=False), promoted=True)
        pipeline.version(predictions(count, wrong, newer=True))
        [rule] = pipeline.judge({"metric": "accuracy", "max_regression": 0.005, "confidence": 0.95})["rules"]
        assert rule["interval"]["method"] == "paired_wilson"
        return rule

    failed = judged(500, 5)
    needed = failed["needed_sample_count"]
    assert failed["status"] == "failed"
    assert 1000 < needed < 3500

    assert judged(needed, round(needed / 100))["status"] == "passed"
    assert judged(round(0.97 * needed), round(0.97 * needed / 100))["status"] == "failed"
