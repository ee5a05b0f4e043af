"""Compute paired intervals for regression, forecasting and ranking."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.sql import number_literal
from performance.metrics.paired.paired_join import Choices, Intervals, PairedExamples, join_examples
from performance.metrics.statistics import residuals
from performance.metrics.statistics.differences import IDENTICAL
from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.means import Mean
from performance.metrics.statistics.scores import (
    AHEAD,
    AHEAD_OF_EXPLAINED,
    AHEAD_OF_SQUARES,
    EXAMPLES,
    GROUPS,
    ROUNDING,
    SERIES,
    Units,
    deviation,
    measure_scores,
)
from performance.metrics.tasks import ranking

METHOD = "paired_augmented_t"
OF_QUERIES = "paired_bounded_t"
QUERIES = Units("queries", least=20, least_for_squares=20)


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of a metric, newer minus older, as the weighted mean of a score over the examples.

    `score` is its SQL. `scale` is about as large as the metric. `ahead` says how far out the added units are. `squares`
    says whether the score has squared errors. `variation` is the greater coefficient of variation of those of both
    versions. `losses` is the SQL of the sum of both versions' losses, and `mean_loss` its mean; none if the score is no
    difference of losses.
    """

    value: float
    score: str
    scale: float
    ahead: float = AHEAD
    squares: bool = False
    variation: float = 0.0
    losses: str = ""
    mean_loss: float = 0.0


def regression_intervals(engine: Engine, choices: Choices) -> Intervals:
    """Return the interval of each metric's difference; none unless both versions have the same examples."""
    pairs = join_examples(engine)
    if pairs is None:
        return {}
    grouped = "cluster" in pairs.columns
    return _intervals(pairs, GROUPS if grouped else EXAMPLES, "cluster" if grouped else None)


def forecasting_intervals(engine: Engine, choices: Choices) -> Intervals:
    """Return the interval of each metric's difference; none unless both versions have the same examples.

    The errors of one series are correlated, so series are the units, or groups of series.
    """
    pairs = join_examples(engine)
    if pairs is None:
        return {}
    grouped = "cluster" in pairs.columns
    units, by = (GROUPS, "cluster") if grouped else (SERIES, "series" if "series" in pairs.columns else "")
    return _intervals(pairs, units, by) | _mase_interval(pairs, units, by)


def _intervals(pairs: PairedExamples, units: Units, by: str | None) -> Intervals:
    if pairs.identical:
        names = ("rmse", "mae", "mape", "smape", "wape", "bias", "r_squared", "explained_variance")
        return dict.fromkeys((*names, "median_absolute_error", "max_error"), IDENTICAL)
    return measure_differences(pairs, units, by, _differences(pairs))


def measure_differences(
    pairs: PairedExamples,
    units: Units,
    by: str | None,
    differences: Mapping[str, Difference],
    *,
    relation: str = "joined",
    weight: str = "w",
) -> Intervals:
    """Return the intervals of differences, each `None` if none is known to hold."""
    deviations = {name: deviation(each.score, each.value, each.scale) for name, each in differences.items()}
    if units.is_averaged:
        deviations |= {
            f"{name}_losses": deviation(each.losses, each.mean_loss)
            for name, each in differences.items()
            if each.losses
        }
    [[total]] = pairs.engine.rows(f"SELECT sum({weight}) FROM {relation} WHERE {weight} > 0")
    scores = measure_scores(
        pairs.engine,
        units,
        deviations,
        weight=weight,
        total=float(total),
        source=f"{relation} WHERE {weight} > 0",
        by=by,
    )
    found: Intervals = {}
    for name, each in differences.items():
        interval = scores[name].difference_interval(
            each.value,
            each.scale,
            ahead=each.ahead,
            squares=each.squares,
            variation=each.variation,
            losses=scores.get(f"{name}_losses"),
        )
        found[name] = interval and replace(interval, method=METHOD)
    return found


