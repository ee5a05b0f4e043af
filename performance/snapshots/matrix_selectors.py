"""Reads of the newest snapshot's confusion matrix, as many rows as one response may have."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS

from models_registry import task_types
from models_registry.api import large_responses
from models_registry.api.errors import NotFoundError
from performance.metrics.statistics.rates import Normalization, column_sums, normalize_counts
from performance.snapshots.errors import NotAvailableForTaskTypeError
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
from performance.snapshots.selectors import SnapshotLookup, found_snapshots, newest_snapshot

MAX_CELLS = 20_000  # of one response


@dataclass(frozen=True, slots=True)
class MatrixPage:
    """Rows of a snapshot's confusion matrix, from the actual class `labels[offset]` on."""

    snapshot: MetricSnapshot
    labels: list[str]
    counts: list[list[int]]
    offset: int

    @property
    def next_offset(self) -> int | None:
        """The offset of the next rows; `None` after the last."""
        end = self.offset + len(self.counts)
        return end if self.counts and end < len(self.labels) else None

    @property
    def is_whole(self) -> bool:
        """Whether the page holds all rows of the matrix."""
        return self.offset == 0 and self.next_offset is None

    def rates(self, normalization: Normalization) -> list[list[float]]:
        """Return the counts as shares.

        Raises `BusyError` if the whole of a large matrix is needed and another one is being read.
        """
        needs_all = normalization is not Normalization.ACTUAL and not self.is_whole
        database = self.snapshot._state.db or DEFAULT_DB_ALIAS
        totals = _column_totals(database, self.snapshot.pk, self.snapshot.created_at) if needs_all else None
        return normalize_counts(self.counts, normalization, column_totals=totals)


def confusion_matrix(lookup: SnapshotLookup, *, offset: int = 0) -> MatrixPage:
    """Return the rows of the newest snapshot's confusion matrix from `offset` on, at most `MAX_CELLS` cells.

    Raises `NotAvailableForTaskTypeError` for a task type without classes, what `SnapshotLookup.snapshot` raises, and
    `NotFoundError` if the snapshot was reported without a matrix.
    """
    if not task_types.get(lookup.task_type).has_classes:
        raise NotAvailableForTaskTypeError(
            f"Models of {lookup.task_type} predict no classes, so they have no confusion matrix."
        )
    rows = found_snapshots(lookup).for_list().with_matrix_rows(offset, MAX_CELLS)
    snapshot = newest_snapshot(lookup, rows)
    if snapshot.matrix_labels is None:
        raise NotFoundError(
            f"The newest snapshot of {snapshot.version.version_id} on {lookup.dataset_split} was reported without a "
            "confusion matrix. Report one with the metrics, or have the predictions evaluated."
        )
    return MatrixPage(snapshot, snapshot.matrix_labels, snapshot.matrix_counts, offset)


@lru_cache(maxsize=64)
def _column_totals(database: str, pk: int, created_at: datetime) -> list[int]:
    """Return the sums of a large matrix's columns. Raises `BusyError`.

    The sums are cached, as a snapshot never changes. `created_at` is part of the cache's key, because a restored
    database may have another snapshot with the same primary key.
    """
    with large_responses.claim():
        details = SnapshotDetail.objects.using(database).filter(pk=pk)
        matrix: Any = details.values_list("confusion_matrix", flat=True).get()
        return column_sums(matrix["counts"])
