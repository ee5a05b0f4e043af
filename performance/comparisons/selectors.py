"""How two snapshots differ."""

from dataclasses import dataclass
from datetime import datetime

from models_registry import task_types
from performance.comparisons import services
from performance.metrics import comparison
from performance.metrics.comparison import MetricComparison, MetricValues, PairingStatus, known_options
from performance.metrics.statistics.intervals import stored_intervals
from performance.snapshots.models import MetricSnapshot
from performance.snapshots.selectors import SnapshotLookup, detailed_snapshot


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two snapshots of one model and split, metric by metric."""

    model_id: str
    version_id: str
    baseline_version_id: str
    task_type: str
    dataset_split: str
    metrics: dict[str, MetricComparison]
    pairing: PairingStatus
    pairing_detail: str | None
    evaluated_at: datetime | None
    baseline_evaluated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Differences:
    """How two snapshots differ in each summary metric, and whether they are compared example by example, or why not."""

    metrics: dict[str, MetricComparison]
    pairing: PairingStatus
    pairing_detail: str | None = None


def compare(lookup: SnapshotLookup, baseline: SnapshotLookup) -> Comparison:
    """Compare the newest snapshots of two versions. Raises what `SnapshotLookup.snapshot` raises."""
    for each in (lookup, baseline):
        each.completed_version()
    newer, older = detailed_snapshot(lookup), detailed_snapshot(baseline)
    differences = compare_snapshots(newer, older)
    return Comparison(
        model_id=lookup.model_id,
        version_id=newer.version.version_id,
        baseline_version_id=older.version.version_id,
        task_type=lookup.task_type,
        dataset_split=newer.dataset_split,
        metrics=differences.metrics,
        pairing=differences.pairing,
        pairing_detail=differences.pairing_detail,
        evaluated_at=newer.evaluated_at,
        baseline_evaluated_at=older.evaluated_at,
    )


def compare_snapshots(snapshot: MetricSnapshot, baseline: MetricSnapshot) -> Differences:
    """Compare two snapshots of one task type, which may belong to different models."""
    paired = services.paired_intervals(snapshot, baseline)
    task_type = task_types.get(snapshot.version.model.task_type)
    metrics = comparison.compare(task_type, metric_values(snapshot), metric_values(baseline), paired.intervals)
    return Differences(metrics, paired.status, services.why_unpaired(snapshot, baseline, paired))


def metric_values(snapshot: MetricSnapshot) -> MetricValues:
    """Return the summary metrics of a snapshot with their intervals and options."""
    details = snapshot.details
    options = known_options(details.evaluation_options, details.positive_class, details.averaging)
    intervals = stored_intervals(details.confidence_intervals)
    unavailable = {**details.intervals_unavailable, **details.metrics_unavailable}
    return MetricValues(snapshot.metrics, intervals, options, unavailable)
