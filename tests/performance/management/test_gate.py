"""`manage.py gate MODEL [VERSION]`"""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from models_registry.registry.models import RegisteredModel
from performance.gates.models import GatePolicy, GateVerdict
from performance.snapshots.models import SnapshotDetail
from tests.factories import EXAMPLE_METRICS, completed_version, snapshot

pytestmark = pytest.mark.django_db
MODEL = "mdl-7f3a19bc92"


@pytest.fixture(autouse=True)
def candidate(model: RegisteredModel) -> None:
    """A version after the promoted one."""
    snapshot(completed_version(model, number=418), metrics=EXAMPLE_METRICS | {"accuracy": 0.91})


def at_least(threshold: float) -> dict[str, Any]:
    return {"dataset_split": "test", "rules": [{"metric": "accuracy", "operator": ">=", "threshold": threshold}]}


def under(model: RegisteredModel, threshold: float) -> None:
    GatePolicy.objects.create(model=model, version=1, document=at_least(threshold))


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Return the exit status and what is printed."""
    status = 0
    try:
        call_command("gate", *map(str, arguments))
    except SystemExit as end:
        status = int(str(end.code))
    return status, capsys.readouterr().out


def refused(*arguments: object) -> str:
    with pytest.raises(CommandError) as refusal:
        call_command("gate", *map(str, arguments))
    assert refusal.value.returncode == 2
    return str(refusal.value)


def test_a_version_that_passes_ends_with_0(model: RegisteredModel, capsys: pytest.CaptureFixture[str]) -> None:
    under(model, 0.9)

    status, printed = run(capsys, MODEL)

    assert status == 0
    assert "ver-001a2 of mdl-7f3a19bc92" in printed
    assert "accuracy is 0.91; at least 0.9 is required." in printed
    assert printed.endswith("ver-001a2 passes 1 rule.\n")


def test_the_table_has_six_digits_and_intervals_and_json_all_digits(
    model: RegisteredModel, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = [{"metric": "accuracy", "operator": ">=", "threshold": 0.93, "confidence": 0.95}]
    GatePolicy.objects.create(model=model, version=1, document={"dataset_split": "test", "rules": rules})
    evaluated = snapshot(completed_version(model, number=419), metrics={"accuracy": 0.9736842105263158})
    within = {"lower": 0.9254751605265878, "upper": 0.991010438691352, "level": 0.95, "method": "wilson"}
    SnapshotDetail.objects.create(snapshot=evaluated, confidence_intervals={"accuracy": within})

    _, printed = run(capsys, MODEL)

    assert "0.973684" in printed
    assert "0.925475 to 0.99101" in printed
    assert "97368421" not in printed
    assert "0.9736842105263158" in run(capsys, MODEL, "--format", "json")[1]


def test_a_version_that_fails_ends_with_1(model: RegisteredModel, capsys: pytest.CaptureFixture[str]) -> None:
    under(model, 0.93)

    status, printed = run(capsys, MODEL, "ver-001a2")

    assert status == 1
    assert "failed" in printed
    assert run(capsys, MODEL, "ver-001a1")[0] == 0
    assert not GateVerdict.objects.exists()


def test_an_answer_that_the_terminal_cannot_show_ends_with_2(model: RegisteredModel) -> None:
    under(model, 0.9)

    with pytest.raises(CommandError, match=r"^The verdict cannot be written: 'ascii' codec [^\n]*$") as refusal:
        call_command("gate", MODEL, stdout=io.TextIOWrapper(io.BytesIO(), "ascii"))
    assert refusal.value.returncode == 2


def test_an_answer_that_finds_no_room_ends_with_2_and_is_not_written_again(model: RegisteredModel) -> None:
    under(model, 0.93)

    with (
        open("/dev/full", "w", encoding="utf-8") as full,
        pytest.raises(CommandError, match="^The verdict cannot be written: No space left on device.$") as refusal,
    ):
        call_command("gate", MODEL, stdout=full)
    assert refusal.value.returncode == 2


def test_an_answer_that_nobody_reads_any_more_ends_with_2_in_silence(
    model: RegisteredModel, capsys: pytest.CaptureFixture[str]
) -> None:
    under(model, 0.9)
    read_end, write_end = os.pipe()
    os.close(read_end)

    with open(write_end, "w", encoding="utf-8") as broken, pytest.raises(SystemExit) as end:
        call_command("gate", MODEL, stdout=broken)
    assert end.value.code == 2
    assert capsys.readouterr() == ("", "")


def test_without_a_standard_output_it_ends_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)

    assert refused(MODEL) == "Standard output is closed."


def test_without_a_policy_it_ends_with_0_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, MODEL) == (0, "There is no policy for ver-001a2.\n")


def test_the_organizations_policy_is_in_force_as_well(
    model: RegisteredModel, capsys: pytest.CaptureFixture[str]
) -> None:
    GatePolicy.objects.create(organization=model.organization, version=1, document=at_least(0.93))

    assert run(capsys, MODEL)[0] == 1


@pytest.mark.parametrize(
    ("form", "begins"),
    [("json", '{"model_id":'), ("junit", "<?xml"), ("markdown", "### Gate"), ("html", "<!DOCTYPE html>")],
)
def test_other_forms_are_those_of_the_api(
    model: RegisteredModel, capsys: pytest.CaptureFixture[str], form: str, begins: str
) -> None:
    under(model, 0.93)

    status, printed = run(capsys, MODEL, "--format", form)

    assert (status, printed[: len(begins)]) == (1, begins)
    if form == "json":
        assert json.loads(printed)["policy"] == {"owner": "model", "version": 1}


def test_a_policy_in_a_file_is_judged_by_instead(
    model: RegisteredModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    under(model, 0.5)
    file = tmp_path / "policy.json"
    warned = {"metric": "recall", "operator": "<=", "threshold": 1}
    file.write_text(json.dumps({"rules": [*at_least(0.93)["rules"], warned]}))

    status, printed = run(capsys, MODEL, "--policy", file)

    assert status == 1
    assert "Warning: recall <= 1 lets worse values pass: higher is better." in printed


def test_names_in_a_policy_cannot_control_the_terminal(
    model: RegisteredModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "policy.json"
    rule = {"metric": "slice.country.a\x1b[31mred.accuracy", "operator": ">=", "threshold": 0.5}
    file.write_text(json.dumps({"rules": [rule]}))

    status, printed = run(capsys, MODEL, "--policy", file)

    assert status == 1
    assert "\x1b" not in printed
    assert "\\x1b[31mred" in "".join(printed.split())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not a JSON document"),
        ("[]", "Must be an object with `rules`."),
        ('{"rules": [{"metric": "rmse", "operator": ">", "threshold": 1}]}', "rules.0.metric: There is no 'rmse'"),
        (
            '{"against": "ver-00009", "rules": [{"metric": "recall", "max_regression": 0}]}',
            "against: There is no ver-00009.",
        ),
    ],
)
def test_a_file_that_holds_no_policy_ends_with_2(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "policy.json"
    file.write_text(text)

    assert reason in refused(MODEL, "--policy", file)


def test_what_cannot_be_judged_ends_with_2(model: RegisteredModel, empty_model: RegisteredModel) -> None:
    model.versions.create(number=419)

    assert "There is no model mdl-0000000000." in refused("mdl-0000000000")
    assert "There is no model x." in refused("x")
    assert "has no version ver-00009." in refused(MODEL, "ver-00009")
    assert "has no version x." in refused(MODEL, "x")
    assert "ver-001a3 is training" in refused(MODEL, "ver-001a3")
    assert "has no completed version." in refused(empty_model.pk)
    assert "cannot be read" in refused(MODEL, "--policy", "/nowhere/policy.json")
