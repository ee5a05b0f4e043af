"""Verdicts, and their documents as the database returns them: it does not keep the order of members."""

import json
from datetime import timedelta
from typing import Any

from models_registry import task_types
from performance.gates.measurement import Measurement
from performance.gates.verdict import Verdict, judge
from performance.metrics.comparison import MetricValues
from performance.metrics.result import EvaluationWarning
from performance.metrics.statistics.intervals import Interval
from tests.performance.gates.cases import NOW, between, gate_input, judge_rules

RULES: list[dict[str, Any]] = [
    {"metric": "accuracy", "operator": ">=", "threshold": 0.9, "confidence": 0.95},
    {"metric": "accuracy", "max_regression": 0.1},
    {"metric": "recall", "operator": ">", "threshold": 0.5},
]


def measured(version_id: str) -> Measurement:
    """Return what was measured of a version, with a warning and a dataset."""
    values = MetricValues({"accuracy": 0.95}, {"accuracy": Interval(0.93, 0.97, "a test")}, {"threshold": 0.4})
    warnings = [EvaluationWarning("one_class", "All examples are of one class.")]
    age = timedelta(days=1)
    return Measurement(version_id, values, "computed", 500, NOW - age, "october", "3", "ab" * 32, warnings)


VERDICTS = {
    "with everything": judge_rules(RULES, between(measured("ver-00002"), measured("ver-00001"))),
    "without a snapshot": judge_rules(RULES, gate_input(None, promoted=None)),
    "without a policy": judge(None, task_types.get("classification"), gate_input(None), judged_at=NOW),
}
FOREIGN: list[dict[str, Any]] = [
    {"status": "passed", "judged_at": "2026-03-13T14:22:10Z", "reviewer": "vera"},
    {
        "status": "passed",
        "rules": [],
        "model_id": "mdl-7f3a19bc92",
        "version_id": "ver-00002",
        "judged_at": "today",
    },
    {},
]


def as_stored(verdict: Verdict) -> dict[str, Any]:
    """Return the document of a verdict with its members in another order."""
    document: dict[str, Any] = json.loads(json.dumps(verdict.as_document(), sort_keys=True))
    return document
