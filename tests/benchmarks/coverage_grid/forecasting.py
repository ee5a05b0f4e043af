"""Settings of forecasting: series whose errors are correlated in time."""

import itertools
from collections.abc import Callable, Mapping

import numpy as np
from scipy.signal import lfilter

from performance.metrics.statistics.scores import SERIES
from performance.metrics.tasks.forecasting import Losses
from tests.benchmarks.coverage_grid import rivals
from tests.benchmarks.coverage_grid.numeric_scores import Numbers, scores_of
from tests.benchmarks.coverage_grid.regression import roots
from tests.benchmarks.coverage_grid.tally import Tallies, Tally

SEED = 20260313
COUNTS = (2, 3, 5, 10, 30)  # of series
STEPS = 24
LEVEL = MEAN_SIZE = 10.0  # of actual values, which are all above 0
MANY = 30_000  # series that stand for all there are


def draw(random: np.random.Generator, series: int, correlation: float, spread: float = 0.0) -> Numbers:
    """Return the errors of series, autoregressive of order one: a row for each series.

    They have a variance of 1, times the square of each series' scale, which is lognormal with this `spread`.
    """
    return _scales(random, series, spread) * _autoregressive(random, series, correlation)


def _scales(random: np.random.Generator, series: int, spread: float) -> Numbers:
    return np.exp(spread * random.normal(size=(series, 1))) if spread else np.ones((series, 1))


def _autoregressive(random: np.random.Generator, series: int, correlation: float) -> Numbers:
    shocks = random.normal(size=(series, STEPS)) * np.sqrt(1 - correlation**2)
    shocks[:, 0] /= np.sqrt(1 - correlation**2)
    return np.asarray(lfilter([1.0], [1.0, -correlation], shocks, axis=1))


def losses_of(actual: Numbers, error: Numbers) -> Losses:
    """Return the losses of forecasts, summed by NumPy. Each series is a row."""
    losses = {
        "squared": error**2,
        "absolute": np.abs(error),
        "symmetric": 2 * np.abs(error) / (np.abs(actual) + np.abs(actual + error)),
        "actual": np.abs(actual),
    }
    means = {name: float(each.mean()) for name, each in losses.items()}
    squared, absolute, symmetric, size = (each.mean(axis=1) / means[name] - 1 for name, each in losses.items())
    deviations = {"rmse": squared, "mae": absolute, "smape": symmetric, "wape": absolute - size}
    return Losses(**means, scores=scores_of(SERIES, deviations))


def series(samples: int, counts: tuple[int, ...] = COUNTS) -> Tallies:
    """Yield the tallies of series."""
    for correlation in (0.8, 0.95):
        random = np.random.default_rng(SEED)
        whole = losses_of(LEVEL + random.normal(size=(MANY, STEPS)), draw(random, MANY, correlation)).estimates()
        for count in counts:
            setting = f"{count} series, AR({correlation:g})"
            found = {name: Tally(setting, name, count, float(each.value or 0), True) for name, each in whole.items()}
            _add_samples(found, random, samples, count, correlation)
            yield from found.values()


def unlike_series(samples: int, counts: tuple[int, ...] = (5, 10, 30)) -> Tallies:
    """Yield the tallies of series of different scale."""
    for spread, correlation, count in itertools.product((0.5, 0.75, 1.0), (0.0, 0.8, 0.95), counts):
        random, mean = np.random.default_rng(SEED), np.exp(spread**2 / 2)
        mae = np.sqrt(2 / np.pi) * mean
        truth = {"mae": mae, "rmse": mean**2, "wape": mae / MEAN_SIZE}
        setting = f"{count} series, AR({correlation:g}), scales lognormal({spread:g})"
        found = {name: Tally(setting, name, count, float(value), True) for name, value in truth.items()}
        _add_samples(found, random, samples, count, correlation, spread)
        yield from found.values()


