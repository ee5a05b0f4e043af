"""Exported predictions: their content, and that equal predictions give equal bytes."""

import hashlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.prediction_export import EXPORT_FILE
from performance.metrics.result import EXHAUSTED, UnprocessablePredictionsError
from performance.metrics.sandbox.runner import Job, evaluate_in_sandbox
from tests.performance.metrics.tables import EACH_EVALUATES, export_columns, write_parquet

BINARY = {"example_id": ["b", "a", "c"], "actual": [1, 0, 1], "predicted": [1, 1, 0], "score": [0.9, 0.6, 0.4]}


def rows(file: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(file).to_pylist())


def test_the_export_has_labels_and_scores_sorted_by_id(tmp_path: Path) -> None:
    file = export_columns("classification", tmp_path, BINARY)

    assert file is not None
    assert rows(file) == [
        {"example_id": "a", "actual": "0", "predicted": "1", "score": 0.6},
        {"example_id": "b", "actual": "1", "predicted": "1", "score": 0.9},
        {"example_id": "c", "actual": "1", "predicted": "0", "score": 0.4},
    ]


def test_whole_numbers_are_the_same_ids_however_they_are_written(tmp_path: Path) -> None:
    forms: list[list[Any]] = [[2, 1, 3], [2.0, 1.0, 3.0], ["2", "1", "3"], ["2.0", "1.0", "3.0"]]

    for ids in forms:
        file = export_columns("classification", tmp_path, {**BINARY, "example_id": ids})
        assert file is not None
        assert [row["example_id"] for row in rows(file)] == ["1", "2", "3"]


@pytest.mark.parametrize("ids", [["b", None, "c"], [1.0, None, 2.0]])
def test_there_is_no_export_unless_each_prediction_has_an_id(tmp_path: Path, ids: list[Any]) -> None:
    table = {**BINARY, "example_id": ids}

    assert export_columns("classification", tmp_path, table) is None
    assert export_columns("classification", tmp_path, {**table, "predicted": [1, None, 0]}, allow_missing=True)


def test_the_export_has_the_prediction_of_the_threshold(tmp_path: Path) -> None:
    file = export_columns("classification", tmp_path, BINARY, threshold=0.95)

    assert file is not None
    assert {row["predicted"] for row in rows(file)} == {"0"}


def test_the_export_has_the_positive_class_score_with_any_averaging(tmp_path: Path) -> None:
    scores = {"score_0": [0.1, 0.4, 0.6], "score_1": BINARY["score"]}
    columns = {name: values for name, values in BINARY.items() if name != "score"} | scores

    file = export_columns("classification", tmp_path, columns, averaging="macro")

    assert file is not None
    assert [row["score"] for row in rows(file)] == [0.6, 0.9, 0.4]


def test_the_export_of_several_classes_has_the_terms_of_the_losses(tmp_path: Path) -> None:
    columns = {"example_id": [1, 2], "actual": ["x", "y"], "predicted": ["x", "z"]}
    scores = {"score_x": [0.5, 0.25], "score_y": [0.25, 0.25], "score_z": [0.25, 0.5]}

    file = export_columns("classification", tmp_path, {**columns, **scores, "weight": [1.0, 3.0]})

    assert file is not None
    assert rows(file) == [
        {"example_id": "1", "actual": "x", "predicted": "x", "truth": 0.5, "brier": 0.375, "weight": 1.0},
        {"example_id": "2", "actual": "y", "predicted": "z", "truth": 0.25, "brier": 0.875, "weight": 3.0},
    ]


THREE_CLASSES = {
    "example_id": ["a", "b", "c", "d"],
    "actual": ["x", "y", "z", "x"],
    "predicted": ["x", "y", "x", "x"],
    "score_x": [0.7, 0.2, 0.5, 0.4],
    "score_y": [0.2, 0.6, 0.1, 0.3],
    "score_z": [0.1, 0.2, 0.4, 0.3],
}


