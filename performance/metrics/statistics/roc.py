"""How well scores tell positive examples from negative ones: ROC AUC and average precision, exactly, ties included.

One statement sorts the scores and knows, of each example, the weight of those above it and of those tied with it. From
that follow the areas and, by the method of DeLong, DeLong & Clarke-Pearson (1988), doi:10.2307/2531595, their variance.
The same statement gathers examples that lie close together on both curves into cells, a few thousand at most, from
which the curves are drawn.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from performance.metrics.engines.base import Row
from performance.metrics.inputs.sql import number, text
from performance.metrics.statistics.confusion import Estimate
from performance.metrics.statistics.intervals import effective_size, logit
from performance.metrics.statistics.means import Mean, sums

FINE = 1000  # ranges of each rate, where a curve is drawn
COARSE = 1


@dataclass(frozen=True, slots=True)
class OneVsRest:
    """One class against the rest: where its scores are, and the weight of the examples that are of it, and are not.

    Cells lie within one of `ranges` equal ranges of each rate.
    """

    label: str
    score: str
    positives: float
    negatives: float
    ranges: int = FINE


def areas(contests: Sequence[OneVsRest], *, actual: str, weight: str | None = None, where: str = "TRUE") -> str:
    """Return the statement that gives each contest's cells, after its label. The rest are SQL expressions."""
    w = "w * " if weight else ""
    label = "label, " if len(contests) > 1 else ""
    return f"""
        WITH {_placed(contests, actual, weight, where)}
        SELECT {label or f"{text(contests[0].label)}, "}positive, {"sum(w)" if weight else "count(*)"},
            {"sum(w * w)" if weight else "count(*)"}, sum({w}place), sum({w}{w}place), sum({w}{w}place * place),
            sum({w}precise), max(true_from), max(false_from), min(score)
        FROM placed GROUP BY {label}positive, cell
    """


def _placed(contests: Sequence[OneVsRest], actual: str, weight: str | None, where: str) -> str:
    """Return, of each example, the share of the negatives below it, or of the positives above it, ties counting half.

    And the precision where all from its score upwards are taken for positive, and its cell.
    """
    several = len(contests) > 1
    label, by_label = ("label, ", "PARTITION BY label ") if several else ("", "")
    weighed = "w, " if weight else ""
    # Rows of several contests carry their own numbers: a CASE over a thousand labels would compare each row with each.
    carried = f"{label}{weighed}{'positives, negatives, ranges, ' if several else ''}"
    positives = "positives" if several else number(contests[0].positives)
    negatives = "negatives" if several else number(contests[0].negatives)
    ranges = "ranges" if several else str(contests[0].ranges)
    return f"""
        scored AS ({_scored(contests, actual, weight, where)}),
        ranked AS ({_ranked(carried, by_label, weighted=weight is not None)}),
        placed AS (
            SELECT {label}{weighed}score, positive, true_from, all_from - true_from AS false_from,
                true_from / all_from AS precise, {_place(positives, negatives)} AS place,
                floor({ranges} * true_from / {positives})
                    + floor({ranges} * (all_from - true_from) / {negatives}) * {FINE + 2}
                    + floor({ranges} * true_from / all_from) * {(FINE + 2) ** 2} AS cell
            FROM ranked
        )
    """


def _ranked(carried: str, by_label: str, *, weighted: bool) -> str:
    """Return, of each of those that are scored, the weight of all and of the positives from its score upwards.

    And of those tied with it; `carried` are the columns that come along.
    """
    w, tied = ("w * ", "sum(w) OVER tied") if weighted else ("", "count(*) OVER tied")
    from_here = "sum(w) OVER from_here" if weighted else f"rank() OVER from_here - 1 + {tied}"  # which is cheaper
    return f"""
        SELECT {carried}score, positive,
            CAST({from_here} AS DOUBLE) AS all_from, CAST({tied} AS DOUBLE) AS all_tied,
            CAST(sum({w}positive) OVER from_here AS DOUBLE) AS true_from,
            CAST(sum({w}positive) OVER tied AS DOUBLE) AS true_tied
        FROM scored
        WINDOW from_here AS ({by_label}ORDER BY score DESC),
            tied AS ({by_label}ORDER BY score DESC RANGE BETWEEN CURRENT ROW AND CURRENT ROW)
    """


