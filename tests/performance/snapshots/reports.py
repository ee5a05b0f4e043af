"""Report metrics of the model's version, and read the report."""

from typing import Any

from tests.api import Caller

MODEL = "/models/mdl-7f3a19bc92"
VERSION = f"{MODEL}/versions/ver-001a1"
SNAPSHOTS = f"{VERSION}/snapshots"
SUMMARY = f"{MODEL}/performance/summary"
GOOD = {"dataset_split": "test", "metrics": {"accuracy": 0.95}}
WHOLE = {
    "dataset_split": "validation",
    "metrics": {"accuracy": 0.75, "roc_auc": 1, "log_loss": None},
    "custom_metrics": {"profit per call": 3.25, "p99/latency_ms": 12},
    "sample_count": 8,
    "confusion_matrix": {"labels": ["no", "yes"], "counts": [[3, 1], [1, 3]]},
    "evaluated_at": "2026-05-01T00:00:00Z",
}
REPORT = f"{MODEL}/performance/report"
# Of 1,000 examples 936 are right: 60 of 100 positives, 876 of 900 negatives.
MATRIX = {"labels": ["no", "yes"], "counts": [[876, 24], [40, 60]]}
WITH_MATRIX = {"dataset_split": "test", "metrics": {"accuracy": 0.936}, "confusion_matrix": MATRIX}


def send_report(ed: Caller, body: dict[str, Any], **query: str) -> dict[str, Any]:
    """Report metrics, and return the report of the version."""
    answer = ed.post(SNAPSHOTS, body)
    assert answer.status_code == 201, answer.content
    report: dict[str, Any] = ed.get(REPORT, query).json()
    return report
