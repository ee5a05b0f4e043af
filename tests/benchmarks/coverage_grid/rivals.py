"""Compute intervals of textbooks for many samples at once, to compare the widths of the product's intervals with.

Samples are rows, and their units (examples, groups, series or queries) are columns.
"""

import numpy as np
import numpy.typing as npt
from scipy import stats

from tests.benchmarks.coverage_grid.tally import Ends, Numbers

NORMAL = float(stats.norm.ppf(0.975))
TAILS = 0.025, 0.975
RESAMPLES = 400
SEED = 20260313

Counts = npt.NDArray[np.int64]


def around(values: Numbers, margins: Numbers) -> Ends:
    """Return the ends of symmetric intervals."""
    return values - margins, values + margins


def quantile_of_t(degrees: Numbers | float) -> Numbers:
    """Return the 97.5% quantile of Student's t distribution."""
    return np.asarray(stats.t.ppf(0.975, np.maximum(degrees, 1)))


def standard_errors(values: Numbers) -> Numbers:
    """Return the standard errors of the means of rows."""
    return np.asarray(values.std(1, ddof=1) / np.sqrt(values.shape[1]))


# Means


def student(values: Numbers) -> Ends:
    """Return Student's intervals of means."""
    return around(values.mean(1), quantile_of_t(values.shape[1] - 1) * standard_errors(values))


def student_of_logarithms(values: Numbers) -> Ends:
    """Return Student's intervals of the logarithms of positive means, by the delta method."""
    means = values.mean(1)
    margins = quantile_of_t(values.shape[1] - 1) * standard_errors(values) / means
    return means * np.exp(-margins), means * np.exp(margins)


def means_of(values: Numbers) -> dict[str, Ends]:
    """Return the intervals of means of both signs."""
    return {"Student's t": student(values), "bootstrap BCa": bootstrap(values)}


def positive_means(values: Numbers) -> dict[str, Ends]:
    """Return the intervals of positive means."""
    return {**means_of(values), "Student's t of logarithms": student_of_logarithms(values)}


def bootstrap(values: Numbers) -> Ends:
    """Return the bias-corrected and accelerated bootstrap intervals of means.

    Efron (1987), Better bootstrap confidence intervals, doi:10.1080/01621459.1987.10478410. The acceleration is a sixth
    of the skewness of the mean. All samples share the resampled units, which are drawn at random anyway.
    """
    count = values.shape[1]
    draws = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    found = np.sort(values @ (draws.T / count), axis=1)
    apart = values - values.mean(1, keepdims=True)
    spread = np.maximum((apart**2).sum(1), 1e-100)
    acceleration = (apart**3).sum(1) / spread**1.5 / 6
    below = (found < values.mean(1, keepdims=True)).mean(1).clip(0.5 / RESAMPLES, 1 - 0.5 / RESAMPLES)
    bias = stats.norm.ppf(below)
    ends = []
    for tail in TAILS:
        shifted = bias + stats.norm.ppf(tail)
        level = stats.norm.cdf(bias + shifted / np.maximum(1 - acceleration * shifted, 1e-9))
        at = np.clip((level * RESAMPLES).astype(int), 0, RESAMPLES - 1)
        ends.append(found[np.arange(len(found)), at])
    return ends[0], ends[1]


def wild_bootstrap(values: Numbers) -> Ends:
    """Return the intervals of means from Student's t of deviations with random signs.

    Wu (1986), Jackknife, bootstrap and other resampling methods in regression analysis, doi:10.1214/aos/1176350142
    """
    count, means = values.shape[1], values.mean(1)
    signs = np.random.default_rng(SEED).choice([-1.0, 1.0], size=(count, RESAMPLES))
    apart = values - means[:, None]
    shifted = apart @ signs / count
    errors = np.sqrt(np.maximum((apart**2).mean(1)[:, None] - shifted**2, 1e-300) / (count - 1))
    return around(means, np.quantile(np.abs(shifted / errors), 0.95, axis=1) * standard_errors(values))


