"""Compute paired intervals for regression, forecasting and ranking."""

import math
from collections.abc import Callable

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.sql import number_literal
from performance.metrics.paired.paired_join import Choices, Intervals, PairedExamples, join_examples, mean_interval
from performance.metrics.statistics import errors
from performance.metrics.statistics.intervals import Interval, normal
from performance.metrics.statistics.means import Mean, ratio_variance
from performance.metrics.tasks import ranking


def numeric_intervals(engine: Engine, choices: Choices) -> Intervals:
    """Return the interval of each metric's difference; none unless both versions have the same examples."""
    pairs = join_examples(engine)
    return {} if pairs is None else _error_intervals(pairs) | _mase_interval(pairs)


def _error_intervals(pairs: PairedExamples) -> Intervals:
    """Return the intervals of metrics that follow from the errors, from the differences of examples or of series."""
    actual, bias, old_bias = pairs.means("actual", "predicted - actual", "old_predicted - actual")
    relation = _sampled_units(pairs, *(number_literal(mean.value) for mean in (actual, bias, old_bias)))
    squared, old_squared, *differences = pairs.means("squared", "old_squared", *_DIFFERENCES, relation=relation)
    explained, about, spread, magnitude = pairs.means(
        "old_squared - squared", "old_about - about", "spread", "magnitude", relation=relation
    )
    [[of_spread, about_spread, of_magnitude]] = pairs.engine.rows(f"""
        SELECT sum(w * w * (old_squared - squared) * spread), sum(w * w * (old_about - about) * spread),
            sum(w * w * mae * magnitude)
        FROM {relation}
    """)
    return {
        "rmse": _root_interval(pairs, squared.value, old_squared.value, relation),
        **{name: mean_interval(each) for name, each in zip(_DIFFERENCES, differences, strict=True)},
        "r_squared": _ratio_interval(explained, spread, of_spread),
        "explained_variance": _ratio_interval(about, spread, about_spread),
        "wape": _ratio_interval(differences[0], magnitude, of_magnitude),
    }


_DIFFERENCES = ("mae", "mape", "smape", "bias")


def _sampled_units(pairs: PairedExamples, mean: str, bias: str, old_bias: str) -> str:
    """Return the relation of the independent units with their weights: examples, or series if there are several.

    The errors of one series are correlated.
    """
    parts = {
        "squared": errors.squared("actual", "predicted"),
        "old_squared": errors.squared("actual", "old_predicted"),
        "about": f"(predicted - actual - {bias}) * (predicted - actual - {bias})",
        "old_about": f"(old_predicted - actual - {old_bias}) * (old_predicted - actual - {old_bias})",
        "mae": _difference(errors.absolute),
        "mape": _difference(errors.relative),
        "smape": _difference(errors.symmetric),
        "bias": "predicted - old_predicted",
        "spread": f"(actual - {mean}) * (actual - {mean})",
        "magnitude": "abs(actual)",
    }
    if not _has_several_series(pairs):
        return f"(SELECT w, {', '.join(f'{sql} AS {name}' for name, sql in parts.items())} FROM joined)"
    averages = ", ".join(f"sum(w * ({sql})) / sum(w) AS {name}" for name, sql in parts.items())
    return f"(SELECT sum(w) AS w, {averages} FROM joined GROUP BY series HAVING sum(w) > 0)"


def _has_several_series(pairs: PairedExamples) -> bool:
    if "series" not in pairs.columns:
        return False
    [[several]] = pairs.engine.rows("SELECT min(series) < max(series) OR count(series) < count(*) FROM joined")
    return bool(several)


def _difference(loss: Callable[[str, str], str]) -> str:
    """Return the loss of the newer prediction minus that of the older one."""
    return f"{loss('actual', 'predicted')} - {loss('actual', 'old_predicted')}"


def _root_interval(pairs: PairedExamples, squared: float, old_squared: float, relation: str) -> Interval | None:
    """Return the interval of a difference of roots of means, by the delta method; `None` if one of them is 0."""
    if pairs.identical:
        return normal(0.0, 0.0, "paired_moments")
    if squared <= 0 or old_squared <= 0:
        return None
    root, old_root = math.sqrt(squared), math.sqrt(old_squared)
    slopes = number_literal(1 / (2 * root)), number_literal(1 / (2 * old_root))
    [influence] = pairs.means(f"squared * {slopes[0]} - old_squared * {slopes[1]}", relation=relation)
    return normal(root - old_root, influence.variance, "paired_moments")


def _ratio_interval(above: Mean, below: Mean, product: float) -> Interval | None:
    if below.value <= 0:
        return None
    return normal(above.value / below.value, ratio_variance(above, below, product), "paired_moments")


def _mase_interval(pairs: PairedExamples) -> Intervals:
    """Return the interval of the MASE: the mean over series of the MAE divided by the naive forecast's."""
    if "scale" not in pairs.columns:
        return {}
    by_series = "GROUP BY series" if "series" in pairs.columns else ""
    error = f"sum(w * ({_difference(errors.absolute)})) / sum(w)"
    ratios = f"SELECT 1 AS w, {error} / min(scale) AS x FROM joined {by_series}"
    [ratio] = pairs.means("x", relation=f"({ratios} HAVING sum(w) > 0)")
    return {"mase": mean_interval(ratio)}


def ranking_intervals(engine: Engine, choices: Choices) -> Intervals:
    """Return the interval of the difference of each mean over queries.

    Returns none if the versions differ in the queries, in the relevance of items or in `k`.
    """
    cuts = engine.rows("SELECT k FROM newer UNION SELECT k FROM older")
    if len(cuts) != 1:
        return {}
    for name in ("newer", "older"):
        items = ranking.query_metrics("example_id", "relevance", "score", cuts[0][0])
        engine.rows(f"""
            CREATE TABLE {name}_queries AS
            SELECT * FROM (WITH predictions AS (SELECT * FROM {name}) {items})
            JOIN (SELECT example_id AS query, list_sort(list(relevance)) AS items FROM {name} GROUP BY query)
            USING (query)
        """)
    differences = ", ".join(f"newer.{name} - older.{name} AS {name}" for name in ranking.METRICS)
    engine.rows(f"""
        CREATE TABLE joined AS
        SELECT 1 AS w, newer.items IS DISTINCT FROM older.items AS differs, {differences}
        FROM newer_queries AS newer FULL JOIN older_queries AS older USING (query)
    """)
    [[differing]] = engine.rows("SELECT count(*) FILTER (WHERE differs) FROM joined")
    if differing:
        return {}
    found = PairedExamples(engine, frozenset(), identical=False).means(*ranking.METRICS)
    return {name: mean_interval(mean) for name, mean in zip(ranking.METRICS, found, strict=True)}
