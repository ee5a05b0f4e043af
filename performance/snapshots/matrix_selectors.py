"""Reads of the newest snapshot's confusion matrix, as many rows as one response may have."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.db import DEFAULT_DB_ALIAS
from django.db.models.fields.json import KeyTextTransform

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
        if normalization is Normalization.ACTUAL or self.is_whole:
            return normalize_counts(self.counts, normalization)
        database = self.snapshot._state.db or DEFAULT_DB_ALIAS
        with large_responses.claim():  # so that threads that need the same totals don't add up the matrix at once
            totals = _column_totals(database, self.snapshot.pk, self.snapshot.created_at)
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
    """Return the sums of a large matrix's columns.

    The sums are cached, as a snapshot never changes. `created_at` is part of the cache's key, because a restored
    database may have another snapshot with the same primary key.
    """
    counts = (
        SnapshotDetail.objects.using(database)
        .filter(pk=pk)
        .annotate(counts=KeyTextTransform("counts", "confusion_matrix"))
    )
    text: str = counts.values_list("counts", flat=True).get()
    return column_sums(_rows(text))


def _rows(counts: str) -> Iterator[list[int]]:
    """Yield the rows of a matrix from its JSON. To parse them all at once would block all threads."""
    for row in counts.split("]"):
        if numbers := row.strip("[, "):
            yield json.loads(f"[{numbers}]")
