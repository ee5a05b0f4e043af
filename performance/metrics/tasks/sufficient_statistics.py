"""Measure the sufficient statistics of classification: label counts, ranked scores and losses."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from performance.metrics.engines.base import Engine, Row
from performance.metrics.inputs import label_counts
from performance.metrics.inputs.column_mapping import ColumnMapping
from performance.metrics.inputs.label_counts import LabelCounts
from performance.metrics.result import DAMAGED, UnprocessablePredictionsError
from performance.metrics.statistics import curves, losses, roc_sql
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.losses import Losses
from performance.metrics.statistics.roc import RankedScores
from performance.metrics.statistics.roc_sql import COARSE_RANGES, MAX_RANGES, OneVsRest


@dataclass(frozen=True, slots=True)
class Problem:
    """What all examples determine, and slices of them share.

    `positive` is the positive class of two. `improbable` says why the scores are no probabilities, and is `None` if
    they are. `group` is the column of the groups of correlated examples.
    """

    mapping: ColumnMapping
    averaging: str
    positive: str | None
    improbable: str | None
    group: str | None

    @property
    def is_micro(self) -> bool:
        """Whether the scores of several classes are pooled."""
        return self.averaging == "micro" and self.positive is None


@dataclass(frozen=True, slots=True)
class SufficientStatistics:
    """What the metrics of some examples follow from. `losses` is `None` without probabilities.

    `bounds` divide the scores into ranges that are sorted separately.
    """

    problem: Problem
    counts: LabelCounts
    matrix: ConfusionMatrix
    bounds: Sequence[float]
    ranked: Mapping[str, RankedScores]
    losses: Losses | None


def measure(engine: Engine, problem: Problem, counts: LabelCounts, *, is_drawn: bool) -> SufficientStatistics:
    """Return the statistics of an engine's examples.

    Raises `UnprocessablePredictionsError` for a damaged file, or if the weights of a class are too small. Unless curves
    are drawn, the cells of the scores are coarse: the areas and the variances of ROC AUC are the same.
    """
    matrix = counts.matrix()
    label_counts.check_class_weights(matrix)
    mapping, positive = problem.mapping, problem.positive
    probabilities = label_counts.as_probabilities(mapping)
    one_vs_rest = _one_vs_rest_problems(mapping, counts, positive, drawn=curves.MAX_CURVES if is_drawn else 0)
    bounds = _score_bounds(engine, one_vs_rest, mapping, counts)
    return SufficientStatistics(
        problem,
        counts,
        matrix,
        bounds,
        _ranked_scores(engine, one_vs_rest, mapping, bounds),
        None if problem.improbable else losses.measure_losses(engine, probabilities, counts, positive),
    )


def _ranked_scores(
    engine: Engine, problems: Sequence[OneVsRest], mapping: ColumnMapping, bounds: Sequence[float]
) -> Mapping[str, RankedScores]:
    """Return the ranked scores of each problem, by label."""
    if not problems:
        return {}
    where = f"{mapping.predicted} IS NOT NULL"
    rows = engine.rows(
        roc_sql.cells_statement(problems, actual=mapping.actual, weight=mapping.weight, where=where, bounds=bounds)
    )
    of_label: dict[str, list[Row]] = {problem.label: [] for problem in problems}
    for label, *cell in rows:
        of_label[label].append(tuple(cell))
    if any(None in row for row in rows) or any(len({cell[0] for cell in cells}) < 2 for cells in of_label.values()):
        raise UnprocessablePredictionsError(DAMAGED)
    return {problem.label: RankedScores.from_rows(problem, of_label[problem.label]) for problem in problems}


def _score_bounds(
    engine: Engine, problems: Sequence[OneVsRest], mapping: ColumnMapping, counts: LabelCounts
) -> list[float]:
    """Return the scores that divide the examples into ranges, so small that one executor can sort each."""
    ranges = min(math.ceil(counts.examples / engine.rows_per_sort), MAX_RANGES)
    if ranges <= 1 or not problems:
        return []
    where = f"{mapping.predicted} IS NOT NULL"
    statement = roc_sql.bounds_statement(problems, ranges, actual=mapping.actual, where=where)
    [[bounds]] = engine.rows(statement)
    return sorted(set(bounds or ()))


def _one_vs_rest_problems(
    mapping: ColumnMapping, counts: LabelCounts, positive: str | None, *, drawn: int
) -> list[OneVsRest]:
    """Return the problem of each class that has scores, positives and negatives.

    The classes with the most weight come first. The first `drawn` ones get curves.
    """
    scores = mapping.scores if positive is None else {positive: mapping.score}
    problems = [
        OneVsRest(label, score, counts.weight_of(label), counts.weight - counts.weight_of(label))
        for label, score in scores.items()
        if score is not None
    ]
    two_sided = [problem for problem in problems if problem.positives > 0 and problem.negatives > 0]
    two_sided.sort(key=lambda problem: -problem.positives)
    return two_sided[:drawn] + [replace(problem, ranges=COARSE_RANGES) for problem in two_sided[drawn:]]