# Medians


def medians_of(values: Numbers) -> dict[str, Ends]:
    """Return the intervals of medians."""
    ordered = np.sort(values, axis=1)
    return {"order statistics": _order_statistics(ordered), "Maritz & Jarrett": _maritz_jarrett(ordered)}


def _order_statistics(ordered: Numbers) -> Ends:
    """Return the sorted values between which the median is, by the binomial distribution of those below it."""
    count = ordered.shape[1]
    below = int(stats.binom.ppf(0.025, count, 0.5))
    return ordered[:, below - 1], ordered[:, count - below]


def _maritz_jarrett(ordered: Numbers) -> Ends:
    """Return the intervals from the bootstrap's variance of the median, doi:10.1080/01621459.1978.10480027."""
    count = ordered.shape[1]
    half = (count + 1) / 2
    weights = np.diff(stats.beta.cdf(np.arange(count + 1) / count, half, half))
    spread = np.sqrt(np.maximum(ordered**2 @ weights - (ordered @ weights) ** 2, 0))
    return around(np.median(ordered, axis=1), quantile_of_t(count - 1) * spread)


# Explained shares


def explained_shares(actual: Numbers, unexplained: Numbers) -> dict[str, Ends]:
    """Return the intervals of 1 - (sum of the unexplained squares) / (sum of the squares about the mean)."""
    squares, count = (actual - actual.mean(1, keepdims=True)) ** 2, actual.shape[1]
    ratio = (unexplained.sum(1) / squares.sum(1)).clip(1e-9, 1 - 1e-9)
    share = 1 - ratio
    errors = standard_errors((unexplained - ratio[:, None] * squares) / squares.mean(1, keepdims=True))
    scale = 4 * share * ratio**2 * (count - 2) ** 2 / ((count**2 - 1) * (count + 3))
    z, margin = np.arctanh(np.sqrt(share)), NORMAL / np.sqrt(count - 3)
    low, high = _on_logarithms(ratio, errors, count)
    return {
        "delta method": around(share, quantile_of_t(count - 1) * errors),
        "delta method of logarithms": (1 - high, 1 - low),
        "Olkin & Finn": around(share, NORMAL * np.sqrt(scale)),
        "Fisher's z": (np.tanh(np.maximum(z - margin, 0)) ** 2, np.tanh(z + margin) ** 2),
    }


def _on_logarithms(values: Numbers, errors: Numbers, count: int) -> Ends:
    margins = quantile_of_t(count - 1) * errors / values
    return values * np.exp(-margins), values * np.exp(margins)


# Groups


def of_groups(values: Numbers, sums: Numbers) -> Ends:
    """Return the cluster-robust intervals of Student's t, from each group's sum of influences, `[sample][group]`."""
    groups = sums.shape[1]
    errors = np.sqrt((sums**2).sum(1) * groups / (groups - 1))
    return around(values, quantile_of_t(groups - 1) * errors)


def of_groups_on_log_odds(values: Numbers, sums: Numbers) -> Ends:
    """Return the same of fractions, computed on the scale of log odds; the whole range for 0 and 1."""
    inside = (values > 0) & (values < 1)
    spread = np.where(inside, values * (1 - values), 1.0)
    low, high = of_groups(stats.logistic.ppf(np.where(inside, values, 0.5)), sums / spread[:, None])
    return np.where(inside, stats.logistic.cdf(low), 0.0), np.where(inside, stats.logistic.cdf(high), 1.0)


def kish_wilson(shares: Numbers, sizes: Numbers, sums: Numbers) -> Ends:
    """Return Wilson's intervals of so many examples, divided by the estimated design effect, which is at least 1.

    Korn & Graubard (1998): see `performance.metrics.statistics.clusters`.
    """
    groups = sums.shape[1]
    variance = shares * (1 - shares) / sizes
    ratio = (sums**2).sum(1) * groups / (groups - 1) / np.where(variance > 0, variance, np.inf)
    effect = np.maximum(ratio, 1.0) * (quantile_of_t(groups - 1) / NORMAL) ** 2
    return wilson(shares, sizes / effect)


