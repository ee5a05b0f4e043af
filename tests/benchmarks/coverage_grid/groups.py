"""Settings of classification whose examples are correlated within groups."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from performance.metrics.statistics.clusters import PRIOR_OF_MEANS, Clusters
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.margins import CLASS_METRICS
from performance.metrics.statistics.means import Mean
from tests.benchmarks.coverage_grid import rivals
from tests.benchmarks.coverage_grid.areas import AT_A_TIME, Areas, area_ends
from tests.benchmarks.coverage_grid.classification import LOSS_FUNCTIONS, losses_of
from tests.benchmarks.coverage_grid.group_effects import (
    Counts,
    equal_groups,
    interval_effects,
    matrix_effects,
    melded_ends_of_groups,
    whole_classes,
)
from tests.benchmarks.coverage_grid.ranked import Influences, Numbers, ranked_influences
from tests.benchmarks.coverage_grid.rivals_of_groups import area_rivals, table_rivals
from tests.benchmarks.coverage_grid.tally import Tallies, Tally

SEED = 20260313
CORRELATIONS = (0.05, 0.2, 0.5)


@dataclass(frozen=True)
class Groups:
    """Groups of examples that are right with a probability of their own (beta), which correlates them."""

    groups: int
    examples: int
    correlation: float
    share: float

    def __str__(self) -> str:
        return f"{self.groups} groups of {self.examples} · ICC {self.correlation:g} · {self.share:g}"

    @property
    def sizes(self) -> Numbers:
        """The number of examples of each group."""
        return np.full(self.groups, float(self.examples))

    def draw(self, random: np.random.Generator, samples: int) -> npt.NDArray[np.int64]:
        """Return the number of right examples of each group of each sample."""
        scale = (1 - self.correlation) / self.correlation
        right = random.beta(self.share * scale, (1 - self.share) * scale, (samples, len(self.sizes)))
        return random.binomial(self.sizes.astype(int), right)


@dataclass(frozen=True)
class UnequalGroups(Groups):
    """Groups of `examples`, beside `others` of `fewer` examples."""

    others: int
    fewer: int

    def __str__(self) -> str:
        shape = f"{self.groups} groups of {self.examples}, {self.others} of {self.fewer}"
        return f"{shape} · ICC {self.correlation:g} · {self.share:g}"

    @property
    def sizes(self) -> Numbers:
        """The number of examples of each group."""
        return np.repeat([float(self.examples), float(self.fewer)], [self.groups, self.others])


GROUPED = [
    Groups(groups, examples, correlation, share)
    for groups, examples in ((50, 20), (20, 20), (12, 10))
    for correlation in CORRELATIONS
    for share in (0.5, 0.9, 0.95, 0.99)
]


UNEQUAL = [
    UnequalGroups(groups, examples, correlation, share, others, fewer)
    for groups, examples, others, fewer in ((5, 50, 200, 1), (2, 100, 1000, 1), (3, 100, 20, 5), (5, 40, 40, 5))
    for correlation in CORRELATIONS
    for share in (0.5, 0.9, 0.95, 0.99)
]


def grouped(settings: Sequence[Groups], samples: int) -> Tallies:
    """Yield the tallies of the accuracy of grouped examples."""
    for setting in settings:
        sizes, size = setting.sizes, int(setting.sizes.sum())
        tally = Tally(str(setting), "accuracy", size, setting.share)
        right = setting.draw(np.random.default_rng(SEED), samples)
        share = right.sum(1) / size
        apart = right - sizes * share[:, None]
        for count, effect in zip(right.sum(1).tolist(), accuracy_effects(sizes, right).tolist(), strict=True):
            matrix = ConfusionMatrix(["0", "1"], [[float(count), float(size - count)], [0.0, 0.0]])
            tally.add(matrix.with_design_effect(effect).accuracy.interval)
        tally.add_rival("cluster-robust t", rivals.of_groups(share, apart / size))
        tally.add_rival("cluster-robust t, on log odds", rivals.of_groups_on_log_odds(share, apart / size))
        tally.add_rival("Kish & Wilson", rivals.kish_wilson(share, np.full(samples, float(size)), apart / size))
        if len({*sizes}) == 1:
            tally.add_rival("cluster bootstrap", rivals.bootstrap(right / sizes))
        yield tally


def accuracy_effects(sizes: Numbers, right: npt.NDArray[np.int64]) -> Numbers:
    """Return the design effects of the accuracy, from the right examples of groups of these sizes `[sample][group]`."""
    size, share = float(sizes.sum()), right.sum(1, keepdims=True) / sizes.sum()
    pairs, squared, cubed = 1 - 1 / sizes, float((sizes**2).sum()), float((sizes**3).sum())
    clusters = Clusters.from_sums(len(sizes), size, squared, cubed, size, float(sizes @ pairs))
    of_examples = right * (1 - share) ** 2 + (sizes - right) * share**2
    independent = size * share[:, 0] * (1 - share[:, 0])
    return interval_effects(
        clusters, right - sizes * share, independent, prior=PRIOR_OF_MEANS, pairs=(pairs, of_examples)
    )


# Two classes


@dataclass(frozen=True)
class GroupedClasses:
    """Groups whose recall and specificity are their own, from beta distributions.

    All examples of a group are of one class if `apart`.
    """

    groups: int
    examples: int
    correlation: float
    prevalence: float
    recall: float
    specificity: float
    apart: bool = False

    def __str__(self) -> str:
        shares = f"{self.prevalence:.0%} · {self.recall:g}/{self.specificity:g}"
        shape = f"{self.groups} groups of {self.examples}{', one class each' if self.apart else ''}"
        return f"{shape} · ICC {self.correlation:g} · {shares}"

    @property
    def shares(self) -> Numbers:
        """The probabilities of the cells, `[actual][predicted]`."""
        positive, negative = self.prevalence, 1 - self.prevalence
        return np.array(
            [
                [negative * self.specificity, negative * (1 - self.specificity)],
                [positive * (1 - self.recall), positive * self.recall],
            ]
        )

    def draw(self, random: np.random.Generator, samples: int) -> npt.NDArray[np.int64]:
        """Return the counts `[sample][group][actual][predicted]`."""
        shape, scale = (samples, self.groups), (1 - self.correlation) / self.correlation
        if self.apart:
            is_positive = np.arange(self.groups) < round(self.prevalence * self.groups)
            positives = np.broadcast_to(is_positive * self.examples, shape)
        else:
            positives = random.binomial(self.examples, self.prevalence, shape)
        right = [
            random.binomial(count, random.beta(share * scale, (1 - share) * scale, shape))
            for count, share in ((self.examples - positives, self.specificity), (positives, self.recall))
        ]
        negatives = self.examples - positives
        return np.stack(
            [np.stack([right[0], negatives - right[0]], -1), np.stack([positives - right[1], right[1]], -1)], -2
        )


GROUPED_CLASSES = [
    GroupedClasses(groups, examples, correlation, *shares, apart)
    for apart in (False, True)
    for groups, examples in ((50, 20), (12, 10))
    for correlation in CORRELATIONS
    for shares in ((0.5, 0.9, 0.9), (0.1, 0.8, 0.95), (0.3, 0.97, 0.97))
]
GROUPED_CLASSES_HELD_OUT = [
    GroupedClasses(groups, examples, correlation, 0.2, 0.85, 0.92, apart)
    for apart in (False, True)
    for groups, examples in ((30, 8), (100, 5))
    for correlation in (0.1, 0.35)
]
SIMULATED = ("balanced_accuracy", "matthews_correlation", "cohen_kappa")


def grouped_classes(settings: list[GroupedClasses], samples: int) -> Tallies:
    """Yield the tallies of metrics of the confusion matrix, of samples with examples of both classes."""
    for setting in settings:
        size, random = setting.groups * setting.examples, np.random.default_rng(SEED)
        whole = ConfusionMatrix(["0", "1"], (setting.shares * 1e9).tolist())
        truth = {name: getattr(whole, name)("1").value for name in CLASS_METRICS}
        truth |= {name: getattr(whole, name).value for name in SIMULATED}
        found = {name: Tally(str(setting), f"{name}, grouped", size, value) for name, value in truth.items()}
        clusters = equal_groups(setting.groups, float(setting.examples))
        counts = setting.draw(random, samples)
        counts = counts[whole_classes(counts)]
        for intervals in class_intervals(clusters, counts):
            for name, interval in intervals.items():
                found[name].add(interval)
        for name, ends in melded_ends_of_groups(clusters, counts, SIMULATED, random).items():
            found[name].add_all(*ends)
        for name, tally in found.items():
            tally.add_rivals(table_rivals(counts, name.removesuffix(", grouped"), "binary"))
        yield from found.values()


def class_intervals(
    clusters: Clusters, counts: Counts, names: Sequence[str] = CLASS_METRICS
) -> Iterator[dict[str, Interval | None]]:
    """Yield the product's intervals of the positive class, from the counts `[sample][group][actual][predicted]`."""
    effects = matrix_effects(clusters, counts, "binary")
    for at, cells in enumerate(counts.sum(1).astype(float).tolist()):
        matrix = ConfusionMatrix(["0", "1"], cells)
        yield {name: getattr(matrix.with_design_effect(float(effects[name][at])), name)("1").interval for name in names}


