"""The curves of classification: ROC, precision-recall and calibration, as points to draw."""

from collections.abc import Iterable, Sequence
from typing import Any

from performance.metrics.statistics.downsampling import Point, downsample
from performance.metrics.statistics.losses import BINS, Bin
from performance.metrics.statistics.roc import RankedScores

MAX_LABELS = 20


def of_scores(contests: Iterable[RankedScores]) -> dict[str, Any]:
    """Return both curves of each label, with the area of all points under straight lines, give or take 0.001.

    Thresholds are those of `sklearn.metrics.roc_curve` and `precision_recall_curve`; above all of them, the recall is 0
    and the precision 1.
    """
    drawn = list(contests)
    return {
        "roc": {placed.contest.label: _roc(placed) for placed in drawn},
        "precision_recall": {placed.contest.label: _precision_recall(placed) for placed in drawn},
    }


def calibration(bins: Sequence[Bin]) -> list[dict[str, float]]:
    """Return of each bin its range of confidence, and its examples' mean confidence and share that is right."""
    return [
        {
            "lower": (each.number - 1) / BINS,
            "upper": each.number / BINS,
            "confidence": each.confidence / each.weight,
            "accuracy": each.correct / each.weight,
            "count": each.examples,
        }
        for each in bins
        if each.weight > 0
    ]


def _roc(placed: RankedScores) -> list[dict[str, float | None]]:
    contest = placed.contest
    points = [Point(0.0, 0.0, None)]
    for cell in placed.cells:
        x, y = cell.false_from / contest.negatives, cell.true_from / contest.positives
        points.append(Point(_rate(x, points[-1].x), _rate(y, points[-1].y), cell.score))
    points[-1] = Point(1.0, 1.0, points[-1].threshold)
    kept = downsample(points, lambda point: point.x + point.y)
    return [{"false_positive_rate": each.x, "true_positive_rate": each.y, "threshold": each.threshold} for each in kept]


def _precision_recall(placed: RankedScores) -> list[dict[str, float | None]]:
    points = [Point(0.0, 1.0, None)]
    for cell in placed.cells:
        x, y = cell.true_from / placed.contest.positives, cell.true_from / (cell.true_from + cell.false_from)
        points.append(Point(_rate(x, points[-1].x), _rate(y, 0.0), cell.score))
    points[-1] = Point(1.0, points[-1].y, points[-1].threshold)
    kept = downsample(points, lambda point: point.x)
    return [{"recall": each.x, "precision": each.y, "threshold": each.threshold} for each in kept]


def _rate(value: float, least: float) -> float:
    """Return a rate that rounding has taken neither below the one before it nor past 1."""
    return min(max(value, least), 1.0)
