"""How two snapshots differ."""

from dataclasses import dataclass
from datetime import datetime

from models_registry import task_types
from performance.comparisons import services
from performance.metrics import comparison
from performance.metrics.comparison import (
    MetricComparison,
    MetricValues,
    PairingStatus,
    describe_options,
)
from performance.metrics.statistics.intervals import stored_intervals
from performance.snapshots.models import MetricSnapshot
from performance.snapshots.selectors import SnapshotLookup, detailed_snapshot

DIFFERENT_EXAMPLES = (
    "The examples differ in their ids, actual values, weights, groups, series or scales, or in which have a prediction."
)
TOO_FEW_EXAMPLES = "The examples, or their groups or series, are too few for a paired interval of any metric."
UNKNOWN_EXAMPLES = "The examples with a prediction differ, or are too few for a paired interval of any metric."
PAIRED_OPTIONS = ("positive_class", "averaging", "k")  # have to be the same for a pair


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
    return Differences(metrics, paired.status, why_unpaired(snapshot, baseline, paired))


def why_unpaired(snapshot: MetricSnapshot, baseline: MetricSnapshot, found: services.PairedIntervals) -> str | None:
    """Say why two snapshots cannot be compared example by example; `None` if they can."""
    if found.status is not PairingStatus.UNAVAILABLE:
        return None
    if found.has_failed:
        return "The comparison failed or took too long. It may be tried again after seven days."
    newer, older = snapshot.details, baseline.details
    sides = (("the version", newer), ("the baseline", older))
    if without := [name for name, each in sides if each.predictions_digest is None]:
        return f"The predictions of {' and of '.join(without)} are not stored."
    ours, theirs = (each.known_options for _, each in sides)
    if differing := [name for name in PAIRED_OPTIONS if ours.get(name) != theirs.get(name)]:
        both = (describe_options({name: each.get(name) for name in differing}) for each in (ours, theirs))
        return f"The metrics of the version are computed {' and those of the baseline '.join(both)}."
    are_same = newer.examples.are_same(older.examples)
    return {True: TOO_FEW_EXAMPLES, False: DIFFERENT_EXAMPLES, None: UNKNOWN_EXAMPLES}[are_same]


def metric_values(snapshot: MetricSnapshot) -> MetricValues:
    """Return the summary metrics of a snapshot with their intervals and options."""
    details = snapshot.details
    intervals = stored_intervals(details.confidence_intervals)
    unavailable = {**details.intervals_unavailable, **details.metrics_unavailable}
    return MetricValues(snapshot.metrics, intervals, details.known_options, unavailable)
