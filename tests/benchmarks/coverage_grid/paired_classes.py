"""Settings of the differences of two classifiers of several classes, and of limits on how much worse one may be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from performance.metrics.paired.matrices import RightAlone, accuracy_difference
from performance.metrics.statistics.differences import IDENTICAL
from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.margins import AVERAGED
from tests.benchmarks.coverage_grid import joint_tables
from tests.benchmarks.coverage_grid.composites import Classes
from tests.benchmarks.coverage_grid.joint_tables import Ends, Numbers
from tests.benchmarks.coverage_grid.paired import CORRELATIONS, Versions, accuracy_rivals, ends_of
from tests.benchmarks.coverage_grid.tally import Tallies, Tally

SEED = 20260313
AT_A_TIME = 2_000_000  # cells


@dataclass(frozen=True)
class SeveralVersions:
    """Two versions of a classifier of several classes.

    The newer one has `worse` times as many errors as the older one, whose errors are those of `older`. They correlate
    within each class as much as their shares allow, up to `correlation`, and this share of the examples that both get
    wrong get the same label from both.
    """

    older: Classes
    correlation: float
    worse: float = 1.5

    def __str__(self) -> str:
        return f"{self.older} · correlation {self.correlation:g}"

    @property
    def shares(self) -> Numbers:
        """The probabilities of the cells, `[actual][newer][older]`."""
        right, cells = self.older.recall, self.older.shares
        newer = 1 - self.worse * (1 - right)
        both = newer * right + self.correlation * np.sqrt(newer * (1 - newer) * right * (1 - right))
        both = min(both, newer, right)
        found = np.zeros((len(cells),) * 3)
        for at, row in enumerate(cells):
            wrong = np.where(np.arange(len(cells)) == at, 0.0, row)
            prior, wrong = row.sum(), wrong / wrong.sum()
            same, apart = self.correlation * np.diag(wrong), (1 - self.correlation) * np.outer(wrong, wrong)
            found[at] = (1 - newer - right + both) * (same + apart)
            found[at, at, at] = both
            found[at, at] += (newer - both) * wrong
            found[at, :, at] += (right - both) * wrong
            found[at] *= prior
        return found

    def draw_classes(self, random: np.random.Generator, examples: int, shape: tuple[int, int]) -> npt.NDArray[np.int64]:
        """Return how many of so many examples are of each class, `[class][…shape]`."""
        return np.moveaxis(random.multinomial(examples, self.shares.sum((1, 2)), shape), -1, 0)


SEVERAL = [
    SeveralVersions(Classes(size, classes, 0.01, recall), correlation)
    for classes in (3, 10)
    for size in (200, 1000)
    for recall in (0.9, 0.98)
    for correlation in CORRELATIONS
]
SEVERAL_HELD_OUT = [
    SeveralVersions(Classes(size, classes, 0.04, recall), correlation, 1.3)
    for classes in (4, 6)
    for size in (150, 600)
    for recall in (0.8, 0.95)
    for correlation in (0.3, 0.7)
]


def several(settings: list[SeveralVersions], samples: int) -> Tallies:
    """Yield the tallies of the differences of averages over classes, of MCC and of kappa.

    Samples in which all predictions are equal are left out, and so are those that lack a class.
    """
    for setting in settings:
        shares, size = setting.shares, setting.older.size
        random, batch = np.random.default_rng(SEED), max(1, AT_A_TIME // shares.size)
        found: dict[str, Tally] = {}
        for start in range(0, samples, batch):
            draws = random.multinomial(size, shares.ravel(), size=min(batch, samples - start))
            tables = draws.reshape(-1, *shares.shape).astype(float)
            tables = tables[(tables.sum((2, 3)) > 0).all(1) & joint_tables.differ(tables)]
            for name, ends, truth, rival in _of_both_averages(tables, shares):
                tally = found.setdefault(name, Tally(str(setting), name, size, truth))
                tally.add_all(*ends)
                tally.add_rival("delta method", rival)
        yield from found.values()


def _of_both_averages(tables: Numbers, shares: Numbers) -> list[tuple[str, Ends, float, Ends]]:
    """Return the name, the ends, the true difference and the ends of the delta method alone, of each metric."""
    found = []
    for averaging in ("macro", "weighted"):
        truth = true_differences(shares, averaging)
        for name, ends in joint_tables.intervals(tables, averaging).items():
            if name in AVERAGED or averaging == "macro":
                title = f"{averaging} {name} difference" if name in AVERAGED else f"{name} difference, several classes"
                found.append((title, ends, truth[name], joint_tables.delta_ends(tables, name, averaging)))
    return found


def true_differences(shares: Numbers, averaging: str) -> dict[str, float]:
    """Return the true differences of the metrics."""
    both = joint_tables.versions(shares[None], averaging)
    return {name: float((newer.value - older.value)[0]) for name, (newer, older) in both.items()}


# Limits


LIMITS = [
    (Versions(size, 0.3, share, share, correlation, 1 + limit / (1 - share)), limit)
    for share in (0.9, 0.97)
    for limit in (0.01, 0.03)
    for size in (100, 300, 1000, 3000)
    for correlation in CORRELATIONS
]
LIMITS_HELD_OUT = [
    (Versions(size, 0.2, 0.93, 0.93, correlation, 1 + 0.02 / 0.07), 0.02)
    for size in (150, 600)
    for correlation in (0.3, 0.7)
]


def limits(settings: list[tuple[Versions, float]], samples: int) -> Tallies:
    """Yield the tallies of versions that are worse by just the limit on regression of the accuracy.

    Predictions that are all equal pass, whatever the limit: their interval is [0, 0]. So each setting is tallied
    without such samples, and with them.
    """
    for setting, limit in settings:
        name = f"limit of {limit:g}, {setting.size:,} examples"
        different, every = (
            Tally(str(setting), each, setting.size, -limit) for each in (name, f"{name}, and equal predictions")
        )
        draws = np.random.default_rng(SEED).multinomial(setting.size, setting.shares.ravel(), size=samples)
        tables = draws.reshape(-1, 2, 2, 2)
        alone = joint_tables.right_alone(tables)
        pairs, at = np.unique(alone, axis=0, return_inverse=True)
        ends = np.array([ends_of(_accuracy(setting.size, *pair)) for pair in pairs.tolist()])[at]
        differ = alone.sum(1) > 0
        every.add_all(ends[:, 0], ends[:, 1])
        different.add_all(ends[differ, 0], ends[differ, 1])
        different.add_rivals(accuracy_rivals(tables[differ]))
        yield from (different, every)


def _accuracy(size: int, newer: float, older: float) -> Interval | None:
    if newer + older == 0:
        return IDENTICAL
    return accuracy_difference(RightAlone.of_equal_weights(size, newer, older))


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "differences of several classes": lambda samples: several(SEVERAL, samples),
    "limits on regression": lambda samples: limits(LIMITS, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "differences of several classes": lambda samples: several(SEVERAL_HELD_OUT, samples),
    "limits on regression": lambda samples: limits(LIMITS_HELD_OUT, samples),
}
