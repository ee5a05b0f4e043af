"""Settings of regression: errors with normal and with heavy tails, in groups, and of two versions."""

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from performance.metrics.statistics.intervals import Interval, median_interval_rank
from performance.metrics.statistics.scores import AHEAD, AHEAD_OF_EXPLAINED, AHEAD_OF_SQUARES, EXAMPLES, GROUPS
from performance.metrics.tasks.regression import Losses
from tests.benchmarks.coverage_grid import rivals
from tests.benchmarks.coverage_grid.numeric_scores import Numbers, mean_of, scores_of
from tests.benchmarks.coverage_grid.tally import Ends, Tallies, Tally

SEED = 20260313
ERRORS = ("normal", "t with 3 degrees", "lognormal(1.5)")
SIZES = (30, 100, 1000)
AT_A_TIME = 1000  # samples
EXPLAINED = 0.8  # the share of the variance
_VARIANCE = {"normal": 1.0, "t with 3 degrees": 3.0, "lognormal(1.5)": float(np.exp(4.5))}
_ABSOLUTE = {
    "normal": np.sqrt(2 / np.pi),
    "t with 3 degrees": 2 * np.sqrt(3) / np.pi,
    "lognormal(1.5)": float(np.exp(1.125)),
}
_MEDIAN = {"normal": stats.norm.ppf(0.75), "t with 3 degrees": stats.t.ppf(0.75, 3), "lognormal(1.5)": 1.0}
_BIAS = {"normal": 0.0, "t with 3 degrees": 0.0, "lognormal(1.5)": float(np.exp(1.125))}
LOSSES = {"rmse", "mae", "mape", "median_absolute_error", "bias"}


def draw(random: np.random.Generator, kind: str, shape: Any) -> Numbers:
    """Return errors."""
    if kind == "normal":
        return np.asarray(random.normal(size=shape))
    return np.asarray(random.standard_t(3, size=shape) if kind == ERRORS[1] else random.lognormal(0, 1.5, size=shape))


def true_metrics(kind: str) -> dict[str, float]:
    """Return the true metrics of errors of one kind, which are independent of the actual values."""
    spread = _VARIANCE[kind] / (1 - EXPLAINED)
    about = _VARIANCE[kind] - _BIAS[kind] ** 2
    return {
        "rmse": np.sqrt(_VARIANCE[kind]),
        "mae": _ABSOLUTE[kind],
        "mape": _ABSOLUTE[kind] * np.log(3) / np.sqrt(12 * spread),
        "r_squared": EXPLAINED,
        "explained_variance": 1 - about / spread,
        "bias": _BIAS[kind],
        "median_absolute_error": _MEDIAN[kind],
    }


def draw_actual(random: np.random.Generator, kind: str, size: Any) -> Numbers:
    """Return actual values from a uniform distribution, the largest thrice the smallest."""
    level = np.sqrt(12 * _VARIANCE[kind] / (1 - EXPLAINED))
    return np.asarray(random.uniform(level / 2, 1.5 * level, size))


def losses_of(actual: Numbers, error: Numbers, group: npt.NDArray[np.int64] | None = None) -> Losses:
    """Return the losses of predictions, summed by NumPy."""
    bias, variance, spread = error.mean(), error.var(), actual.var()
    squared, absolute, relative = error**2, np.abs(error), np.abs(error) / np.abs(actual)
    about, apart = (error - bias) ** 2, (actual - actual.mean()) ** 2
    deviations = {
        "rmse": squared / squared.mean() - 1,
        "mae": absolute / absolute.mean() - 1,
        "mape": relative / relative.mean() - 1,
        "bias": (error - bias) / np.sqrt(squared.mean()),
        "r_squared": squared / squared.mean() - apart / spread,
        "explained_variance": about / variance - apart / spread,
    }
    units, weight, of_examples = EXAMPLES, None, None
    if group is not None:
        units, weight = GROUPS, np.bincount(group).astype(float)
        of_examples = deviations
        deviations = {name: np.bincount(group, each) / weight for name, each in deviations.items()}
    return Losses(
        examples=len(error),
        bias=float(bias),
        squared=float(squared.mean()),
        absolute=float(absolute.mean()),
        relative=float(relative.mean()),
        variance=float(variance),
        spread=float(spread),
        largest=float(absolute.max()),
        scores=scores_of(units, deviations, weight, of_examples),
    )


