"""Comparing the predictions of two snapshots example by example, once for each pair.

A pair that is not stored has a `ComparisonJob`. A request that needs the pair claims the job and computes the pair,
within the limits for requests. Everything else is left to the worker (`performance/comparing.py`). Promotions have
limits of their own: what readers ask for must not change by which intervals a promotion is judged.
"""

import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic

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
from performance.metrics.statistics.intervals import Interval, stored_intervals
from performance.snapshots import prediction_store
from performance.snapshots.errors import KeptFileUnavailableError
from performance.snapshots.models import MetricSnapshot

MAX_ROWS = 1_000_000  # that a request joins
MAX_BYTES = 64 * 2**20  # of each file that a request reads
REQUEST_TIMEOUT = 5.0  # seconds that a request waits for its turn, and then for the pair
BACKGROUND_TIMEOUT = 1800.0  # seconds that a worker may take
MEMORY = 256  # MB
SPILL = 2  # times as many on disk, for a request: a small file may hold long texts
LONG_SPILL = 32  # for a worker
WAITING_REQUESTS = 1  # of a process at a time; the others are answered without the pair
WAITING_PROMOTIONS = 1  # of a process at a time, beside the requests of readers; one more waits for a second
LOOK_AGAIN = 0.2  # seconds between two looks at a pair that is being computed
MAX_UNFINISHED = 50  # pairs of one organization that are queued or being computed
MAX_REQUESTED = 10  # of these, how many there may be when a reader adds one: the rest is for evaluations and promotions
LEASE = timedelta(seconds=60)  # after which the pair of a process that was killed is computed by a worker
FOLDER = "model-performance-registry-comparison-"

log = logging.getLogger(__name__)
waiting_requests = Capacity(WAITING_REQUESTS, "The process is comparing other versions. Ask again.")
_promoting = Capacity(WAITING_PROMOTIONS, "The process is comparing versions for another promotion.", waiting=1)


class TooLateError(Exception):
    """The time that a comparison may take has passed."""


@dataclass(frozen=True, slots=True)
class Paired:
    """The intervals of the differences that follow from equal examples, by metric, and whether more may come."""

    status: PairingStatus
    intervals: Mapping[str, Interval]


PENDING = Paired(PairingStatus.PENDING, {})
UNAVAILABLE = Paired(PairingStatus.UNAVAILABLE, {})


@dataclass(frozen=True, slots=True)
class Bounds:
    """What computing a pair may take: seconds, bytes of each file, and disk as a multiple of the memory."""

    seconds: float
    file_bytes: int | None
    spill: int


Compare = Callable[[MetricSnapshot, MetricSnapshot], Paired]


def pair(snapshot: MetricSnapshot, baseline: MetricSnapshot) -> Paired:
    """Return what is known of a pair, and compute it if the limits for requests allow that.

    A pair that takes longer, is large or is being computed elsewhere is `pending`: the worker computes it. It is
    `unavailable` if the examples cannot be compared, or if that failed. A snapshot does not differ from itself.
    """
    return _known_or_computed(snapshot, baseline, for_promotion=False)


def pair_for_promotion(snapshot: MetricSnapshot, baseline: MetricSnapshot) -> Paired:
    """Return what `pair` does, in such a way that no reader's request keeps the pair from being computed."""
    return _known_or_computed(snapshot, baseline, for_promotion=True)


def _known_or_computed(snapshot: MetricSnapshot, baseline: MetricSnapshot, *, for_promotion: bool) -> Paired:
    if snapshot.pk == baseline.pk:
        same = Interval(0.0, 0.0, "identical")
        return Paired(PairingStatus.COMPLETE, dict.fromkeys(snapshot.details.confidence_intervals, same))
    if not may_be_paired(snapshot, baseline):
        return UNAVAILABLE
    known = stored(snapshot, baseline)
    if known is not None:
        return paired(known)
    try:
        # A replica may not have it yet.
        if snapshot._state.db != DEFAULT_DB_ALIAS and (known := stored(snapshot, baseline, using=DEFAULT_DB_ALIAS)):
            return paired(known)
        job = queue(snapshot, baseline, max_unfinished=MAX_UNFINISHED if for_promotion else MAX_REQUESTED)
        return PENDING if job is None else _wait_for(job, snapshot, baseline, for_promotion=for_promotion)
    except BusyError:
        return PENDING
    except DatabaseError as error:
        log.error("A comparison cannot be queued: %s", error)
        return PENDING