# Areas


@dataclass(frozen=True)
class GroupedAreas:
    """Groups that share a part of their scores. All examples of a group are of one class if `apart`."""

    area: float
    groups: int
    examples: int
    prevalence: float
    correlation: float
    apart: bool

    def __str__(self) -> str:
        kind = "one class each" if self.apart else "mixed"
        shape = f"{self.groups} groups of {self.examples}, {kind}"
        return f"{self.area:g} · {self.prevalence:.0%} · {shape} · ICC {self.correlation:g}"

    @property
    def whole(self) -> Areas:
        """The same scores without groups."""
        positives = round(self.prevalence * self.groups * self.examples)
        return Areas(self.area, positives, self.groups * self.examples - positives)

    def draw(self, random: np.random.Generator, times: int) -> tuple[Any, Numbers]:
        """Return which examples are positive, and the scores, of samples in rows. Groups follow each other."""
        whole = self.whole
        positive = whole.positive(times)
        if not self.apart:
            positive = random.permuted(positive, axis=1)
        shared = np.repeat(random.normal(size=(times, self.groups)), self.examples, axis=1)
        own = random.normal(size=positive.shape)
        noise = np.sqrt(self.correlation) * shared + np.sqrt(1 - self.correlation) * own
        return positive, whole.apart * positive + noise


