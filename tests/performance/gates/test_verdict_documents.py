"""Verdicts as they are read again from the database, by the gate's check and the serializer of verdicts."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from rest_framework import serializers

from performance.gates.measurement import DatasetDocument, MeasurementDocument, WarningDocument
from performance.gates.serializers import VerdictSerializer
from performance.gates.services import GateCheck
from performance.gates.verdict import RuleVerdictDocument, StoredPolicyDocument, Verdict, VerdictDocument
from performance.metrics.statistics.intervals import IntervalDocument
from tests.performance.gates.stored_documents import FOREIGN, VERDICTS, as_stored


@pytest.mark.parametrize("verdict", VERDICTS.values(), ids=VERDICTS)
def test_a_stored_verdict_is_in_the_order_of_a_new_one(verdict: Verdict) -> None:
    new = json.dumps(verdict.as_document())

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


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_verdict_of_another_check_is_not_the_gates(foreign: Mapping[str, object]) -> None:
    assert GateCheck().represent(foreign) is None
