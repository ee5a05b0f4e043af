"""A worker's attempts at a job: the lease that it extends while it works, and what follows a failed attempt."""

import logging
from collections.abc import Callable
from datetime import timedelta
from threading import Event

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from models_registry.registry.models import Version
from performance.jobs.disk import is_disk_full
from performance.jobs.models import Job
from performance.jobs.querysets import DatabaseNow, JobQuerySet

RETRY_DELAY = timedelta(seconds=10)  # before the next attempt, times the attempts so far
DISK_RETRY_DELAY = timedelta(minutes=1)  # before the next attempt where the disk was full
MAX_DISK_RETRY = timedelta(days=1)  # since the job was queued, after which it no longer waits for the disk
NO_SPACE = "The worker had no space on its disk. Report it to the operator."

log = logging.getLogger(__name__)


class WorkerStopping(Exception):
    """The worker was asked to stop."""


class LeaseLost(Exception):
    """Another process has claimed the job, or completed it."""


class Lease:
    """A worker's lease of a job that it has claimed."""

    def __init__(self, job: Job, stop: Event) -> None:
        self._job = job
        self._stop = stop

    def check_stop(self) -> None:
        """Raise `WorkerStopping` if the worker was asked to stop."""
        if self._stop.is_set():
            raise WorkerStopping

    def extend(self, lease: timedelta, **changes: object) -> None:
        """Keep the job for another `lease`, and store changes of it. Raises `WorkerStopping` or `LeaseLost`."""
        self.check_stop()
        if not _jobs(self._job).leased_by(self._job).update(**changes, due_at=DatabaseNow() + lease):
            raise LeaseLost


def run_attempt(job: Job, work: Callable[[], object], *, max_attempts: int, fail: Callable[[str], object]) -> None:
    """Call `work`, the work of a claimed job.

    A failed attempt is repeated later, up to `max_attempts` in all. A full disk does not count: the job waits up to a
    day for space. After that, `fail` is called with the reason. Raises the database's error if the database cannot be
    reached; the job then comes due again.
    """
    name = job._meta.verbose_name
    broke_off = f"The {name} broke off several times. Report it with its id."
    if job.attempts > max_attempts:
        log.error("The %s %s broke off each time.", name, job.pk)
        fail(broke_off)
        return
    try:
        work()
    except WorkerStopping:
        _jobs(job).release(job, wait=timedelta(0), counts=False)
    except LeaseLost:
        log.warning("Another process has taken the %s %s.", name, job.pk)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if is_disk_full(error):
            _wait_for_disk(job, error, fail)
            return
        log.exception("The %s %s broke off in attempt %d.", name, job.pk, job.attempts)
        if job.attempts < max_attempts:
            _jobs(job).release(job, wait=RETRY_DELAY * job.attempts)
        else:
            fail(broke_off)


def log_ended(job: Job, version: Version, result: str, *, rows: int | None = None) -> None:
    """Log how a job about a version ended, and the seconds since it was claimed first."""
    seconds = (timezone.now() - (job.started_at or job.created_at)).total_seconds()
    fields = {
        "job": str(job.pk),
        "model": version.model_id,
        "version": version.version_id,
        "rows": rows,
        "seconds": round(seconds, 3),
        "result": result,
    }
    text = "%(job)s of %(model)s %(version)s ended after %(seconds).1f s: %(result)s, %(rows)s rows"
    log.info(f"The {job._meta.verbose_name} {text}", fields, extra=fields)


def _wait_for_disk(job: Job, error: Exception, fail: Callable[[str], object]) -> None:
    log.error("The disk is full, and the %s %s waits: %s", job._meta.verbose_name, job.pk, error)
    if timezone.now() - job.created_at < MAX_DISK_RETRY:
        _jobs(job).release(job, wait=DISK_RETRY_DELAY, counts=False)
    else:
        fail(NO_SPACE)


def _jobs(job: Job) -> JobQuerySet[Job]:
    return type(job).objects.all()