GROUPED_AREAS = [
    GroupedAreas(area, 50, 20, prevalence, correlation, apart)
    for area in (0.8, 0.95)
    for prevalence in (0.2, 0.5)
    for apart in (False, True)
    for correlation in CORRELATIONS
]
GROUPED_AREAS_HELD_OUT = [
    GroupedAreas(0.9, 30, 10, 0.3, correlation, apart) for apart in (False, True) for correlation in (0.1, 0.4)
]


def grouped_areas(settings: list[GroupedAreas], samples: int) -> Tallies:
    """Yield the tallies of ROC AUC and average precision."""
    for setting in settings:
        whole, random = setting.whole, np.random.default_rng(SEED)
        truth = {"roc_auc": setting.area, "average_precision": whole.truth["average_precision"]}
        found = {name: Tally(str(setting), f"{name}, grouped", whole.size, value) for name, value in truth.items()}
        clusters, batch = (
            equal_groups(setting.groups, float(setting.examples)),
            max(1, AT_A_TIME // whole.size),
        )
        for start in range(0, samples, batch):
            positive, scores = setting.draw(random, min(batch, samples - start))
            both = ranked_influences(positive, scores)
            for (name, tally), influences in zip(found.items(), both, strict=True):
                effects = area_effects(name, clusters, positive, influences)
                tally.add_all(*area_ends(name, whole, influences, effects))
                tally.add_rivals(area_rivals(influences, clusters.groups))
        yield from found.values()


def area_effects(name: str, clusters: Clusters, positive: npt.NDArray[np.bool_], found: Influences) -> Numbers:
    """Return the design effect of each sample, whose groups have equally many examples and follow each other."""
    of_groups = found.of_examples.reshape(len(found.values), clusters.groups, -1).sum(axis=2)
    groups = groups_of_both(positive, clusters.groups) if name == "roc_auc" else np.inf
    return interval_effects(clusters, of_groups, found.variances, groups)


def groups_of_both(positive: npt.NDArray[np.bool_], groups: int) -> Numbers:
    """Return how many groups (effectively) have examples of the class that has fewer, of each sample."""
    positives = positive.reshape(len(positive), groups, -1).sum(axis=2).astype(float)
    both = np.stack([positives, positive.shape[1] / groups - positives])
    return np.asarray((both.sum(2) ** 2 / (both**2).sum(2)).min(axis=0))


# Losses


@dataclass(frozen=True)
class GroupedLosses:
    """Groups whose log odds differ from the predicted ones by an error that all examples share."""

    groups: int
    examples: int
    mean: float
    spread: float
    correlation: float

    def __str__(self) -> str:
        odds = f"log odds {self.mean:g} ± {self.spread:g}"
        return f"{self.groups} groups of {self.examples} · {odds} · ICC {self.correlation:g}"

    def draw(self, random: np.random.Generator, times: int) -> Numbers:
        """Return the predicted probabilities of the actual classes, `[sample][group][example]`."""
        shape = times, self.groups, self.examples
        odds = random.normal(self.mean, self.spread, shape)
        error = np.sqrt(self.correlation / (1 - self.correlation)) * np.pi / np.sqrt(3)
        shared = random.normal(0, error, (times, self.groups, 1))
        sign = np.where(random.random(shape) < 1 / (1 + np.exp(-odds - shared)), 1.0, -1.0)
        return np.asarray(1 / (1 + np.exp(-sign * odds)))


GROUPED_LOSSES = [
    GroupedLosses(groups, examples, *odds, correlation)
    for groups, examples in ((50, 20), (12, 10))
    for odds in ((0.0, 1.0), (0.0, 3.0), (-4.0, 1.5))
    for correlation in CORRELATIONS
]
GROUPED_LOSSES_HELD_OUT = [GroupedLosses(25, 12, 0.0, 2.0, correlation) for correlation in (0.1, 0.35)]


def grouped_losses(settings: list[GroupedLosses], samples: int) -> Tallies:
    """Yield the tallies of log loss and Brier score."""
    for setting in settings:
        random, size = np.random.default_rng(SEED), setting.groups * setting.examples
        population, drawn = setting.draw(random, 500_000 // size), setting.draw(random, samples)
        clusters = equal_groups(setting.groups, float(setting.examples))
        for name, loss in LOSS_FUNCTIONS.items():
            tally = Tally(str(setting), f"{name}, grouped", size, float(loss(population).mean()), is_loss=True)
            for interval in loss_intervals(name, clusters, drawn):
                tally.add(interval)
            tally.add_rivals(rivals.positive_means(loss(drawn).mean(axis=2)))
            yield tally


def loss_intervals(name: str, clusters: Clusters, drawn: Numbers) -> Iterator[Interval | None]:
    """Yield the intervals of mean losses, from the probabilities of the actual classes `[sample][group][example]`."""
    values = LOSS_FUNCTIONS[name](drawn)
    means, size = values.mean((1, 2), keepdims=True), float(values[0].size)
    apart = values - means
    effects = interval_effects(clusters, apart.sum(2), (apart**2).sum((1, 2)), prior=PRIOR_OF_MEANS)
    totals, squares = values.sum((1, 2)), (values**2).sum((1, 2))
    for truth, total, square, effect in zip(drawn, totals.tolist(), squares.tolist(), effects.tolist(), strict=True):
        mean = Mean(size, size, total, total, square)
        yield getattr(losses_of(mean, truth), name)(effect).interval


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "groups": lambda samples: grouped(GROUPED, samples),
    "groups of unequal sizes": lambda samples: grouped(UNEQUAL, samples),
    "groups of classes": lambda samples: grouped_classes(GROUPED_CLASSES, samples),
    "areas of groups": lambda samples: grouped_areas(GROUPED_AREAS, samples),
    "losses of groups": lambda samples: grouped_losses(GROUPED_LOSSES, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "groups of unequal sizes": lambda samples: grouped(
        [UnequalGroups(8, 25, each, 0.93, 60, 2) for each in (0.1, 0.35)], samples
    ),
    "groups": lambda samples: grouped([Groups(40, 15, each, 0.93) for each in (0.1, 0.35)], samples),
    "groups of classes": lambda samples: grouped_classes(GROUPED_CLASSES_HELD_OUT, samples),
    "areas of groups": lambda samples: grouped_areas(GROUPED_AREAS_HELD_OUT, samples),
    "losses of groups": lambda samples: grouped_losses(GROUPED_LOSSES_HELD_OUT, samples),
}
