"""Uploads, reports and policies accept the same names of datasets."""

import json

import pytest
from django.core.exceptions import ValidationError as InvalidError
from rest_framework.serializers import ValidationError

from performance.evaluations.serializers import DatasetField
from performance.gates.policy import InvalidPolicyError, parse_policy
from performance.snapshots.fields import DatasetNameField


def reported(name: str) -> bool:
    try:
        return bool(DatasetNameField().run_validation(name) == name)
    except (ValidationError, InvalidError):
        return False


def uploaded(name: str) -> bool:
    try:
        return bool(DatasetField().run_validation(json.dumps({"name": name})))
    except ValidationError:
        return False


def judged(name: str) -> bool:
    try:
        parse_policy({"dataset": name, "rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.5}]})
    except InvalidPolicyError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "is_name"),
    [
        ("churn 2026", True),
        ("n" * 100, True),
        ("zero\u200bwidth", False),
        ("mark\u200e", False),
        ("joiner\u200d", False),
        ("soft\u00adhyphen", False),
        ("\ufeffbom", False),
        ("selector\ufe0f", False),
        ("filler\u3164", False),
        ("caf\u00e9", True),
        ("cafe\u0301", False),
        ("\u0928\u094d\u200d\u0926", True),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", True),
        ("\u2764\ufe0f\u200d\U0001f525", True),
        ("\u2764\ufe0f\ufe0f", False),
        ("\u0905\u200d\u200d", False),
        ("no\u00a0break", True),
        ("\u0645", True),
        ("\u0645\u200f.\u200e", True),
        ("churn\u202efdp", False),
        ("\u2066churn\u2069", False),
        ("\u200b", False),
        ("\U000e0041\u3164", False),
        ("", False),
        ("n" * 101, False),
        (" before", False),
        ("after\u00a0", False),
        ("two\nlines", False),
        ("two\u2028lines", False),
        ("nul\0", False),
    ],
)
def test_uploads_reports_and_policies_accept_the_same_names(name: str, is_name: bool) -> None:
    assert (reported(name), uploaded(name), judged(name)) == (is_name, is_name, is_name)
