"""What a gate knows of one snapshot: its values, how they were obtained, and its slices."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from models_registry.task_types.base import Direction, Metric
from performance.metrics.comparison import MetricValues, OptionValue, describe_options
from performance.metrics.inputs.options import MAX_COLUMN_NAME_LENGTH
from performance.metrics.result import EvaluationWarning, Slice
from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.simultaneous import worst_interval

SLICE, WORST_SLICE = "slice", "worst_slice"  # how the names of quantities of slices begin
COMPUTED = "computed"  # the source of metrics that this service computes from predictions
DIGEST_LENGTH = 12  # characters of a digest in a text
MAX_QUOTED_VALUE = 60  # characters of a slice's value in a text


class SliceName(NamedTuple):
    """The parts of `slice.<attribute>.<value>.<metric>` or of `worst_slice.<attribute>.<metric>`.

    `path` is what stands between: attribute and value, or the attribute. Both may have dots, a metric has none.
    """

    kind: str
    path: str
    metric: str

    @property
    def attributes(self) -> list[str]:
        """The attributes that the name may mean: the path, or for one slice each part of it before a dot."""
        if self.kind == WORST_SLICE:
            return [self.path]
        parts = self.path.split(".")
        return [".".join(parts[:count]) for count in range(1, len(parts))]


def parse_slice_name(name: str) -> SliceName | None:
    """Return the parts of the name of a quantity of slices, `None` for another name.

    Neither an attribute nor a value is empty, and an attribute has at most `MAX_COLUMN_NAME_LENGTH` characters.
    """
    kind, _, rest = name.partition(".")
    path, _, metric = rest.rpartition(".")
    if kind == WORST_SLICE and 1 <= len(path) <= MAX_COLUMN_NAME_LENGTH:
        return SliceName(kind, path, metric)
    has_both = "." in path[1 : MAX_COLUMN_NAME_LENGTH + 1] and "." in path[1:-1]
    return SliceName(kind, path, metric) if kind == SLICE and has_both else None


def usable_interval(interval: Interval | None, level: float | None) -> Interval | None:
    """Return the interval if it is finite and of this level."""
    if interval is None or interval.level != level:
        return None
    return interval if math.isfinite(interval.lower) and math.isfinite(interval.upper) else None


class Estimate(NamedTuple):
    """A value with its interval, the reason if one of them is missing, and the number of its examples if it is known.

    `value` is `None` unless it is finite. `slice` describes the slice that has the worst value of several.
    """

    value: float | None
    interval: Interval | None = None
    reason: str | None = None
    sample_count: int | None = None
    slice: str | None = None

    def usable_interval(self, level: float | None) -> Interval | None:
        """Return the interval if it is finite and of this level."""
        return usable_interval(self.interval, level)


@dataclass(frozen=True, slots=True)
class Measurement:
    """The newest snapshot of a version. The names of its values are those of `find_gate_metric`.

    `digest` identifies the examples, whatever was predicted; it is `None` if they are unknown.
    """

    version_id: str
    metrics: MetricValues
    source: str = COMPUTED
    sample_count: int | None = None
    evaluated_at: datetime | None = None
    dataset: str = ""
    dataset_version: str | None = None
    digest: str | None = None
    warnings: Sequence[EvaluationWarning] = ()
    slices: Sequence[Slice] = ()

    @property
    def evaluated_at_text(self) -> str | None:
        """When the version was evaluated, in UTC, such as `2026-03-13T14:22:10Z`."""
        return None if self.evaluated_at is None else f"{self.evaluated_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

    def estimate(self, name: str, metric: Metric | None, min_sample_count: int | None) -> Estimate:
        """Return a quantity by its name.

        Args:
            name: the name that rules use.
            metric: the metric, which says what is worst among slices.
            min_sample_count: the examples that a slice needs to count for the worst; `None` means 1.
        """
        parts = parse_slice_name(name)
        if parts is None:
            return self._plain(name)
        if parts.kind == SLICE:
            return self._slice(parts)
        return self._worst_slice(parts, metric, min_sample_count or 1) if metric else Estimate(None)

    def has_same_examples(self, other: "Measurement") -> bool | None:
        """Return whether both snapshots are of the same examples, `None` if that is unknown."""
        return None if None in (self.digest, other.digest) else self.digest == other.digest

    def as_document(self) -> dict[str, Any]:
        """Return what was measured, how and when, as a JSON document."""
        return {
            "version_id": self.version_id,
            "source": self.source,
            "sample_count": self.sample_count,
            "evaluated_at": self.evaluated_at_text,
            "dataset": {"name": self.dataset or None, "version": self.dataset_version, "digest": self.digest},
            "evaluation_options": dict(self.metrics.options),
            "warnings": [{"code": each.code, "detail": each.detail} for each in self.warnings],
        }

    def _plain(self, name: str) -> Estimate:
        value = self.metrics.values.get(name)
        return Estimate(
            value if value is not None and math.isfinite(value) else None,
            self.metrics.intervals.get(name),
            self.metrics.unavailable.get(name),
            self.sample_count,
        )

    def _slice(self, parts: SliceName) -> Estimate:
        found = [each for each in self.slices if each.value is not None and parts.path == _path(each)]
        if len(found) == 1:
            return _estimate(found[0], parts.metric)
        return Estimate(None, reason="Several slices have this name." if found else "There is no such slice.")

    def _worst_slice(self, parts: SliceName, metric: Metric, least: int) -> Estimate:
        """Return the worst of the slices that are large enough. Each of them must have the metric."""
        large = [each for each in self.slices if each.attribute == parts.path and each.sample_count >= least]
        if not large:
            return Estimate(None, reason=f"No slice by {parts.path} has {least} examples or more.")
        estimates = [_estimate(each, parts.metric) for each in large]
        values = [each.value for each in estimates if each.value is not None]
        if len(values) < len(large):
            without = next(each for each, found in zip(large, estimates, strict=True) if found.value is None)
            return Estimate(
                None, reason=f"The slice {_title(without)} has none; raise `min_sample_count` to leave it out."
            )
        is_greatest = metric.direction is not Direction.HIGHER
        worst = (max if is_greatest else min)(values)
        found_in = large[values.index(worst)]
        title = f"{_title(found_in)}, {found_in.sample_count} examples"
        reason = next(
            (
                f"The slice {_title(each)} has no interval. {found.reason or ''}".strip()
                for each, found in zip(large, estimates, strict=True)
                if found.interval is None
            ),
            None,
        )
        if reason is not None:
            return Estimate(worst, reason=reason, slice=title)
        known = [(each.value, each.interval) for each in estimates if each.value is not None and each.interval]
        lower = -math.inf if metric.lower is None else metric.lower
        upper = math.inf if metric.upper is None else metric.upper
        interval = worst_interval(known, is_greatest=is_greatest, lower=lower, upper=upper)
        return Estimate(worst, interval, slice=title)


def describe_measurement(document: Mapping[str, Any]) -> str:
    """Return one line that says what was measured, how and when, from a measurement's document."""
    dataset, count = document["dataset"], document["sample_count"]
    options: Mapping[str, OptionValue] = document["evaluation_options"]
    name = " ".join(filter(None, (dataset["name"], dataset["version"])))
    digest = dataset["digest"]
    parts = [
        f"metrics {document['source']}",
        "number of examples unknown" if count is None else f"{count} examples",
        f"evaluated at {document['evaluated_at'] or 'an unknown time'}",
        f"dataset {name}" if name else "",
        f"examples {digest[:DIGEST_LENGTH]}" if digest else "examples unknown",
        describe_options(options),
    ]
    return f"{document['version_id']}: {', '.join(filter(None, parts))}."


def _estimate(each: Slice, metric: str) -> Estimate:
    value = each.metrics.get(metric)
    return Estimate(
        value if value is not None and math.isfinite(value) else None,
        each.confidence_intervals.get(metric),
        each.intervals_unavailable.get(metric),
        each.sample_count,
    )


def _path(each: Slice) -> str:
    return f"{each.attribute}.{each.value}"


def _title(each: Slice) -> str:
    return f"{each.attribute}={'the other values' if each.value is None else repr(each.value[:MAX_QUOTED_VALUE])}"