def _place(positives: str, negatives: str) -> str:
    return f"""CASE WHEN positive = 1
        THEN ({negatives} - (all_from - true_from) + (all_tied - true_tied) / 2) / {negatives}
        ELSE (true_from - true_tied / 2) / {positives} END"""


def pooled(scores: Mapping[str, str], total: float, *, actual: str, weight: str | None, where: str) -> str:
    """Return the statement that gives the three sums of what each example places, of the decisions on all classes.

    A decision is a class's score of an example, and positive for the class that the example is of. What an example
    places is the share of all negatives below its positive, plus the mean share of all positives above its negatives.
    """
    others = len(scores) - 1
    decisions = ", ".join(
        f"{{'score': {score}, 'positive': CASE WHEN {actual} = {text(label)} THEN 1 ELSE 0 END}}"
        for label, score in scores.items()
    )
    weighty = f"{where} AND {weight} > 0" if weight else where
    return f"""
        WITH numbered AS (
            SELECT row_number() OVER (ORDER BY 1) AS example, {weight or "1"} AS w, [{decisions}] AS decisions
            FROM predictions WHERE {weighty}
        ),
        decided AS (SELECT example, w, unnest(decisions) AS decision FROM numbered),
        scored AS (SELECT example, w, decision.score AS score, decision.positive AS positive FROM decided),
        ranked AS ({_ranked("example, w, ", "", weighted=weight is not None)})
        SELECT {sums("places", "w")}
        FROM (
            SELECT min(w) AS w, sum(CASE WHEN positive = 1 THEN place ELSE place / {others} END) AS places
            FROM (SELECT example, w, positive, {_place(number(total), number(others * total))} AS place FROM ranked)
            GROUP BY example
        )
    """


def micro_area(places: Mean) -> Estimate:
    """Return the area under the ROC curve of the decisions on all classes, with its interval.

    Each example brings a decision on each class, which may err together: so it is the examples that count as drawn
    independently, and the influences of an example's decisions are summed first. Obuchowski (1997), Nonparametric
    analysis of clustered ROC curve data, doi:10.2307/2533958
    """
    area = places.value / 2  # as places are those of positives and of negatives, whose means are both the area
    return Estimate(area, logit(area, places.variance, effective_size(places.weight, places.squares), "delong"))


def _scored(contests: Sequence[OneVsRest], actual: str, weight: str | None, where: str) -> str:
    """Return each score and whether it is of a positive example, in one scan however many contests there are."""
    weighed = f"{weight} AS w, " if weight else ""
    weighty = f"{where} AND {weight} > 0" if weight else where
    if len(contests) == 1:
        [contest] = contests
        positive = f"CAST({_is_positive(contest, actual)} AS TINYINT)"
        return f"SELECT {weighed}{contest.score} AS score, {positive} AS positive FROM predictions WHERE {weighty}"
    each = ", ".join(_described(contest, actual) for contest in contests)
    parts = ", ".join(f"contest.{name} AS {name}" for name in _CARRIED)
    return f"""
        SELECT {"w, " if weight else ""}{parts}
        FROM (SELECT {weighed}unnest([{each}]) AS contest FROM predictions WHERE {weighty})
    """


def _described(contest: OneVsRest, actual: str) -> str:
    parts = (
        text(contest.label),
        number(contest.positives),
        number(contest.negatives),
        str(contest.ranges),
        contest.score,
        _is_positive(contest, actual),
    )
    return f"{{{', '.join(f'{text(name)}: {part}' for name, part in zip(_CARRIED, parts, strict=True))}}}"


def _is_positive(contest: OneVsRest, actual: str) -> str:
    return f"CASE WHEN {actual} = {text(contest.label)} THEN 1 ELSE 0 END"


