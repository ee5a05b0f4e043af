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
    evaluated_at: datetime | None
    baseline_evaluated_at: datetime | None


def compare(lookup: SnapshotLookup, baseline: SnapshotLookup) -> Comparison:
    """Compare the newest snapshots of two versions. Raises what `SnapshotLookup.snapshot` raises."""
    for each in (lookup, baseline):
        each.completed_version()
    newer, older = detailed_snapshot(lookup), detailed_snapshot(baseline)
    paired = services.paired_intervals(newer, older)
    return Comparison(
        model_id=lookup.model_id,
        version_id=newer.version.version_id,
        baseline_version_id=older.version.version_id,
        task_type=lookup.task_type,
        dataset_split=newer.dataset_split,
        metrics=comparison.compare(
            task_types.get(lookup.task_type), _metric_values(newer), _metric_values(older), paired.intervals
        ),
        pairing=paired.status,
        evaluated_at=newer.evaluated_at,
        baseline_evaluated_at=older.evaluated_at,
    )


def _metric_values(snapshot: MetricSnapshot) -> MetricValues:
    details = snapshot.details
    options = known_options(details.evaluation_options, details.positive_class, details.averaging)
    return MetricValues(snapshot.metrics, stored_intervals(details.confidence_intervals), options)
