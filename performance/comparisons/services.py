"""Compare the predictions of two snapshots example by example, once for each pair.

A pair that is not stored has a `ComparisonJob`. A request that needs the pair claims the job and computes the pair
within the limits for requests. Everything else is left to the worker (`tasks.py`). Promotions have limits of their own,
so that the requests of readers never change which intervals a promotion is judged by.
"""

import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Self

from django.db import DEFAULT_DB_ALIAS, DatabaseError, transaction
from django.utils import timezone

from models_registry.accounts.locks import lock_organization
from models_registry.api.capacity import Capacity
from models_registry.api.errors import BusyError
from performance.comparisons.models import ComparisonJob, PairedComparison
from performance.metrics.comparison import PairingStatus
from performance.metrics.paired.paired_join import Choices
from performance.metrics.result import EXHAUSTED, UnprocessablePredictionsError
from performance.metrics.sandbox.runner import Limits, PairJob, SandboxCrashed, pair_in_sandbox
from performance.metrics.statistics.differences import IDENTICAL
from performance.metrics.statistics.intervals import Interval, stored_intervals
from performance.snapshots import prediction_store
from performance.snapshots.errors import StoredFileUnavailableError
from performance.snapshots.models import MetricSnapshot, SnapshotDetail, Source

MAX_ROWS = 1_000_000  # of a pair that a request computes
MAX_BYTES = 64 * 2**20  # of each file that a request reads
REQUEST_TIMEOUT = 5.0  # seconds that a request may wait for its turn, and again that the pair may take
BACKGROUND_TIMEOUT = 1800.0  # seconds that a pair may take in a worker
MEMORY = 256  # MB
SPILL = 2  # times the memory, on disk, for a request: a small file may hold long texts
LONG_SPILL = 32  # times the memory, on disk, for a worker
WAITING_REQUESTS = 1  # in a process at a time; the others are answered without the pair
WAITING_PROMOTIONS = 1  # in a process at a time, besides the requests of readers; one more waits for a second
POLL_INTERVAL = 0.2  # seconds, while another process computes the pair
MAX_UNFINISHED = 50  # queued and running pairs of one organization
MAX_UNFINISHED_FOR_READERS = 10  # from which a reader adds none: the rest is for evaluations and promotions
LEASE = timedelta(seconds=60)  # after which a worker takes over the pair of a killed process
FOLDER = "model-performance-registry-comparison-"

log = logging.getLogger(__name__)
waiting_requests = Capacity(WAITING_REQUESTS, "The process is comparing other versions. Ask again.")
_promotion_capacity = Capacity(
    WAITING_PROMOTIONS, "The process is comparing versions for another promotion.", waiting=1
)


class ComparisonTimeoutError(Exception):
    """A comparison has taken longer than it may."""


@dataclass(frozen=True, slots=True)
class PairedIntervals:
    """The intervals of the differences from paired examples, by metric, and whether they are complete.

    `has_failed` says whether there are none because the comparison failed.
    """

    status: PairingStatus
    intervals: Mapping[str, Interval]
    has_failed: bool = False

    @classmethod
    def computed(cls, intervals: Mapping[str, Interval]) -> Self:
        """Return the result of a computation. It has no intervals if the examples were not the same."""
        return cls(PairingStatus.COMPLETE if intervals else PairingStatus.UNAVAILABLE, intervals)


PENDING = PairedIntervals(PairingStatus.PENDING, {})
UNAVAILABLE = PairedIntervals(PairingStatus.UNAVAILABLE, {})
FAILED = PairedIntervals(PairingStatus.UNAVAILABLE, {}, has_failed=True)


@dataclass(frozen=True, slots=True)
class PairLimits:
    """The limits of computing a pair: seconds, bytes of each file, and disk space as a multiple of the memory."""

    seconds: float
    file_bytes: int | None
    spill: int


Compare = Callable[[MetricSnapshot, MetricSnapshot], PairedIntervals]


def paired_intervals(snapshot: MetricSnapshot, baseline: MetricSnapshot) -> PairedIntervals:
    """Return the stored intervals of a pair, or compute them if the limits for requests allow it.

    The pair is `pending` if it takes longer, is large or is being computed elsewhere: the worker computes it. It is
    `unavailable` if the examples cannot be compared, or if the comparison failed. A snapshot does not differ from
    itself.
    """
    return _find_or_compute(snapshot, baseline, for_promotion=False)


def paired_intervals_for_promotion(snapshot: MetricSnapshot, baseline: MetricSnapshot) -> PairedIntervals:
    """Do what `paired_intervals` does, but with a capacity that the requests of readers cannot use up."""
    return _find_or_compute(snapshot, baseline, for_promotion=True)


