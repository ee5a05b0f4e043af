"""The worker's part: compares snapshots example by example, without the limits for requests."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from threading import Event

from django.utils import timezone

from models_registry.db.purge import delete_in_batches
from performance.comparisons.models import ComparisonJob
from performance.comparisons.services import (
    BACKGROUND_TIMEOUT,
    LEASE,
    LONG_SPILL,
    ComparisonTimeoutError,
    PairLimits,
    compute,
    queue_comparison,
)
from performance.jobs.leases import Lease, log_ended, run_attempt
from performance.metrics.result import UnprocessablePredictionsError
from performance.snapshots.models import MetricSnapshot

MAX_ATTEMPTS = 4  # the first one may be made by a request
RETENTION = timedelta(days=7)  # for which an ended job stays
UNLIMITED = PairLimits(seconds=BACKGROUND_TIMEOUT, file_bytes=None, spill=LONG_SPILL)

log = logging.getLogger(__name__)


def compare_next(stop: Event) -> bool:
    """Make the comparison whose turn it is, unless `stop` is set; return whether there was one.

    Raises the database's error if the database cannot be reached; the job then comes due again.
    """
    job: ComparisonJob | None = ComparisonJob.objects.claim(LEASE)
    if job is None:
        return False
    _attempt(job, stop)
    return True


def compare_with_promoted(snapshot: MetricSnapshot) -> None:
    """Compare a snapshot at once with the newest one of the promoted version on its split, if there is one."""
    queued = queue_comparison(snapshot)
    job = ComparisonJob.objects.filter(pk=queued.pk).claim(LEASE) if queued else None
    if job is not None:
        _attempt(job, Event())


def delete_ended_comparisons() -> int:
    """Delete the jobs that ended before the retention time, and return their number.

    A failed comparison can then be tried again. The stored intervals stay.
    """
    return delete_in_batches(ComparisonJob.objects.all(), "finished_at", timezone.now() - RETENTION)


def _attempt(job: ComparisonJob, stop: Event) -> None:
    def compare() -> None:
        snapshots = _snapshots(job)
        try:
            compute(job, snapshots[job.snapshot_id], snapshots[job.baseline_id], UNLIMITED, lambda: lease.extend(LEASE))
            log_ended(job, snapshots[job.snapshot_id].version, "succeeded")
        except (ComparisonTimeoutError, UnprocessablePredictionsError) as error:
            log.error("The comparison %s needs too much time or memory: %s", job.pk, error)
            ComparisonJob.objects.fail(job)
            log_ended(job, snapshots[job.snapshot_id].version, "failed")

    lease = Lease(job, stop)
    run_attempt(job, compare, max_attempts=MAX_ATTEMPTS, fail=lambda detail: ComparisonJob.objects.fail(job))


def _snapshots(job: ComparisonJob) -> Mapping[int, MetricSnapshot]:
    snapshots = MetricSnapshot.objects.select_related("version__model", "detail").defer_large()
    found: Mapping[int, MetricSnapshot] = snapshots.in_bulk([job.snapshot_id, job.baseline_id])
    return found