_CARRIED = ("label", "positives", "negatives", "ranges", "score", "positive")


@dataclass(frozen=True, slots=True)
class Cell:
    """Examples of one kind, positive or not, that lie close together on both curves.

    `place` is the share of the negatives below a positive, or of the positives above a negative: here are the sums of
    w·place, w²·place and w²·place². `true_from` and `false_from` are the weights of the positives and the negatives
    from the least score of the cell upwards.
    """

    positive: bool
    weight: float
    squares: float
    place: float
    squared_place: float
    squared_second: float
    precise: float
    true_from: float
    false_from: float
    score: float


@dataclass(frozen=True)
class RankedScores:
    """The cells of a contest, from the highest score downwards."""

    contest: OneVsRest
    cells: Sequence[Cell]

    @classmethod
    def of(cls, contest: OneVsRest, rows: Iterable[Row]) -> Self:
        """Return the cells of the rows that `areas` gives, without their label."""
        cells = [Cell(bool(positive), *map(float, sums)) for positive, *sums in rows]
        return cls(contest, sorted(cells, key=lambda cell: (-cell.score, cell.positive)))

    @cached_property
    def roc_auc(self) -> Estimate:
        """The area under the ROC curve, with its interval."""
        contest = self.contest
        area = self._sum("place", positive=True) / contest.positives
        return Estimate(area, logit(area, self._variance(area), self.size, "delong"))

    @cached_property
    def average_precision(self) -> Estimate:
        """The mean, over the positives, of the precision down to each, with its interval.

        Few positives leave its variance uncertain, as they do that of a mean of as many: so it has the degrees of
        freedom of theirs.
        """
        value = self._sum("precise", positive=True) / self.contest.positives
        size = effective_size(self.contest.positives, self._sum("squares", positive=True))
        return Estimate(value, logit(value, self._variance_of_precision(value), size, "influence", size - 1))

    @property
    def size(self) -> float:
        """How many examples the positives, or the negatives if they are fewer, are worth."""
        return min(
            effective_size(self.contest.positives, self._sum("squares", positive=True)),
            effective_size(self.contest.negatives, self._sum("squares", positive=False)),
        )

    def deviation(self) -> float:
        """Return the standard deviation of the area under the ROC curve."""
        return math.sqrt(max(self._variance(self.roc_auc.value or 0.0), 0.0))

    def _variance(self, area: float) -> float:
        return sum(
            (
                self._sum("squared_second", positive)
                - 2 * area * self._sum("squared_place", positive)
                + area**2 * self._sum("squares", positive)
            )
            / weight
            / weight
            * _unbiased(weight, self._sum("squares", positive))
            for positive, weight in ((True, self.contest.positives), (False, self.contest.negatives))
        )

    def _variance_of_precision(self, value: float) -> float:
        """Return the variance of the average precision: the sum of w²·influence² over the examples.

        The influence of an example is how fast the metric changes with its weight: Hampel (1974), The influence curve
        and its role in robust estimation, doi:10.1080/01621459.1974.10482962. A positive brings its own precision and
        raises that of each positive below it; a negative lowers it.
        """
        raised = lowered = total = 0.0
        for cell in reversed(self.cells):
            everything = cell.true_from + cell.false_from
            if cell.positive:
                raised += cell.weight * cell.false_from / everything / everything
                lowered += cell.weight * cell.true_from / everything / everything
                total += cell.squares * (cell.precise / cell.weight - value + raised) ** 2
            else:
                total += cell.squares * lowered**2
        positives = self.contest.positives
        return total / positives / positives * _unbiased(positives, self._sum("squares", positive=True))

    def _sum(self, name: str, positive: bool) -> float:
        return math.fsum(getattr(cell, name) for cell in self.cells if cell.positive == positive)


def _unbiased(weight: float, squares: float) -> float:
    size = effective_size(weight, squares)
    return size / (size - 1) if size > 1 else 1.0
