"""Return the points of ROC, precision-recall and calibration curves."""

from collections.abc import Iterable, Sequence

from performance.metrics.result import CurvesDocument
from performance.metrics.statistics.downsampling import Point, downsample
from performance.metrics.statistics.losses import BINS, CalibrationBin
from performance.metrics.statistics.roc import RankedScores

MAX_CURVES = 20


def threshold_curves(problems: Iterable[RankedScores]) -> CurvesDocument:
    """Return the ROC and precision-recall curves of each label.

    The points are a selection whose area under straight lines differs by at most 0.001 from that of all points.
    Thresholds are those of `sklearn.metrics.roc_curve` and `precision_recall_curve`; above the highest, the recall is 0
    and the precision 1.
    """
    ranked_scores = list(problems)
    return {
        "roc": {ranked.problem.label: _roc(ranked) for ranked in ranked_scores},
        "precision_recall": {ranked.problem.label: _precision_recall(ranked) for ranked in ranked_scores},
    }


def calibration_curve(bins: Sequence[CalibrationBin]) -> list[dict[str, float]]:
    """Return the calibration bins that have examples, as documents.

    A bin has the edges of its range of confidence, the mean confidence of its examples, and the share predicted
    correctly.
    """
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


def _roc(ranked: RankedScores) -> list[dict[str, float | None]]:
    problem = ranked.problem
    points = [Point(0.0, 0.0, None)]
    for cell in ranked.cells:
        x, y = cell.false_from / problem.negatives, cell.true_from / problem.positives
        points.append(Point(_rate(x, points[-1].x), _rate(y, points[-1].y), cell.score))
    points[-1] = Point(1.0, 1.0, points[-1].threshold)
    selected = downsample(points, lambda point: point.x + point.y)
    return [
        {"false_positive_rate": each.x, "true_positive_rate": each.y, "threshold": each.threshold} for each in selected
    ]


def _precision_recall(ranked: RankedScores) -> list[dict[str, float | None]]:
    points = [Point(0.0, 1.0, None)]
    for cell in ranked.cells:
        x, y = cell.true_from / ranked.problem.positives, cell.true_from / (cell.true_from + cell.false_from)
        points.append(Point(_rate(x, points[-1].x), _rate(y, 0.0), cell.score))
    points[-1] = Point(1.0, points[-1].y, points[-1].threshold)
    selected = downsample(points, lambda point: point.x)
    return [{"recall": each.x, "precision": each.y, "threshold": each.threshold} for each in selected]


def _rate(value: float, least: float) -> float:
    """Return a rate that rounding has moved neither below `least` (the previous rate) nor above 1."""
    return min(max(value, least), 1.0)
