"""Settings of forecasting: series whose errors are correlated in time."""

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
LEVEL = 10.0
MANY = 30_000  # series that stand for all there are


def draw(random: np.random.Generator, series: int, correlation: float) -> Numbers:
    """Return the errors of series, autoregressive of order one, with a variance of 1: a row for each series."""
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
            drawn = []
            for _ in range(samples):
                actual, error = LEVEL + random.normal(size=(count, STEPS)), draw(random, count, correlation)
                estimates = losses_of(actual, error).estimates()
                for name, tally in found.items():
                    tally.add(estimates[name].interval)
                drawn.append(_means_of_series(actual, error))
            _add_rivals(found, *(np.stack(each) for each in zip(*drawn, strict=True)))
            yield from found.values()


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
    for name, values in {"rmse": squared, "mae": absolute, "smape": symmetric, "wape": linear}.items():
        ends = {**rivals.positive_means(values), "wild bootstrap": rivals.wild_bootstrap(values)}
        found[name].add_rivals(roots(ends) if name == "rmse" else ends)


def differences(samples: int, counts: tuple[int, ...] = COUNTS, worse: float = 1.15) -> Tallies:
    """Yield the tallies of the difference of MAE of two versions on the same series."""
    for correlation in (0.0, 0.5, 0.9):
        for count in counts:
            random = np.random.default_rng(SEED)
            setting = f"{count} series, AR(0.8), correlation {correlation:g}"
            tally = Tally(setting, "mae difference", count, (worse - 1) * np.sqrt(2 / np.pi), True)
            drawn = []
            for _ in range(samples):
                one, other = draw(random, count, 0.8), draw(random, count, 0.8)
                newer = worse * (correlation * one + np.sqrt(1 - correlation**2) * other)
                score = (np.abs(newer) - np.abs(one)).mean(axis=1)
                value, scale = float(score.mean()), float(np.abs(newer).mean() + np.abs(one).mean())
                scores = scores_of(SERIES, {"mae": (score - value) / scale})["mae"]
                tally.add(scores.difference_interval(value, scale))
                drawn.append(score)
            means = np.stack(drawn)
            tally.add_rivals({**rivals.means_of(means), "wild bootstrap": rivals.wild_bootstrap(means)})
            yield tally


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {"forecasts": series, "differences of forecasts": differences}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "forecasts": lambda samples: series(samples, counts=(7, 20)),
    "differences of forecasts": lambda samples: differences(samples, counts=(7, 20), worse=1.3),
}
