"""Settings of the differences of means of two versions, over examples or queries that are correlated within groups."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.scores import GROUPS
from tests.benchmarks.coverage_grid import rivals
from tests.benchmarks.coverage_grid.classification import LOSS_FUNCTIONS
from tests.benchmarks.coverage_grid.joint_tables import Numbers
from tests.benchmarks.coverage_grid.numeric_scores import scores_of
from tests.benchmarks.coverage_grid.paired import CORRELATIONS
from tests.benchmarks.coverage_grid.paired_groups import ALL_SHAPES, HELD_OUT_SHAPES, Shape
from tests.benchmarks.coverage_grid.tally import Tallies, Tally

SEED = 20260313

WORSE = 1.15
POPULATION = 2_000_000

Pair = tuple[Numbers, Numbers]


def errors(random: np.random.Generator, shape: Shape, correlation: float, times: int) -> Pair:
    """Return the errors of both versions. Those of the newer one are greater by a factor."""
    newer, older = shape.noise(random, times, correlation)
    return WORSE * newer, older


def probabilities(random: np.random.Generator, shape: Shape, correlation: float, times: int) -> Pair:
    """Return the probabilities of the actual classes. The errors of log odds correlate within groups."""
    odds = random.normal(0, 2, (times, shape.groups, shape.examples))
    sign = np.where(random.random(odds.shape) < 1 / (1 + np.exp(-odds)), 1.0, -1.0)
    newer, older = shape.noise(random, times, correlation)
    both = (1 / (1 + np.exp(-sign * (odds + each))) for each in (1.0 * newer, 0.7 * older))
    return next(both), next(both)


def found_items(random: np.random.Generator, shape: Shape, correlation: float, times: int) -> Pair:
    """Return whether each version finds the relevant item of each query, as the recall of rankings has it."""
    newer, older = shape.noise(random, times, correlation)
    return (newer > -0.9).astype(float), (older > -1.0).astype(float)


def mean_difference(score: Numbers, scale: float, *, squares: bool = False) -> Interval | None:
    """Return the product's interval of the mean of a score, `[group][example]`."""
    value, weight = float(score.mean()), np.full(len(score), float(score.shape[1]))
    scores = scores_of(GROUPS, {"": (score.mean(axis=1) - value) / scale}, weight)[""]
    return scores.difference_interval(value, scale, squares=squares)


def mean_of_errors(newer: Numbers, older: Numbers) -> Interval | None:
    """Return the interval of the difference of the MAE."""
    one, other = np.abs(newer), np.abs(older)
    return mean_difference(one - other, float(one.mean() + other.mean()))


def root_of_squares(newer: Numbers, older: Numbers) -> Interval | None:
    """Return the interval of the difference of the RMSE."""
    one, other = (float(np.sqrt((each**2).mean())) for each in (newer, older))
    score = newer**2 / (2 * one) + one / 2 - older**2 / (2 * other) - other / 2
    return mean_difference(score, one + other, squares=True)


def _scores(name: str, newer: Numbers, older: Numbers) -> Numbers:
    """Return the scores whose mean is the difference, or nearly so, `[sample][group][example]`."""
    if name == "recall_at_k":
        return newer - older
    if name == "rmse":
        one, other = (np.sqrt((each**2).mean((1, 2), keepdims=True)) for each in (newer, older))
        return np.asarray(newer**2 / (2 * one) + one / 2 - older**2 / (2 * other) - other / 2)
    loss = LOSS_FUNCTIONS.get(name, np.abs)
    return np.asarray(loss(newer) - loss(older))


def _loss(name: str) -> Callable[[Numbers, Numbers], Interval | None]:
    def interval(newer: Numbers, older: Numbers) -> Interval | None:
        one, other = LOSS_FUNCTIONS[name](newer), LOSS_FUNCTIONS[name](older)
        return mean_difference(one - other, float(one.mean() + other.mean()))

    return interval


def _mean_loss(name: str, truth: Numbers) -> float:
    return float(LOSS_FUNCTIONS[name](truth).mean())


Draw = Callable[[np.random.Generator, Shape, float, int], Pair]
MEANS: Mapping[str, tuple[Draw, Callable[[Numbers, Numbers], Interval | None], Callable[[Numbers], float], bool]] = {
    "mae": (errors, mean_of_errors, lambda each: float(np.abs(each).mean()), True),
    "rmse": (errors, root_of_squares, lambda each: float(np.sqrt((each**2).mean())), True),
    **{name: (probabilities, _loss(name), partial(_mean_loss, name), True) for name in LOSS_FUNCTIONS},
    "recall_at_k": (
        found_items,
        lambda newer, older: mean_difference(newer - older, 1.0),
        lambda each: float(each.mean()),
        False,
    ),
}
GROUPED_MEANS = [(shape, correlation) for shape in ALL_SHAPES for correlation in CORRELATIONS]
GROUPED_MEANS_HELD_OUT = [(shape, 0.6) for shape in HELD_OUT_SHAPES]


def means(settings: list[tuple[Shape, float]], samples: int, population: int = POPULATION) -> Tallies:
    """Yield the tallies of the differences of errors, losses and means over queries."""
    for name, (draw, interval, metric, is_loss) in MEANS.items():
        for shape, correlation in settings:
            random = np.random.default_rng(SEED)
            newer, older = draw(random, shape, correlation, population // shape.size)
            setting, truth = f"{shape} · correlation {correlation:g}", metric(newer) - metric(older)
            tally = Tally(setting, f"{name} difference", shape.size, truth, is_loss)
            drawn = draw(random, shape, correlation, samples)
            for both in zip(*drawn, strict=True):
                tally.add(interval(*both))
            tally.add_rivals(rivals.means_of(_scores(name, *drawn).mean(axis=2)))
            yield tally


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "differences of means in groups": lambda samples: means(GROUPED_MEANS, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "differences of means in groups": lambda samples: means(GROUPED_MEANS_HELD_OUT, samples),
}
