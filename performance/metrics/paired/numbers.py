"""Paired intervals of what is measured of numbers, and of rankings."""

import math
from collections.abc import Callable

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.sql import number
from performance.metrics.paired.paired_join import Choices, Intervals, Pairs, join, of_mean
from performance.metrics.statistics import errors
from performance.metrics.statistics.intervals import Interval, normal
from performance.metrics.statistics.means import Mean, ratio_variance
from performance.metrics.tasks import ranking


def of_numbers(engine: Engine, choices: Choices) -> Intervals:
    """Return the interval of each metric's difference, empty unless both have the same examples."""
    pairs = join(engine)
    return {} if pairs is None else _errors(pairs) | _scaled(pairs)


def _errors(pairs: Pairs) -> Intervals:
    """Return the intervals of what follows from the errors, as differences of each example's, or of each series'."""
    actual, bias, old_bias = pairs.means("actual", "predicted - actual", "old_predicted - actual")
    draws = _draws(pairs, *(number(mean.value) for mean in (actual, bias, old_bias)))
    squared, old_squared, *differences = pairs.means("squared", "old_squared", *_DIFFERENCES, draws=draws)
    explained, about, spread, magnitude = pairs.means(
        "old_squared - squared", "old_about - about", "spread", "magnitude", draws=draws
    )
    [[of_spread, about_spread, of_magnitude]] = pairs.engine.rows(f"""
        SELECT sum(w * w * (old_squared - squared) * spread), sum(w * w * (old_about - about) * spread),
            sum(w * w * mae * magnitude)
        FROM {draws}
    """)
    return {
        "rmse": _root(pairs, squared.value, old_squared.value, draws),
        **{name: of_mean(each) for name, each in zip(_DIFFERENCES, differences, strict=True)},
        "r_squared": _ratio(explained, spread, of_spread),
        "explained_variance": _ratio(about, spread, about_spread),
        "wape": _ratio(differences[0], magnitude, of_magnitude),
    }


_DIFFERENCES = ("mae", "mape", "smape", "bias")


def _draws(pairs: Pairs, mean: str, bias: str, old_bias: str) -> str:
    """Return the relation of what was drawn, each with its weight: examples, or whole series where there are several.

    The errors of one series resemble each other.
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


def _has_several_series(pairs: Pairs) -> bool:
    if "series" not in pairs.columns:
        return False
    [[several]] = pairs.engine.rows("SELECT min(series) < max(series) OR count(series) < count(*) FROM joined")
    return bool(several)


def _difference(loss: Callable[[str, str], str]) -> str:
    """Return how much more of a loss the newer prediction has."""
    return f"{loss('actual', 'predicted')} - {loss('actual', 'old_predicted')}"


def _root(pairs: Pairs, squared: float, old_squared: float, draws: str) -> Interval | None:
    """Return the interval of a difference of roots of means, by the delta method; `None` where one of them is 0."""
    if pairs.identical:
        return normal(0.0, 0.0, "paired_moments")
    if squared <= 0 or old_squared <= 0:
        return None
    root, old_root = math.sqrt(squared), math.sqrt(old_squared)
    slopes = number(1 / (2 * root)), number(1 / (2 * old_root))
    [influence] = pairs.means(f"squared * {slopes[0]} - old_squared * {slopes[1]}", draws=draws)
    return normal(root - old_root, influence.variance, "paired_moments")


def _ratio(above: Mean, below: Mean, product: float) -> Interval | None:
    if below.value <= 0:
        return None
    return normal(above.value / below.value, ratio_variance(above, below, product), "paired_moments")


def _scaled(pairs: Pairs) -> Intervals:
    """Return the interval of the mean over series of the MAE in units of the naive forecast's."""
    if "scale" not in pairs.columns:
        return {}
    by_series = "GROUP BY series" if "series" in pairs.columns else ""
    error = f"sum(w * ({_difference(errors.absolute)})) / sum(w)"
    ratios = f"SELECT 1 AS w, {error} / min(scale) AS x FROM joined {by_series}"
    [ratio] = pairs.means("x", draws=f"({ratios} HAVING sum(w) > 0)")
    return {"mase": of_mean(ratio)}


def of_rankings(engine: Engine, choices: Choices) -> Intervals:
    """Return the interval of the difference of each mean over queries.

    Empty where the queries, the relevance of their items or the number of items that counts differ.
    """
    cuts = engine.rows("SELECT k FROM newer UNION SELECT k FROM older")
    if len(cuts) != 1:
        return {}
    for name in ("newer", "older"):
        items = ranking.by_query("example_id", "relevance", "score", cuts[0][0])
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
    found = Pairs(engine, frozenset(), identical=False).means(*ranking.METRICS)
    return {name: of_mean(mean) for name, mean in zip(ranking.METRICS, found, strict=True)}