def paired(intervals: Mapping[str, Interval]) -> Paired:
    """Return a pair that is stored. It is empty if the examples are not the same."""
    return Paired(PairingStatus.COMPLETE, intervals) if intervals else UNAVAILABLE


def stored(
    snapshot: MetricSnapshot, baseline: MetricSnapshot, *, using: str | None = None
) -> Mapping[str, Interval] | None:
    """Return the stored intervals of a pair, by default from the snapshot's database; `None` if there are none."""
    pairs = PairedComparison.objects.using(using or snapshot._state.db).filter(
        snapshot=snapshot.pk, baseline=baseline.pk
    )
    intervals = pairs.values_list("intervals", flat=True).first()
    return None if intervals is None else stored_intervals(intervals)


def may_be_paired(snapshot: MetricSnapshot, baseline: MetricSnapshot) -> bool:
    """Return whether both have kept predictions, and metrics that were taken in the same way."""
    newer, older = snapshot.details, baseline.details
    is_kept = newer.predictions_digest is not None and older.predictions_digest is not None
    return is_kept and (newer.positive_class, newer.averaging) == (older.positive_class, older.averaging)


def queue(
    snapshot: MetricSnapshot, baseline: MetricSnapshot, *, max_unfinished: int = MAX_UNFINISHED
) -> ComparisonJob | None:
    """Return the job of a pair, a new one if there is none; `None` if the organization has too many unfinished ones."""
    jobs = ComparisonJob.objects.all()
    found: ComparisonJob | None = jobs.of_pair(snapshot, baseline).first()
    organization_id = snapshot.version.model.organization_id
    if found is None and jobs.unfinished_of(organization_id).count() < max_unfinished:  # which costs no lock
        with transaction.atomic():
            lock_organization(organization_id)  # other requests may queue pairs at the same moment
            if jobs.unfinished_of(organization_id).count() < max_unfinished:
                job = ComparisonJob(organization_id=organization_id, snapshot_id=snapshot.pk, baseline_id=baseline.pk)
                jobs.bulk_create([job], ignore_conflicts=True)
        found = jobs.of_pair(snapshot, baseline).first()
    return found


def compute(
    job: ComparisonJob,
    snapshot: MetricSnapshot,
    baseline: MetricSnapshot,
    bounds: Bounds,
    heartbeat: Callable[[], None] = lambda: None,
) -> Mapping[str, Interval]:
    """Compute a pair whose job the caller holds, store it, and return its intervals.

    `heartbeat` is called every second or so; what it raises ends the computation. Raises `TooLateError`,
    `KeptFileUnavailableError`, `BrokenOffError`, `OSError`, and `UnprocessablePredictionsError` if more time, memory or
    disk may help.
    """
    intervals = stored(snapshot, baseline, using=DEFAULT_DB_ALIAS)
    if intervals is None:
        try:
            intervals = _computed(snapshot, baseline, bounds, heartbeat)
        except UnprocessablePredictionsError as error:
            log.error("Two versions have no comparison example by example: %s", error)
            if str(error) == EXHAUSTED:
                raise
            intervals = {}  # as of numbers near the end of a double: it would be so again
    _complete(job, intervals)
    return intervals


def _wait_for(job: ComparisonJob, snapshot: MetricSnapshot, baseline: MetricSnapshot, *, for_promotion: bool) -> Paired:
    """Compute a pair, or wait while somebody else makes an attempt. Raises `BusyError`."""
    found: ComparisonJob | None = job
    jobs = ComparisonJob.objects.all()
    capacity, claim, is_worth_waiting = (
        (_promoting, jobs.claim_for_promotion, _is_unfinished)
        if for_promotion
        else (waiting_requests, jobs.claim_for_request, _is_first_attempt)
    )
    is_small = max(snapshot.sample_count or 0, baseline.sample_count or 0) <= MAX_ROWS
    if is_small and is_worth_waiting(job):
        with capacity.claim():
            until = monotonic() + REQUEST_TIMEOUT
            while found is not None and is_worth_waiting(found):
                if claim(found, LEASE):
                    return _compute_for_request(found, snapshot, baseline, counts=not for_promotion)
                if monotonic() >= until:
                    return PENDING
                time.sleep(LOOK_AGAIN)
                found = ComparisonJob.objects.of_pair(snapshot, baseline).first()
    known = stored(snapshot, baseline, using=DEFAULT_DB_ALIAS)
    if known is not None:
        return paired(known)
    return UNAVAILABLE if found is not None and found.state == ComparisonJob.State.FAILED else PENDING


