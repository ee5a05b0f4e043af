"""Settings of metrics of several cells, of one version and of the difference of two, of examples in groups."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from tests.benchmarks.coverage_grid.area_ends import difference_ends
from tests.benchmarks.coverage_grid.composites import MELDED, Classes, margins_of
from tests.benchmarks.coverage_grid.group_effects import (
    Counts,
    equal_groups,
    groups_correlations,
    matrix_slopes,
    melded_ends_of_groups,
    metric_of,
    whole_classes,
)
from tests.benchmarks.coverage_grid.joint_tables import Numbers, differ
from tests.benchmarks.coverage_grid.paired import CORRELATIONS, Versions
from tests.benchmarks.coverage_grid.paired_classes import SeveralVersions
from tests.benchmarks.coverage_grid.paired_groups import (
    ALL_SHAPES,
    GROUPED_VERSIONS,
    GROUPED_VERSIONS_APART,
    HELD_OUT_SHAPES,
    GroupedVersions,
)
from tests.benchmarks.coverage_grid.rivals_of_groups import table_difference_rivals, table_rivals
from tests.benchmarks.coverage_grid.tally import Tallies, Tally

SEED = 20260313
METRICS = [name for name in MELDED if "accuracy, weighted" != name != "F1 of one class, weighted"]

TWO_CLASSES = GROUPED_VERSIONS + GROUPED_VERSIONS_APART
SEVERAL = [
    GroupedVersions(shape, SeveralVersions(Classes(shape.size, 3, 0.1, recall), correlation))
    for shape in ALL_SHAPES
    for recall in (0.8, 0.95)
    for correlation in CORRELATIONS
]
TWO_CLASSES_HELD_OUT = [
    GroupedVersions(shape, Versions(shape.size, 0.2, 0.85, 0.92, 0.5, 1.3)) for shape in HELD_OUT_SHAPES
]
SEVERAL_HELD_OUT = [
    GroupedVersions(shape, SeveralVersions(Classes(shape.size, 4, 0.15, 0.88), 0.5, 1.3)) for shape in HELD_OUT_SHAPES
]


def averages(settings: list[GroupedVersions], samples: int) -> Tallies:
    """Yield the tallies of the older version's metrics, and of the differences.

    Samples with equal predictions are left out, and so are those that lack a class.
    """
    for setting in settings:
        random, shares, size = np.random.default_rng(SEED), setting.versions.shares, setting.shape.size
        counts = _usable(setting.draw(random, samples))
        clusters = equal_groups(setting.shape.groups, float(setting.shape.examples))
        versions = [counts.sum(axis) for axis in (4, 3)]
        ends = [melded_ends_of_groups(clusters, each, METRICS, random) for each in versions]
        slopes = {
            averaging: [matrix_slopes(each, averaging) for each in versions] for averaging in ("macro", "weighted")
        }
        kind = "two classes" if len(shares) == 2 else "several classes"
        for name in METRICS:
            newer, older = (_values(name, each.sum(1)) for each in versions)
            truth = [float(_values(name, shares.sum(axis)[None])[0]) for axis in (2, 1)]
            single = Tally(str(setting), f"{name}, {kind}", size, truth[1])
            single.add_all(*ends[1][name])
            averaging, metric = metric_of(name)
            correlations = groups_correlations(versions, [each[metric] for each in slopes[averaging]])
            paired = Tally(str(setting), f"{name} difference, {kind}", size, truth[0] - truth[1])
            paired.add_all(*difference_ends((newer, older), (ends[0][name], ends[1][name]), correlations))
            single.add_rivals(table_rivals(versions[1], metric, averaging))
            paired.add_rivals(table_difference_rivals(counts, metric, averaging))
            yield from (single, paired)


def _usable(counts: Counts) -> Counts:
    return counts[whole_classes(counts.sum(4)) & differ(counts.sum(1).astype(float))]


def _values(name: str, tables: npt.NDArray[np.int64] | Numbers) -> Numbers:
    """Return a metric of confusion matrices `[sample][actual][predicted]`."""
    return MELDED[name][0](*margins_of(np.moveaxis(tables.astype(float), 0, -1)))


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "averages in groups, two classes": lambda samples: averages(TWO_CLASSES, samples),
    "averages in groups, several classes": lambda samples: averages(SEVERAL, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "averages in groups, two classes": lambda samples: averages(TWO_CLASSES_HELD_OUT, samples),
    "averages in groups, several classes": lambda samples: averages(SEVERAL_HELD_OUT, samples),
}