def errors(samples: int, kinds: tuple[str, ...] = ERRORS, sizes: tuple[int, ...] = SIZES) -> Tallies:
    """Yield the tallies of independent errors."""
    for kind in kinds:
        for size in sizes:
            random = np.random.default_rng(SEED)
            truth = true_metrics(kind)
            found = {name: Tally(kind, name, size, float(value), name in LOSSES) for name, value in truth.items()}
            drawn = [(draw(random, kind, size), draw_actual(random, kind, size)) for _ in range(samples)]
            for error, actual in drawn:
                for name, each in losses_of(actual, error).estimates().items():
                    if name in found:
                        found[name].add(each.interval)
                found["median_absolute_error"].add(_median_interval(np.abs(error)))
            for part in range(0, samples, AT_A_TIME):
                error, actual = (np.stack(each) for each in zip(*drawn[part : part + AT_A_TIME], strict=True))
                _add_rivals(found, error, actual)
            yield from found.values()


def _add_rivals(found: Mapping[str, Tally], error: Numbers, actual: Numbers) -> None:
    """Count the intervals of other methods, of samples in rows."""
    about = (error - error.mean(1, keepdims=True)) ** 2
    found["mae"].add_rivals(rivals.positive_means(np.abs(error)))
    found["mape"].add_rivals(rivals.positive_means(np.abs(error) / actual))
    found["bias"].add_rivals(rivals.means_of(error))
    found["rmse"].add_rivals(roots(rivals.positive_means(error**2)))
    found["median_absolute_error"].add_rivals(rivals.medians_of(np.abs(error)))
    found["r_squared"].add_rivals(rivals.explained_shares(actual, error**2))
    found["explained_variance"].add_rivals(rivals.explained_shares(actual, about))


def roots(squared: Mapping[str, Ends]) -> dict[str, Ends]:
    """Return the intervals of the roots, by the name of the method."""
    return {name: (np.sqrt(np.maximum(low, 0)), np.sqrt(high)) for name, (low, high) in squared.items()}


def _median_interval(absolute: Numbers) -> Interval | None:
    rank = median_interval_rank(len(absolute))
    ordered = np.sort(absolute)
    return Interval(float(ordered[rank - 1]), float(ordered[-rank]), "woodruff") if rank else None


def groups(samples: int, count: int = 50, of_each: int = 20) -> Tallies:
    """Yield the tallies of groups of errors that correlate."""
    for kind in ERRORS:
        for correlation in (0.05, 0.2, 0.5):
            yield from _grouped(kind, count, of_each, correlation, samples)


def _grouped(kind: str, count: int, of_each: int, correlation: float, samples: int) -> Iterator[Tally]:
    random = np.random.default_rng(SEED)
    group, truth = np.repeat(np.arange(count), of_each), true_metrics(kind)
    setting = f"{kind}, {count} groups of {of_each}, correlation {correlation:g}"
    names = ("rmse", "mae", "bias", "r_squared")
    found = {name: Tally(setting, name, count, float(truth[name]), name in LOSSES) for name in names}
    of_groups: dict[str, list[Numbers]] = {"rmse": [], "mae": [], "bias": []}
    for _ in range(samples):
        shared, own = random.normal(size=count), random.normal(size=len(group))
        error = of_kind(np.sqrt(correlation) * shared[group] + np.sqrt(1 - correlation) * own, kind)
        actual = draw_actual(random, kind, len(group))
        estimates = losses_of(actual, error, group).estimates()
        for name, tally in found.items():
            tally.add(estimates[name].interval)
        for name, values in (("rmse", error**2), ("mae", np.abs(error)), ("bias", error)):
            of_groups[name].append(values.reshape(count, of_each).mean(axis=1))
    found["mae"].add_rivals(rivals.positive_means(np.stack(of_groups["mae"])))
    found["rmse"].add_rivals(roots(rivals.positive_means(np.stack(of_groups["rmse"]))))
    found["bias"].add_rivals(rivals.means_of(np.stack(of_groups["bias"])))
    yield from found.values()


def differences(samples: int, sizes: tuple[int, ...] = SIZES, factors: tuple[float, ...] = (1.15, 1.3)) -> Tallies:
    """Yield the tallies of two versions on the same examples.

    The errors of the newer one are greater by a factor, and correlate with those of the older one.
    """
    for kind, size, factor, correlation in product(ERRORS, sizes, factors, (0.0, 0.5, 0.9)):
        yield from _paired(kind, size, correlation, factor, samples)


