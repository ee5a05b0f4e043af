"""Compute ROC AUC and average precision of scores, exactly and with ties.

One statement sorts the scores. For each example it knows the weight of the examples above it and of those tied with it.
The areas and their variances follow from these: DeLong, DeLong & Clarke-Pearson (1988), Comparing the areas under two
or more correlated receiver operating characteristic curves: a nonparametric approach, doi:10.2307/2531595. The
statement also groups examples that lie close together on both curves into cells, a few thousand at most, which the
curves are drawn from.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from performance.metrics.engines.base import Row
from performance.metrics.inputs.sql import number_literal, string_literal
from performance.metrics.statistics.estimates import Estimate
from performance.metrics.statistics.intervals import effective_sample_size, logit
from performance.metrics.statistics.means import Mean, sums

FINE_RANGES = 1000  # of each rate, for a problem whose curves are drawn
COARSE_RANGES = 1


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


def _placements(problems: Sequence[OneVsRest], actual: str, weight: str | None, where: str) -> str:
    """Return the queries that compute each example's placement, precision and cell.

    The placement is the share of the negatives below a positive, or of the positives above a negative; ties count half.
    The precision is that of predicting positive from the example's score upwards.
    """
    several = len(problems) > 1
    label, by_label = ("label, ", "PARTITION BY label ") if several else ("", "")
    weight_column = "w, " if weight else ""
    # Rows of several problems carry their totals: a CASE over a thousand labels would compare each row with each.
    passed = f"{label}{weight_column}{'positives, negatives, ranges, ' if several else ''}"
    positives = "positives" if several else number_literal(problems[0].positives)
    negatives = "negatives" if several else number_literal(problems[0].negatives)
    ranges = "ranges" if several else str(problems[0].ranges)
    return f"""
        scored AS ({_scored(problems, actual, weight, where)}),
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
    return Estimate(
        area,
        logit(area, placements.variance, effective_sample_size(placements.weight, placements.squared_weight), "delong"),
    )


def _scored(problems: Sequence[OneVsRest], actual: str, weight: str | None, where: str) -> str:
    """Return the query of each score and whether its example is positive, in one scan for any number of problems."""
    weight_column = f"{weight} AS w, " if weight else ""
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
        SELECT {"w, " if weight else ""}{parts}
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

    @classmethod
    def from_rows(cls, problem: OneVsRest, rows: Iterable[Row]) -> Self:
        """Return the cells from the rows of `cells_statement`, without their label."""
        cells = [Cell(bool(positive), *map(float, sums)) for positive, *sums in rows]
        return cls(problem, sorted(cells, key=lambda cell: (-cell.score, cell.positive)))

    @cached_property
    def roc_auc(self) -> Estimate:
        """The area under the ROC curve, from 0 to 1, with DeLong's interval."""
        problem = self.problem
        area = self._sum("placement", positive=True) / problem.positives
        return Estimate(area, logit(area, self._variance(area), self.size, "delong"))

    @cached_property
    def average_precision(self) -> Estimate:
        """The mean over the positives of the precision at their scores, as `sklearn.metrics.average_precision_score`.

        Its variance has as many degrees of freedom as that of a mean over the positives: a few of them leave it
        uncertain.
        """
        value = self._sum("precision", positive=True) / self.problem.positives
        size = effective_sample_size(self.problem.positives, self._sum("squared_weight", positive=True))
        return Estimate(value, logit(value, self._variance_of_precision(value), size, "influence", size - 1))

    @property
    def size(self) -> float:
        """The effective number of positives or of negatives, whichever is smaller."""
        return min(
            effective_sample_size(self.problem.positives, self._sum("squared_weight", positive=True)),
            effective_sample_size(self.problem.negatives, self._sum("squared_weight", positive=False)),
        )

    def standard_error(self) -> float:
        """Return the standard error of the area under the ROC curve."""
        return math.sqrt(max(self._variance(self.roc_auc.value or 0.0), 0.0))

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
