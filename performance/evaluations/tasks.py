"""The evaluation of uploaded predictions: from the queue to a snapshot."""

import logging
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory, gettempdir
from threading import Event

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from models_registry.api.errors import APIError
from models_registry.audit.context import acting_user
from models_registry.db.purge import delete_in_batches
from performance.comparisons import services
from performance.comparisons.services import queue_comparison
from performance.evaluations import overlap
from performance.evaluations.errors import EvaluationAbortedError, PredictionsRefusedError
from performance.evaluations.models import UPLOADS, EvaluationJob
from performance.evaluations.overlap import TrainOverlap
from performance.evaluations.services import store_evaluation
from performance.jobs.leases import Lease, LeaseLost, log_ended, run_attempt
from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.prediction_export import EXPORT_FILE
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.sandbox.runner import Job, evaluate_in_sandbox
from performance.snapshots import prediction_store
from performance.snapshots.models import MetricSnapshot

FOLDER = "model-performance-registry-evaluation-"
LEASE = timedelta(seconds=60)  # after which the evaluation of a worker without a heartbeat is claimed again
LONG_LEASE = timedelta(minutes=15)  # while predictions are stored, without a heartbeat
MAX_ATTEMPTS = 3
CHUNK = 2**20
BATCH = 1_000  # uploads that the purge looks up at once
ORPHAN_AGE = timedelta(days=1)  # after which an upload or folder without a job is deleted

log = logging.getLogger(__name__)


def evaluate_next(stop: Event) -> bool:
    """Do the evaluation whose turn it is, unless `stop` is set; return whether there was one.

    Its row records what went wrong; the log does if the predictions are not at fault. Raises the database's error if
    the database cannot be reached; the evaluation then comes due again.
    """
    job: EvaluationJob | None = EvaluationJob.objects.claim(LEASE)
    if job is None:
        return False
    with acting_user(job.requested_by):
        _attempt(job, stop)
    return True


def _attempt(job: EvaluationJob, stop: Event) -> None:
    def evaluate() -> None:
        try:
            _evaluate(job, Lease(job, stop))
        except UnprocessablePredictionsError as error:
            _fail(job, PredictionsRefusedError(str(error), column=error.column, row=error.row))
        except APIError as error:
            _fail(job, error)

    def give_up(detail: str) -> None:
        _fail(job, EvaluationAbortedError(detail))

    run_attempt(job, evaluate, max_attempts=MAX_ATTEMPTS, fail=give_up)


def _evaluate(job: EvaluationJob, lease: Lease) -> None:
    def heartbeat(progress: float) -> None:
        lease.extend(LEASE, progress=progress)

    with TemporaryDirectory(prefix=FOLDER) as folder:
        file = Path(folder) / f"predictions{''.join(PurePath(str(job.file)).suffixes)}"
        _fetch(job, file, heartbeat)
        described = Job(
            folder=file.parent,
            file=file.name,
            task_type=job.version.model.task_type,
            columns=Columns(**job.columns),
            options=Options(**job.options),
        )
        evaluation = evaluate_in_sandbox(described, heartbeat)
        lease.extend(LONG_LEASE, progress=1.0)
        exported = file.with_name(EXPORT_FILE) if file.with_name(EXPORT_FILE).exists() else None
        train_overlap = overlap.measure_train_overlap(
            job.version, job.dataset_split, exported, lambda: lease.extend(LONG_LEASE, progress=1.0)
        )
        digest = prediction_store.store_predictions(exported)
        snapshot = _succeed(job, evaluation, digest, train_overlap)
    prediction_store.delete_upload(str(job.file))
    log_ended(job, job.version, "succeeded", rows=evaluation.rows)
    queue_comparison(snapshot)


def _fetch(job: EvaluationJob, file: Path, heartbeat: Callable[[float], None]) -> None:
    """Copy the upload to a local file."""
    with job.file.open("rb") as stored, file.open("wb") as own:
        for number, chunk in enumerate(stored.chunks(CHUNK)):
            own.write(chunk)
            if number % 64 == 0:
                heartbeat(0.0)


@transaction.atomic
def _succeed(
    job: EvaluationJob, evaluation: Evaluation, predictions_digest: str | None, train_overlap: TrainOverlap
) -> MetricSnapshot:
    """Store the snapshot and the end of the job in one transaction. Raises `LeaseLost`."""
    leased = EvaluationJob.objects.leased_by(job)
    if not leased.select_for_update():
        raise LeaseLost
    snapshot = store_evaluation(
        version=job.version,
        dataset_split=job.dataset_split,
        evaluation=evaluation,
        engine=DuckDB,
        digest=job.digest,
        predictions_digest=predictions_digest,
        created_by=job.requested_by.username if job.requested_by else "",
        dataset=job.dataset,
        dataset_version=job.dataset_version,
        train_overlap=train_overlap,
    )
    leased.update(state="succeeded", progress=1.0, snapshot=snapshot, due_at=None, finished_at=timezone.now())
    return snapshot


def _fail(job: EvaluationJob, error: APIError) -> None:
    problem = {"code": error.code, "detail": error.detail, **error.members}
    leased = EvaluationJob.objects.leased_by(job)
    if leased.update(state="failed", problem=problem, due_at=None, finished_at=timezone.now()):
        log_ended(job, job.version, error.code)
        prediction_store.delete_upload(str(job.file))


def delete_orphaned_uploads() -> int:
    """Delete the uploads that killed requests or workers left behind. Return their number."""
    before = timezone.now() - ORPHAN_AGE
    names = _uploads()
    return sum(_delete_orphans(names[i : i + BATCH], before) for i in range(0, len(names), BATCH))


def _delete_orphans(names: Sequence[str], before: datetime) -> int:
    """Delete the old uploads that no evaluation needs. Return their number."""
    needed = set(EvaluationJob.objects.filter(due_at__isnull=False, file__in=names).values_list("file", flat=True))
    orphans = [name for name in names if name not in needed and _is_older(name, before)]
    for name in orphans:
        default_storage.delete(name)
    return len(orphans)


def _is_older(name: str, before: datetime) -> bool:
    try:
        return default_storage.get_modified_time(name) < before
    except FileNotFoundError:  # its evaluation has ended meanwhile
        return False


def delete_abandoned_folders() -> None:
    """Delete the temporary folders of processes that were killed on this machine."""
    before = timezone.now() - ORPHAN_AGE
    for folder in [
        each for name in (FOLDER, services.FOLDER, overlap.FOLDER) for each in Path(gettempdir()).glob(f"{name}*")
    ]:
        with suppress(FileNotFoundError):  # its worker may be ending
            about = folder.stat()
            if about.st_uid == os.getuid() and about.st_mtime < before.timestamp():
                shutil.rmtree(folder, ignore_errors=True)


def delete_ended_evaluations() -> int:
    """Delete the evaluations that ended `EVALUATION_RETENTION_DAYS` ago. Return their number.

    Their snapshots stay, with their provenance.
    """
    before = timezone.now() - timedelta(days=settings.EVALUATION_RETENTION_DAYS)
    return delete_in_batches(EvaluationJob.objects.all(), "finished_at", before)


def _uploads() -> list[str]:
    try:
        return [f"{UPLOADS}/{name}" for name in default_storage.listdir(UPLOADS)[1]]
    except FileNotFoundError:  # before the first
        return []
