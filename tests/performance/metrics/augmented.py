"""Intervals of means after adding extreme examples, by first principles."""

import math
from typing import Any

import numpy as np
from scipy import stats


def augmented_t(scores: Any, weight: Any, ahead: float, behind: float | None = None) -> tuple[float, float]:
    """Return Student's interval of a weighted mean, after adding examples further out than the extremes."""
    mean = np.average(scores, weights=weight)
    added = [mean + ahead * (scores.max() - mean)]
    if behind is not None:
        added.append(mean + behind * (scores.min() - mean))
    scores = np.append(scores, added)
    weight = np.append(weight, [(weight**2).sum() / weight.sum()] * len(added))
    size = weight.sum() ** 2 / (weight**2).sum()
    mean = np.average(scores, weights=weight)
    variance = (weight**2 * (scores - mean) ** 2).sum() / weight.sum() ** 2 * size / (size - 1)
    half = stats.t.ppf(0.975, size - 1) * math.sqrt(variance)
    return mean - half, mean + half


def skewness(scores: Any, weight: Any) -> float:
    """Return the skewness of a weighted mean."""
    apart = scores - np.average(scores, weights=weight)
    return float((weight**3 * apart**3).sum() / (weight**2 * apart**2).sum() ** 1.5)
