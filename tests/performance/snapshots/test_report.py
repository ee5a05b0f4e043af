"""`GET …/performance/report`: the newest snapshot with its detail."""

import pytest

from models_registry import task_types
from models_registry.registry.models import Version
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
from tests.api import Caller, faults, masked, refusal
from tests.conftest import PinnedQueries, golden
from tests.factories import EVALUATED_AT, EXAMPLE_METRICS, snapshot
from tests.performance.snapshots.reports import SNAPSHOTS, WHOLE

pytestmark = pytest.mark.django_db
REPORT = "/models/mdl-7f3a19bc92/performance/report"


def test_a_report_of_reported_metrics_has_them_and_their_reporter(ed: Caller) -> None:
    ed.post(SNAPSHOTS, WHOLE)

    answer = ed.get(REPORT, {"dataset_split": "validation"})

    assert answer.status_code == 200
    assert masked(answer.json()) == golden("report")
    assert list(answer.json()) == list(golden("report"))


def test_a_report_of_imported_metrics_has_only_those(ed: Caller) -> None:
    body = ed.get(REPORT).json()

    further = [metric.name for metric in task_types.get("classification").further]
    assert body["metrics"] == EXAMPLE_METRICS | dict.fromkeys(further)
    assert body["custom_metrics"] == body["confidence_intervals"] == body["per_class"] == {}
    assert body["sample_count"] is None
    assert body["provenance"]["source"] == "imported"
    assert body["provenance"]["created_by"] == ""


def test_a_report_of_computed_metrics_has_intervals_classes_and_the_engine(ed: Caller) -> None:
    newest = MetricSnapshot.objects.create(
        version=Version.objects.get(),
        dataset_split="train",
        metrics={"accuracy": 0.5},
        sample_count=2,
        source="computed",
        evaluated_at=EVALUATED_AT,
    )
    interval = {"lower": 0.01, "upper": 0.99, "level": 0.95, "method": "wilson"}
    SnapshotDetail.objects.create(
        snapshot=newest,
        confidence_intervals={"accuracy": interval},
        per_class={"yes": {"recall": 0.5}},
        positive_class="",
        averaging="binary",
        engine="duckdb",
        engine_version="2.0.0",
        dataset_digest="0" * 64,
    )

    body = ed.get(REPORT, {"dataset_split": "train"}).json()

    assert body["confidence_intervals"] == {"accuracy": interval}
    assert body["per_class"] == {"yes": {"recall": 0.5}}
    assert (body["positive_class"], body["averaging"]) == ("", "binary")
    told = {name: body["provenance"][name] for name in ("source", "engine", "engine_version", "dataset_digest")}
    assert told == {"source": "computed", "engine": "duckdb", "engine_version": "2.0.0", "dataset_digest": "0" * 64}


def test_a_report_is_of_the_snapshot_that_the_summary_is_of(ed: Caller) -> None:
    for accuracy in (0.1, 0.2):  # of one moment
        snapshot(Version.objects.get(), metrics={"accuracy": accuracy})

    summary = ed.get(REPORT.replace("report", "summary")).json()

    report = ed.get(REPORT).json()
    assert {name: report["metrics"][name] for name in summary["metrics"]} == summary["metrics"]
    assert {name: report[name] for name in summary if name != "metrics"} == {
        name: value for name, value in summary.items() if name != "metrics"
    }
    assert report["metrics"]["accuracy"] == 0.2


def test_a_report_takes_two_statements(ed: Caller, pinned_queries: PinnedQueries) -> None:
    ed.get(REPORT)
    with pinned_queries("report"):
        ed.get(REPORT)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("dataset_split=holdout", 400, "invalid_parameter"),
        ("datasetsplit=test", 400, "unknown_parameter"),
        ("metric=accuracy", 400, "unknown_parameter"),
        ("version_id=ver-1", 400, "invalid_parameter"),
        ("dataset_split=train", 404, "snapshot_not_found"),
        ("version_id=ver-00001", 404, "version_not_found"),
    ],
)
def test_a_report_is_refused_as_the_summary_is(ed: Caller, query: str, status: int, code: str) -> None:
    assert refusal(ed.get(f"{REPORT}?{query}")) == (status, code)
    assert refusal(ed.get(f"{REPORT.replace('report', 'summary')}?{query}")) == (status, code)


def test_a_repeated_parameter_is_refused(ed: Caller) -> None:
    assert faults(ed.get(f"{REPORT}?dataset_split=test&dataset_split=test")) == [("dataset_split", "repeated")]