def _find_or_compute(snapshot: MetricSnapshot, baseline: MetricSnapshot, *, for_promotion: bool) -> PairedIntervals:
    if snapshot.pk == baseline.pk or have_same_predictions(snapshot, baseline):
        return PairedIntervals(PairingStatus.COMPLETE, dict.fromkeys(snapshot.all_metrics, IDENTICAL))
    if not can_be_paired(snapshot, baseline):
        return UNAVAILABLE
    known = find_intervals(snapshot, baseline)
    if known is not None:
        return PairedIntervals.computed(known)
    try:
        # A replica may not have the pair yet.
        if (
            snapshot._state.db != DEFAULT_DB_ALIAS
            and (known := find_intervals(snapshot, baseline, using=DEFAULT_DB_ALIAS)) is not None
        ):
            return PairedIntervals.computed(known)
        job = queue_pair(
            snapshot, baseline, max_unfinished=MAX_UNFINISHED if for_promotion else MAX_UNFINISHED_FOR_READERS
        )
        return PENDING if job is None else _wait_for(job, snapshot, baseline, for_promotion=for_promotion)
    except BusyError:
        return PENDING
    except DatabaseError as error:
        log.error("A comparison cannot be queued: %s", error)
        return PENDING


def find_intervals(
    snapshot: MetricSnapshot, baseline: MetricSnapshot, *, using: str | None = None
) -> Mapping[str, Interval] | None:
    """Return the stored intervals of a pair, by default from the snapshot's database; `None` if there are none."""
    pairs = PairedComparison.objects.using(using or snapshot._state.db).current()
    pairs = pairs.filter(snapshot=snapshot.pk, baseline=baseline.pk)
    intervals = pairs.values_list("intervals", flat=True).first()
    return None if intervals is None else stored_intervals(intervals)


def can_be_paired(snapshot: MetricSnapshot, baseline: MetricSnapshot) -> bool:
    """Return whether the predictions of both are stored, and their metrics were computed with the same options."""
    newer, older = snapshot.details, baseline.details
    are_stored = newer.predictions_digest is not None and older.predictions_digest is not None
    return are_stored and (newer.positive_class, newer.averaging) == (older.positive_class, older.averaging)


def have_same_predictions(snapshot: MetricSnapshot, baseline: MetricSnapshot) -> bool:
    """Return whether both were computed from one file with the same options, so that they cannot differ."""
    newer, older = (
        (each.source, each.details.dataset_digest, *_options(each.details)) for each in (snapshot, baseline)
    )
    return newer == older and snapshot.source == Source.COMPUTED and snapshot.details.dataset_digest is not None


def _options(details: SnapshotDetail) -> tuple[object, ...]:
    return details.evaluation_options, details.positive_class, details.averaging


def queue_pair(
    snapshot: MetricSnapshot, baseline: MetricSnapshot, *, max_unfinished: int = MAX_UNFINISHED
) -> ComparisonJob | None:
    """Return the job of a pair without a current result, or create it.

    A job that succeeded by older methods is queued again. Return `None` if the organization has too many unfinished
    jobs.
    """
    jobs = ComparisonJob.objects.all()
    found: ComparisonJob | None = jobs.for_pair(snapshot, baseline).first()
    organization_id = snapshot.version.model.organization_id
    is_ended = found is None or found.state == ComparisonJob.State.SUCCEEDED
    if is_ended and jobs.unfinished_for(organization_id).count() < max_unfinished:  # without a lock
        with transaction.atomic():
            lock_organization(organization_id)  # other requests may queue pairs at the same moment
            if jobs.unfinished_for(organization_id).count() < max_unfinished:
                job = ComparisonJob(organization_id=organization_id, snapshot_id=snapshot.pk, baseline_id=baseline.pk)
                jobs.requeue_succeeded(found) if found else jobs.bulk_create([job], ignore_conflicts=True)
        found = jobs.for_pair(snapshot, baseline).first()
    return found


def compute(
    job: ComparisonJob,
    snapshot: MetricSnapshot,
    baseline: MetricSnapshot,
    limits: PairLimits,
    heartbeat: Callable[[], None] = lambda: None,
) -> Mapping[str, Interval]:
    """Compute a pair whose job the caller has claimed, store it, and return its intervals.

    `heartbeat` is called about every second; an exception that it raises ends the computation. Raises
    `ComparisonTimeoutError`, `StoredFileUnavailableError`, `SandboxCrashed`, `OSError`, and
    `UnprocessablePredictionsError` if more time, memory or disk space may help.
    """
    intervals = find_intervals(snapshot, baseline, using=DEFAULT_DB_ALIAS)
    if intervals is None:
        try:
            intervals = _compute_intervals(snapshot, baseline, limits, heartbeat)
        except UnprocessablePredictionsError as error:
            log.error("Two versions have no comparison example by example: %s", error)
            if str(error) == EXHAUSTED:
                raise
            intervals = {}  # it would fail again, as with numbers near the limit of a double
    _complete(job, intervals)
    return intervals


