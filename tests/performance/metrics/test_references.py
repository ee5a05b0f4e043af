"""Rankings and forecasts, compared with trec_eval and utilsforecast."""

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import pytrec_eval
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from utilsforecast import losses

from performance.metrics.tasks import forecasting, ranking
from tests.performance.metrics.tables import evaluate_columns

pytestmark = pytest.mark.once

PROPERTY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
RELEVANCE = st.sampled_from([0, 0, 1, 2, 50])
EXTREMES = [-1.7e308, -1.0, -5e-324, 0.0, 5e-324, 1.0, 1.0000000000000002, 1.7e308]


# Rankings


def trec_metrics(relevance: Sequence[int], order: Sequence[int], k: int) -> dict[str, float]:
    """Return the metrics of one query, whose items are ranked in an order."""
    known = {"q": {str(item): each for item, each in enumerate(relevance)}}
    run = {"q": {str(item): float(len(order) - rank) for rank, item in enumerate(order)}}
    names = {
        "ndcg": "ndcg",
        "map": "map",
        "mrr": "recip_rank",
        "recall_at_k": f"recall_{k}",
        "precision_at_k": f"P_{k}",
    }
    measures = {"ndcg", "map", "recip_rank", f"recall.{k}", f"P.{k}"}
    found = pytrec_eval.RelevanceEvaluator(known, measures).evaluate(run)["q"]
    return {name: found[theirs] for name, theirs in names.items()}


@st.composite
def queries(draw: st.DrawFn) -> list[list[tuple[int, float]]]:
    """Relevance and score of each item of several queries, without ties."""
    scores = st.lists(st.sampled_from(EXTREMES) | st.floats(-10, 10), min_size=1, max_size=12, unique=True)
    return [[(draw(RELEVANCE), score) for score in draw(scores)] for _ in range(draw(st.integers(1, 5)))]


def as_columns(of_queries: Sequence[Sequence[tuple[int, float]]]) -> dict[str, Any]:
    items = [(at, *item) for at, query in enumerate(of_queries) for item in query]
    return dict(zip(("query_id", "relevance", "score"), map(list, zip(*items, strict=True)), strict=True))


@given(of_queries=queries(), k=st.integers(1, 15))
@PROPERTY
def test_rankings_have_the_metrics_of_trec_eval(
    tmp_path: Path, of_queries: list[list[tuple[int, float]]], k: int
) -> None:
    found = evaluate_columns(ranking.evaluate, tmp_path, as_columns(of_queries), k=k).metrics

    expected = [
        trec_metrics([relevance for relevance, _ in query], np.argsort([-score for _, score in query]).tolist(), k)
        for query in of_queries
    ]
    for name in ranking.METRICS:
        assert found[name] == pytest.approx(np.mean([each[name] for each in expected]), rel=1e-9, abs=1e-12), name


@given(
    query=st.lists(st.tuples(RELEVANCE, st.sampled_from([0.0, 1.0, 1.7e308])), min_size=1, max_size=5),
    k=st.integers(1, 6),
)
@PROPERTY
def test_tied_items_have_the_mean_of_trec_eval_over_their_orders(
    tmp_path: Path, query: list[tuple[int, float]], k: int
) -> None:
    found = evaluate_columns(ranking.evaluate, tmp_path, as_columns([query]), k=k).metrics

    scores = [score for _, score in query]
    orders = [
        order for order in permutations(range(len(query))) if [scores[at] for at in order] == sorted(scores)[::-1]
    ]
    expected = [trec_metrics([relevance for relevance, _ in query], order, k) for order in orders]
    for name in ("ndcg", "recall_at_k", "precision_at_k"):
        assert found[name] == pytest.approx(np.mean([each[name] for each in expected]), rel=1e-9, abs=1e-12), name


# Forecasts


NUMBERS = st.sampled_from([0.0, 1.0, -1.0, 1e-40, 1e40]) | st.floats(-1e3, 1e3).map(lambda value: round(value, 4))
STEP = st.tuples(NUMBERS, NUMBERS, st.integers(1, 3))


@st.composite
def forecasts(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rows of several series with whole weights, and the numbers that each was trained on."""
    rows: dict[str, Any] = {"series_id": [], "actual": [], "predicted": [], "weight": [], "scale": []}
    training: dict[str, Any] = {"unique_id": [], "ds": [], "y": []}
    for name in "abc"[: draw(st.integers(1, 3))]:
        past = draw(st.lists(st.integers(-9, 9), min_size=3, max_size=8).filter(lambda past: len(set(past)) > 1))
        scale = float(np.abs(np.diff(past)).mean())
        for actual, predicted, weight in draw(st.lists(STEP, min_size=1, max_size=6)):
            for column, value in zip(rows, (name, actual, predicted, float(weight), scale), strict=True):
                rows[column].append(value)
        training["unique_id"] += [name] * len(past)
        training["ds"] += range(len(past))
        training["y"] += map(float, past)
    return rows, training


@given(drawn=forecasts())
@PROPERTY
def test_forecasts_have_the_metrics_of_utilsforecast(
    tmp_path: Path, drawn: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """It knows no weights, so an example of weight two is there twice. Its sMAPE is half as large."""
    columns, training = drawn

    found = evaluate_columns(forecasting.evaluate, tmp_path, columns).metrics

    repeated = pd.DataFrame(columns).loc[lambda frame: frame.index.repeat(frame["weight"].astype(int))]
    frame = pd.DataFrame(
        {"unique_id": "all", "ds": range(len(repeated)), "y": [*repeated["actual"]], "model": [*repeated["predicted"]]}
    )
    theirs = {"mae": losses.mae, "rmse": losses.rmse, "wape": losses.nd, "smape": losses.smape}
    expected = {name: float(loss(frame, ["model"])["model"].iloc[0]) for name, loss in theirs.items()}
    expected["smape"] *= 2
    if not frame["y"].abs().sum():
        assert found["wape"] is None
        del expected["wape"]
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-9, abs=1e-12)
    of_series = frame.assign(unique_id=[*repeated["series_id"]])
    scaled = losses.mase(of_series, ["model"], 1, pd.DataFrame(training))["model"]
    assert found["mase"] == pytest.approx(scaled.mean(), rel=1e-9)
