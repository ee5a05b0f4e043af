"""Verdicts as they are read again from the database, which does not keep the order of members."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from rest_framework import serializers

from models_registry import task_types
from performance.gates.measurement import DatasetDocument, Measurement, MeasurementDocument, WarningDocument
from performance.gates.serializers import VerdictSerializer
from performance.gates.services import GateCheck
from performance.gates.verdict import (
    RuleVerdictDocument,
    StoredPolicyDocument,
    Verdict,
    VerdictDocument,
    is_verdict_document,
    judge,
    order_document,
)
from performance.metrics.comparison import MetricValues
from performance.metrics.result import EvaluationWarning
from performance.metrics.statistics.intervals import Interval, IntervalDocument
from tests.performance.gates.cases import NOW, between, gate_input, judge_rules

RULES: list[dict[str, Any]] = [
    {"metric": "accuracy", "operator": ">=", "threshold": 0.9, "confidence": 0.95},
    {"metric": "accuracy", "max_regression": 0.1},
    {"metric": "recall", "operator": ">", "threshold": 0.5},
]


def measured(version_id: str) -> Measurement:
    values = MetricValues({"accuracy": 0.95}, {"accuracy": Interval(0.93, 0.97, "a test")}, {"threshold": 0.4})
    warnings = [EvaluationWarning("one_class", "All examples are of one class.")]
    age = timedelta(days=1)
    return Measurement(version_id, values, "computed", 500, NOW - age, "october", "3", "ab" * 32, warnings)


VERDICTS = {
    "with everything": judge_rules(RULES, between(measured("ver-00002"), measured("ver-00001"))),
    "without a snapshot": judge_rules(RULES, gate_input(None, promoted=None)),
    "without a policy": judge(None, task_types.get("classification"), gate_input(None), judged_at=NOW),
}


def as_stored(verdict: Verdict) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(verdict.as_document(), sort_keys=True))
    return document


@pytest.mark.parametrize("verdict", VERDICTS.values(), ids=VERDICTS)
def test_a_stored_verdict_is_in_the_order_of_a_new_one(verdict: Verdict) -> None:
    new = json.dumps(verdict.as_document())

    assert json.dumps(order_document(as_stored(verdict))) == new
    assert json.dumps(GateCheck().represent(as_stored(verdict))) == new
    assert json.dumps(VerdictSerializer().to_representation(as_stored(verdict))) == new


def fields_of(*path: str) -> list[str]:
    """Return the names of the fields of a serializer within that of verdicts."""
    found: Any = VerdictSerializer()
    for name in path:
        found = found.fields[name]
        found = found.child if isinstance(found, serializers.ListSerializer) else found
    return [*found.fields]


@pytest.mark.parametrize(
    ("path", "document_type"),
    [
        ((), VerdictDocument),
        (("rules",), RuleVerdictDocument),
        (("rules", "interval"), IntervalDocument),
        (("policy",), StoredPolicyDocument),
        (("candidate",), MeasurementDocument),
        (("candidate", "dataset"), DatasetDocument),
        (("candidate", "warnings"), WarningDocument),
        (("baselines",), MeasurementDocument),
    ],
)
def test_the_schema_lists_the_members_of_a_document(path: tuple[str, ...], document_type: type) -> None:
    assert fields_of(*path) == [*document_type.__annotations__]


def test_the_first_verdicts_are_known_as_such() -> None:
    document = as_stored(VERDICTS["with everything"])
    del document["candidate"], document["baselines"]

    assert is_verdict_document(document)
    ordered = order_document(document)
    assert ordered == document | {"candidate": None, "baselines": []}
    assert [*ordered] == [*VERDICTS["with everything"].as_document()]


@pytest.mark.parametrize(
    "foreign",
    [
        {"status": "passed", "judged_at": "2026-03-13T14:22:10Z", "reviewer": "vera"},
        {
            "status": "passed",
            "rules": [],
            "model_id": "mdl-7f3a19bc92",
            "version_id": "ver-00002",
            "judged_at": "today",
        },
        {},
    ],
)
def test_a_verdict_of_another_check_is_not_the_gates(foreign: Mapping[str, object]) -> None:
    assert GateCheck().represent(foreign) is None
