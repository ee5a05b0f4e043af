"""Gates may use the per-class metrics that evaluations store."""

from pathlib import Path
from typing import Any

import pytest

from models_registry import task_types
from performance.gates.gate_metrics import per_class_names
from performance.metrics.tasks.evaluators import EVALUATORS
from tests.performance.metrics.tables import evaluate_columns

CLASSES = {"actual": ["a", "b", "a", "b"], "predicted": ["a", "b", "b", "b"], "score": [0.1, 0.9, 0.6, 0.7]}
NUMBERS = {"actual": [1.0, 2.0, 3.0], "predicted": [1.5, 2.0, 2.0]}
PREDICTIONS: dict[str, dict[str, Any]] = {
    "classification": CLASSES,
    "regression": NUMBERS,
    "forecasting": NUMBERS | {"horizon": [1, 2, 2]},
    "ranking": {"query_id": ["q", "q"], "relevance": [1, 0], "score": [0.9, 0.1]},
}


@pytest.mark.parametrize("name", EVALUATORS)
def test_gates_know_exactly_the_per_class_metrics_that_an_evaluation_has(tmp_path: Path, name: str) -> None:
    found = evaluate_columns(EVALUATORS[name], tmp_path, PREDICTIONS[name])

    kept = {metric for values in found.per_class.values() for metric in values}
    assert kept == set(per_class_names(task_types.get(name)))
