"""Find the evaluated examples that a version was trained on."""

import logging
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from models_registry.registry.models import Version
from performance.metrics.overlap import Overlap
from performance.metrics.result import Evaluation, EvaluationWarning, UnprocessablePredictionsError
from performance.metrics.sandbox.runner import Limits, OverlapJob, SandboxCrashed, count_overlap_in_sandbox
from performance.snapshots import prediction_store
from performance.snapshots.errors import StoredFileUnavailableError
from performance.snapshots.models import DatasetSplit, SnapshotDetail

FOLDER = "model-performance-registry-overlap-"
LIMITS = Limits(seconds=300)

log = logging.getLogger(__name__)


def measure_train_overlap(
    version: Version, dataset_split: str, exported: Path | None, heartbeat: Callable[[], object] = lambda: None
) -> Overlap | None:
    """Return how many evaluated examples the version's newest train snapshot has too, by their ids.

    Returns `None` for the train split, if the predictions of either were not stored, or if counting them takes more
    than allowed. `exported` is what `export_predictions` returned. An exception of `heartbeat` ends the count.
    """
    training = _training_digest(version)
    if exported is None or training is None or dataset_split == DatasetSplit.TRAIN:
        return None
    with tempfile.TemporaryDirectory(prefix=FOLDER) as name:
        folder = Path(name)
        try:
            prediction_store.fetch(training, folder / "training.parquet", heartbeat=heartbeat)
            shutil.copyfile(exported, folder / "evaluated.parquet")
            job = OverlapJob(folder, "evaluated.parquet", "training.parquet", LIMITS)
            return count_overlap_in_sandbox(job, lambda progress: heartbeat())
        except (StoredFileUnavailableError, UnprocessablePredictionsError, SandboxCrashed) as error:
            log.warning("The overlap of %s with its training data is not counted: %s", version, error)
            return None


def with_overlap_warning(evaluation: Evaluation, overlap: Overlap | None) -> Evaluation:
    """Return the evaluation, with a warning if it has examples that the version was trained on."""
    if overlap is None or not overlap.shared:
        return evaluation
    detail = (
        f"{overlap.shared:,} of {overlap.examples:,} examples ({overlap.share:.1%}) are in the training data too, "
        "by their ids."
    )
    return replace(evaluation, warnings=[*evaluation.warnings, EvaluationWarning("train_overlap", detail)])


def _training_digest(version: Version) -> str | None:
    """Return the digest of the stored predictions of the newest train snapshot that has some."""
    return (
        SnapshotDetail.objects.filter(
            snapshot__version=version, snapshot__dataset_split=DatasetSplit.TRAIN, predictions_digest__isnull=False
        )
        .order_by("-snapshot__evaluated_at", "-snapshot__id")
        .values_list("predictions_digest", flat=True)
        .first()
    )
