"""Compute intervals of means that a few large values may dominate, such as those of squared errors.

A metric is the weighted mean of a score over independent units: examples, groups of them, or series. A sample often
lacks the largest scores of all there are, and then has a small mean and a small variance at once. So one unit is added
that lies further out than any that was drawn, and Student's t is applied to all of them: what Agresti & Coull (1998),
doi:10.1080/00031305.1998.10480550, do for proportions. In a Pareto tail of index α, a value above the largest is
α / (α - 1) times as large on average (Embrechts, Klüppelberg & Mikosch (1997), Modelling extremal events, section 3.4):
twice for α = 2, the heaviest tail whose variance is finite, and three times for squares of errors with α = 3.

If the scores are too skewed for their number, no interval holds. The rule is that of Cochran (1977), Sampling
Techniques, 3rd edition, section 2.15, with his constant of 25 lowered to 16, as the added unit does part of its work:
there are at least 16·G² units, where G is the skewness of their scores.

A sample that lacks the largest losses has too small a skewness. Its coefficient of variation C gives the heavy tail
away, as it depends less on the largest. So the skewness of losses counts as at least 2·C³, that of an exponential
distribution, and the skewness of squared errors as at least C³, that of the squares of normal errors. The means of
groups vary less than their examples, and hide heavy tails as well. So the rule also takes the examples of groups as
independent ones.

In a difference of two versions, large errors of both cancel. This hides heavy tails, so the rule also uses C of each
version's squared errors. It is √2 for normal errors, √5 for those of a Laplace distribution, more for heavier tails. If
it is above 2.25, the skewness of the difference counts as at least C³.

The losses of series are means of many examples, which have no heavy tail of their own. But the scales of series may
differ: if they are lognormal(1), 23% of the samples of five series look harmless, as they lack the large scales, and
the interval of the RMSE holds in 41% of these. So for n series, the skewness counts as 1 + 3.5 / n times as much as
that of other losses, and the unit is added so many times as far out. With that, at most 3.7% are beyond the truth, with
1 + 2.5 / n up to 4.6%. In a difference, the losses of both versions are what may be skewed.

If a sample of heavy tails passes these rules, it still lacks a share of the squared errors. A root loses about half of
that share, but a difference of R² or of the explained variance loses all of it. So the units are added further out
there. With 3, the interval holds in 84% of the samples of 50 errors of t with 3 degrees that have one, if those of the
newer version are 30% greater and correlate by 0.9; with 4 in 91%, and with 5 in 96%.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.sql import number_literal
from performance.metrics.statistics.estimates import Estimate
from performance.metrics.statistics.intervals import Interval, effective_sample_size
from performance.metrics.statistics.means import AUGMENTED_T, Mean, sums
from performance.metrics.statistics.sample_sizes import round_up
from performance.metrics.statistics.student_t import student_t_quantile

AHEAD = 2.0  # how far the added unit is from the mean, as a multiple of the furthest one
AHEAD_OF_SQUARES = 3.0
AHEAD_OF_EXPLAINED = 5.0  # in differences of R² and of the explained variance
MAX_SKEWNESS = 1 / 4  # of a metric, which is the skewness of its scores divided by the root of their number
SKEWNESS_OF_LOSSES = 2.0  # at least, as a multiple of the cubed coefficient of variation
SKEWNESS_OF_SQUARES = 1.0
OF_SERIES = 3.5  # divided by their number, how much more the skewness counts, and how much further out units are added
MAX_VARIATION_OF_SQUARES = 2.25  # of each version, in a difference of few examples or groups
MAX_KNOWN_RATIO = 3.0  # of the units that an interval needs and those that there are
ENOUGH_SERIES = 30  # with as many, 89% of samples of alike series have an interval of the MAE, or more
_NEARLY_WHOLE = 1e-6
ROUNDING = 1e-26  # a variance below this share of the squared scale is due to rounding


@dataclass(frozen=True, slots=True)
class Units:
    """What is drawn independently, such as `examples`, and how many of them an interval needs at least.

    `is_averaged` says whether the loss of a unit is the mean of many examples, so that these may have heavy tails, but
    not its scale.
    """

    name: str
    least: int
    least_for_squares: int
    is_averaged: bool = False

    def shortage(self, size: float, *, squares: bool = False) -> str | None:
        """Return why `size` (effective) units are too few, `None` if they are enough."""
        least = self.least_for_squares if squares else self.least
        if size >= least - _NEARLY_WHOLE:
            return None
        return f"An interval needs at least {least:,} {self.name}, not {_count(size)}."


EXAMPLES = Units("examples", least=20, least_for_squares=50)
GROUPS = Units("groups", least=10, least_for_squares=10)
SERIES = Units("series", least=5, least_for_squares=5, is_averaged=True)


@dataclass(frozen=True, slots=True)
class Scores:
    """The relative deviations of the units' scores from their mean, as sums.

    `size` is the number of groups or series, or the effective number of examples. `deviations` is the weighted mean of
    the deviations, which is 0 but for rounding. `cubes` is the sum of w³·deviation³. `low` and `high` are the extreme
    deviations. `of_examples` is C³ of the examples of groups, divided by the root of their number, and 0 if examples
    are the units.
    """

    units: Units
    size: float
    deviations: Mean
    cubes: float
    low: float
    high: float
    of_examples: float = 0.0

    @property
    def skewness(self) -> float:
        """The skewness of the mean."""
        spread = self.deviations.sum_w2x2
        return self.cubes / spread / math.sqrt(spread) if spread > 0 else 0.0

    @property
    def are_alike(self) -> bool:
        """Whether all scores are the same but for rounding."""
        return self.deviations.variance * self.size < ROUNDING

    @property
    def _caution(self) -> float:
        """How much more the variation of series counts than that of other units; the fewer they are, the more."""
        return 1 + OF_SERIES / self.size if self.units.is_averaged else 1.0

    def obstacle(self, *, squares: bool = False) -> str | None:
        """Return why no interval of a mean of scores of both signs is known to hold, `None` if one is."""
        return self._obstacle(abs(self.skewness), squares=squares)

    def obstacle_of_losses(self, *, squares: bool = False) -> str | None:
        """Return why no interval of a mean of losses is known to hold, `None` if one is.

        Losses are 0 or more, and their deviations are relative to their mean.
        """
        return self._obstacle(max(abs(self.skewness), self.least_skewness(squares=squares)), squares=squares)

    def least_skewness(self, *, squares: bool) -> float:
        """Return what the skewness of the mean of losses counts as at least, from their variation."""
        of_units = _cubed_variation(self.deviations.variance, self.size)
        greatest = self._caution * of_units if self.units.is_averaged else max(of_units, self.of_examples)
        return (SKEWNESS_OF_SQUARES if squares else SKEWNESS_OF_LOSSES) * greatest

    def _obstacle(self, skewness: float, *, squares: bool) -> str | None:
        size, name = self.size, self.units.name
        if shortage := self.units.shortage(size, squares=squares):
            return shortage
        if not math.isfinite(self.deviations.variance) or not math.isfinite(skewness):
            return "The numbers differ too much in size for an interval."
        if self.are_alike:
            return f"All {name} are alike, so they do not tell how much others may differ."
        return self._skewness_obstacle(skewness) if skewness > MAX_SKEWNESS else None

    def _skewness_obstacle(self, skewness: float) -> str:
        """Say that the scores are too skewed, and how many units would do.

        The larger a sample of heavy tails, the larger its skewness. So many times as many units as there are would be
        too few again.
        """
        size, name, ratio = self.size, self.units.name, (skewness / MAX_SKEWNESS) ** 2
        needed = f"{round_up(size * ratio):,} {name}"
        least = f"An interval needs at least about {needed}." if ratio <= MAX_KNOWN_RATIO else ""
        if self.units.is_averaged and size < ENOUGH_SERIES:  # whose errors are often skewed by chance
            enough = least or f"About {ENOUGH_SERIES} are mostly enough for an interval."
            return f"The errors of the {_count(size)} {name} are too skewed for so few. {enough}"
        few = "A few examples in" if self.units is GROUPS else "A few of"
        unknown = f"How many {name} would be enough for an interval is unknown."
        return f"{few} the {_count(size)} {name} decide the value. {least or unknown}"

    def interval(
        self, value: float, scale: float, *, ahead: float = AHEAD, behind: float | None = None
    ) -> Interval | None:
        """Return the interval of `value`, the mean of the scores; `None` if it is not finite.

        Args:
            value: the metric.
            scale: the deviations are multiples of it.
            ahead: how far above the mean a unit is added, as a multiple of the highest deviation.
            behind: how far below it another one is added, if the scores have no lower bound.
        """
        if not scale:
            return None
        added = [ahead * self.high, *([] if behind is None else [behind * self.low])]
        wider = self.deviations.with_examples(*added)
        spread = student_t_quantile(wider.size - 1) * math.sqrt(wider.variance)
        ends = value + scale * (wider.value - spread), value + scale * (wider.value + spread)
        return Interval(*ends, AUGMENTED_T) if all(map(math.isfinite, ends)) else None

    def difference_interval(
        self,
        value: float,
        scale: float,
        *,
        ahead: float = AHEAD,
        squares: bool = False,
        variation: float = 0.0,
        losses: "Scores | None" = None,
    ) -> Interval | None:
        """Return the interval of a difference of two versions; `None` if none is known to hold.

        Its scores have no bounds, so a unit is added on each side.

        Args:
            value: the difference.
            scale: the deviations are multiples of it.
            ahead: how far from the mean the units are added, as a multiple of the furthest deviation of each side.
            squares: whether the scores have squared errors.
            variation: the greater coefficient of variation of the squared errors of the examples of both versions.
            losses: the losses of both versions together, of series.
        """
        skewness = max(abs(self.skewness), losses.least_skewness(squares=squares) if losses else 0.0)
        if not self.units.is_averaged and variation > MAX_VARIATION_OF_SQUARES:
            least = SKEWNESS_OF_SQUARES * variation * variation * variation / math.sqrt(self.size)
            skewness = max(skewness, least)
        if self._obstacle(skewness, squares=squares):
            return None
        return self.interval(value, scale, ahead=ahead, behind=ahead)

    def estimate(
        self, value: float, *, squares: bool = False, behind: float | None = None, upper: float = math.inf
    ) -> Estimate:
        """Return the mean of scores from 0 to `upper`, whose deviations are relative to it."""
        if reason := self.obstacle_of_losses(squares=squares):
            return Estimate(value, reason=reason)
        ahead, times = AHEAD_OF_SQUARES if squares else AHEAD, self._caution
        found = self.interval(value, value, ahead=times * ahead, behind=None if behind is None else times * behind)
        return Estimate(value, found and found.transform(lambda end: min(max(end, 0.0), upper)))


def deviation(loss: str, mean: float, scale: float | None = None) -> str:
    """Return the SQL of a loss's deviation from its mean, as a multiple of `scale`, by default of the mean."""
    return f"(({loss} - {number_literal(mean)}) / {number_literal((mean if scale is None else scale) or 1.0)})"


