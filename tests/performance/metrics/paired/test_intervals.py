"""Paired intervals of any task type: how wide they are, and how often they contain the truth."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from performance.metrics.paired.intervals import paired_intervals
from performance.metrics.paired.paired_join import Choices
from performance.metrics.statistics.differences import independent_interval
from performance.metrics.tasks import classification
from performance.metrics.tasks.evaluators import EVALUATORS
from tests.performance.metrics.differences import draw_samples, interval_coverage, prediction_columns
from tests.performance.metrics.paired.pairs import binary, compare, exported, ids
from tests.performance.metrics.tables import evaluate_columns


@pytest.mark.parametrize("task", EVALUATORS)
def test_whatever_is_evaluated_can_be_paired(tmp_path: Path, task: str) -> None:
    labels = {"actual": [0, 1, 1, 0], "predicted": [0, 1, 0, 1], "score": [0.1, 0.9, 0.4, 0.6]}
    table = {"example_id": ids(4), **labels, "query_id": [1, 1, 2, 2], "relevance": [0, 1, 1, 0]}

    assert compare(tmp_path, task, [table, table], Choices("1", "binary"))


def test_equal_predictions_do_not_differ(
    tmp_path: Path, two_classes: dict[str, Any], numbers: list[dict[str, Any]]
) -> None:
    same = binary({**two_classes, "scores": [two_classes["scores"][0]] * 2})
    forecasts = {**numbers[0], "series_id": ids(200), "scale": [1.0] * 200}
    classes = compare(tmp_path, "classification", same, Choices("1", "binary"))
    of_numbers = compare(tmp_path, "regression", [numbers[0]] * 2)
    of_forecasts = compare(tmp_path, "forecasting", [forecasts] * 2)

    assert {"accuracy", "roc_auc", "log_loss", "f1_score"} <= set(classes)
    assert {"rmse", "r_squared", "mae"} <= set(of_numbers)
    assert {"rmse", "mae", "mase"} <= set(of_forecasts)
    for found in (classes, of_numbers, of_forecasts):
        assert {(each.lower, each.upper, each.method) for each in found.values()} == {(0, 0, "identical")}


@pytest.mark.parametrize("are_probabilities", [True, False])
def test_equal_labels_do_not_make_unknown_scores_equal(tmp_path: Path, are_probabilities: bool) -> None:
    """The other classes' scores are swapped, which changes neither a loss nor a label, but the areas of the classes."""
    labels = ["a", "b", "c", "a", "b"] * 5
    others = {"a": ("b", "c"), "b": ("a", "c"), "c": ("a", "b")}
    scale = 1 if are_probabilities else 10
    versions: list[dict[str, Any]] = []
    for shares in ((0.5, 0.125), (0.125, 0.5)):
        rows = [{label: 0.375, **dict(zip(others[label], shares, strict=True))} for label in labels]
        scores = {f"score_{label}": [scale * row[label] for row in rows] for label in "abc"}
        versions.append({"example_id": ids(25), "actual": labels, "predicted": labels, **scores})
    files = [exported(tmp_path, "classification", name, each) for name, each in zip("no", versions, strict=True)]

    found = paired_intervals(files[0], files[1], "classification", Choices(None, "weighted"))

    areas = [evaluate_columns(classification.evaluate, tmp_path, each).metrics["roc_auc"] for each in versions]
    assert areas[0] is not None
    assert areas[1] is not None
    assert found["roc_auc"].lower < areas[0] - areas[1] < found["roc_auc"].upper
    assert found["accuracy"].method == "paired_wilson"

    for file in files:  # as an earlier version kept them
        pq.write_table(pq.read_table(file).drop_columns("roc_auc"), file)
        assert "roc_auc" not in paired_intervals(files[0], files[1], "classification", Choices(None, "weighted"))
    found = paired_intervals(files[0], files[1], "classification", Choices(None, "weighted"))
    losses = {"log_loss", "brier_score"} if are_probabilities else set()
    assert {"accuracy", "f1_score", "cohen_kappa"} | losses <= {*found}
    assert {"roc_auc", "expected_calibration_error"}.isdisjoint(found)
    assert found["accuracy"].method == "identical"