def _wait_for(
    job: ComparisonJob, snapshot: MetricSnapshot, baseline: MetricSnapshot, *, for_promotion: bool
) -> PairedIntervals:
    """Compute a pair, or wait while another process does. Raises `BusyError`."""
    current: ComparisonJob | None = job
    jobs = ComparisonJob.objects.all()
    capacity, claim, is_worth_waiting = (
        (_promotion_capacity, jobs.claim_for_promotion, _is_unfinished)
        if for_promotion
        else (waiting_requests, jobs.claim_for_request, _is_first_attempt)
    )
    is_small = max(snapshot.sample_count or 0, baseline.sample_count or 0) <= MAX_ROWS
    if is_small and is_worth_waiting(job):
        with capacity.claim():
            deadline = monotonic() + REQUEST_TIMEOUT
            while current is not None and is_worth_waiting(current):
                if claim(current, LEASE):
                    return _compute_for_request(current, snapshot, baseline, counts=not for_promotion)
                if monotonic() >= deadline:
                    return PENDING
                time.sleep(POLL_INTERVAL)
                current = ComparisonJob.objects.for_pair(snapshot, baseline).first()
    known = find_intervals(snapshot, baseline, using=DEFAULT_DB_ALIAS)
    if known is not None:
        return PairedIntervals.computed(known)
    return FAILED if current is not None and current.state == ComparisonJob.State.FAILED else PENDING


def _is_first_attempt(job: ComparisonJob) -> bool:
    """Return whether the first attempt is queued or running, so that the pair may be stored soon."""
    return (job.state, job.attempts) in {("queued", 0), ("running", 1)}


def _is_unfinished(job: ComparisonJob) -> bool:
    return job.due_at is not None


def _compute_for_request(
    job: ComparisonJob, snapshot: MetricSnapshot, baseline: MetricSnapshot, *, counts: bool
) -> PairedIntervals:
    """Compute a pair within the limits for requests, or leave it to the worker.

    With `counts=False`, a failed attempt is not counted.
    """
    try:
        return PairedIntervals.computed(compute(job, snapshot, baseline, PairLimits(REQUEST_TIMEOUT, MAX_BYTES, SPILL)))
    except (ComparisonTimeoutError, UnprocessablePredictionsError):
        pass
    except (StoredFileUnavailableError, SandboxCrashed, OSError) as error:
        log.error("Two versions cannot be compared example by example: %s", error)
    ComparisonJob.objects.release(job, wait=timedelta(0), counts=counts)
    return PENDING


def _compute_intervals(
    snapshot: MetricSnapshot, baseline: MetricSnapshot, limits: PairLimits, heartbeat: Callable[[], None]
) -> dict[str, Interval]:
    """Return the intervals of the metrics that both snapshots have. Raises what `compute` raises."""
    deadline = monotonic() + limits.seconds

    def seconds_left() -> float:
        heartbeat()
        if (left := deadline - monotonic()) <= 0:
            raise ComparisonTimeoutError
        return left

    with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
        for each, file in ((snapshot, "newer.parquet"), (baseline, "older.parquet")):
            prediction_store.fetch(
                each.details.predictions_digest or "",
                Path(folder) / file,
                most=limits.file_bytes,
                heartbeat=seconds_left,
            )
        job = PairJob(
            folder=Path(folder),
            newer="newer.parquet",
            older="older.parquet",
            task_type=snapshot.version.model.task_type,
            choices=Choices(snapshot.details.positive_class, snapshot.details.averaging),
            limits=Limits(memory=MEMORY, spill=limits.spill, seconds=seconds_left()),
        )
        found = pair_in_sandbox(job, lambda progress: seconds_left())
    both = snapshot.all_metrics.keys() & baseline.all_metrics.keys()
    return {name: interval for name, interval in found.items() if name in both}


@transaction.atomic
def _complete(job: ComparisonJob, intervals: Mapping[str, Interval]) -> None:
    """Store a pair, and end its job in the same transaction."""
    pair = PairedComparison(
        snapshot_id=job.snapshot_id,
        baseline_id=job.baseline_id,
        intervals={name: each.as_document() for name, each in intervals.items()},
    )
    PairedComparison.objects.store(pair)
    unfinished = ComparisonJob.objects.filter(pk=job.pk, due_at__isnull=False)
    unfinished.update(state="succeeded", due_at=None, finished_at=timezone.now())


def queue_comparison(snapshot: MetricSnapshot) -> ComparisonJob | None:
    """Queue the comparison of a snapshot with the newest one of the promoted version on its split and dataset.

    Return the job. Return `None` if there is nothing to compare with, if the two cannot be compared example by example,
    if their comparison is stored, or if the organization has too many unfinished jobs.
    """
    snapshots = MetricSnapshot.objects.select_related("version__model", "detail").defer_large()
    baseline = (
        snapshots.for_model(snapshot.version.model_id, snapshot.dataset_split, dataset=snapshot.dataset)
        .promoted()
        .exclude(version=snapshot.version)
        .newest_first()
        .first()
    )
    if baseline is None or not can_be_paired(snapshot, baseline):
        return None
    return queue_pair(snapshot, baseline) if find_intervals(snapshot, baseline) is None else None
