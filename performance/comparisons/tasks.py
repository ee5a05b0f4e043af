"""Comparing two snapshots example by example in the worker, without the limits for requests."""

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
    Bounds,
    TooLateError,
    compute,
    queue_comparison,
)
from performance.jobs.leases import Lease, attempt
from performance.metrics.result import UnprocessablePredictionsError
from performance.snapshots.models import MetricSnapshot

MAX_ATTEMPTS = 4  # the first one may be a request's
RETENTION = timedelta(days=7)  # for which the job of a comparison that ended stays
UNLIMITED = Bounds(seconds=BACKGROUND_TIMEOUT, file_bytes=None, spill=LONG_SPILL)

log = logging.getLogger(__name__)


def compare_next(stop: Event) -> bool:
    """Do the comparison whose turn it is, unless `stop` is set; return whether there was one.

    Raises the database's error if the database cannot be reached; the comparison then comes due again.
    """
    job: ComparisonJob | None = ComparisonJob.objects.claim(LEASE)
    if job is None:
        return False
    _attempt(job, stop)
    return True


def compare_with_promoted(snapshot: MetricSnapshot) -> None:
    """Compare a snapshot now with the newest one of the promoted version on its split, if there is one."""
    queued = queue_comparison(snapshot)
    job = ComparisonJob.objects.filter(pk=queued.pk).claim(LEASE) if queued else None
    if job is not None:
        _attempt(job, Event())


def delete_ended_comparisons() -> int:
    """Delete the jobs that ended a while ago, so that failed ones may be tried again. Return their number.

    The intervals of a pair that was compared stay.
    """
    return delete_in_batches(ComparisonJob.objects.all(), "finished_at", timezone.now() - RETENTION)


def _attempt(job: ComparisonJob, stop: Event) -> None:
    def compare() -> None:
        snapshots = _snapshots(job)
        try:
            compute(job, snapshots[job.snapshot_id], snapshots[job.baseline_id], UNLIMITED, lambda: lease.extend(LEASE))
        except (TooLateError, UnprocessablePredictionsError) as error:
            log.error("The comparison %s takes too much: %s", job.pk, error)
            ComparisonJob.objects.fail(job)

    lease = Lease(job, stop)
    attempt(job, compare, max_attempts=MAX_ATTEMPTS, fail=lambda detail: ComparisonJob.objects.fail(job))


def _snapshots(job: ComparisonJob) -> Mapping[int, MetricSnapshot]:
    snapshots = MetricSnapshot.objects.select_related("version__model", "detail").slim()
    found: Mapping[int, MetricSnapshot] = snapshots.in_bulk([job.snapshot_id, job.baseline_id])
    return found
