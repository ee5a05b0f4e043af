"""What a gate knows of one snapshot: its values, how they were obtained, and its slices."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import NamedTuple, TypedDict

from models_registry.api.times import utc_text
from models_registry.task_types.base import Direction, Metric
from performance.metrics.comparison import DIGEST_LENGTH, Examples, MetricValues, OptionValue, describe_options
from performance.metrics.inputs.options import MAX_COLUMN_NAME_LENGTH
from performance.metrics.result import EvaluationWarning, Slice
from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.simultaneous import worst_interval

SLICE, WORST_SLICE = "slice", "worst_slice"  # how the names of quantities of slices begin
COMPUTED = "computed"  # the source of metrics that this service computes from predictions
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


@lru_cache(maxsize=1024)  # policies use the same names again and again
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


def format_number(number: float) -> str:
    """Return the shortest text of a number; whole numbers have no fraction."""
    return repr(int(number)) if number == int(number) and abs(number) < 1e15 else repr(float(number))


class Member(NamedTuple):
    """One of several slices: its value, interval, name and number of examples. `is_small` if another one has more."""

    value: float
    interval: Interval
    name: str
    sample_count: int
    is_small: bool

    @property
    def title(self) -> str:
        """The name with the number of examples."""
        return _titled(self.name, self.sample_count)


class Estimate(NamedTuple):
    """A value with its interval, the reason if one of them is missing, and the number of its examples if it is known.

    `value` is `None` unless it is finite, and `text` is its text. `sample_count` is that of the whole snapshot. `slice`
    describes the slice that has the worst value of several, `members` are these, and `decisive` is the one that decides
    the unfavourable end of the interval.
    """

    value: float | None
    text: str = ""
    interval: Interval | None = None
    reason: str | None = None
    sample_count: int | None = None
    slice: str | None = None
    members: Sequence[Member] = ()
    decisive: Member | None = None

    def usable_interval(self, level: float | None) -> Interval | None:
        """Return the interval if it is finite and of this level."""
        return usable_interval(self.interval, level)


NO_ESTIMATE = Estimate(None)


class DatasetDocument(TypedDict):
    """The dataset of a measurement as JSON."""

    name: str | None
    version: str | None
    digest: str | None


class WarningDocument(TypedDict):
    """A warning of an evaluation as JSON."""

    code: str
    detail: str


class MeasurementDocument(TypedDict):
    """A `Measurement` as JSON."""

    version_id: str
    source: str
    sample_count: int | None
    evaluated_at: str | None
    dataset: DatasetDocument
    evaluation_options: dict[str, OptionValue]
    warnings: list[WarningDocument]


@dataclass(eq=False)  # `frozen` would take seven times as long to make
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
        """When the version was evaluated, as `utc_text` writes it."""
        return None if self.evaluated_at is None else utc_text(self.evaluated_at)

    @property
    def effective_sample_size(self) -> float | None:
        """The number of independent, unweighted examples, groups, series or queries that tell as much."""
        return self.metrics.values.get("effective_sample_size")

    def estimate(self, name: str, metric: Metric | None, min_sample_count: int | None) -> Estimate:
        """Return a quantity by its name.

        Args:
            name: the name that rules use.
            metric: the metric, which says what is worst among slices.
            min_sample_count: the examples that a slice needs to count for the worst; `None` means 0.
        """
        if known := self._known.get(name):
            return known
        parts = parse_slice_name(name)
        if parts is None:
            return self._known.setdefault(name, self._estimate(name))
        if parts.kind == SLICE:
            return self._slice(parts)
        return self._worst_slice(parts, metric, min_sample_count or 0) if metric else Estimate(None)

    @property
    def examples(self) -> Examples:
        """The examples that it was measured on."""
        return Examples(self.digest, self.metrics.values.get("missing_fraction"))

    def has_same_examples(self, other: "Measurement") -> bool | None:
        """Return whether both snapshots are of the same examples, `None` if that is unknown."""
        return self.examples.are_same(other.examples)

    def as_document(self) -> MeasurementDocument:
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

    @cached_property
    def _known(self) -> dict[str, Estimate]:
        """The estimates so far that do not depend on slices, by name: several rules may use one."""
        return {}

    def _estimate(self, name: str) -> Estimate:
        metrics = self.metrics
        value, text = _finite(metrics.values.get(name))
        reason = metrics.unavailable.get(name)
        if reason is None and name not in metrics.values:
            reason = self._why_absent(name)
        return Estimate(value, text, metrics.intervals.get(name), reason, self.sample_count)

    def _why_absent(self, name: str) -> str | None:
        """Say why the snapshot has no value of this name, if that follows from the name."""
        if self.source != COMPUTED:
            return f"It was not {self.source}."
        kind, _, rest = name.partition(".")
        if kind == "custom":
            return "Evaluations of predictions have no custom metrics: report it."
        if kind == "effective_sample_size":
            return "It is unknown how much its groups differ, or an older release evaluated it."
        if kind == "train_overlap":
            return "It needs stored predictions with ids: evaluate the train split first, then this one."
        label = rest.rpartition(".")[0]
        if kind == "per_class" and not any(each.startswith(f"per_class.{label}.") for each in self.metrics.values):
            return f"Nothing was measured of {label[:MAX_QUOTED_VALUE]!r}."
        return None

    def _slice(self, parts: SliceName) -> Estimate:
        found = [each for each in self.slices if each.value is not None and parts.path == _path(each)]
        if len(found) == 1:
            return _estimate(found[0], parts.metric)._replace(sample_count=self.sample_count)
        if found:
            return Estimate(None, reason="Several slices have this name.")
        return Estimate(None, reason=self._no_slices(parts) or "There is no such slice.")

    def _no_slices(self, parts: SliceName) -> str | None:
        """Say that nothing was sliced by an attribute, `None` if something was."""
        if any(each.attribute in parts.attributes for each in self.slices):
            return None
        if self.source != COMPUTED:
            return "Only evaluations of predictions have slices."
        return "It was evaluated without slices by this attribute: name the column in `slices`."

    def _worst_slice(self, parts: SliceName, metric: Metric, least: int) -> Estimate:
        """Return the worst of the slices that are large enough. Each of them must have the metric."""
        large = [each for each in self.slices if each.attribute == parts.path and each.sample_count >= least]
        if not large:
            too_small = f"No slice by {parts.path} has at least {least} examples."
            return Estimate(None, reason=self._no_slices(parts) or too_small)
        estimates = [_estimate(each, parts.metric) for each in large]
        values = [each.value for each in estimates if each.value is not None]
        if len(values) < len(large):
            without, why = next(
                (each, found.reason or "") for each, found in zip(large, estimates, strict=True) if found.value is None
            )
            advice = "Raise `min_sample_count` to leave it out."
            return Estimate(
                None, reason=" ".join(filter(None, (f"The slice {_title(without)} has none.", why, advice)))
            )
        is_greatest = metric.direction is not Direction.HIGHER
        worst = (max if is_greatest else min)(values)
        found_in = large[values.index(worst)]
        title = _titled(_title(found_in), found_in.sample_count)
        reason = next(
            (
                f"The slice {_title(each)} has no interval. {found.reason or ''}".strip()
                for each, found in zip(large, estimates, strict=True)
                if found.interval is None
            ),
            None,
        )
        if reason is not None:
            return Estimate(worst, format_number(worst), reason=reason, slice=title)
        members = [*_members(large, estimates)]
        lower, upper = metric.bounds
        known = [(each.value, each.interval) for each in members]
        interval, decisive = worst_interval(known, is_greatest=is_greatest, lower=lower, upper=upper)
        return Estimate(
            worst,
            format_number(worst),
            interval,
            sample_count=self.sample_count,
            slice=title,
            members=members,
            decisive=members[decisive],
        )


def describe_measurement(document: MeasurementDocument) -> str:
    """Return one line that says what was measured, how and when, from a measurement's document."""
    dataset, count = document["dataset"], document["sample_count"]
    name = " ".join(filter(None, (dataset["name"], dataset["version"])))
    digest = dataset["digest"]
    parts = [
        f"metrics {document['source']}",
        "number of examples unknown" if count is None else f"{count} examples",
        f"evaluated at {document['evaluated_at'] or 'an unknown time'}",
        f"dataset {name}" if name else "",
        f"examples {digest[:DIGEST_LENGTH]}" if digest else "examples unknown",
        describe_options(document["evaluation_options"]),
    ]
    return f"{document['version_id']}: {', '.join(filter(None, parts))}."


def _finite(value: float | None) -> tuple[float | None, str]:
    """Return a value and its text; `None` and an empty text unless it is finite."""
    return (None, "") if value is None or not math.isfinite(value) else (value, format_number(value))


def _estimate(each: Slice, metric: str) -> Estimate:
    return Estimate(
        *_finite(each.metrics.get(metric)),
        each.confidence_intervals.get(metric),
        each.intervals_unavailable.get(metric),
        each.sample_count,
    )


def _members(slices: Sequence[Slice], estimates: Sequence[Estimate]) -> Iterator[Member]:
    most = max(each.sample_count for each in slices)
    for each, found in zip(slices, estimates, strict=True):
        if found.value is not None and found.interval is not None:
            yield Member(found.value, found.interval, _title(each), each.sample_count, each.sample_count < most)


def _titled(name: str, count: int) -> str:
    return f"{name}, {count} {'example' if count == 1 else 'examples'}"


def _path(each: Slice) -> str:
    return f"{each.attribute}.{each.value}"


def _title(each: Slice) -> str:
    return f"{each.attribute}={'the other values' if each.value is None else repr(each.value[:MAX_QUOTED_VALUE])}"
