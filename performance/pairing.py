"""Comparing the predictions of two snapshots example by example, once for each pair."""

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from time import monotonic

from django.db import DEFAULT_DB_ALIAS, DatabaseError

from performance import kept_files
from performance.evaluation.apart import BrokenOffError, Limits, PairJob, pair_apart
from performance.evaluation.intervals import Interval, stored_intervals
from performance.evaluation.pairs import Choices
from performance.evaluation.result import EXHAUSTED, UnprocessablePredictionsError
from performance.exceptions import KeptFileUnavailableError
from performance.models import MetricSnapshot, PairedComparison

MAX_ROWS = 1_000_000  # that are joined while somebody waits for the answer
MAX_BYTES = 64 * 2**20  # of each file that is read meanwhile
PATIENCE = 5.0  # seconds that a request waits, for its turn and for what comes of it
LONGEST = 1800.0  # seconds that it may take where nobody waits
MEMORY = 256  # MB
SPILL = 2  # times as many on disk, while somebody waits: a small file may hold long texts
LONG_SPILL = 32  # where nobody does
FOLDER = "model-performance-registry-comparison-"

outages = logging.getLogger("outages")
_one_at_a_time = Lock()  # in a process, as each takes memory


class _TooLateError(Exception):
    """The time that a comparison may take has passed."""


def pair(
    snapshot: MetricSnapshot,
    baseline: MetricSnapshot,
    *,
    bounded: bool = False,
    go_on: Callable[[], None] = lambda: None,
) -> Mapping[str, Interval]:
    """Return the interval of each metric's difference that is known from the examples of both snapshots.

    A snapshot does not differ from itself.
    Empty where there is none: where nothing was kept, the metrics were taken in different ways or the examples are not
    the same; where the files cannot be had; and, when `bounded`, where they are large, or take long, and the pair is
    not stored yet. `go_on` is called every second or so, and what it raises ends the comparison.
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
        intervals = _in_turn(snapshot, baseline, bounded, go_on)
    except _TooLateError:
        return {}
    except (KeptFileUnavailableError, BrokenOffError, OSError) as error:
        outages.error("Two versions cannot be compared example by example: %s", error)
        return {}
    except UnprocessablePredictionsError as error:
        outages.error("Two versions have no comparison example by example: %s", error)
        if str(error) == EXHAUSTED:  # with more time, memory or disk there may be one
            return {}
        intervals = {}  # as of numbers near the end of a double: it would be so again
    _store(snapshot, baseline, intervals)
    return intervals


def stored(snapshot: MetricSnapshot, baseline: MetricSnapshot) -> Mapping[str, Interval] | None:
    """Return the intervals that are stored of a pair, where the snapshot was read from; `None` for none."""
    pairs = PairedComparison.objects.using(snapshot._state.db).filter(snapshot=snapshot.pk, baseline=baseline.pk)
    intervals = pairs.values_list("intervals", flat=True).first()
    return None if intervals is None else stored_intervals(intervals)


def _may_be_paired(snapshot: MetricSnapshot, baseline: MetricSnapshot) -> bool:
    newer, older = snapshot.details, baseline.details
    is_kept = newer.predictions_digest is not None and older.predictions_digest is not None
    return is_kept and (newer.positive_class, newer.averaging) == (older.positive_class, older.averaging)


def _in_turn(
    snapshot: MetricSnapshot, baseline: MetricSnapshot, bounded: bool, go_on: Callable[[], None]
) -> dict[str, Interval]:
    """Return what `_computed` does, in its turn and in time. Raises what that does, or `_TooLateError`."""
    until = monotonic() + (PATIENCE if bounded else LONGEST)

    def seconds_left() -> float:
        go_on()
        if (left := until - monotonic()) <= 0:
            raise _TooLateError
        return left

    if not _one_at_a_time.acquire(timeout=seconds_left()):
        raise _TooLateError
    try:
        return _computed(snapshot, baseline, bounded, seconds_left)
    finally:
        _one_at_a_time.release()


def _computed(
    snapshot: MetricSnapshot, baseline: MetricSnapshot, bounded: bool, seconds_left: Callable[[], float]
) -> dict[str, Interval]:
    """Return the intervals of the metrics that both snapshots have.

    Raises `KeptFileUnavailableError`, `UnprocessablePredictionsError`, `BrokenOffError`, or what `seconds_left` does.
    """
    with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
        for each, file in ((snapshot, "newer.parquet"), (baseline, "older.parquet")):
            kept_files.fetch(
                each.details.predictions_digest or "",
                Path(folder) / file,
                most=MAX_BYTES if bounded else None,
                go_on=seconds_left,
            )
        job = PairJob(
            folder=Path(folder),
            newer="newer.parquet",
            older="older.parquet",
            task_type=snapshot.version.model.task_type,
            choices=Choices(snapshot.details.positive_class, snapshot.details.averaging),
            limits=Limits(memory=MEMORY, spill=SPILL if bounded else LONG_SPILL, seconds=seconds_left()),
        )
        found = pair_apart(job, lambda progress: seconds_left())
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