@dataclass(frozen=True, slots=True)
class LossPair:
    """The losses of both versions: the SQL of each, the means, and the greater coefficient of variation."""

    newer: str
    older: str
    mean: float
    old_mean: float
    variation: float = 0.0

    @property
    def both(self) -> str:
        """The SQL of the sum of both losses."""
        return f"({self.newer} + {self.older})"

    @property
    def mean_of_both(self) -> float:
        """The mean of that sum."""
        return self.mean + self.old_mean

    def difference(self) -> Difference:
        """Return the difference of the means."""
        score = f"({self.newer} - {self.older})"
        return Difference(
            self.mean - self.old_mean, score, self.mean_of_both or 1.0, losses=self.both, mean_loss=self.mean_of_both
        )

    def difference_of_roots(self) -> Difference:
        """Return the difference of the roots of the means, which are above 0."""
        root, old_root = math.sqrt(self.mean), math.sqrt(self.old_mean)
        score = f"({_near_root(self.newer, root)} - {_near_root(self.older, old_root)})"
        return Difference(
            root - old_root,
            score,
            root + old_root,
            AHEAD_OF_SQUARES,
            squares=True,
            variation=self.variation,
            losses=self.both,
            mean_loss=self.mean_of_both,
        )

    def difference_of_ratios(self, sql: str, mean: float, *, squares: bool = False) -> Difference:
        """Return the difference of the means, divided by another mean over the same examples."""
        value = (self.mean - self.old_mean) / mean
        relative = f"({sql} / {number_literal(mean)} - 1)"
        score = f"(({self.newer} - {self.older}) / {number_literal(mean)} - {number_literal(value)} * {relative})"
        scale = self.mean_of_both / mean or 1.0
        if not squares:
            return Difference(value, score, scale, losses=self.both, mean_loss=self.mean_of_both)
        return Difference(value, score, scale, AHEAD_OF_EXPLAINED, squares=True, variation=self.variation)

    def swapped(self) -> "LossPair":
        """Return the pair whose difference has the other sign."""
        return LossPair(self.older, self.newer, self.old_mean, self.mean, self.variation)


def _differences(pairs: PairedExamples) -> dict[str, Difference]:
    """Return the differences that are defined, by metric.

    The scores of ratios and roots are their linear approximations: Cochran (1977), Sampling Techniques, 3rd edition,
    section 6.3.
    """
    actual, bias, old_bias = (
        mean.value for mean in pairs.means("actual", "predicted - actual", "old_predicted - actual")
    )
    spread, magnitude = _square(f"(actual - {number_literal(actual)})"), "abs(actual)"
    losses = [
        _of_both(residuals.squared),
        _of_both(residuals.absolute),
        _of_both(residuals.relative),
        _of_both(residuals.symmetric),
    ]
    losses.append((_about("predicted", bias), _about("old_predicted", old_bias)))
    *found, spread_mean, magnitude_mean = pairs.means(*(sql for both in losses for sql in both), spread, magnitude)
    of_spread, of_magnitude = spread_mean.value, magnitude_mean.value
    squared, absolute, relative, symmetric, about_bias = (
        LossPair(*both, newer.value, older.value, max(newer.variation, older.variation))
        for both, newer, older in zip(losses, found[::2], found[1::2], strict=True)
    )
    of_squares = squared.mean + squared.old_mean
    differences = {
        "mae": absolute.difference(),
        "mape": relative.difference(),
        "smape": symmetric.difference(),
        "bias": Difference(bias - old_bias, "(predicted - old_predicted)", math.sqrt(of_squares) or 1.0),
    }
    if squared.mean > 0 and squared.old_mean > 0:
        differences["rmse"] = squared.difference_of_roots()
    if of_spread > 0 and not pairs.is_constant("actual"):
        for name, unexplained in (("r_squared", squared), ("explained_variance", about_bias)):
            if unexplained.mean + unexplained.old_mean > ROUNDING * of_squares:
                differences[name] = unexplained.swapped().difference_of_ratios(spread, of_spread, squares=True)
    if of_magnitude > 0:
        differences["wape"] = absolute.difference_of_ratios(magnitude, of_magnitude)
    return differences


def _of_both(loss: Callable[[str, str], str]) -> tuple[str, str]:
    """Return the loss of the newer and of the older prediction."""
    return loss("actual", "predicted"), loss("actual", "old_predicted")