def root_estimate(squared: Estimate) -> Estimate:
    """Return the estimate of the square root of a mean of squares."""
    value = None if squared.value is None else math.sqrt(squared.value)
    return Estimate(value, squared.interval and squared.interval.transform(math.sqrt), squared.reason)


def measure_scores(
    engine: Engine,
    units: Units,
    deviations: Mapping[str, str],
    *,
    weight: str,
    total: float,
    source: str,
    by: str | None,
) -> dict[str, Scores]:
    """Return the scores of metrics by name, in one scan.

    Args:
        engine: runs the statement.
        units: what is drawn independently.
        deviations: the SQL of each example's deviation, by the name of the metric.
        weight: the SQL of each example's weight, above 0.
        total: the sum of the weights.
        source: the relation with its condition, as follows `FROM`.
        by: the SQL of what identifies the unit of an example; `None` if each example is one, empty if all are one.
    """
    # A power of two leaves whole weights exact, and keeps products of weights within a double.
    share = f"({weight} / {number_literal(2.0 ** math.frexp(total)[1])})"
    if by is None:
        columns = ", ".join(f"{sql} AS {name}" for name, sql in deviations.items())
        relation = f"SELECT {share} AS w, {columns} FROM {source}"
    else:
        columns = ", ".join(
            f"sum({share} * {sql}) / sum({share}) AS {name}, sum({share} * {share} * {sql} * {sql}) AS {name}_squares"
            for name, sql in deviations.items()
        )
        relation = f"""
            SELECT sum({share}) AS w, sum({share} * {share}) AS squares, {columns} FROM {source}
            {f"GROUP BY {by}" if by else ""}
        """
    parts = ", ".join(
        f"{sums(name, 'w')}, sum(w * w * w * {name} * {name} * {name}), min({name}), max({name}), "
        + ("0" if by is None else f"sum({name}_squares)")
        for name in deviations
    )
    [[count, weight_sum, of_squares, each_squared, *found]] = engine.rows(f"""
        SELECT count(*), sum(w), sum(w * w), {"sum(w * w)" if by is None else "sum(squares)"}, {parts} FROM ({relation})
    """)
    examples = effective_sample_size(weight_sum, each_squared)
    size = examples if by is None else float(count)
    scores = {}
    for at, name in enumerate(deviations):
        *of_mean, cubes, low, high, squares = found[7 * at : 7 * at + 7]
        of_examples = _cubed_variation(squares / weight_sum / weight_sum, examples)
        scores[name] = Scores(units, size, Mean(weight_sum, of_squares, *of_mean), cubes, low, high, of_examples)
    return scores


def _cubed_variation(variance: float, size: float) -> float:
    """Return C³ divided by the root of the number of scores, from the relative variance of their mean."""
    error = math.sqrt(max(variance, 0.0))
    return size * error * error * error


def _count(size: float) -> str:
    return f"{size:,.0f}" if abs(size - round(size)) < _NEARLY_WHOLE else f"{size:,.1f} (effective)"
