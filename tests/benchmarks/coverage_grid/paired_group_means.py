"""Settings of the differences of means of two versions, over examples or queries that are correlated within groups."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.scores import GROUPS
from tests.benchmarks.coverage_grid import rivals
from tests.benchmarks.coverage_grid.classification import LOSS_FUNCTIONS
from tests.benchmarks.coverage_grid.joint_tables import Numbers
from tests.benchmarks.coverage_grid.numeric_scores import scores_of
from tests.benchmarks.coverage_grid.paired import CORRELATIONS
from tests.benchmarks.coverage_grid.paired_groups import ALL_SHAPES, HELD_OUT_SHAPES, Shape
from tests.benchmarks.coverage_grid.regression import (
    DIFFERENCES,
    ERRORS,
    LOSSES,
    difference_options,
    difference_scores,
    draw_actual,
    of_kind,
    true_difference,
)
from tests.benchmarks.coverage_grid.tally import Tallies, Tally

SEED = 20260313

POPULATION = 2_000_000

Drawn = tuple[Numbers, ...]  # of the newer and the older version, and the actual values of errors


def errors(kind: str, worse: float, random: np.random.Generator, shape: Shape, correlation: float, times: int) -> Drawn:
    """Return the errors of both versions, and the actual values. Those of the newer one are greater by a factor."""
    newer, older = (of_kind(each, kind) for each in shape.noise(random, times, correlation))
    return worse * newer, older, draw_actual(random, kind, newer.shape)


def probabilities(random: np.random.Generator, shape: Shape, correlation: float, times: int) -> Drawn:
    """Return the probabilities of the actual classes. The errors of log odds correlate within groups."""
    odds = random.normal(0, 2, (times, shape.groups, shape.examples))
    sign = np.where(random.random(odds.shape) < 1 / (1 + np.exp(-odds)), 1.0, -1.0)
    newer, older = shape.noise(random, times, correlation)
    both = (1 / (1 + np.exp(-sign * (odds + each))) for each in (1.0 * newer, 0.7 * older))
    return next(both), next(both)


def found_items(random: np.random.Generator, shape: Shape, correlation: float, times: int) -> Drawn:
    """Return whether each version finds the relevant item of each query, as the recall of rankings has it."""
    newer, older = shape.noise(random, times, correlation)
    return (newer > -0.9).astype(float), (older > -1.0).astype(float)


def mean_difference(score: Numbers, scale: float, **options: Any) -> Interval | None:
    """Return the product's interval of the mean of a score, `[group][example]`."""
    value, weight = float(score.mean()), np.full(len(score), float(score.shape[1]))
    scores = scores_of(GROUPS, {"": (score.mean(axis=1) - value) / scale}, weight)[""]
    return scores.difference_interval(value, scale, **options)


def difference_of_errors(name: str, newer: Numbers, older: Numbers, actual: Numbers) -> Interval | None:
    """Return the interval of the difference of a metric of errors."""
    score, scale = difference_scores(name, newer, older, actual)
    return mean_difference(score, scale, **difference_options(name, newer, older))


def _scores(name: str, drawn: Drawn) -> Numbers:
    """Return the scores whose mean is the difference, or nearly so, `[sample][group][example]`."""
    if name in DIFFERENCES:
        return np.stack([difference_scores(name, *each)[0] for each in zip(*drawn, strict=True)])
    newer, older = drawn
    if name == "recall_at_k":
        return newer - older
    loss = LOSS_FUNCTIONS[name]
    return np.asarray(loss(newer) - loss(older))


def _loss(name: str) -> Callable[[Numbers, Numbers], Interval | None]:
    def interval(newer: Numbers, older: Numbers) -> Interval | None:
        one, other = LOSS_FUNCTIONS[name](newer), LOSS_FUNCTIONS[name](older)
        return mean_difference(one - other, float(one.mean() + other.mean()))

    return interval


def _mean_loss(name: str, truth: Numbers) -> float:
    return float(LOSS_FUNCTIONS[name](truth).mean())


@dataclass(frozen=True)
class Compared:
    """A mean of both versions: how it is drawn, and its interval.

    `of` is the true difference, or the mean itself if a population must tell. `errors` says what errors it is of.
    """

    name: str
    draw: Callable[[np.random.Generator, Shape, float, int], Drawn]
    interval: Callable[..., Interval | None]
    of: float | Callable[[Numbers], float]
    errors: str = ""
    is_loss: bool = True

    def truth(self, random: np.random.Generator, shape: Shape, correlation: float, population: int) -> float:
        """Return the true difference, or that of a population of so many examples."""
        if isinstance(self.of, float):
            return self.of
        newer, older = self.draw(random, shape, correlation, population // shape.size)
        return self.of(newer) - self.of(older)


MEANS = [
    *(
        Compared(
            name,
            partial(errors, kind, worse),
            partial(difference_of_errors, name),
            true_difference(name, kind, worse),
            f"{kind}, times {worse:g}",
            name in LOSSES,
        )
        for name, kind, worse in product(DIFFERENCES, ERRORS, (1.15, 1.3))
    ),
    *(Compared(name, probabilities, _loss(name), partial(_mean_loss, name)) for name in LOSS_FUNCTIONS),
    Compared(
        "recall_at_k",
        found_items,
        lambda newer, older: mean_difference(newer - older, 1.0),
        lambda each: float(each.mean()),
        is_loss=False,
    ),
]
GROUPED_MEANS = [(shape, correlation) for shape in ALL_SHAPES for correlation in CORRELATIONS]
GROUPED_MEANS_HELD_OUT = [(shape, 0.6) for shape in HELD_OUT_SHAPES]


def means(
    settings: list[tuple[Shape, float]],
    samples: int,
    population: int = POPULATION,
    compared: Sequence[Compared] = MEANS,
) -> Tallies:
    """Yield the tallies of the differences of errors, losses and means over queries."""
    for each in compared:
        for shape, correlation in settings:
            random = np.random.default_rng(SEED)
            setting = f"{shape} · {each.errors or each.name} · correlation {correlation:g}"
            truth = each.truth(random, shape, correlation, population)
            tally = Tally(setting, f"{each.name} difference", shape.size, truth, each.is_loss)
            drawn = each.draw(random, shape, correlation, samples)
            for both in zip(*drawn, strict=True):
                tally.add(each.interval(*both))
            tally.add_rivals(rivals.means_of(_scores(each.name, drawn).mean(axis=2)))
            yield tally


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "differences of means in groups": lambda samples: means(GROUPED_MEANS, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "differences of means in groups": lambda samples: means(GROUPED_MEANS_HELD_OUT, samples),
}