def test_what_does_not_vary_in_the_sample_has_a_wide_interval(tmp_path: Path) -> None:
    """Both versions separate the classes completely with different scores, which says little about other samples."""
    table = {"example_id": ids(6), "actual": [0, 0, 0, 1, 1, 1], "predicted": [0, 0, 0, 1, 1, 1]}
    scores = [[0.1, 0.2, 0.3, 0.7, 0.8, 0.9], [0.2, 0.1, 0.3, 0.9, 0.8, 0.7]]

    found = compare(tmp_path, "classification", [{**table, "score": each} for each in scores], Choices("1", "binary"))

    for name in ("accuracy", "roc_auc", "precision", "f1_score", "matthews_correlation"):
        assert found[name].lower < -0.3 < 0.3 < found[name].upper, name
    assert "log_loss" not in found  # six examples are too few


def test_a_few_groups_do_not_tell_how_much_groups_differ(tmp_path: Path) -> None:
    """Identical predictions cannot differ, grouped or not."""
    labels = [0, 0, 0, 1, 1, 1]
    table = {
        "example_id": ids(6),
        "actual": labels,
        "group": [1, 1, 2, 2, 3, 3],
        "score": [0.1, 0.3, 0.2, 0.8, 0.9, 0.7],
    }
    versions = [{**table, "predicted": each} for each in (labels, [0, 0, 1, 1, 1, 1])]

    assert not compare(tmp_path, "classification", versions, Choices("1", "binary"))
    assert compare(tmp_path, "classification", [versions[0]] * 2, Choices("1", "binary"))["accuracy"].upper == 0


def test_copies_of_examples_in_a_group_tell_no_more_than_one(tmp_path: Path, two_classes: dict[str, Any]) -> None:
    """The intervals of both versions decide about metrics of a class, so each example is in a group of its own."""
    versions = binary(two_classes)
    alone: list[dict[str, Any]] = [{**table, "group": table["example_id"]} for table in versions]
    copies: list[dict[str, Any]] = [{name: np.repeat(each, 5) for name, each in table.items()} for table in alone]
    copies = [
        {**table, "example_id": [f"{each} {at % 5}" for at, each in enumerate(table["group"])]} for table in copies
    ]

    plain, once, found = (
        compare(tmp_path, "classification", each, Choices("1", "binary")) for each in (versions, alone, copies)
    )

    of_examples = {"accuracy", "roc_auc", "average_precision", "log_loss", "brier_score"}
    assert set(found) == set(plain) > of_examples
    for name, interval in found.items():
        expected = plain[name] if name in of_examples else once[name]
        assert interval.upper - interval.lower == pytest.approx(expected.upper - expected.lower, rel=0.12), name


@pytest.mark.parametrize("task", ["classification", "regression", "forecasting"])
def test_one_example_tells_of_no_variance(tmp_path: Path, task: str) -> None:
    table = {"example_id": ["a"], "actual": [1], "predicted": [1], "score": [0.75]}
    other = {"score": [0.5]} if task == "classification" else {"predicted": [2]}

    assert not {"mae", "log_loss"} & set(compare(tmp_path, task, [table, {**table, **other}]))


@pytest.mark.once
def test_paired_intervals_cover_the_true_difference(tmp_path: Path) -> None:
    """This is a part of what `tests.benchmarks.coverage` simulates. The standard error of a share is 0.034."""
    shares = interval_coverage(tmp_path, samples=40, size=250)

    assert all(0.86 <= share <= 1 for share in shares.values()), shares


def test_paired_intervals_are_narrower_for_versions_with_correlated_errors(tmp_path: Path) -> None:
    actual, odds = draw_samples(np.random.default_rng(3), 400)
    tables = [{"example_id": ids(400), **prediction_columns(actual, each)} for each in odds]
    found = compare(tmp_path, "classification", tables, Choices("1", "binary"))
    newer, older = (evaluate_columns(EVALUATORS["classification"], tmp_path, each) for each in tables)

    for name, interval in found.items():
        apart = independent_interval(
            newer.metrics[name] or 0,
            newer.confidence_intervals[name],
            older.metrics[name] or 0,
            older.confidence_intervals[name],
        )
        assert apart is not None
        assert interval.upper - interval.lower < 0.9 * (apart.upper - apart.lower), name