DIFFERENCES = {
    "mae": AHEAD,
    "rmse": AHEAD_OF_SQUARES,
    "r_squared": AHEAD_OF_EXPLAINED,
    "explained_variance": AHEAD_OF_EXPLAINED,
}


def _paired(kind: str, size: int, correlation: float, worse: float, samples: int) -> Iterator[Tally]:
    random, of_actual = np.random.default_rng(SEED), np.random.default_rng(SEED + 1)
    setting = f"{size} · {kind}, times {worse:g}, correlation {correlation:g}"
    found = {
        name: Tally(setting, f"{name} difference", size, true_difference(name, kind, worse), name in LOSSES)
        for name in DIFFERENCES
    }
    drawn: dict[str, list[Numbers]] = {name: [] for name in DIFFERENCES}
    for _ in range(samples):
        newer, older = correlated(random, kind, size, correlation)
        both, actual = (worse * newer, older), draw_actual(of_actual, kind, size)
        for name, each in drawn.items():
            found[name].add(difference(name, *both, actual))
            each.append(difference_scores(name, *both, actual)[0])
    for name, each in drawn.items():
        for part in range(0, samples, AT_A_TIME):
            found[name].add_rivals(rivals.means_of(np.stack(each[part : part + AT_A_TIME])))
    yield from found.values()


def true_difference(name: str, kind: str, worse: float) -> float:
    """Return the difference of a metric, if the errors of the newer version are greater by a factor."""
    value = float(true_metrics(kind)[name])
    return (worse - 1) * value if name in LOSSES else (worse**2 - 1) * (value - 1)


def difference(name: str, newer: Numbers, older: Numbers, actual: Numbers) -> Interval | None:
    """Return the product's interval of the difference of a metric of errors."""
    score, scale = difference_scores(name, newer, older, actual)
    value = float(score.mean())
    scores = scores_of(EXAMPLES, {name: (score - value) / scale})[name]
    return scores.difference_interval(value, scale, **difference_options(name, newer, older))


def difference_options(name: str, newer: Numbers, older: Numbers) -> dict[str, Any]:
    """Return what the interval of the difference depends on but for its scores."""
    if name == "mae":
        return {"ahead": DIFFERENCES[name]}
    variation = max(mean_of(_squares(name, each).ravel()).variation for each in (newer, older))
    return {"ahead": DIFFERENCES[name], "squares": True, "variation": variation}


def difference_scores(name: str, newer: Numbers, older: Numbers, actual: Numbers) -> tuple[Numbers, float]:
    """Return the scores whose mean is the difference of a metric, or nearly so, and their scale."""
    if name == "mae":
        return np.abs(newer) - np.abs(older), float(np.abs(newer).mean() + np.abs(older).mean())
    one, other = (_squares(name, each) for each in (newer, older))
    if name == "rmse":
        roots = np.sqrt(one.mean()), np.sqrt(other.mean())
        return one / (2 * roots[0]) + roots[0] / 2 - other / (2 * roots[1]) - roots[1] / 2, float(sum(roots))
    apart = (actual - actual.mean()) ** 2
    spread = apart.mean()
    value = (other.mean() - one.mean()) / spread
    return (other - one) / spread - value * (apart / spread - 1), float((one.mean() + other.mean()) / spread)


def _squares(name: str, error: Numbers) -> Numbers:
    """Return the squared errors, for the explained variance about their mean."""
    return np.asarray((error - error.mean() if name == "explained_variance" else error) ** 2)


def correlated(random: np.random.Generator, kind: str, size: int, correlation: float) -> tuple[Numbers, Numbers]:
    """Return the errors of two versions, which have a normal copula."""
    one = random.normal(size=size)
    other = correlation * one + np.sqrt(1 - correlation**2) * random.normal(size=size)
    return of_kind(one, kind), of_kind(other, kind)


def of_kind(normal: Numbers, kind: str) -> Numbers:
    """Return errors of one kind from normal ones, in the same order."""
    if kind == "normal":
        return normal
    return np.asarray(stats.t.ppf(stats.norm.cdf(normal), 3) if kind == ERRORS[1] else np.exp(1.5 * normal))


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "numbers": errors,
    "numbers in groups": groups,
    "differences of numbers": differences,
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "numbers": lambda samples: errors(samples, sizes=(60, 250)),
    "numbers in groups": lambda samples: groups(samples, count=30, of_each=12),
    "differences of numbers": lambda samples: differences(samples, sizes=(60, 250), factors=(1.3,)),
}
