"""Whether the simulations of the grid have the intervals of whole evaluations, of groups and of several classes."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from performance.metrics.paired.intervals import paired_intervals
from performance.metrics.paired.matrices import LARGEST_DIFFERENCE
from performance.metrics.paired.paired_join import Choices
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.differences import correlated_interval, independent_interval
from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.margins import AVERAGED
from performance.metrics.tasks import classification
from tests.benchmarks.coverage_grid import areas as areas_grid
from tests.benchmarks.coverage_grid import areas_of_classes, paired_groups
from tests.benchmarks.coverage_grid import areas_of_classes_in_groups as grouped_areas
from tests.benchmarks.coverage_grid import classification as grid
from tests.benchmarks.coverage_grid import groups as groups_grid
from tests.benchmarks.coverage_grid import paired as paired_grid
from tests.benchmarks.coverage_grid.area_ends import difference_ends
from tests.benchmarks.coverage_grid.areas import Areas
from tests.benchmarks.coverage_grid.group_effects import (
    Counts,
    equal_groups,
    groups_correlations,
    matrix_effects,
    matrix_slopes,
)
from tests.benchmarks.coverage_grid.ranked import Numbers, ranked_influences
from tests.performance.metrics.differences import write_export
from tests.performance.metrics.paired.pairs import compare, ids, tables
from tests.performance.metrics.tables import evaluate_columns

SEED = 20260313

pytestmark = pytest.mark.once


def check(interval: Interval, lower: Sequence[float] | Numbers, upper: Sequence[float] | Numbers) -> None:
    """Compare an interval with the ends of one sample."""
    assert (interval.lower, interval.upper) == pytest.approx((*lower, *upper))


@pytest.mark.parametrize("apart", [False, True])
def test_the_grid_has_the_intervals_of_grouped_evaluations(tmp_path: Path, apart: bool) -> None:
    random, groups = np.random.default_rng(SEED), np.arange(240) // 12
    score = np.round(random.uniform(0.06, 0.94, size=240), 1)
    actual = (np.clip(score + 0.2 * random.normal(size=20)[groups], 0, 1) > random.uniform(size=240)).astype(int)
    actual = groups % 4 // 3 if apart else actual
    predicted = (score > 0.5).astype(int)
    columns = {"actual": actual, "predicted": predicted, "score": score, "group": groups}

    found = evaluate_columns(classification.evaluate, tmp_path, columns).confidence_intervals

    clusters, positives = equal_groups(20, 12), int(actual.sum())
    counts = np.zeros((20, 2, 2), dtype=np.int64)
    np.add.at(counts, (groups, actual, predicted), 1)
    [expected] = groups_grid.class_intervals(clusters, counts[None], AVERAGED)
    whole = Areas(0.5, positives, 240 - positives)
    both = ranked_influences(actual[None] == 1, score[None])
    for name, influences in zip(("roc_auc", "average_precision"), both, strict=True):
        effects = groups_grid.area_effects(name, clusters, actual[None] == 1, influences)
        check(found[name], *areas_grid.area_ends(name, whole, influences, effects))
    truth = np.where(actual == 1, score, 1 - score).reshape(20, 12)
    for name in grid.LOSS_FUNCTIONS:
        [expected[name]] = groups_grid.loss_intervals(name, clusters, truth[None])
    for name, interval in expected.items():
        assert interval is not None
        check(found[name], [interval.lower], [interval.upper])


@pytest.mark.parametrize("apart", [False, True])
def test_the_grid_has_the_intervals_of_paired_evaluations_by_group(tmp_path: Path, apart: bool) -> None:
    random, groups, shape = np.random.default_rng(SEED), np.arange(240) // 12, paired_groups.Shape(20, 12, 0.2)
    actual = groups % 4 // 3 if apart else (random.random(240) < 0.3).astype(int)
    shared = random.normal(size=20)[groups]
    scores = [np.round(random.normal(1.5 * actual + 0.7 * shared, 1), 1) for _ in range(2)]
    predicted = [(score > 0.7).astype(int) for score in scores]
    same = {"actual": actual.astype(str), "cluster": groups.astype(str)}
    newer, older = (
        write_export(tmp_path, name, {**same, "predicted": each.astype(str), "score": score})
        for name, each, score in zip(("newer", "older"), predicted, scores, strict=True)
    )

    found = paired_intervals(newer, older, "classification", paired_grid.BINARY)

    counts = np.zeros((20, 2, 2, 2), dtype=np.int64)
    np.add.at(counts, (groups, actual, *predicted), 1)
    [expected] = paired_groups.class_differences(shape, counts[None])
    expected["accuracy"] = next(paired_groups.accuracy_differences(counts[None]))
    expected |= matrix_differences(counts, "binary", LARGEST_DIFFERENCE)
    positive = actual[None] == 1
    areas = Areas(0.5, int(actual.sum()), 240 - int(actual.sum()))
    for name, both in paired_grid.ranked_versions(positive, [score[None] for score in scores]).items():
        effects = paired_groups.area_effects(name, shape, positive, both)
        check(found[name], *paired_grid.area_difference_ends(name, areas, both, effects))
    assert set(found) == {*expected, "roc_auc", "average_precision", "log_loss", "brier_score"}
    for name, interval in expected.items():
        assert interval is not None
        check(found[name], [interval.lower], [interval.upper])


@pytest.mark.parametrize("averaging", ["macro", "weighted"])
def test_the_grid_has_the_intervals_of_paired_averages_by_group(tmp_path: Path, averaging: str) -> None:
    random, groups = np.random.default_rng(SEED), np.arange(240) // 12
    actual = random.integers(0, 3, 240)
    right = random.beta(4, 1, 20)[groups]
    older = np.where(random.random(240) < right, actual, random.integers(0, 3, 240))
    predicted = [np.where(random.random(240) < 0.2, random.integers(0, 3, 240), older), older]
    same = {"actual": actual.astype(str), "cluster": groups.astype(str)}
    files = [
        write_export(tmp_path, name, {**same, "predicted": each.astype(str)})
        for name, each in zip(("newer", "older"), predicted, strict=True)
    ]

    found = paired_intervals(files[0], files[1], "classification", Choices(None, averaging))

    counts = np.zeros((20, 3, 3, 3), dtype=np.int64)
    np.add.at(counts, (groups, actual, *predicted), 1)
    expected = matrix_differences(counts, averaging, [*AVERAGED, *LARGEST_DIFFERENCE])
    assert set(found) == {"accuracy", *expected}
    for name, interval in expected.items():
        assert interval is not None
        check(found[name], [interval.lower], [interval.upper])


def matrix_differences(counts: Counts, averaging: str, names: Iterable[str]) -> dict[str, Interval | None]:
    """Return the intervals of differences, from the counts `[group][actual][newer][older]`.

    The design effects and the correlation are those of the grid, and the intervals of both versions the product's.
    """
    clusters, both = (
        equal_groups(len(counts), float(counts[0].sum())),
        [counts.sum(axis)[None] for axis in (3, 2)],
    )
    effects = [matrix_effects(clusters, each, averaging) for each in both]
    slopes = [matrix_slopes(each, averaging) for each in both]
    labels = [str(at) for at in range(counts.shape[1])]
    found = {}
    for name in names:
        estimates = []
        for each, effect in zip(both, effects, strict=True):
            matrix = ConfusionMatrix(labels, each[0].sum(0).astype(float).tolist(), None, float(effect[name][0]))
            estimates.append(matrix.averaged(name, averaging) if name in AVERAGED else getattr(matrix, name))
        newer, older = estimates
        assert newer.value is not None
        assert older.value is not None
        [correlation] = groups_correlations(both, [each[name] for each in slopes])
        assert 0.2 < correlation < 0.9
        found[name] = correlated_interval(
            newer.value, newer.interval, older.value, older.interval, correlation=float(correlation), method=""
        )
    return found


def test_the_grid_has_the_intervals_of_averages_over_classes(tmp_path: Path) -> None:
    random, groups = np.random.default_rng(SEED), np.arange(240) // 12
    actual = random.integers(0, 3, 240)
    scores = (
        0.6 * random.dirichlet([1, 1, 1], 240) + 0.2 * np.eye(3)[actual] + 0.2 * random.dirichlet([1, 1, 1], 20)[groups]
    )
    predicted = scores.argmax(1)
    columns = {"actual": actual, "predicted": predicted, **{f"score_{at}": each for at, each in enumerate(scores.T)}}
    counts = np.zeros((20, 3, 3), dtype=np.int64)
    np.add.at(counts, (groups, actual, predicted), 1)
    matrix = ConfusionMatrix(["0", "1", "2"], counts.sum(0).astype(float).tolist())
    clusters = equal_groups(20, 12)
    areas, of_classes = areas_of_classes.mean_areas(actual[None], scores[None]), counts.sum((0, 2))[None].astype(float)
    single = areas_of_classes.class_areas(actual[None], scores[None])
    of_single = grouped_areas.effects_of_classes(clusters, actual[None], single)

    for averaging in ("macro", "weighted", "micro"):
        plain, grouped = (
            evaluate_columns(classification.evaluate, tmp_path, each, averaging=averaging).confidence_intervals
            for each in (columns, {**columns, "group": groups})
        )
        area = areas[averaging]
        most = grouped_areas.groups_of_areas(averaging, actual[None], 20, 3)
        effect = grouped_areas.area_effect(clusters, area, most)
        check(plain["roc_auc"], *areas_of_classes.area_ends(averaging, of_classes, area, single))
        check(grouped["roc_auc"], *areas_of_classes.area_ends(averaging, of_classes, area, single, effect, of_single))
        effects = {} if averaging == "micro" else matrix_effects(clusters, counts[None], averaging)
        for name, [effect] in effects.items():
            fewer = matrix.with_design_effect(float(effect))
            estimate = fewer.averaged(name, averaging) if name in AVERAGED else getattr(fewer, name)
            assert estimate.interval is not None
            check(grouped[name], [estimate.interval.lower], [estimate.interval.upper])


@pytest.mark.parametrize("averaging", ["macro", "weighted", "micro"])
@pytest.mark.parametrize("grouped", [False, True])
def test_the_grid_has_the_paired_intervals_of_areas_of_several_classes(
    tmp_path: Path, averaging: str, grouped: bool
) -> None:
    random, groups, clusters = np.random.default_rng(SEED), np.arange(240) // 12, equal_groups(20, 12)
    actual = random.choice(3, 240, p=[0.5, 0.3, 0.2])
    shared = np.eye(3)[actual] + random.normal(size=(20, 3))[groups]
    scores = [softmax(shared + random.normal(size=(240, 3)), axis=1) for _ in range(2)]
    versions = [
        {"predicted": each.argmax(1), **{f"score_{at}": column for at, column in enumerate(each.T)}} for each in scores
    ]
    group = dict(zip(ids(240), groups, strict=True))
    both = [
        {**table, "group": [group[each] for each in table["example_id"]]} if grouped else table
        for table in tables(actual, *versions)
    ]

    found = compare(tmp_path, "classification", both, Choices(None, averaging), averaging=averaging)["roc_auc"]

    areas = [areas_of_classes.mean_areas(actual[None], each[None])[averaging] for each in scores]
    most = grouped_areas.groups_of_areas(averaging, actual[None], 20, 3)
    effects = paired_groups.difference_effects(clusters, areas, most) if grouped else [1.0] * 3
    of_classes = areas_of_classes.class_counts(actual[None], 3)
    lower, upper = areas_of_classes.area_difference_ends(averaging, of_classes, areas, effects)
    assert (found.lower, found.upper) == pytest.approx((*lower, *upper), abs=1e-6)
    assert found.method == ("paired_wilson_pooled" if averaging == "micro" else "paired_newcombe_5")


def test_the_grid_subtracts_intervals_as_the_product_does() -> None:
    newer, older = Interval(0.6, 0.8, "melded"), Interval(0.65, 0.9, "melded")
    expected = independent_interval(0.7, newer, 0.8, older)

    of_newer, of_older = ((np.array([each.lower]), np.array([each.upper])) for each in (newer, older))
    assert expected is not None
    check(expected, *difference_ends((np.array([0.7]), np.array([0.8])), (of_newer, of_older)))
