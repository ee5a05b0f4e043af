"""Evaluate on both engines, and compare what they find."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.tasks.evaluators import evaluate
from tests.performance.metrics.tables import Evaluate

Compare = Callable[..., dict[str, Any]]


def written(file: Path, columns: dict[str, Any]) -> Path:
    """Return a Parquet file with the columns."""
    pq.write_table(pa.table(columns), file)
    return file


def outcome(
    engine: Engine, evaluate: Evaluate, files: list[Path], columns: Columns | None, options: dict[str, Any]
) -> dict[str, Any]:
    """Return an evaluation as a document, or the reason why it is refused."""
    try:
        (engine.read_parquet if files[0].suffix == ".parquet" else engine.read_csv)(list(map(str, files)))
        return asdict(evaluate(engine, columns or Columns(), Options(**options)))
    except UnprocessablePredictionsError as error:
        return {"refused": str(error), "row": error.row, "column": error.column}


def assert_close(one: Any, other: Any, at: str = "", *, within: float = 1e-12) -> None:
    """Check that two documents are equal, except for a relative difference of floats."""
    assert type(one) is type(other), at
    if isinstance(one, Mapping):
        assert list(one) == list(other), at
        for name in one:
            assert_close(one[name], other[name], f"{at}.{name}", within=within)
    elif isinstance(one, Sequence) and not isinstance(one, str):
        assert len(one) == len(other), at
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_close(left, right, f"{at}[{index}]", within=within)
    else:
        expected = pytest.approx(other, rel=within, abs=within) if isinstance(other, float) else other
        assert one == expected, at


# An interval of no width, as where all examples cost the same, has the square root of what rounding leaves: 1e-8.
ROUNDED = 1e-7


def evaluate_task(task_type: str, engine: Engine, columns: Columns, options: Options) -> Evaluation:
    """Return the evaluation of a task type."""
    return evaluate(engine, task_type, columns, options)