def _is_first_attempt(job: ComparisonJob) -> bool:
    """Return whether the first attempt at a pair is to come or under way: the pair may be there soon."""
    return (job.state, job.attempts) in {("queued", 0), ("running", 1)}


def _is_unfinished(job: ComparisonJob) -> bool:
    return job.due_at is not None


def _compute_for_request(
    job: ComparisonJob, snapshot: MetricSnapshot, baseline: MetricSnapshot, *, counts: bool
) -> Paired:
    """Compute a pair within the limits for requests, or leave it to the worker.

    A failed attempt that does not count leaves the pair as many attempts as before.
    """
    try:
        return paired(compute(job, snapshot, baseline, Bounds(REQUEST_TIMEOUT, MAX_BYTES, SPILL)))
    except (TooLateError, UnprocessablePredictionsError):
        pass
    except (KeptFileUnavailableError, SandboxCrashed, OSError) as error:
        log.error("Two versions cannot be compared example by example: %s", error)
    ComparisonJob.objects.put_back(job, wait=timedelta(0), counts=counts)
    return PENDING


def _computed(
    snapshot: MetricSnapshot, baseline: MetricSnapshot, bounds: Bounds, heartbeat: Callable[[], None]
) -> dict[str, Interval]:
    """Return the intervals of the metrics that both snapshots have. Raises what `compute` does."""
    until = monotonic() + bounds.seconds

    def seconds_left() -> float:
        heartbeat()
        if (left := until - monotonic()) <= 0:
            raise TooLateError
        return left

    with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
        for each, file in ((snapshot, "newer.parquet"), (baseline, "older.parquet")):
            prediction_store.fetch(
                each.details.predictions_digest or "",
                Path(folder) / file,
                most=bounds.file_bytes,
                go_on=seconds_left,
            )
        job = PairJob(
            folder=Path(folder),
            newer="newer.parquet",
            older="older.parquet",
            task_type=snapshot.version.model.task_type,
            choices=Choices(snapshot.details.positive_class, snapshot.details.averaging),
            limits=Limits(memory=MEMORY, spill=bounds.spill, seconds=seconds_left()),
        )
        found = pair_in_sandbox(job, lambda progress: seconds_left())
    both = snapshot.all_metrics.keys() & baseline.all_metrics.keys()
    return {name: interval for name, interval in found.items() if name in both}


@transaction.atomic
def _complete(job: ComparisonJob, intervals: Mapping[str, Interval]) -> None:
    """Store a pair together with the end of its job."""
    pair = PairedComparison(
        snapshot_id=job.snapshot_id,
        baseline_id=job.baseline_id,
        intervals={name: asdict(each) for name, each in intervals.items()},
    )
    PairedComparison.objects.bulk_create([pair], ignore_conflicts=True)
    unfinished = ComparisonJob.objects.filter(pk=job.pk, due_at__isnull=False)
    unfinished.update(state="succeeded", due_at=None, finished_at=timezone.now())


def queue_comparison(snapshot: MetricSnapshot) -> ComparisonJob | None:
    """Queue the comparison of a snapshot with the newest one of the promoted version on its split.

    Return the job; `None` if there is nothing to compare with, if the two cannot be compared example by example, if
    that has been done, or if too much is queued.
    """
    snapshots = MetricSnapshot.objects.select_related("version__model", "detail").slim()
    baseline = (
        snapshots.of(snapshot.version.model_id, snapshot.dataset_split)
        .promoted()
        .exclude(version=snapshot.version)
        .newest_first()
        .first()
    )
    if baseline is None or not may_be_paired(snapshot, baseline):
        return None
    return queue(snapshot, baseline) if stored(snapshot, baseline) is None else None
