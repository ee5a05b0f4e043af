"""Compute a pseudovalue of ROC AUC of several classes for each example.

The weighted mean of the pseudovalues is the area, and the variance of that mean is the area's: they are the area plus
the influence of the example times the number of examples. Hanley & Hajian-Tilaki (1997), Sampling variability of
nonparametric estimates of the areas under receiver operating characteristic curves, doi:10.1016/S1076-6332(97)80161-4,
show it for two classes. So an example counts once, however many classes it is ranked for, and the correlation of the
classes' areas, or of two versions, follows from it. Those of pooled decisions are higher by the area, which is not
known before; it is half of their mean.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from performance.metrics.inputs.sql import number_literal, string_literal
from performance.metrics.statistics.margins import class_shares
from performance.metrics.statistics.means import sums
from performance.metrics.statistics.roc_sql import placement, ranked_query


class _Decisions(NamedTuple):
    """The decisions on one class, one for each example. They are positive for the examples of the class.

    `positives` and `negatives` are the weights of all decisions that these are ranked among. A placement adds `slope`
    times itself, plus `base`, to the pseudovalue of its example.
    """

    positives: float
    negatives: float
    slope: float
    base: float
    negative_slope: float
    negative_base: float


@dataclass(frozen=True, slots=True)
class Pseudovalues:
    """The examples of several classes, whose areas are averaged (`macro` or `weighted`) or pooled (`micro`).

    `scores` are the SQL of the classes' scores, `weights` the weights of their examples, and `areas` the areas of those
    that are averaged, by label. `example` is the SQL of what identifies an example; `actual`, `weight`, `where` and
    `group` are SQL too. `bounds` divide the scores into ranges that are sorted separately: see `ranked_query`.
    """

    averaging: str
    scores: Mapping[str, str]
    weights: Mapping[str, float]
    areas: Mapping[str, float]
    example: str
    actual: str
    weight: str | None
    where: str
    group: str | None = None
    bounds: Sequence[float] = ()

    def sums_statement(self) -> str:
        """Return the statement that selects the three sums of a `Mean` of the pseudovalues."""
        return f"SELECT {sums('pseudovalue', 'w' if self.weight else None)} FROM ({self.query()})"

    def group_sums_statement(self, mean: float) -> str:
        """Return the statement that selects the sums by group of the pseudovalues' deviations from their mean.

        They are the sums of the squared deviation and of its fourth power.
        """
        deviation = f"{'w * ' if self.weight else ''}(pseudovalue - {number_literal(mean)})"
        return f"""
            SELECT sum(t * t), sum(t * t * t * t)
            FROM (SELECT sum({deviation}) AS t FROM ({self.query()}) GROUP BY g)
        """

    def query(self) -> str:
        """Return the query of each `example` with its `pseudovalue`, and with its weight `w` and its group `g`."""
        is_pooled = self.averaging == "micro"
        condition = f"{self.where} AND {self.weight} > 0" if self.weight else self.where
        own = {name: sql for name, sql in (("w", self.weight), ("g", self.group)) if sql}
        names = "".join(f"{name}, " for name in own)
        partition = "" if is_pooled else "label, "
        passed = f"{partition}example, {names}{'label, ' if is_pooled else ''}"
        return f"""
            WITH numbered AS (
                SELECT {self.example} AS example, {"".join(f"{sql} AS {name}, " for name, sql in own.items())}
                    [{", ".join(self._structs())}] AS decisions
                FROM predictions WHERE {condition}
            ),
            decided AS (SELECT example, {names}unnest(decisions) AS decision FROM numbered),
            scored AS (
                SELECT example, {names}decision.label AS label, decision.score AS score, decision.positive AS positive
                FROM decided
            ),
            ranked AS ({ranked_query(passed, partition, self.bounds, weighted=self.weight is not None)}),
            placed AS (
                SELECT *, {placement("positives", "negatives")} AS place
                FROM ranked JOIN (VALUES {", ".join(self._rows())}) AS classes (label, {", ".join(_Decisions._fields)})
                USING (label)
            )
            SELECT example, {"".join(f"min({name}) AS {name}, " for name in own)}sum(
                CASE WHEN positive = 1 THEN slope * place + base ELSE negative_slope * place + negative_base END
            ) AS pseudovalue
            FROM placed GROUP BY example
        """

    @property
    def _labels(self) -> Iterable[str]:
        return self.scores if self.averaging == "micro" else self.areas

    def _structs(self) -> Iterator[str]:
        """Yield the SQL of the decision on each class. Numbers stand for the labels."""
        for at, label in enumerate(self._labels):
            positive = f"CAST(CASE WHEN {self.actual} = {string_literal(label)} THEN 1 ELSE 0 END AS TINYINT)"
            yield f"{{'label': CAST({at} AS SMALLINT), 'score': {self.scores[label]}, 'positive': {positive}}}"

    def _rows(self) -> Iterator[str]:
        """Yield the values of each class in SQL."""
        total = sum(self.weights.values())
        decisions = self._pooled(total) if self.averaging == "micro" else self._averaged(total)
        for at, each in enumerate(decisions):
            yield f"({at}, {', '.join(map(number_literal, each))})"

    def _pooled(self, total: float) -> list[_Decisions]:
        """Return the decisions on each class, which are ranked among those on all.

        The decisions on one example may err together, so their influences are summed: Obuchowski (1997), Nonparametric
        analysis of clustered ROC curve data, doi:10.2307/2533958. Both the mean placement of the positive decisions and
        that of the negative ones is the area.
        """
        others = len(self.scores) - 1
        return [_Decisions(total, others * total, 1.0, 0.0, 1 / others, 0.0)] * len(self.scores)

    def _averaged(self, total: float) -> Iterator[_Decisions]:
        """Yield the decisions on each class, which are ranked by themselves."""
        for label, share in class_shares({label: self.weights[label] for label in self.areas}, self.averaging).items():
            positives, area = self.weights[label], self.areas[label]
            slopes = [share * total / weight for weight in (positives, total - positives)]
            base, negative_base = (area * (share - slope) for slope in slopes)
            if self.averaging == "weighted":  # the share of the class is estimated too
                base, negative_base = base + area * (1 - share), negative_base - area * share
            yield _Decisions(positives, total - positives, slopes[0], base, slopes[1], negative_base)