def test_the_export_of_several_classes_has_the_pseudovalues_of_roc_auc(tmp_path: Path) -> None:
    """Their deviations from the area are how much an example moves it. Of class x, c ranks above d alone: 3 of 4."""
    pseudovalues = {}
    for averaging in ("macro", "weighted", "micro"):
        file = export_columns("classification", tmp_path, THREE_CLASSES, averaging=averaging)
        assert file is not None
        pseudovalues[averaging] = [row["roc_auc"] for row in rows(file)]

    assert sum(pseudovalues["macro"]) / 4 == pytest.approx((0.75 + 1 + 1) / 3)
    assert sum(pseudovalues["weighted"]) / 4 == pytest.approx((2 * 0.75 + 1 + 1) / 4)
    # 12 decisions: 4 right ones of 0.7, 0.6, 0.4, 0.4, and wrong ones of 0.5, 0.3 and less
    assert sum(pseudovalues["micro"]) / 4 / 2 == pytest.approx((8 + 8 + 7 + 7) / 32)
    of_x = {"a": 1 - 0.75, "d": 0.5 - 0.75, "b": 1 - 0.75, "c": 0.5 - 0.75}  # placements, above or below 0.75
    assert pseudovalues["macro"] == pytest.approx([2.75 / 3 + of_x[each] * 2 / 3 for each in "abcd"])


def test_pseudovalues_that_take_too_much_space_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = DuckDB.write_parquet

    def write_few(engine: DuckDB, statement: str, file: Path) -> None:
        if "pseudovalue" in statement:
            raise UnprocessablePredictionsError(EXHAUSTED)
        write(engine, statement, file)

    monkeypatch.setattr(DuckDB, "write_parquet", write_few)

    file = export_columns("classification", tmp_path, THREE_CLASSES)

    assert file is not None
    assert set(rows(file)[0]) == {"example_id", "actual", "predicted", "truth", "brier"}


def test_examples_without_weight_have_no_pseudovalue(tmp_path: Path) -> None:
    file = export_columns("classification", tmp_path, {**THREE_CLASSES, "weight": [1.0, 1.0, 1.0, 0.0]})

    assert file is not None
    assert [row["roc_auc"] is None for row in rows(file)] == [False, False, False, True]


def test_the_export_of_a_forecast_has_numbers_series_and_scale(tmp_path: Path) -> None:
    file = export_columns(
        "forecasting",
        tmp_path,
        {"example_id": ["a"], "actual": [1], "predicted": [3], "series_id": [7], "scale": [2.0], "weight": [0.5]},
    )

    assert file is not None
    assert rows(file) == [
        {"example_id": "a", "actual": 1.0, "predicted": 3.0, "weight": 0.5, "series": "7", "scale": 2.0}
    ]


def test_the_export_of_a_ranking_has_each_item_by_query(tmp_path: Path) -> None:
    file = export_columns("ranking", tmp_path, {"query_id": [1, 1], "relevance": [0, 2], "score": [0.5, 0.25]}, k=3)

    assert file is not None
    assert rows(file) == [
        {"example_id": "1", "relevance": 0.0, "score": 0.5, "k": 3},
        {"example_id": "1", "relevance": 2.0, "score": 0.25, "k": 3},
    ]


def test_the_export_has_only_scored_rows(tmp_path: Path) -> None:
    columns = {"example_id": ["a", "b"], "actual": [1.0, 2.0], "predicted": [1.5, None]}

    file = export_columns("regression", tmp_path, columns, allow_missing=True)

    assert file is not None
    assert [row["example_id"] for row in rows(file)] == ["a"]


@pytest.mark.parametrize("task", ["classification", "regression", "forecasting"])
def test_there_is_no_export_without_ids(task: str, tmp_path: Path) -> None:
    assert export_columns(task, tmp_path, {"actual": [1, 0], "predicted": [1, 1]}) is None
    assert not (tmp_path / EXPORT_FILE).exists()


