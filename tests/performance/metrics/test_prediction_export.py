"""Keeping predictions: what is kept, and that equal predictions are kept as equal bytes."""

import hashlib
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from performance.metrics.inputs.options import Columns, Options
from performance.metrics.prediction_export import EXPORT_FILE
from performance.metrics.sandbox.runner import Job, evaluate_in_sandbox
from tests.performance.metrics.tables import kept, write

BINARY = {"example_id": ["b", "a", "c"], "actual": [1, 0, 1], "predicted": [1, 1, 0], "score": [0.9, 0.6, 0.4]}


def rows(file: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(file).to_pylist())


def test_keeps_labels_and_score_in_the_order_of_ids(tmp_path: Path) -> None:
    file = kept("classification", tmp_path, BINARY)

    assert file is not None
    assert rows(file) == [
        {"example_id": "a", "actual": "0", "predicted": "1", "score": 0.6},
        {"example_id": "b", "actual": "1", "predicted": "1", "score": 0.9},
        {"example_id": "c", "actual": "1", "predicted": "0", "score": 0.4},
    ]


def test_keeps_the_prediction_that_a_threshold_decided(tmp_path: Path) -> None:
    file = kept("classification", tmp_path, BINARY, threshold=0.95)

    assert file is not None
    assert {row["predicted"] for row in rows(file)} == {"0"}


def test_keeps_the_score_of_the_positive_class_however_metrics_are_averaged(tmp_path: Path) -> None:
    scores = {"score_0": [0.1, 0.4, 0.6], "score_1": BINARY["score"]}
    columns = {name: values for name, values in BINARY.items() if name != "score"} | scores

    file = kept("classification", tmp_path, columns, averaging="macro")

    assert file is not None
    assert [row["score"] for row in rows(file)] == [0.6, 0.9, 0.4]


def test_keeps_of_several_classes_what_the_losses_follow_from(tmp_path: Path) -> None:
    columns = {"example_id": [1, 2], "actual": ["x", "y"], "predicted": ["x", "z"]}
    scores = {"score_x": [0.5, 0.25], "score_y": [0.25, 0.25], "score_z": [0.25, 0.5]}

    file = kept("classification", tmp_path, {**columns, **scores, "weight": [1.0, 3.0]})

    assert file is not None
    assert rows(file) == [
        {"example_id": "1", "actual": "x", "predicted": "x", "truth": 0.5, "brier": 0.375, "weight": 1.0},
        {"example_id": "2", "actual": "y", "predicted": "z", "truth": 0.25, "brier": 0.875, "weight": 3.0},
    ]


def test_keeps_the_numbers_the_series_and_the_scale_of_a_forecast(tmp_path: Path) -> None:
    file = kept(
        "forecasting",
        tmp_path,
        {"example_id": ["a"], "actual": [1], "predicted": [3], "series_id": [7], "scale": [2.0], "weight": [0.5]},
    )

    assert file is not None
    assert rows(file) == [
        {"example_id": "a", "actual": 1.0, "predicted": 3.0, "weight": 0.5, "series": "7", "scale": 2.0}
    ]


def test_keeps_each_item_of_a_ranking_by_its_query(tmp_path: Path) -> None:
    file = kept("ranking", tmp_path, {"query_id": [1, 1], "relevance": [0, 2], "score": [0.5, 0.25]}, k=3)

    assert file is not None
    assert rows(file) == [
        {"example_id": "1", "relevance": 0.0, "score": 0.5, "k": 3},
        {"example_id": "1", "relevance": 2.0, "score": 0.25, "k": 3},
    ]


def test_keeps_only_what_was_scored(tmp_path: Path) -> None:
    columns = {"example_id": ["a", "b"], "actual": [1.0, 2.0], "predicted": [1.5, None]}

    file = kept("regression", tmp_path, columns, allow_missing=True)

    assert file is not None
    assert [row["example_id"] for row in rows(file)] == ["a"]


@pytest.mark.parametrize("task", ["classification", "regression", "forecasting"])
def test_keeps_nothing_without_ids(task: str, tmp_path: Path) -> None:
    assert kept(task, tmp_path, {"actual": [1, 0], "predicted": [1, 1]}) is None
    assert not (tmp_path / EXPORT_FILE).exists()


def test_another_column_may_hold_the_ids(tmp_path: Path) -> None:
    columns = Columns(example_id="key")

    file = kept("regression", tmp_path, {"key": [3], "actual": [1.0], "predicted": [1.0]}, columns=columns)

    assert file is not None
    assert rows(file)[0]["example_id"] == "3"


@given(order=st.randoms(use_true_random=False), ids=st.lists(st.text(max_size=5), min_size=1, max_size=30))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_of_the_rows_does_not_show(tmp_path: Path, order: random.Random, ids: list[str]) -> None:
    table = [(each, number % 3, number % 2, number / len(ids)) for number, each in enumerate(ids)]

    def bytes_of(shuffled: list[tuple[str, int, int, float]]) -> bytes:
        names = ("example_id", "actual", "predicted", "score")
        file = kept("classification", tmp_path, dict(zip(names, zip(*shuffled, strict=True), strict=True)))
        assert file is not None
        return file.read_bytes()

    assert bytes_of(table) == bytes_of(order.sample(table, len(table)))


def test_many_rows_in_another_order_give_the_same_bytes(tmp_path: Path) -> None:
    half = 200_000
    table = pa.table({"example_id": range(2 * half), "actual": [0, 1] * half, "predicted": [1.0] * 2 * half})
    turned = pa.concat_tables([table.slice(half), table.slice(0, half)])

    digests = []
    for each in (table, turned):
        file = kept("regression", tmp_path, each)
        assert file is not None
        digests.append(hashlib.sha256(file.read_bytes()).hexdigest())

    assert digests[0] == digests[1]


def test_is_left_in_the_folder_by_an_evaluation_apart(tmp_path: Path) -> None:
    write(tmp_path / "predictions.parquet", BINARY)
    job = Job(tmp_path, "predictions.parquet", "classification", Columns(), Options())

    evaluate_in_sandbox(job, lambda progress: None)

    there = (tmp_path / EXPORT_FILE).read_bytes()
    here = kept("classification", tmp_path, BINARY)
    assert here is not None
    assert there == here.read_bytes()


def test_a_column_that_is_named_as_another_part_is_not_mistaken_for_it(tmp_path: Path) -> None:
    table = {"weight": ["a", "b"], "actual": [1, None], "predicted": [0, 1], "example_id": [0.25, 0.5], "score": [1, 2]}
    columns = Columns(example_id="weight", actual="predicted", predicted="actual", score="example_id", weight="score")

    file = kept("classification", tmp_path, table, columns=columns, allow_missing=True)

    assert file is not None
    assert rows(file) == [{"example_id": "a", "actual": "0", "predicted": "1", "score": 0.25, "weight": 1.0}]
