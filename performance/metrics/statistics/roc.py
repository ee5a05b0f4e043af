"""Compute ROC AUC and average precision of scores, exactly and with ties.

One statement sorts the scores. For each example it knows the weight of the examples above it and of those tied with it.
The areas and their variances follow from these: DeLong, DeLong & Clarke-Pearson (1988), Comparing the areas under two
or more correlated receiver operating characteristic curves: a nonparametric approach, doi:10.2307/2531595. The
intervals are score intervals, for as many examples as that variance is worth. The
statement also groups examples that lie close together on both curves into cells, a few thousand at most, which the
curves are drawn from.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from performance.metrics.engines.base import Row
from performance.metrics.inputs.sql import number_literal, string_literal
from performance.metrics.statistics.estimates import Estimate
from performance.metrics.statistics.intervals import (
    PRIOR_SIZE,
    Interval,
    area_interval,
    area_variance,
    effective_sample_size,
    score_interval,
    shrunk_ratio,
)
from performance.metrics.statistics.means import Mean, sums
from performance.metrics.statistics.student_t import student_t_quantile

FINE_RANGES = 1000  # of each rate, for a problem whose curves are drawn
COARSE_RANGES = 1
MIN_POSITIVES = 5
FEW_POSITIVES = "There are fewer than {0} examples of the positive class, counted by their weight. {0} are enough."
TINY_WEIGHTS = "The weights are so small that their squares are 0. Multiply all weights by a large number."
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class OneVsRest:
    """A binary problem: one class against the rest.

    `score` is the expression of the class's scores; `positives` and `negatives` are the weights of its examples and of
    all others. The cells of a curve divide each rate into `ranges` equal ranges.
    """

    label: str
    score: str
    positives: float
    negatives: float
    ranges: int = FINE_RANGES


def cells_statement(
    problems: Sequence[OneVsRest], *, actual: str, weight: str | None = None, where: str = "TRUE"
) -> str:
    """Return the statement that selects the cells of each problem, preceded by its label.

    `actual`, `weight` and `where` are SQL expressions.
    """
    w = "w * " if weight else ""
    label = "label, " if len(problems) > 1 else ""
    return f"""
        WITH {_placements(problems, actual, weight, where)}
        SELECT {label or f"{string_literal(problems[0].label)}, "}positive, {"sum(w)" if weight else "count(*)"},
            {"sum(w * w)" if weight else "count(*)"}, sum({w}place), sum({w}{w}place), sum({w}{w}place * place),
            sum({w}precise), max(true_from), max(false_from), min(score)
        FROM placed GROUP BY {label}positive, cell
    """


def group_sums_statement(
    ranked: Mapping[str, "RankedScores"], *, group: str, actual: str, weight: str | None, where: str
) -> str:
    """Return the statement that selects the sums by group of each problem's influences, preceded by its label.

    They are the sums of the squared influence and of its fourth power, for ROC AUC and then for average precision.
    Obuchowski (1997), Nonparametric analysis of clustered ROC curve data, doi:10.2307/2533958, sums the placements by
    group. `group`, `actual`, `weight` and `where` are SQL expressions.
    """
    problems = [each.problem for each in ranked.values()]
    several = len(problems) > 1
    label = "label" if several else string_literal(problems[0].label)
    partition = "PARTITION BY label " if several else ""
    w = "w" if weight else "1"

    def value(numbers: Mapping[str, float]) -> str:
        branches = " ".join(
            f"WHEN {string_literal(name)} THEN {number_literal(each)}" for name, each in numbers.items()
        )
        return f"CASE label {branches} END" if several else number_literal(next(iter(numbers.values())))

    areas = value({name: each.roc_auc.value or 0.0 for name, each in ranked.items()})
    averages = value({name: each.average_precision.value or 0.0 for name, each in ranked.items()})
    positives = value({name: each.problem.positives for name, each in ranked.items()})
    negatives = value({name: each.problem.negatives for name, each in ranked.items()})
    all_from = "(true_from + false_from)"
    return f"""
        WITH {_placements(problems, actual, weight, where, group)},
        influenced AS (
            SELECT *, sum({w} * positive * false_from / {all_from} / {all_from}) OVER up_to AS raised,
                sum({w} * positive * true_from / {all_from} / {all_from}) OVER up_to AS lowered
            FROM placed WINDOW up_to AS ({partition}ORDER BY score)
        )
        SELECT {"label, " if several else label + ", "}sum(a * a), sum(a * a * a * a), sum(p * p), sum(p * p * p * p)
        FROM (
            SELECT {"label, " if several else ""}g,
                sum({w} * (place - {areas}) / CASE WHEN positive = 1 THEN {positives} ELSE {negatives} END) AS a,
                sum({w} * CASE WHEN positive = 1 THEN precise - {averages} + raised ELSE -lowered END)
                    / min({positives}) AS p
            FROM influenced GROUP BY {"label, " if several else ""}g
        )
        {"GROUP BY label" if several else ""}
    """


def _placements(
    problems: Sequence[OneVsRest], actual: str, weight: str | None, where: str, group: str | None = None
) -> str:
    """Return the queries that compute each example's placement, precision and cell.

    The placement is the share of the negatives below a positive, or of the positives above a negative; ties count half.
    The precision is that of predicting positive from the example's score upwards.
    """
    several = len(problems) > 1
    label, by_label = ("label, ", "PARTITION BY label ") if several else ("", "")
    weight_column = ("w, " if weight else "") + ("g, " if group else "")
    # Rows of several problems carry their totals: a CASE over a thousand labels would compare each row with each.
    passed = f"{label}{weight_column}{'positives, negatives, ranges, ' if several else ''}"
    positives = "positives" if several else number_literal(problems[0].positives)
    negatives = "negatives" if several else number_literal(problems[0].negatives)
    ranges = "ranges" if several else str(problems[0].ranges)
    return f"""
        scored AS ({_scored(problems, actual, weight, where, group)}),
        ranked AS ({_ranked(passed, by_label, weighted=weight is not None)}),
        placed AS (
            SELECT {label}{weight_column}score, positive, true_from, all_from - true_from AS false_from,
                true_from / all_from AS precise, {_placement(positives, negatives)} AS place,
                floor({ranges} * true_from / {positives})
                    + floor({ranges} * (all_from - true_from) / {negatives}) * {FINE_RANGES + 2}
                    + floor({ranges} * true_from / all_from) * {(FINE_RANGES + 2) ** 2} AS cell
            FROM ranked
        )
    """


def _ranked(passed: str, by_label: str, *, weighted: bool) -> str:
    """Return the query of the weight of all examples and of the positives, from each score upwards and tied with it.

    `passed` are columns to pass through.
    """
    w, tied = ("w * ", "sum(w) OVER tied") if weighted else ("", "count(*) OVER tied")
    from_here = "sum(w) OVER from_here" if weighted else f"rank() OVER from_here - 1 + {tied}"  # cheaper than sum
    return f"""
        SELECT {passed}score, positive,
            CAST({from_here} AS DOUBLE) AS all_from, CAST({tied} AS DOUBLE) AS all_tied,
            CAST(sum({w}positive) OVER from_here AS DOUBLE) AS true_from,
            CAST(sum({w}positive) OVER tied AS DOUBLE) AS true_tied
        FROM scored
        WINDOW from_here AS ({by_label}ORDER BY score DESC),
            tied AS ({by_label}ORDER BY score DESC RANGE BETWEEN CURRENT ROW AND CURRENT ROW)
    """


def _placement(positives: str, negatives: str) -> str:
    return f"""CASE WHEN positive = 1
        THEN ({negatives} - (all_from - true_from) + (all_tied - true_tied) / 2) / {negatives}
        ELSE (true_from - true_tied / 2) / {positives} END"""


def pooled_statement(scores: Mapping[str, str], total: float, *, actual: str, weight: str | None, where: str) -> str:
    """Return the statement that selects the sums of the examples' placements, pooled over the decisions on all classes.

    A decision is the score of one class for one example; it is positive for the example's own class. The placement of
    an example is that of its positive decision, plus the mean placement of its negative ones.
    """
    others = len(scores) - 1
    decisions = ", ".join(
        f"{{'score': {score}, 'positive': CASE WHEN {actual} = {string_literal(label)} THEN 1 ELSE 0 END}}"
        for label, score in scores.items()
    )
    placement = _placement(number_literal(total), number_literal(others * total))
    condition = f"{where} AND {weight} > 0" if weight else where
    return f"""
        WITH numbered AS (
            SELECT row_number() OVER (ORDER BY 1) AS example, {weight or "1"} AS w, [{decisions}] AS decisions
            FROM predictions WHERE {condition}
        ),
        decided AS (SELECT example, w, unnest(decisions) AS decision FROM numbered),
        scored AS (SELECT example, w, decision.score AS score, decision.positive AS positive FROM decided),
        ranked AS ({_ranked("example, w, ", "", weighted=weight is not None)})
        SELECT {sums("places", "w")}
        FROM (
            SELECT min(w) AS w, sum(CASE WHEN positive = 1 THEN place ELSE place / {others} END) AS places
            FROM (SELECT example, w, positive, {placement} AS place FROM ranked)
            GROUP BY example
        )
    """


def micro_roc_auc(placements: Mean) -> Estimate:
    """Return the area under the ROC curve of the pooled decisions on all classes, with its interval.

    The decisions on one example may err together. So the examples count as independent, and the influences of an
    example's decisions are summed first: Obuchowski (1997), Nonparametric analysis of clustered ROC curve data,
    doi:10.2307/2533958
    """
    area = placements.value / 2  # both the positives' and the negatives' mean placement is the area
    return Estimate(area, fraction_interval(area, placements.variance, placements.size, math.inf, "wilson_pooled"))


def fraction_interval(value: float, variance: float, size: float, degrees: float, method: str) -> Interval | None:
    """Return the Wilson interval of a fraction for as many examples as its variance is worth, `None` without a sample.

    Dean & Pagano (2015), Evaluating confidence interval methods for binomial proportions in clustered surveys,
    doi:10.1093/jssam/smv024

    Args:
        value: the fraction, from 0 to 1.
        variance: the variance of its estimate.
        size: the effective number of examples.
        degrees: the degrees of freedom of the variance.
        method: names the method in the result.
    """
    if size <= 1 or not math.isfinite(variance):
        return None
    ratio = shrunk_ratio(variance, value * (1 - value) / size, size)
    if size < PRIOR_SIZE:  # so few may look alike by chance
        ratio = max(ratio, 1.0)
    worth = size / ratio * (student_t_quantile(math.inf) / student_t_quantile(degrees)) ** 2
    interval = score_interval(min(max(value, 0.0), 1.0), worth)
    return interval and replace(interval, method=method)


def _scored(
    problems: Sequence[OneVsRest], actual: str, weight: str | None, where: str, group: str | None = None
) -> str:
    """Return the query of each score and whether its example is positive, in one scan for any number of problems."""
    weight_column = (f"{weight} AS w, " if weight else "") + (f"{group} AS g, " if group else "")
    condition = f"{where} AND {weight} > 0" if weight else where
    if len(problems) == 1:
        [problem] = problems
        positive = f"CAST({_is_positive(problem, actual)} AS TINYINT)"
        return (
            f"SELECT {weight_column}{problem.score} AS score, {positive} AS positive FROM predictions WHERE {condition}"
        )
    each = ", ".join(_struct(problem, actual) for problem in problems)
    parts = ", ".join(f"problem.{name} AS {name}" for name in _FIELDS)
    return f"""
        SELECT {"w, " if weight else ""}{"g, " if group else ""}{parts}
        FROM (SELECT {weight_column}unnest([{each}]) AS problem FROM predictions WHERE {condition})
    """


def _struct(problem: OneVsRest, actual: str) -> str:
    parts = (
        string_literal(problem.label),
        number_literal(problem.positives),
        number_literal(problem.negatives),
        str(problem.ranges),
        problem.score,
        _is_positive(problem, actual),
    )
    return f"{{{', '.join(f'{string_literal(name)}: {part}' for name, part in zip(_FIELDS, parts, strict=True))}}}"


def _is_positive(problem: OneVsRest, actual: str) -> str:
    return f"CASE WHEN {actual} = {string_literal(problem.label)} THEN 1 ELSE 0 END"


_FIELDS = ("label", "positives", "negatives", "ranges", "score", "positive")


@dataclass(frozen=True, slots=True)
class Cell:
    """Positive or negative examples that lie close together on both curves.

    `placement`, `squared_placement` and `sum_w2x2` are the sums of w·x, w²·x and w²·x² for the placements x, and
    `precision` is that of w·x for the precisions. `true_from` and `false_from` are the weights of the positives and the
    negatives from the cell's lowest score upwards.
    """

    positive: bool
    weight: float
    squared_weight: float
    placement: float
    squared_placement: float
    sum_w2x2: float
    precision: float
    true_from: float
    false_from: float
    score: float


@dataclass(frozen=True)
class RankedScores:
    """The cells of a problem, from the highest score downwards."""

    problem: OneVsRest
    cells: Sequence[Cell]
    design_effect: float = 1.0  # how many examples are worth one, if they are correlated

    @classmethod
    def from_rows(cls, problem: OneVsRest, rows: Iterable[Row]) -> Self:
        """Return the cells from the rows of `cells_statement`, without their label."""
        cells = [Cell(bool(positive), *map(float, sums)) for positive, *sums in rows]
        return cls(problem, sorted(cells, key=lambda cell: (-cell.score, cell.positive)))

    @cached_property
    def roc_auc(self) -> Estimate:
        """The area under the ROC curve, from 0 to 1, with Newcombe's interval.

        The variance of Hanley & McNeil holds for exponentially distributed scores. So the interval is for as many
        examples as DeLong's variance is worth.
        """
        area = min(max(self._sum("placement", positive=True) / self.problem.positives, 0.0), 1.0)
        positives, negatives = self._sizes
        if min(positives, negatives) <= 0:
            return Estimate(area, reason=TINY_WEIGHTS)
        expected = area_variance(area, positives, negatives)
        ratio = self.design_effect * shrunk_ratio(self._variance(area), expected, min(positives, negatives))
        return Estimate(area, area_interval(area, positives / ratio, negatives / ratio))

    @cached_property
    def average_precision(self) -> Estimate:
        """The mean over the positives of the precision at their scores, as `sklearn.metrics.average_precision_score`.

        The interval is Wilson's over the positives: Boyd, Eng & Page (2013), Area under the precision-recall curve:
        point estimates and confidence intervals, doi:10.1007/978-3-642-40994-3_29, on their logit scale. It is for as
        many positives as the variance of the influences is worth, with as many degrees of freedom as a mean over the
        positives has.
        """
        value = min(self._sum("precision", positive=True) / self.problem.positives, 1.0)
        size, _ = self._sizes
        if size < MIN_POSITIVES - _ROUNDING:
            return Estimate(value, reason=FEW_POSITIVES.format(MIN_POSITIVES))
        variance, size = self._variance_of_precision(value) * self.design_effect, size / self.design_effect
        return Estimate(value, fraction_interval(value, variance, size, size - 1, "wilson_influence"))

    @cached_property
    def _sizes(self) -> tuple[float, float]:
        """The effective numbers of positives and of negatives."""
        return (
            effective_sample_size(self.problem.positives, self._sum("squared_weight", positive=True)),
            effective_sample_size(self.problem.negatives, self._sum("squared_weight", positive=False)),
        )

    def with_design_effect(self, design_effect: float) -> Self:
        """Return the scores of as many effective examples as there are, divided by the design effect."""
        return replace(self, design_effect=design_effect)

    def variances(self) -> tuple[float, float]:
        """Return the variances of ROC AUC and average precision if the examples are independent."""
        return self._variance(self.roc_auc.value or 0.0), self._variance_of_precision(
            self.average_precision.value or 0.0
        )

    def _variance(self, area: float) -> float:
        return sum(
            (
                self._sum("sum_w2x2", positive)
                - 2 * area * self._sum("squared_placement", positive)
                + area**2 * self._sum("squared_weight", positive)
            )
            / weight
            / weight
            * _unbiased(weight, self._sum("squared_weight", positive))
            for positive, weight in ((True, self.problem.positives), (False, self.problem.negatives))
        )

    def _variance_of_precision(self, value: float) -> float:
        """Return the variance of the average precision: the sum of w²·influence² over the examples.

        The influence of an example is the derivative of the metric by its weight: Hampel (1974), The influence curve
        and its role in robust estimation, doi:10.1080/01621459.1974.10482962. A positive adds its own precision and
        raises that of each positive below it; a negative lowers it.
        """
        raised = lowered = total = 0.0
        for cell in reversed(self.cells):
            everything = cell.true_from + cell.false_from
            if cell.positive:
                raised += cell.weight * cell.false_from / everything / everything
                lowered += cell.weight * cell.true_from / everything / everything
                total += cell.squared_weight * (cell.precision / cell.weight - value + raised) ** 2
            else:
                total += cell.squared_weight * lowered**2
        positives = self.problem.positives
        return total / positives / positives * _unbiased(positives, self._sum("squared_weight", positive=True))

    def _sum(self, name: str, positive: bool) -> float:
        return math.fsum(getattr(cell, name) for cell in self.cells if cell.positive == positive)


def _unbiased(weight: float, squared_weight: float) -> float:
    size = effective_sample_size(weight, squared_weight)
    return size / (size - 1) if size > 1 else 1.0