def test_the_export_uses_the_named_id_column(tmp_path: Path) -> None:
    columns = Columns(example_id="key")

    file = export_columns("regression", tmp_path, {"key": [3], "actual": [1.0], "predicted": [1.0]}, columns=columns)

    assert file is not None
    assert rows(file)[0]["example_id"] == "3"


IDS = st.text(max_size=5).filter(str.strip)


@given(order=st.randoms(use_true_random=False), ids=st.lists(IDS, min_size=1, max_size=30))
@EACH_EVALUATES
def test_the_export_does_not_depend_on_the_order_of_rows(tmp_path: Path, order: random.Random, ids: list[str]) -> None:
    table = [(each, number % 3, number % 2, number / len(ids)) for number, each in enumerate(ids)]

    def bytes_of(shuffled: list[tuple[str, int, int, float]]) -> bytes:
        names = ("example_id", "actual", "predicted", "score")
        file = export_columns("classification", tmp_path, dict(zip(names, zip(*shuffled, strict=True), strict=True)))
        assert file is not None
        return file.read_bytes()

    assert bytes_of(table) == bytes_of(order.sample(table, len(table)))


def test_the_export_of_many_rows_does_not_depend_on_their_order(tmp_path: Path) -> None:
    half = 200_000
    table = pa.table({"example_id": range(2 * half), "actual": [0, 1] * half, "predicted": [1.0] * 2 * half})
    turned = pa.concat_tables([table.slice(half), table.slice(0, half)])

    digests = []
    for each in (table, turned):
        file = export_columns("regression", tmp_path, each)
        assert file is not None
        digests.append(hashlib.sha256(file.read_bytes()).hexdigest())

    assert digests[0] == digests[1]


@given(order=st.randoms(use_true_random=False), seed=st.integers(0, 2**32 - 1), size=st.integers(20, 300))
@EACH_EVALUATES
def test_the_pseudovalues_do_not_depend_on_the_order_of_rows(
    tmp_path: Path, order: random.Random, seed: int, size: int
) -> None:
    generator = np.random.default_rng(seed)
    scores, actual = generator.dirichlet([1, 1, 1], size).round(2), generator.choice(3, size)
    columns = [range(size), actual, scores.argmax(1), *scores.T, generator.uniform(0.5, 2, size)]
    names = ["example_id", "actual", "predicted", "score_0", "score_1", "score_2", "weight"]

    def bytes_of(places: list[int]) -> bytes:
        table = {name: [column[at] for at in places] for name, column in zip(names, columns, strict=True)}
        file = export_columns("classification", tmp_path, table, averaging="macro")
        assert file is not None
        return file.read_bytes()

    assert bytes_of([*range(size)]) == bytes_of(order.sample(range(size), size))


def test_a_sandboxed_evaluation_leaves_the_export_in_its_folder(tmp_path: Path) -> None:
    write_parquet(tmp_path / "predictions.parquet", BINARY)
    job = Job(tmp_path, "predictions.parquet", "classification", Columns(), Options())

    evaluate_in_sandbox(job, lambda progress: None)

    there = (tmp_path / EXPORT_FILE).read_bytes()
    here = export_columns("classification", tmp_path, BINARY)
    assert here is not None
    assert there == here.read_bytes()


def test_the_export_ignores_columns_with_misleading_names(tmp_path: Path) -> None:
    table = {"weight": ["a", "b"], "actual": [1, None], "predicted": [1, 0], "example_id": [0.25, 0.5], "score": [1, 2]}
    columns = Columns(example_id="weight", actual="predicted", predicted="actual", score="example_id", weight="score")

    file = export_columns("classification", tmp_path, table, columns=columns, allow_missing=True)

    assert file is not None
    assert rows(file) == [{"example_id": "a", "actual": "1", "predicted": "1", "score": 0.25, "weight": 1.0}]
