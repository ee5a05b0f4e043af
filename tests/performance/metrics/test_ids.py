"""Ids are read alike, however they are written: of examples, groups, series and queries."""

from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from performance.metrics.inputs.options import Columns, Options
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.tasks.evaluators import evaluate
from tests.performance.metrics.engines.agreement import assert_close
from tests.performance.metrics.tables import export_columns, read_file, write_parquet

# As ids may be written: with blanks, and as pandas writes whole numbers beside a missing one.
SPELT = ["{}", "{} ", "\u00a0{}", "\t{}\r\n", " {}.0"]
ROWS = 120
NUMBERS = {"actual": [float(at % 7) for at in range(ROWS)], "predicted": [float(at % 5) for at in range(ROWS)]}
LABELS = {name: [int(each > 2) for each in cells] for name, cells in NUMBERS.items()}
ITEMS: dict[str, list[Any]] = {"relevance": LABELS["actual"], "score": [at % 11 / 11 for at in range(ROWS)]}
TASKS: list[tuple[str, dict[str, list[Any]], dict[str, int]]] = [
    ("classification", LABELS, {"group": 12, "example_id": ROWS}),
    ("regression", NUMBERS, {"group": 12, "example_id": ROWS}),
    ("forecasting", NUMBERS, {"series_id": 24, "group": 12, "example_id": ROWS}),
    ("ranking", ITEMS, {"query_id": 24, "group": 12}),
]


def evaluated(folder: Path, task: str, table: dict[str, Any]) -> Evaluation:
    write_parquet(folder / "p.parquet", table)
    return evaluate(read_file(folder / "p.parquet"), task, Columns(), Options())


def spelt(ids: list[int]) -> list[str]:
    """Write each id in another way than the row before."""
    return [SPELT[at % len(SPELT)].format(each) for at, each in enumerate(ids)]


@pytest.mark.parametrize(("task", "values", "ids"), TASKS)
def test_ids_are_trimmed(tmp_path: Path, task: str, values: dict[str, list[Any]], ids: dict[str, int]) -> None:
    numbered = {name: [at * count // ROWS for at in range(ROWS)] for name, count in ids.items()}

    found = evaluated(tmp_path, task, {**values, **{name: spelt(each) for name, each in numbered.items()}})

    as_texts = {name: list(map(str, each)) for name, each in numbered.items()}
    for expected in (as_texts, numbered):
        assert_close(asdict(found), asdict(evaluated(tmp_path, task, {**values, **expected})))
    assert found.examples_digest


@pytest.mark.parametrize(("task", "values", "ids"), TASKS)
def test_ids_are_kept_trimmed(tmp_path: Path, task: str, values: dict[str, list[Any]], ids: dict[str, int]) -> None:
    numbered = {name: [at * count // ROWS for at in range(ROWS)] for name, count in ids.items()}
    files = [
        export_columns(task, tmp_path, {**values, **{name: of(each) for name, each in numbered.items()}})
        for of in (spelt, list)
    ]

    assert len({file and file.read_bytes() for file in files}) == 1


@pytest.mark.parametrize(("task", "values", "ids"), TASKS)
def test_a_blank_is_no_id(tmp_path: Path, task: str, values: dict[str, list[Any]], ids: dict[str, int]) -> None:
    numbered = {name: [str(at * count // ROWS) for at in range(ROWS)] for name, count in ids.items()}
    for name in ids:
        table = {**values, **numbered, name: [*numbered[name][:-1], " \u00a0"]}
        if name == "example_id":
            assert evaluated(tmp_path, task, table).examples_digest is None
            continue
        with pytest.raises(UnprocessablePredictionsError, match=f"Row {ROWS} has no .* in the column '{name}'"):
            evaluated(tmp_path, task, table)


@pytest.mark.parametrize("form", SPELT)
def test_an_example_repeats_however_its_id_is_written(tmp_path: Path, form: str) -> None:
    table = {"example_id": ["7", form.format(7)], "actual": [1.0, 2.0], "predicted": [1.0, 2.0]}

    with pytest.raises(UnprocessablePredictionsError, match="Row 1 has the example_id '7'"):
        evaluated(tmp_path, "regression", table)


def test_an_item_of_a_query_is_its_own_however_the_query_is_written(tmp_path: Path) -> None:
    found = evaluated(tmp_path, "ranking", {"query_id": ["q", "q ", " q"], "relevance": [0, 0, 1], "score": [3, 2, 1]})

    assert (found.sample_count, found.metrics["mrr"]) == (1, 1 / 3)


@pytest.mark.parametrize("digits", [15, 19, 21, 30, 38])
@pytest.mark.parametrize("scale", [0, 2])
def test_long_decimals_are_ids_of_their_own(tmp_path: Path, digits: int, scale: int) -> None:
    first = 10 ** (digits - scale - 1)
    ids = [Decimal(str(first + at)) for at in range(3)]
    table = {"actual": [1.0, 2.0, 3.0], "predicted": [1.0, 2.0, 2.0]}

    found = evaluated(tmp_path, "regression", {**table, "example_id": pa.array(ids, pa.decimal128(digits, scale))})

    assert found.residuals[0].example_id in {str(first + 2), f"{first + 2}.00"}
    assert found.examples_digest