def wilson(shares: Numbers, sizes: Numbers) -> Ends:
    """Return Wilson's intervals of shares."""
    spread = NORMAL * np.sqrt(shares * (1 - shares) / sizes + NORMAL**2 / (4 * sizes**2))
    centre, scale = shares + NORMAL**2 / (2 * sizes), 1 + NORMAL**2 / sizes
    return (centre - spread) / scale, (centre + spread) / scale


# Differences of shares


def paired_shares(newer: Counts, older: Counts, both: Counts, size: int) -> dict[str, Ends]:
    """Return the intervals of a difference of shares, from how many examples one version, and both, are right about."""
    value, total = (newer - older) / size, newer + older
    wald = NORMAL * np.sqrt(np.maximum(total - (newer - older) ** 2 / size, 0)) / size
    return {
        "paired z": around(value, wald),
        "Agresti & Min": _agresti_min(newer, older, size),
        "Newcombe 10": _newcombe(newer, older, both, size),
        "Tango": _tango(newer, older, size),
    }


def _agresti_min(newer: Counts, older: Counts, size: int) -> Ends:
    """Return Wald's intervals after adding half a pair to each cell, doi:10.1002/sim.1781."""
    one, other, wider = newer + 0.5, older + 0.5, size + 2
    margin = NORMAL * np.sqrt(one + other - (one - other) ** 2 / wider) / wider
    return around((one - other) / wider, margin)


def _newcombe(newer: Counts, older: Counts, both: Counts, size: int) -> Ends:
    """Return the intervals of Newcombe (1998), Improved confidence intervals for the difference between binomial
    proportions based on paired data, Statistics in Medicine 17, 2635-2650, method 10.
    """
    neither = size - newer - older - both
    shares = (both + newer) / size, (both + older) / size
    ends = [wilson(share, np.full(len(share), float(size))) for share in shares]
    product = (both + newer) * (older + neither) * (both + older) * (newer + neither)
    cross = both * neither - newer * older
    cross = np.where(cross > size / 2, cross - size / 2, np.minimum(cross, 0))
    phi = np.where(product > 0, cross / np.sqrt(np.maximum(product, 1)), 0.0)
    down = _combined(shares[0] - ends[0][0], ends[1][1] - shares[1], phi)
    up = _combined(ends[0][1] - shares[0], shares[1] - ends[1][0], phi)
    value = shares[0] - shares[1]
    return value - down, value + up


def _combined(one: Numbers, other: Numbers, phi: Numbers) -> Numbers:
    return np.asarray(np.sqrt(np.maximum(one**2 - 2 * phi * one * other + other**2, 0)))


def _tango(newer: Counts, older: Counts, size: int) -> Ends:
    """Return the score intervals of Tango (1998), Equivalence test and confidence interval for the difference in
    proportions for the paired-sample design, Statistics in Medicine 17, 891-908.
    """
    value = (newer - older) / size
    ends = []
    for bound in (-1.0, 1.0):
        start, end = value, np.full(len(value), bound)
        for _ in range(40):
            middle = (start + end) / 2
            is_likely = np.abs(newer - older - size * middle) <= NORMAL * _tango_error(newer, older, size, middle)
            start, end = np.where(is_likely, middle, start), np.where(is_likely, end, middle)
        ends.append(start)
    return ends[0], ends[1]


def _tango_error(newer: Counts, older: Counts, size: int, difference: Numbers) -> Numbers:
    linear = -newer - older + (2 * size - newer + older) * difference
    constant = -older * difference * (1 - difference)
    share = (np.sqrt(np.maximum(linear**2 - 8 * size * constant, 0)) - linear) / (4 * size)
    return np.asarray(np.sqrt(np.maximum(size * (2 * share + difference * (1 - difference)), 0)))
