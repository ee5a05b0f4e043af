"""Settings of ranking: means of values from 0 to 1, which are the metrics of queries."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from performance.metrics.paired.numeric import query_difference
from performance.metrics.statistics.intervals import Interval
from tests.benchmarks.coverage_grid import rivals
from tests.benchmarks.coverage_grid.group_effects import equal_groups, interval_effects
from tests.benchmarks.coverage_grid.numeric_scores import Numbers, mean_of, student_ends
from tests.benchmarks.coverage_grid.tally import Tallies, Tally

SEED = 20260313
SIZES = (10, 30, 100, 300)
AT_A_TIME = 1000  # samples

Draw = Callable[[np.random.Generator, int], Numbers]
SETTINGS: dict[str, tuple[float, Draw]] = {
    "MRR .995": (0.995, lambda random, size: np.where(random.random(size) < 0.99, 1.0, 0.5)),
    "recall@k .98": (0.98, lambda random, size: (random.random(size) < 0.98).astype(float)),
    "mean of .9, 60% at 1": (
        0.9,
        lambda random, size: np.where(random.random(size) < 0.6, 1.0, random.beta(6, 2, size)),
    ),
    "Beta(2, 2)": (0.5, lambda random, size: random.beta(2, 2, size)),
    "Beta(.05, 1)": (0.05 / 1.05, lambda random, size: random.beta(0.05, 1, size)),
}


def queries(samples: int, sizes: tuple[int, ...] = SIZES) -> Tallies:
    """Yield the tallies of means over queries."""
    for name, (truth, draw) in SETTINGS.items():
        for size in sizes:
            random, tally = np.random.default_rng(SEED), Tally(name, "mean", size, truth)
            for _ in range(samples):
                values = draw(random, size)
                tally.add(mean_of(values).bounded_estimate(0, 1).interval)
                tally.add_rival("Student's t", student_ends(values))
                tally.add_rival("Wilson", rivals.wilson(values.mean(keepdims=True), np.array([float(size)])))
            yield tally


@dataclass(frozen=True)
class GroupedQueries:
    """Groups of queries whose results correlate: of found items (beta), or of another metric (a normal copula).

    `of` is the share of found items, or the name of the metric's distribution.
    """

    groups: int
    queries: int
    correlation: float
    of: float | str

    def __str__(self) -> str:
        return f"{self.groups} groups of {self.queries}, correlation {self.correlation:g}, {self.of}"

    @property
    def name(self) -> str:
        """The name of the metric."""
        return "mean of grades" if isinstance(self.of, str) else "recall@k"

    @property
    def truth(self) -> float:
        """The true mean."""
        return SETTINGS[self.of][0] if isinstance(self.of, str) else self.of

    def draw(self, random: np.random.Generator, samples: int) -> Numbers:
        """Return the values of the queries, `[sample][group][query]`."""
        shape = samples, self.groups, self.queries
        if isinstance(self.of, str):
            shared, own = random.normal(size=(*shape[:2], 1)), random.normal(size=shape)
            quantile = stats.norm.cdf(np.sqrt(self.correlation) * shared + np.sqrt(1 - self.correlation) * own)
            return GRADES[self.of](quantile)
        size = (1 - self.correlation) / self.correlation
        of_group = random.beta(self.of * size, (1 - self.of) * size, (*shape[:2], 1))
        return (random.random(shape) < of_group).astype(float)


SHARES: tuple[float | str, ...] = (0.5, 0.9, 0.98)
SHARES_HELD_OUT: tuple[float | str, ...] = (0.7, 0.95)
GRADES: dict[str, Callable[[Numbers], Numbers]] = {
    "MRR .995": lambda quantile: np.where(quantile < 0.01, 0.5, 1.0),
    "mean of .9, 60% at 1": lambda quantile: np.where(
        quantile > 0.4, 1.0, stats.beta.ppf(np.minimum(quantile / 0.4, 1), 6, 2)
    ),
    "Beta(2, 2)": lambda quantile: np.asarray(stats.beta.ppf(quantile, 2, 2)),
    "Beta(.05, 1)": lambda quantile: quantile**20,
}
GROUPED = [
    GroupedQueries(groups, queries, correlation, of)
    for groups, queries in ((50, 20), (12, 10))
    for correlation in (0.05, 0.2, 0.5)
    for of in (*SHARES, *GRADES)
]
GROUPED_HELD_OUT = [
    GroupedQueries(30, 12, correlation, of) for correlation in (0.1, 0.35) for of in (*SHARES_HELD_OUT, *GRADES)
]


def groups(settings: list[GroupedQueries], samples: int) -> Tallies:
    """Yield the tallies of means over queries that are correlated within groups."""
    for setting in settings:
        random = np.random.default_rng(SEED)
        tally = Tally(str(setting), setting.name, setting.groups, setting.truth)
        for start in range(0, samples, AT_A_TIME):
            values = setting.draw(random, min(AT_A_TIME, samples - start))
            for interval in grouped_intervals(values):
                tally.add(interval)
            means = values.mean(axis=2)
            tally.add_rivals(rivals.means_of(means))
            sizes = np.full(len(values), float(values[0].size))
            sums = (values - values.mean((1, 2), keepdims=True)).sum(2) / sizes[:, None]
            if setting.name == "recall@k":
                tally.add_rival("Kish & Wilson", rivals.kish_wilson(means.mean(1), sizes, sums))
        yield tally


def grouped_intervals(values: Numbers) -> Iterator[Interval | None]:
    """Yield the product's intervals of the means of the values `[sample][group][query]`."""
    apart = values - values.mean((1, 2), keepdims=True)
    independent = (apart**2).sum((1, 2))
    clusters = equal_groups(values.shape[1], float(values.shape[2]))
    effects = interval_effects(clusters, apart.sum(2) * (independent > 0)[:, None], independent)
    for each, effect in zip(values, effects.tolist(), strict=True):
        yield mean_of(each.ravel()).with_design_effect(effect).bounded_estimate(0, 1).interval


def differences(samples: int, sizes: tuple[int, ...] = SIZES, worse: float = 0.03) -> Tallies:
    """Yield the tallies of the difference of two versions on the same queries.

    The newer version finds nothing for some queries at random. For a share of the others, both versions differ.
    Samples without a difference are left out: such versions count as the same.
    """
    for name, (truth, draw) in SETTINGS.items():
        for size in sizes:
            for alike in (0.0, 0.5, 0.9):
                random = np.random.default_rng(SEED)
                tally = Tally(f"{name}, {alike:.0%} of queries alike", "difference", size, -worse * truth)
                drawn = []
                for _ in range(samples):
                    older = draw(random, size)
                    newer = np.where(random.random(size) < alike, older, draw(random, size))
                    score = newer * (random.random(size) >= worse) - older
                    if score.any():
                        tally.add(query_difference(mean_of(score)))
                        drawn.append(score)
                tally.add_rivals(rivals.means_of(np.stack(drawn)))
                yield tally


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "rankings": queries,
    "rankings in groups": lambda samples: groups(GROUPED, samples),
    "differences of rankings": differences,
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "rankings": lambda samples: queries(samples, sizes=(20, 60)),
    "rankings in groups": lambda samples: groups(GROUPED_HELD_OUT, samples),
    "differences of rankings": lambda samples: differences(samples, sizes=(20, 60), worse=0.05),
}
