"""How well scores tell positive examples from negative ones: ROC AUC and average precision, exactly, ties included.

One statement sorts the scores and knows, of each example, the weight of those below it and of those tied with it. From
that follow the areas and, by the method of DeLong, DeLong & Clarke-Pearson (1988), doi:10.2307/2531595, their variance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from performance.evaluation.confusion import Estimate
from performance.evaluation.intervals import effective_size, logit
from performance.evaluation.statements import number, text


@dataclass(frozen=True, slots=True)
class Contest:
    """One class against the rest: where its scores are, and the weight of the examples that are of it, and are not."""

    label: str
    score: str
    positives: float
    negatives: float


def areas(contests: Sequence[Contest], *, actual: str, weight: str | None = None, where: str = "TRUE") -> str:
    """Return the statement that gives each contest's `Sums`, after its label. The rest are SQL expressions."""
    return f"""
        WITH {_placed(contests, actual, weight, where)}
        SELECT label,
            sum(w * below) FILTER (WHERE positive = 1), sum(w * precise) FILTER (WHERE positive = 1),
            sum(w * w) FILTER (WHERE positive = 1), sum(w * w * below) FILTER (WHERE positive = 1),
            sum(w * w * below * below) FILTER (WHERE positive = 1),
            sum(w * w) FILTER (WHERE positive = 0), sum(w * w * above) FILTER (WHERE positive = 0),
            sum(w * w * above * above) FILTER (WHERE positive = 0)
        FROM placed GROUP BY label
    """


def _placed(contests: Sequence[Contest], actual: str, weight: str | None, where: str) -> str:
    """Return, of each example, the share of the negatives below it and of the positives above it, ties counting half.

    And the precision where all from its score upwards are taken for positive.
    """
    several = len(contests) > 1
    label, by_label = ("label, ", "PARTITION BY label ") if several else ("", "")
    weighed, counted = ("w, ", "sum(w)") if weight else ("", "count(*)")
    return f"""
        scored AS ({" UNION ALL ".join(_scored(contest, actual, weight, where, several) for contest in contests)}),
        ranked AS (
            SELECT {label}{weighed}positive,
                CAST({counted} OVER up_to AS DOUBLE) AS all_up_to, CAST({counted} OVER tied AS DOUBLE) AS all_tied,
                CAST(sum({"w * " if weight else ""}positive) OVER up_to AS DOUBLE) AS positive_up_to,
                CAST(sum({"w * " if weight else ""}positive) OVER tied AS DOUBLE) AS positive_tied
            FROM scored
            WINDOW up_to AS ({by_label}ORDER BY score RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
                tied AS ({by_label}ORDER BY score RANGE BETWEEN CURRENT ROW AND CURRENT ROW)
        ),
        placed AS (
            SELECT {_by_label(contests, [text(contest.label) for contest in contests])} AS label,
                positive, {"w" if weight else "1"} AS w,
                (all_up_to - positive_up_to - (all_tied - positive_tied) / 2) / {_negatives(contests)} AS below,
                ({_positives(contests)} - positive_up_to + positive_tied / 2) / {_positives(contests)} AS above,
                ({_positives(contests)} - positive_up_to + positive_tied)
                    / ({_positives(contests)} + {_negatives(contests)} - all_up_to + all_tied) AS precise
            FROM ranked
        )
    """


def _scored(contest: Contest, actual: str, weight: str | None, where: str, several: bool) -> str:
    label = f"{text(contest.label)} AS label, " if several else ""
    weighed = f"{weight} AS w, " if weight else ""
    positive = f"CAST(CASE WHEN {actual} = {text(contest.label)} THEN 1 ELSE 0 END AS TINYINT)"
    return f"SELECT {label}{weighed}{contest.score} AS score, {positive} AS positive FROM predictions WHERE {where}"


def _positives(contests: Sequence[Contest]) -> str:
    return _by_label(contests, [number(contest.positives) for contest in contests])


def _negatives(contests: Sequence[Contest]) -> str:
    return _by_label(contests, [number(contest.negatives) for contest in contests])


def _by_label(contests: Sequence[Contest], values: Sequence[str]) -> str:
    if len(contests) == 1:
        return values[0]
    cases = " ".join(f"WHEN {text(one.label)} THEN {value}" for one, value in zip(contests, values, strict=True))
    return f"CASE label {cases} END"


@dataclass(frozen=True, slots=True)
class Sums:
    """What `areas` gives: sums over the positives of what lies below them, and over the negatives of what above."""

    below: float
    precise: float
    positive_squares: float
    positive_first: float
    positive_second: float
    negative_squares: float
    negative_first: float
    negative_second: float

    def roc_auc(self, contest: Contest) -> Estimate:
        """Return the area under the ROC curve, with its interval."""
        area = self.below / contest.positives
        variance = (
            (self.positive_second - 2 * area * self.positive_first + area**2 * self.positive_squares)
            / contest.positives**2
            * _unbiased(contest.positives, self.positive_squares)
        ) + (
            (self.negative_second - 2 * area * self.negative_first + area**2 * self.negative_squares)
            / contest.negatives**2
            * _unbiased(contest.negatives, self.negative_squares)
        )
        size = min(
            effective_size(contest.positives, self.positive_squares),
            effective_size(contest.negatives, self.negative_squares),
        )
        return Estimate(area, logit(area, variance, size, "delong"))

    def average_precision(self, contest: Contest) -> float:
        """Return the mean, over the positives, of the precision down to each."""
        return self.precise / contest.positives


def _unbiased(weight: float, squares: float) -> float:
    size = effective_size(weight, squares)
    return size / (size - 1) if size > 1 else 1.0
