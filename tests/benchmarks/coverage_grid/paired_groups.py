"""Settings of the differences of two versions on the same examples, which are correlated within groups."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from performance.metrics.paired.matrices import RightAlone, accuracy_difference
from performance.metrics.statistics.clusters import Clusters
from performance.metrics.statistics.differences import correlated_interval
from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.margins import AVERAGED
from tests.benchmarks.coverage_grid.areas import AT_A_TIME, Areas
from tests.benchmarks.coverage_grid.group_effects import (
    Counts,
    equal_groups,
    groups_correlations,
    interval_effects,
    matrix_slopes,
    table_effects,
)
from tests.benchmarks.coverage_grid.groups import class_intervals, groups_of_both
from tests.benchmarks.coverage_grid.joint_tables import Numbers, differ, gradients
from tests.benchmarks.coverage_grid.paired import (
    CORRELATIONS,
    PairedAreas,
    Versions,
    area_difference_ends,
    area_tallies,
    area_variances,
    ranked_versions,
)
from tests.benchmarks.coverage_grid.paired_classes import SeveralVersions, true_differences
from tests.benchmarks.coverage_grid.ranked import Influences
from tests.benchmarks.coverage_grid.rivals_of_groups import (
    accuracy_difference_rivals,
    area_difference_rivals,
    table_difference_rivals,
)
from tests.benchmarks.coverage_grid.tally import Tallies, Tally

SEED = 20260313
WITHIN = (0.05, 0.2, 0.5)  # intraclass correlations
SHAPES = ((50, 20), (12, 10))  # groups, and examples of each


@dataclass(frozen=True)
class Shape:
    """So many groups of so many examples, with an intraclass correlation."""

    groups: int
    examples: int
    within: float

    def __str__(self) -> str:
        return f"{self.groups} groups of {self.examples} · ICC {self.within:g}"

    @property
    def size(self) -> int:
        """The number of examples."""
        return self.groups * self.examples

    def noise(self, random: np.random.Generator, times: int, correlation: float) -> list[Numbers]:
        """Return the normal errors of the newer and of the older version, `[sample][group][example]`.

        They correlate within groups, and with each other.
        """

        def correlated(shape: tuple[int, ...]) -> list[Numbers]:
            one, other = random.normal(size=(2, *shape))
            return [correlation * one + np.sqrt(1 - correlation**2) * other, one]

        shared = correlated((times, self.groups, 1))
        own = correlated((times, self.groups, self.examples))
        return [
            np.sqrt(self.within) * of_group + np.sqrt(1 - self.within) * of_example
            for of_group, of_example in zip(shared, own, strict=True)
        ]


ALL_SHAPES = [Shape(*shape, within) for shape in SHAPES for within in WITHIN]
HELD_OUT_SHAPES = [Shape(30, 8, 0.1), Shape(30, 8, 0.35)]


# Labels


@dataclass(frozen=True)
class GroupedVersions:
    """Groups whose shares of the cells of the joint table are their own, from a Dirichlet distribution.

    Each has examples of one class if `apart`.
    """

    shape: Shape
    versions: Versions | SeveralVersions
    apart: bool = False

    def __str__(self) -> str:
        return f"{self.shape}{', one class each' if self.apart else ''} · {self.versions}"

    def draw(self, random: np.random.Generator, samples: int) -> Counts:
        """Return the counts `[sample][group][actual][newer][older]`."""
        of_classes = self._draw_classes(random, samples)
        shares, within = self.versions.shares, self.shape.within
        found = []
        for count, cells in zip(of_classes, shares, strict=True):
            shape = cells.ravel() / cells.sum() * (1 - within) / within
            share = random.standard_gamma(np.broadcast_to(shape, (*count.shape, cells.size)))
            found.append(random.multinomial(count, share / share.sum(-1, keepdims=True)))
        return np.stack(found, axis=2).reshape(samples, self.shape.groups, *shares.shape)

    def _draw_classes(self, random: np.random.Generator, samples: int) -> npt.NDArray[np.int64]:
        """Return how many examples of each group are of each class, `[class][sample][group]`."""
        if not self.apart:
            return self.versions.draw_classes(random, self.shape.examples, (samples, self.shape.groups))
        ends = np.round(self.versions.shares.sum((1, 2)).cumsum() * self.shape.groups)
        of_group = np.searchsorted(ends, np.arange(self.shape.groups), side="right")
        is_of_class = np.arange(len(ends))[:, None, None] == of_group
        return np.broadcast_to(is_of_class * self.shape.examples, (len(ends), samples, self.shape.groups))


SHARES = ((0.5, 0.9, 0.9), (0.1, 0.8, 0.95), (0.3, 0.97, 0.97))
GROUPED_VERSIONS = [
    GroupedVersions(shape, Versions(shape.size, *shares, correlation))
    for shape in ALL_SHAPES
    for shares in SHARES
    for correlation in CORRELATIONS
]
ALL_APART = [
    (shares, GroupedVersions(shape, Versions(shape.size, *shares, correlation), apart=True))
    for shape in ALL_SHAPES
    for shares in SHARES
    for correlation in CORRELATIONS
]
# At least four groups are of each class.
GROUPED_VERSIONS_APART = [setting for shares, setting in ALL_APART if shares[0] > 0.1]
# Five groups of 50, or one of 12, are positive.
GROUPED_VERSIONS_RARE = [setting for shares, setting in ALL_APART if shares[0] <= 0.1]
GROUPED_VERSIONS_HELD_OUT = [
    GroupedVersions(shape, Versions(shape.size, 0.2, 0.85, 0.92, correlation, 1.3))
    for shape in HELD_OUT_SHAPES
    for correlation in (0.3, 0.7)
]
GROUPED_VERSIONS_APART_HELD_OUT = [replace(each, apart=True) for each in GROUPED_VERSIONS_HELD_OUT]


def accuracies(settings: list[GroupedVersions], samples: int) -> Tallies:
    """Yield the tallies of the differences of the accuracy. Samples with equal predictions are left out."""
    for setting in settings:
        shares, size, random = setting.versions.shares, setting.shape.size, np.random.default_rng(SEED)
        right = [shares.sum(axis)[[0, 1], [0, 1]].sum() for axis in (2, 1)]
        tally = Tally(str(setting), "accuracy difference", size, float(right[0] - right[1]))
        for start in range(0, samples, 500):
            counts = setting.draw(random, min(500, samples - start))
            counts = counts[differ(counts.sum(1).astype(float))]
            for interval in accuracy_differences(counts):
                tally.add(interval)
            tally.add_rivals(accuracy_difference_rivals(counts))
        yield tally


def accuracy_differences(counts: Counts) -> Iterator[Interval | None]:
    """Yield the product's intervals, from the counts `[sample][group][actual][newer][older]`.

    All groups have equally many examples.
    """
    tables = counts.sum(1).astype(float)
    clusters = equal_groups(counts.shape[1], float(counts[0, 0].sum()))
    effects = table_effects(clusters, counts, _right_alone(tables.shape))
    return (_accuracy(*each) for each in zip(tables, effects, strict=True))


def _right_alone(shape: tuple[int, ...]) -> Numbers:
    """Return 1 for cells that the newer version alone is right about, and -1 for those of the older one."""
    at = np.indices(shape[1:])
    slopes = (at[0] == at[1]).astype(float) - (at[0] == at[2])
    return np.broadcast_to(slopes, shape)


def _accuracy(table: Numbers, effect: float) -> Interval | None:
    newer, older = table[1, 1, 0] + table[0, 0, 1], table[1, 0, 1] + table[0, 1, 0]
    counts = RightAlone.of_equal_weights(table.sum(), newer, older)
    return accuracy_difference(counts, effect)


def of_classes(settings: list[GroupedVersions], samples: int) -> Tallies:
    """Yield the tallies of the differences of metrics of one class. Samples with equal predictions are left out."""
    for setting in settings:
        truth, random = true_differences(setting.versions.shares, "binary"), np.random.default_rng(SEED)
        found = {name: Tally(str(setting), f"{name} difference", setting.shape.size, truth[name]) for name in AVERAGED}
        counts = setting.draw(random, samples)
        counts = counts[differ(counts.sum(1).astype(float))]
        for intervals in class_differences(setting.shape, counts):
            for name, interval in intervals.items():
                found[name].add(interval)
        for name, tally in found.items():
            tally.add_rivals(table_difference_rivals(counts, name, "binary"))
        yield from found.values()


def class_differences(shape: Shape, counts: Counts) -> Iterator[dict[str, Interval | None]]:
    """Yield the product's intervals of the positive class, from the counts `[sample][group][actual][newer][older]`."""
    clusters = equal_groups(shape.groups, float(shape.examples))
    versions = [counts.sum(axis) for axis in (4, 3)]
    newer, older = (gradients(_shares(each), "binary", 1) for each in versions)
    slopes = [matrix_slopes(each, "binary") for each in versions]
    correlations = {name: groups_correlations(versions, [each[name] for each in slopes]) for name in AVERAGED}
    intervals = (class_intervals(clusters, each, AVERAGED) for each in versions)
    for at, (interval, old_interval) in enumerate(zip(*intervals, strict=True)):
        yield {
            name: correlated_interval(
                float(newer[name].value[at]),
                interval[name],
                float(older[name].value[at]),
                old_interval[name],
                correlation=float(correlations[name][at]),
                method="",
            )
            for name in AVERAGED
        }