def _add_samples(
    tallies: dict[str, Tally],
    random: np.random.Generator,
    samples: int,
    count: int,
    correlation: float,
    spread: float = 0.0,
) -> None:
    """Count the intervals of samples of series, and those of other methods."""
    drawn = []
    for _ in range(samples):
        actual, error = LEVEL + random.normal(size=(count, STEPS)), draw(random, count, correlation, spread)
        estimates = losses_of(actual, error).estimates()
        for name, tally in tallies.items():
            tally.add(estimates[name].interval)
        drawn.append(_means_of_series(actual, error))
    _add_rivals(tallies, *(np.stack(each) for each in zip(*drawn, strict=True)))


def _means_of_series(actual: Numbers, error: Numbers) -> tuple[Numbers, ...]:
    """Return the mean squared, absolute and symmetric error of each series, and its mean absolute value."""
    absolute = np.abs(error)
    symmetric = 2 * absolute / (np.abs(actual) + np.abs(actual + error))
    return tuple(each.mean(axis=1) for each in (error**2, absolute, symmetric, np.abs(actual)))


def _add_rivals(
    found: Mapping[str, Tally], squared: Numbers, absolute: Numbers, symmetric: Numbers, size: Numbers
) -> None:
    """Count the intervals of other methods, of samples in rows and series in columns."""
    ratio = absolute.mean(1, keepdims=True) / size.mean(1, keepdims=True)
    linear = ratio + (absolute - ratio * size) / size.mean(1, keepdims=True)
    by_name = {"rmse": squared, "mae": absolute, "smape": symmetric, "wape": linear}
    for name, values in ((name, by_name[name]) for name in found):
        ends = {**rivals.positive_means(values), "wild bootstrap": rivals.wild_bootstrap(values)}
        found[name].add_rivals(roots(ends) if name == "rmse" else ends)


def differences(samples: int, counts: tuple[int, ...] = COUNTS, worse: float = 1.15, spread: float = 0.0) -> Tallies:
    """Yield the tallies of the difference of MAE of two versions on the same series."""
    for correlation in (0.0, 0.5, 0.9):
        for count in counts:
            random = np.random.default_rng(SEED)
            setting = f"{count} series, AR(0.8), correlation {correlation:g}"
            if spread:
                setting += f", scales lognormal({spread:g}), {worse:g} times as large"
            truth = (worse - 1) * np.sqrt(2 / np.pi) * np.exp(spread**2 / 2)
            tally = Tally(setting, "mae difference", count, float(truth), True)
            drawn = []
            for _ in range(samples):
                scales = _scales(random, count, spread)
                one, other = (scales * _autoregressive(random, count, 0.8) for _ in range(2))
                newer = worse * (correlation * one + np.sqrt(1 - correlation**2) * other)
                score = (np.abs(newer) - np.abs(one)).mean(axis=1)
                both = (np.abs(newer) + np.abs(one)).mean(axis=1)
                value, scale = float(score.mean()), float(both.mean())
                scores = scores_of(SERIES, {"mae": (score - value) / scale, "losses": both / scale - 1})
                tally.add(scores["mae"].difference_interval(value, scale, losses=scores["losses"]))
                drawn.append(score)
            means = np.stack(drawn)
            tally.add_rivals({**rivals.means_of(means), "wild bootstrap": rivals.wild_bootstrap(means)})
            yield tally


def differences_of_unlike_series(samples: int) -> Tallies:
    """Yield the tallies of the difference of MAE of two versions on the same series of different scale."""
    for worse, spread in itertools.product((1.15, 1.5), (0.5, 1.0)):
        yield from differences(samples, (5, 10, 30), worse, spread)


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "forecasts": series,
    "forecasts of unlike series": unlike_series,
    "differences of forecasts": differences,
    "differences of forecasts of unlike series": differences_of_unlike_series,
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "forecasts": lambda samples: series(samples, counts=(7, 20)),
    "differences of forecasts": lambda samples: differences(samples, counts=(7, 20), worse=1.3),
}
