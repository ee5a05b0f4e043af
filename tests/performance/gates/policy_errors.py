"""The errors of policies, and a valid rule and a valid limit to start from."""

from typing import Any

import pytest

from models_registry import task_types
from models_registry.task_types.base import TaskType
from performance.gates.policy import InvalidPolicyError, parse_policy, validate_for
from tests.performance.gates.rules import ACCURACY_AT_LEAST

CLASSIFICATION = task_types.get("classification")


def errors(document: Any, *types: TaskType) -> list[tuple[str, str]]:
    """Return the field and code of each error."""
    with pytest.raises(InvalidPolicyError) as refused:
        validate_for(parse_policy(document), types or (CLASSIFICATION,))
    assert all(detail and detail in str(refused.value) for _, _, detail in refused.value.errors)
    return [(field, code) for field, code, _ in refused.value.errors]


def rule_errors(rule: Any, *types: TaskType) -> list[tuple[str, str]]:
    """Return the errors of a policy whose second rule this is."""
    return errors({"rules": [ACCURACY_AT_LEAST | {"metric": "recall"}, rule]}, *types)