def _shares(counts: Counts) -> Numbers:
    tables = counts.sum(1)
    return np.asarray(tables / tables.sum((1, 2), keepdims=True))


# Areas


@dataclass(frozen=True)
class GroupedAreas:
    """Versions whose scores correlate within groups, of which each has examples of one class if `apart`."""

    shape: Shape
    areas: PairedAreas
    apart: bool

    def __str__(self) -> str:
        return f"{self.shape}, {'one class each' if self.apart else 'mixed'} · {self.areas}"

    def draw(self, random: np.random.Generator, times: int) -> tuple[npt.NDArray[np.bool_], list[Numbers]]:
        """Return which examples are positive, and both versions' scores. Each row is a sample."""
        positive = self.areas.older.positive(times)
        if not self.apart:
            positive = random.permuted(positive, axis=1)
        noise = self.shape.noise(random, times, self.areas.correlation)
        return positive, [
            version.apart * positive + each.reshape(positive.shape)
            for version, each in zip(self.areas.versions, noise, strict=True)
        ]


def _grouped_areas(shape: Shape, area: float, newer: float, prevalence: float, correlation: float) -> PairedAreas:
    positives = round(prevalence * shape.size)
    return PairedAreas(Areas(area, positives, shape.size - positives), newer, correlation)


GROUPED_AREAS = [
    GroupedAreas(Shape(50, 20, within), _grouped_areas(Shape(50, 20, within), *both, 0.2, correlation), apart)
    for both in ((0.8, 0.75), (0.97, 0.95))
    for apart in (False, True)
    for within in WITHIN
    for correlation in CORRELATIONS
]
GROUPED_AREAS_HELD_OUT = [
    GroupedAreas(shape, _grouped_areas(shape, 0.9, 0.87, 0.3, 0.6), apart)
    for shape in HELD_OUT_SHAPES
    for apart in (False, True)
]


