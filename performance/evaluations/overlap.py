"""Find the evaluated examples that a version was trained on."""

import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models_registry.registry.models import Version
from performance.metrics.overlap import Overlap
from performance.metrics.result import EvaluationWarning, UnprocessablePredictionsError
from performance.metrics.sandbox.runner import Limits, OverlapJob, SandboxCrashed, count_overlap_in_sandbox
from performance.snapshots import prediction_store
from performance.snapshots.errors import StoredFileUnavailableError
from performance.snapshots.models import DatasetSplit, SnapshotDetail

FOLDER = "model-performance-registry-overlap-"
LIMITS = Limits(seconds=300)
MAX_FILES = 100  # stored files that one is compared with

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainOverlap:
    """The share of the evaluated examples that the version was trained on, and what to warn of.

    `share` is from 0 to 1, and `None` if it is unknown or if the examples are training data themselves.
    """

    share: float | None = None
    warnings: Sequence[EvaluationWarning] = ()


NOT_MEASURED = TrainOverlap()


def measure_train_overlap(
    version: Version, dataset_split: str, exported: Path | None, heartbeat: Callable[[], object] = lambda: None
) -> TrainOverlap:
    """Return how many of the examples are, by their ids, in any stored train snapshot of the version.

    For the train split, it is how many examples of its stored test snapshots are among these, only as a warning.
    `exported` is what `export_predictions` returned. An exception of `heartbeat` ends the count.
    """
    is_training = dataset_split == DatasetSplit.TRAIN
    stored = _stored_digests(version, DatasetSplit.TEST if is_training else DatasetSplit.TRAIN)
    if not stored:
        return NOT_MEASURED
    if exported is None:
        return _unknown("some have no id, or comparing them takes too much space")
    if len(stored) > MAX_FILES:
        return _unknown(f"the version has more than {MAX_FILES} files of them to compare")
    try:
        overlap = _count(exported, stored, heartbeat, is_training=is_training)
    except (StoredFileUnavailableError, UnprocessablePredictionsError, SandboxCrashed) as error:
        log.warning("The overlap of %s with its training data is not counted: %s", version, error)
        return _unknown("they could not be compared")
    share = None if is_training else overlap.share
    if not overlap.shared:
        return TrainOverlap(share)
    what = "examples of the test split" if is_training else "examples"
    where = "these training data" if is_training else "the training data"
    detail = (
        f"{overlap.shared:,} of {overlap.examples:,} {what} ({overlap.share:.1%}) are in {where} too, by their ids."
    )
    return TrainOverlap(share, [EvaluationWarning("train_overlap", detail)])


def _unknown(reason: str) -> TrainOverlap:
    detail = f"How many of the examples are both in the training and in the evaluated data is unknown: {reason}."
    return TrainOverlap(warnings=[EvaluationWarning("unknown_train_overlap", detail)])


def _count(exported: Path, stored: Sequence[str], heartbeat: Callable[[], object], *, is_training: bool) -> Overlap:
    """Count the examples that an exported file shares with stored ones.

    Raises `StoredFileUnavailableError`, `UnprocessablePredictionsError` if that takes more than allowed, and
    `SandboxCrashed`.
    """
    with tempfile.TemporaryDirectory(prefix=FOLDER) as name:
        folder = Path(name)
        files = [f"stored-{at}.parquet" for at in range(len(stored))]
        for digest, file in zip(stored, files, strict=True):
            prediction_store.fetch(digest, folder / file, heartbeat=heartbeat)
        shutil.copyfile(exported, folder / "exported.parquet")
        evaluated, training = (files, ["exported.parquet"]) if is_training else (["exported.parquet"], files)
        job = OverlapJob(folder, evaluated, training, LIMITS)
        return count_overlap_in_sandbox(job, lambda progress: heartbeat())


def _stored_digests(version: Version, dataset_split: str) -> list[str]:
    """Return the digests of the stored predictions of a split, at most one more than are compared."""
    digests = SnapshotDetail.objects.filter(
        snapshot__version=version, snapshot__dataset_split=dataset_split, predictions_digest__isnull=False
    )
    found = digests.order_by("predictions_digest").values_list("predictions_digest", flat=True).distinct()
    return [digest for digest in found[: MAX_FILES + 1] if digest]
