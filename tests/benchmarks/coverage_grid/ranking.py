"""Settings of ranking: means of values from 0 to 1, which are the metrics of queries."""

from collections.abc import Callable, Mapping

import numpy as np

from performance.metrics.paired.numeric import query_difference
from tests.benchmarks.coverage_grid import rivals
from tests.benchmarks.coverage_grid.numeric_scores import Numbers, mean_of, student_ends
from tests.benchmarks.coverage_grid.tally import Tallies, Tally

SEED = 20260313
SIZES = (10, 30, 100, 300)

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


def groups(samples: int, count: int = 50, of_each: int = 20) -> Tallies:
    """Yield the tallies of a share of groups of queries whose results correlate."""
    for correlation in (0.05, 0.2, 0.5):
        for share in (0.5, 0.9):
            random = np.random.default_rng(SEED)
            setting = f"{count} groups of {of_each}, correlation {correlation:g}, {share:g}"
            tally = Tally(setting, "recall@k", count, share)
            size = (1 - correlation) / correlation
            drawn = []
            for _ in range(samples):
                of_group = random.beta(share * size, (1 - share) * size, count)
                means = random.binomial(of_each, of_group) / of_each
                tally.add(mean_of(means, np.full(count, float(of_each))).bounded_estimate(0, 1).interval)
                drawn.append(means)
            tally.add_rivals(rivals.means_of(np.stack(drawn)))
            yield tally


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
    "rankings in groups": groups,
    "differences of rankings": differences,
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "rankings": lambda samples: queries(samples, sizes=(20, 60)),
    "rankings in groups": lambda samples: groups(samples, count=30, of_each=12),
    "differences of rankings": lambda samples: differences(samples, sizes=(20, 60), worse=0.05),
}
