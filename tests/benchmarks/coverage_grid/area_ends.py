"""Compute the intervals of the areas of many samples at once.

They are those of `performance.metrics.statistics.roc` and of `performance.metrics.paired.areas`. That both give the
same intervals is tested in `tests.performance.metrics`. Samples without an interval have NaN.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from performance.metrics.statistics.roc import MIN_RARE_POSITIVES, PRIOR_SIZE, RARE
from tests.benchmarks.coverage_grid.tally import Ends, Numbers

NORMAL = float(stats.norm.ppf(0.975))
BISECTIONS = 50

Sizes = tuple[Numbers | float, Numbers | float]  # of positives and of negatives


def roc_auc_ends(values: Numbers, variances: Numbers, sizes: Sizes, effects: Numbers | float = 1.0) -> Ends:
    """Return the ends of the intervals of `roc_auc_estimate` of two classes."""
    ratio = effects * _shrunk_ratio(variances, _variance(values, *sizes), np.minimum(*sizes))
    worth = sizes[0] / ratio, sizes[1] / ratio
    return _score_ends_of_area(values, lambda areas: _variance(areas, *worth))


def mean_area_ends(
    values: Numbers, variances: Numbers, shares: Numbers, counts: Numbers, effects: Numbers | float = 1.0
) -> Ends:
    """Return the ends of the intervals of `roc_auc_estimate` of several classes.

    Args:
        values: the means of the areas.
        variances: those of the means.
        shares: the shares of the classes `[sample][class]`.
        counts: the numbers of examples of the classes `[sample][class]`.
        effects: the design effects.
    """
    others = counts.sum(1, keepdims=True) - counts

    def variance(areas: Numbers, ratio: Numbers) -> Numbers:
        of_classes = _variance(areas[:, None], counts / ratio[:, None], others / ratio[:, None])
        return np.asarray((shares**2 * of_classes).sum(1))

    expected = variance(values, np.ones_like(values))
    estimated = variances / np.where(expected > 0, expected, np.inf)
    fewest = np.minimum(counts, others).min(1)
    ratio = effects * np.maximum(_shrunk_ratio(variances, expected, fewest), estimated)
    return _score_ends_of_area(values, lambda areas: variance(areas, ratio))


def at_least_independent(values: Numbers, ends: Ends, areas: Numbers, of_classes: Ends, shares: Numbers) -> Ends:
    """Return the ends of the intervals of `mean_area`: those of equal areas, or of independent ones if these are wider.

    Args:
        values: the means of the areas.
        ends: those of `mean_area_ends`.
        areas: the areas of the classes `[sample][class]`.
        of_classes: the ends of the intervals of the classes `[sample][class]`.
        shares: the shares of the classes.
    """
    down, up = (np.sqrt(((shares * (areas - each)) ** 2).sum(1)) for each in of_classes)
    return np.maximum(np.minimum(ends[0], values - down), 0.0), np.minimum(np.maximum(ends[1], values + up), 1.0)


def _shrunk_ratio(variances: Numbers, expected: Numbers, size: Numbers | float) -> Numbers:
    ratio = np.where(expected > 0, variances / np.where(expected > 0, expected, 1.0), 1.0)
    return np.asarray((size * ratio + PRIOR_SIZE) / (size + PRIOR_SIZE))


def _variance(areas: Numbers, positives: Numbers | float, negatives: Numbers | float) -> Numbers:
    pairs = np.maximum((positives + negatives) / 2 - 1, 0.0)
    spread = 1 + pairs * (1 - areas) / (2 - areas) + pairs * areas / (1 + areas)
    return np.asarray(areas * (1 - areas) * spread / (positives * negatives))


def _score_ends_of_area(values: Numbers, variance: Callable[[Numbers], Numbers]) -> Ends:
    return _last_likely(values, 0.0, variance), _last_likely(values, 1.0, variance)


def _last_likely(values: Numbers, bound: float, variance: Callable[[Numbers], Numbers]) -> Numbers:
    start, end = values, np.full_like(values, bound)
    for _ in range(BISECTIONS):
        middle = (start + end) / 2
        is_likely = np.abs(values - middle) <= NORMAL * np.sqrt(variance(middle))
        start, end = np.where(is_likely, middle, start), np.where(is_likely, end, middle)
    return start


def average_precision_ends(
    values: Numbers, variances: Numbers, sizes: tuple[float, float], effects: Numbers | float = 1.0
) -> Ends:
    """Return the ends of the intervals of `average_precision_estimate`."""
    size, share = sizes[0] / (effects * np.ones_like(values)), sizes[0] / sum(sizes)
    worth = _worth(values, variances * effects, size, size - 1)
    lower, _ = _score_ends((values * size + np.minimum(share, values)) / (size + 1), worth)
    _, upper = _score_ends(values, worth)
    if share < RARE and sizes[0] < MIN_RARE_POSITIVES:
        return np.full_like(lower, np.nan), np.full_like(upper, np.nan)
    return lower, upper


def micro_area_ends(areas: Numbers, variances: Numbers, sizes: Numbers) -> Ends:
    """Return the ends of the intervals of `pooled_estimate`, for so many examples that are worth one each."""
    return _score_ends(areas, _worth(areas, variances, sizes, np.inf))


def _worth(values: Numbers, variances: Numbers, size: Numbers, degrees: Numbers | float) -> Numbers:
    ratio = _shrunk_ratio(variances, values * (1 - values) / size, size)
    ratio = np.where(size < PRIOR_SIZE, np.maximum(ratio, 1.0), ratio)
    return np.asarray(size / ratio * (NORMAL / stats.t.ppf(0.975, degrees)) ** 2)


def _score_ends(shares: Numbers, sizes: Numbers) -> Ends:
    spread = NORMAL * np.sqrt(shares * (1 - shares) / sizes + NORMAL**2 / (4 * sizes**2))
    centre, scale = shares + NORMAL**2 / (2 * sizes), 1 + NORMAL**2 / sizes
    return np.maximum((centre - spread) / scale, 0.0), np.minimum((centre + spread) / scale, 1.0)


# Differences: of the newer version, of the older one and, of variances and effects, of their difference


def roc_auc_difference_ends(
    values: Sequence[Numbers], variances: Sequence[Numbers], sizes: tuple[float, float], effects: Sequence[Numbers]
) -> Ends:
    """Return the ends of the intervals of `area_difference`."""
    wider = (stats.t.ppf(0.975, min(sizes) - 1) / NORMAL) ** 2
    newer, older = (roc_auc_ends(values[at], variances[at], sizes, wider * effects[at]) for at in (0, 1))
    return difference_ends(values, (newer, older), correlation(variances, effects))


def mean_area_difference_ends(
    values: Sequence[Numbers],
    variances: Sequence[Numbers],
    shares: Numbers,
    counts: Numbers,
    effects: Sequence[Numbers | float],
) -> Ends:
    """Return the ends of the intervals of `area_difference` of several classes."""
    fewest = np.minimum(counts, counts.sum(1, keepdims=True) - counts).min(1)
    wider = (stats.t.ppf(0.975, fewest - 1) / NORMAL) ** 2
    newer, older = (mean_area_ends(values[at], variances[at], shares, counts, wider * effects[at]) for at in (0, 1))
    return difference_ends(values, (newer, older), correlation(variances, effects))


def average_precision_difference_ends(
    values: Sequence[Numbers], variances: Sequence[Numbers], sizes: tuple[float, float], effects: Sequence[Numbers]
) -> Ends:
    """Return the ends of the intervals of `average_precision_difference`."""
    newer, older = (average_precision_ends(values[at], variances[at], sizes, effects[at]) for at in (0, 1))
    return difference_ends(values, (newer, older), correlation(variances, effects))


def correlation(variances: Sequence[Numbers], effects: Sequence[Numbers | float]) -> Numbers:
    """Return the correlation of two versions, from the variances of both and of their difference."""
    newer, older, apart = (variance * effect for variance, effect in zip(variances, effects, strict=True))
    scale = 2 * np.sqrt(newer) * np.sqrt(older)
    return np.where(scale > 0, np.clip((newer + older - apart) / np.where(scale > 0, scale, 1.0), -1, 1), 0.0)


def difference_ends(values: Sequence[Numbers], both: tuple[Ends, Ends], correlated: Numbers | float = 0.0) -> Ends:
    """Return the ends of the intervals of `correlated_interval`."""
    (newer, older), ((lower, upper), (old_lower, old_upper)) = values, both
    down = _margins(newer - lower, old_upper - older, correlated)
    up = _margins(upper - newer, older - old_lower, correlated)
    return newer - older - down, newer - older + up


def _margins(one: Numbers, other: Numbers, correlation: Numbers | float) -> Numbers:
    return np.asarray(np.hypot(one - correlation * other, np.sqrt(np.maximum(1 - np.square(correlation), 0.0)) * other))
