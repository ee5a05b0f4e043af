"""`manage.py evaluate --dry-run --json` of small files that are easily read wrongly."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from models_registry.registry.models import RegisteredModel
from tests.cases import CASES, Case
from tests.factories import completed_version

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.task_type}-{'-'.join(case.options)}")
def test_each_file_is_read_as_it_is_meant(
    case: Case, acme: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = RegisteredModel.objects.create(organization=acme, name="case", task_type=case.task_type)
    completed_version(model, number=1)
    command = ["evaluate", model.pk, "ver-00001", str(case.write(tmp_path)), "--dry-run", "--json"]
    if case.refusal is not None:
        with pytest.raises(CommandError):
            call_command(*command, **case.options)
        problem = json.loads(capsys.readouterr().out)
        assert problem["code"] == "unprocessable_predictions"
        assert case.refusal in problem["detail"]
        assert problem.get("row") == case.row
        return
    call_command(*command, **case.options)
    found = json.loads(capsys.readouterr().out)

    for name, value in case.metrics.items():
        assert found["metrics"][name] == (value if value is None else pytest.approx(value, abs=1e-6)), name
    for name, ends in case.intervals.items():
        interval = found["confidence_intervals"].get(name)
        assert (interval and (interval["lower"], interval["upper"])) == (ends and pytest.approx(ends, abs=1e-3)), name
        assert (interval is None) == (name in found["intervals_unavailable"]), name
    missing = {**found["metrics_unavailable"], **found["intervals_unavailable"]}
    for name, reason in case.reasons.items():
        assert reason in missing[name]
    assert [warning["code"] for warning in found["warnings"]] == list(case.warnings)
    found["labels"] = (found["confusion_matrix"] or {}).get("labels")
    assert {name: found[name] for name in case.values} == dict(case.values)
    for name, value in found["metrics"].items():
        assert (value is None) == (name in found["metrics_unavailable"]), name
