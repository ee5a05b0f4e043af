"""Comparing the predictions of two snapshots example by example, once for each pair."""

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from threading import Lock

from django.db import DEFAULT_DB_ALIAS, DatabaseError

from performance import kept_files
from performance.evaluation.intervals import Interval
from performance.evaluation.paired import paired
from performance.evaluation.pairs import Choices
from performance.evaluation.result import UnprocessablePredictionsError
from performance.exceptions import KeptFileUnavailableError
from performance.models import MetricSnapshot, PairedComparison

MAX_ROWS = 1_000_000  # that are joined while somebody waits for the answer
MAX_BYTES = 64 * 2**20  # of each file that is read meanwhile
PATIENCE = 5  # seconds that a request waits for its turn
MAX_DISK = "512MB"  # that the join may spill meanwhile: a small file may hold long texts

outages = logging.getLogger("outages")
_one_at_a_time = Lock()  # in a process, as each takes memory


def pair(snapshot: MetricSnapshot, baseline: MetricSnapshot, *, bounded: bool = False) -> Mapping[str, Interval]:
    """Return the interval of each metric's difference that is known from the examples of both snapshots.

    A snapshot does not differ from itself.
    Empty where there is none: where nothing was kept, the metrics were taken in different ways or the examples are not
    the same; where the files cannot be had; and, when `bounded`, where they are large and the pair not stored yet.
    """
    if snapshot.pk == baseline.pk:
        return dict.fromkeys(snapshot.details.confidence_intervals, Interval(0.0, 0.0, "identical"))
    if not _may_be_paired(snapshot, baseline):
        return {}
    known = stored(snapshot, baseline)
    if known is not None:
        return known
    if bounded and max(snapshot.sample_count or 0, baseline.sample_count or 0) > MAX_ROWS:
        return {}
    try:
        if not _one_at_a_time.acquire(timeout=PATIENCE if bounded else -1):
            return {}
        try:
            intervals = _computed(snapshot, baseline, bounded=bounded)
        finally:
            _one_at_a_time.release()
    except KeptFileUnavailableError as error:
        outages.error("Two versions cannot be compared example by example: %s", error)
        return {}
    except UnprocessablePredictionsError as error:
        outages.error("Two versions have no comparison example by example: %s", error)
        if bounded:  # with more disk there may be one
            return {}
        intervals = {}  # as of numbers near the end of a double: it would be so again
    _store(snapshot, baseline, intervals)
    return intervals


def stored(snapshot: MetricSnapshot, baseline: MetricSnapshot) -> Mapping[str, Interval] | None:
    """Return the intervals that are stored of a pair, where the snapshot was read from; `None` for none."""
    pairs = PairedComparison.objects.using(snapshot._state.db).filter(snapshot=snapshot.pk, baseline=baseline.pk)
    intervals = pairs.values_list("intervals", flat=True).first()
    return None if intervals is None else {name: Interval(**each) for name, each in intervals.items()}


def _may_be_paired(snapshot: MetricSnapshot, baseline: MetricSnapshot) -> bool:
    newer, older = snapshot.details, baseline.details
    is_kept = newer.predictions_digest is not None and older.predictions_digest is not None
    return is_kept and (newer.positive_class, newer.averaging) == (older.positive_class, older.averaging)


def _computed(snapshot: MetricSnapshot, baseline: MetricSnapshot, *, bounded: bool) -> dict[str, Interval]:
    """Return the intervals of the metrics that both snapshots have.

    Raises `KeptFileUnavailableError` or `UnprocessablePredictionsError`.
    """
    choices = Choices(snapshot.details.positive_class, snapshot.details.averaging)
    with tempfile.TemporaryDirectory() as folder:
        newer, older = Path(folder) / "newer.parquet", Path(folder) / "older.parquet"
        for each, file in ((snapshot, newer), (baseline, older)):
            kept_files.fetch(each.details.predictions_digest or "", file, most=MAX_BYTES if bounded else None)
        found = paired(newer, older, snapshot.version.model.task_type, choices, disk=MAX_DISK if bounded else "")
    both = snapshot.all_metrics.keys() & baseline.all_metrics.keys()
    return {name: interval for name, interval in found.items() if name in both}


def _store(snapshot: MetricSnapshot, baseline: MetricSnapshot, intervals: Mapping[str, Interval]) -> None:
    """Store a pair, unless somebody else did meanwhile. A database that takes none costs only the time next time."""
    pair = PairedComparison(
        snapshot_id=snapshot.pk,
        baseline_id=baseline.pk,
        intervals={name: asdict(each) for name, each in intervals.items()},
    )
    try:
        PairedComparison.objects.using(DEFAULT_DB_ALIAS).bulk_create([pair], ignore_conflicts=True)
    except DatabaseError as error:
        outages.error("A comparison is not stored, and will be made again: %s", error)
