"""How metrics of the registry are shown."""

from typing import Any

import pytest
from performance_registry import Performance, Snapshot
from performance_registry.records import Record
from performance_registry.tables import print_performance

from tests.conftest import golden


def lines_of(record: Record) -> list[str]:
    return [" ".join(line.split()) for line in str(record).splitlines()]


def test_the_snapshot_of_an_evaluation_is_a_table_of_metrics_with_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    document: dict[str, Any] = {**golden("evaluation")["snapshot"], "id": "7"}
    document["warnings"] = [{"code": "one_class", "detail": "All examples are of one class.\x1b"}]
    snapshot = Snapshot.from_document(document)

    lines = lines_of(snapshot)
    assert lines[:3] == [
        "Snapshot 7: ver-001a1 of mdl-7f3a19bc92, test split, 4 examples",
        "metric value interval",
        "accuracy 0.75 0.300642 to 0.987177",
    ]
    assert any(line.startswith("No interval of average_precision: There are fewer than 5") for line in lines)
    assert lines[-1] == "Warning: All examples are of one class.\\x1b"
    assert snapshot.confidence_intervals is not None
    assert snapshot.confidence_intervals["accuracy"]["method"] == "wilson"
    print_performance(snapshot)
    printed = capsys.readouterr().out
    assert "0.300642 to 0.987177" in printed
    assert lines[-1] in printed


def test_a_report_says_why_metrics_have_no_value_or_no_interval() -> None:
    document: dict[str, Any] = golden("report")
    document["metrics_unavailable"] = {"log_loss": "There are no probabilities."}
    document["intervals_unavailable"] = {"roc_auc": "It is unknown.", "per_class.yes.recall": "It is unknown."}

    lines = lines_of(Performance.from_document(document))

    assert lines[-2:] == ["No log_loss: There are no probabilities.", "No interval of roc_auc: It is unknown."]


@pytest.mark.parametrize("document", [golden("summary"), {**golden("report"), "confidence_intervals": {}}])
def test_metrics_without_intervals_are_a_table_of_values(document: dict[str, Any]) -> None:
    assert lines_of(Performance.from_document(document))[1] == "metric value"


def test_a_snapshot_of_an_older_registry_has_no_intervals() -> None:
    added = ("confidence_intervals", "intervals_unavailable", "warnings")
    document = {name: value for name, value in golden("snapshot").items() if name not in added}

    assert Snapshot.from_document(document).confidence_intervals is None
    assert lines_of(Snapshot.from_document(document))[2] == "accuracy 0.75"