def areas(settings: list[GroupedAreas], samples: int) -> Tallies:
    """Yield the tallies of the differences of ROC AUC and average precision."""
    for setting in settings:
        found, older = area_tallies(str(setting), setting.areas), setting.areas.older
        random, batch = np.random.default_rng(SEED), max(1, AT_A_TIME // older.size)
        for start in range(0, samples, batch):
            positive, scores = setting.draw(random, min(batch, samples - start))
            for name, both in ranked_versions(positive, scores).items():
                effects = area_effects(name, setting.shape, positive, both)
                found[name].add_all(*area_difference_ends(name, older, both, effects))
                found[name].add_rivals(area_difference_rivals(both[0], both[1], setting.shape.groups))
        yield from found.values()


def area_effects(name: str, shape: Shape, positive: npt.NDArray[np.bool_], both: Sequence[Influences]) -> list[Numbers]:
    """Return the design effects of both versions' areas and of their difference. Groups follow each other."""
    groups = groups_of_both(positive, shape.groups) if name == "roc_auc" else np.inf
    return difference_effects(equal_groups(shape.groups, float(shape.examples)), both, groups)


def difference_effects(clusters: Clusters, both: Sequence[Influences], groups: Numbers | float) -> list[Numbers]:
    """Return the same effects, if at most so many groups inform of the areas."""
    newer, older = (sums_of_groups(clusters, each.of_examples) for each in both)
    return [
        interval_effects(clusters, sums, variances, groups)
        for sums, variances in zip((newer, older, newer - older), area_variances(*both), strict=True)
    ]


def sums_of_groups(clusters: Clusters, of_examples: Numbers) -> Numbers:
    """Return the sums of the influences `[sample][group]`, from those of the examples."""
    return np.asarray(of_examples.reshape(len(of_examples), clusters.groups, -1).sum(2))


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "differences of accuracy in groups": lambda samples: accuracies(GROUPED_VERSIONS, samples),
    "differences of classes in groups": lambda samples: of_classes(
        [*GROUPED_VERSIONS, *GROUPED_VERSIONS_APART, *GROUPED_VERSIONS_RARE], samples
    ),
    "differences of areas in groups": lambda samples: areas(GROUPED_AREAS, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "differences of accuracy in groups": lambda samples: accuracies(GROUPED_VERSIONS_HELD_OUT, samples),
    "differences of classes in groups": lambda samples: of_classes(
        [*GROUPED_VERSIONS_HELD_OUT, *GROUPED_VERSIONS_APART_HELD_OUT], samples
    ),
    "differences of areas in groups": lambda samples: areas(GROUPED_AREAS_HELD_OUT, samples),
}