def _about(predicted: str, bias: float) -> str:
    """Return the squared deviation of the error from its mean."""
    return _square(f"({predicted} - actual - {number_literal(bias)})")


def _square(sql: str) -> str:
    return f"({sql} * {sql})"


def _near_root(sql: str, root: float) -> str:
    """Return the linear approximation of a square root near the root of the mean."""
    return f"({sql} / {number_literal(2 * root)} + {number_literal(root / 2)})"


def _mase_interval(pairs: PairedExamples, units: Units, by: str | None) -> Intervals:
    """Return the interval of the MASE: the mean over series of the MAE divided by the naive forecast's."""
    if "scale" not in pairs.columns:
        return {}
    if pairs.identical:
        return {"mase": IDENTICAL}
    newer, older = _of_both(residuals.absolute)
    by_series = f"""(
        SELECT 1 AS w, {by or "0"} AS unit, sum(w * ({newer} - {older})) / sum(w) / min(scale) AS x,
            sum(w * ({newer} + {older})) / sum(w) / min(scale) AS size
        FROM joined WHERE w > 0 {"GROUP BY series, unit" if "series" in pairs.columns else ""} HAVING min(scale) > 0
    )"""
    [[value, size]] = pairs.engine.rows(f"SELECT avg(x), avg(size) FROM {by_series}")
    if value is None or not math.isfinite(value):
        return {}
    difference = Difference(float(value), "x", float(size) or 1.0, losses="size", mean_loss=float(size))
    return measure_differences(pairs, units, "unit" if by else by, {"mase": difference}, relation=by_series)


def ranking_intervals(engine: Engine, choices: Choices) -> Intervals:
    """Return the interval of the difference of each mean over queries.

    Returns none if the versions differ in the queries, in the relevance of items, in their groups or in `k`.
    """
    cuts = engine.rows("SELECT k FROM newer UNION SELECT k FROM older")
    columns = [{str(name) for name, *_ in engine.rows(f"DESCRIBE {version}")} for version in ("newer", "older")]
    grouped = "cluster" in columns[0]
    if len(cuts) != 1 or grouped != ("cluster" in columns[1]):
        return {}
    cluster = "cluster" if grouped else "0"
    for name in ("newer", "older"):
        items = ranking.query_metrics("example_id", "relevance", "score", cuts[0][0], cluster)
        engine.rows(f"""
            CREATE TABLE {name}_queries AS
            SELECT * FROM (WITH predictions AS (SELECT * FROM {name}) {items})
            JOIN (
                SELECT example_id AS query, list_sort(list(relevance)) AS items,
                    list_sort(list({{'relevance': relevance, 'score': score}})) AS scored
                FROM {name} GROUP BY query
            )
            USING (query)
        """)
    differences = ", ".join(f"newer.{name} - older.{name} AS {name}" for name in ranking.METRICS)
    engine.rows(f"""
        CREATE TABLE joined AS
        SELECT 1 AS w, newer.cluster AS cluster, {differences}, newer.scored IS DISTINCT FROM older.scored AS changed,
            newer.items IS DISTINCT FROM older.items OR newer.cluster IS DISTINCT FROM older.cluster AS differs
        FROM newer_queries AS newer FULL JOIN older_queries AS older USING (query)
    """)
    [[differing, changes]] = engine.rows(
        "SELECT count(*) FILTER (WHERE differs), count(*) FILTER (WHERE changed) FROM joined"
    )
    if differing:
        return {}
    if not changes:
        return dict.fromkeys(ranking.METRICS, IDENTICAL)
    pairs = PairedExamples(engine, frozenset(), identical=False)
    found = dict(zip(ranking.METRICS, pairs.means(*ranking.METRICS), strict=True))
    if grouped:
        return measure_differences(
            pairs, GROUPS, "cluster", {name: Difference(mean.value, name, 1.0) for name, mean in found.items()}
        )
    return {name: query_difference(mean) for name, mean in found.items()}


def query_difference(mean: Mean) -> Interval | None:
    """Return the interval of the mean difference over queries, from -1 to 1; `None` if these are too few."""
    found = None if QUERIES.shortage(mean.size) else mean.difference_interval()
    return found and replace(found, method=OF_QUERIES)
