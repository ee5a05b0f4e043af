"""Compare the metrics of two snapshots. Pure Python."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from models_registry.task_types.base import Direction, Metric, TaskType
from performance.metrics.statistics.differences import IDENTICAL, independent_interval
from performance.metrics.statistics.intervals import Interval

DIGEST_LENGTH = 12  # characters of a digest in a text

OptionValue = str | float | bool | None
_OPTION_PHRASES = {  # without the option, and with it
    "positive_class": ("without a positive class", "for the positive class {!r}"),
    "averaging": ("without averaging", "with {} averaging"),
    "threshold": ("without a threshold", "at the threshold {}"),
    "k": ("without k", "with k = {}"),
}


class Change(StrEnum):
    """How a metric changed.

    - `improved`, `regressed`: the value is better or worse, and the interval of the difference does not contain 0.
      Without such an interval, and for a metric that is best at 0, the two values alone decide.
    - `unchanged`: the values are equally good. Unless the interval is `identical`, the difference may still lie
      anywhere in it.
    - `inconclusive`: the values differ, but the interval contains 0, so that chance alone may explain the difference;
      or one of both values is missing, or they were computed with different options.
    """

    IMPROVED = "improved"
    REGRESSED = "regressed"
    UNCHANGED = "unchanged"
    INCONCLUSIVE = "inconclusive"


class PairingStatus(StrEnum):
    """Whether two snapshots are compared example by example.

    While the status is `pending`, the samples are treated as independent. `unavailable` is final for these two
    snapshots, unless the comparison failed: the predictions of one are not stored, the examples differ, the metrics
    were computed with different options, or the examples give no paired interval.
    """

    COMPLETE = "complete"
    PENDING = "pending"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric of two snapshots.

    `difference` is the value minus the baseline's value, in the metric's unit. `relative_change` is the difference
    divided by the absolute baseline value. Each is `None` if it is undefined: a value is missing, the result is too
    large for a double, or the baseline is 0 (`relative_change`). `confidence_interval` is the interval of the
    difference: paired if both snapshots have the same examples, else for independent samples if both values have an
    interval, else `None`. `detail` says what limits the result: why a value is missing, why the values are not
    comparable, why there is no interval or no paired one, or that equal values may still differ; else it is `None`.
    """

    value: float | None
    baseline_value: float | None
    difference: float | None
    relative_change: float | None
    direction: Change
    confidence_interval: Interval | None = None
    detail: str | None = None


class Examples(NamedTuple):
    """The examples that a snapshot was measured on.

    `digest` identifies those of the dataset; it is `None` if they are unknown. A share of them, `missing_fraction`, was
    left out as it had no prediction; `None` counts as 0.
    """

    digest: str | None
    missing_fraction: float | None = None

    def are_same(self, others: "Examples") -> bool | None:
        """Return whether these are the same examples as others, `None` if that is unknown."""
        if None in (self.digest, others.digest):
            return None
        if self.digest != others.digest or (self.missing_fraction or 0) != (others.missing_fraction or 0):
            return False
        return None if self.missing_fraction else True


class MetricValues(NamedTuple):
    """The metrics of a snapshot and their known intervals.

    `options` holds the options of the evaluation that are known. `unavailable` says why a metric has no value, or else
    no interval, by name.
    """

    values: Mapping[str, float]
    intervals: Mapping[str, Interval]
    options: Mapping[str, OptionValue] = MappingProxyType({})
    unavailable: Mapping[str, str] = MappingProxyType({})

    def differing_options(self, other: "MetricValues", names: Iterable[str]) -> list[str]:
        """Return which of the named options are known of both and differ."""
        return [
            name
            for name in names
            if name in self.options and name in other.options and self.options[name] != other.options[name]
        ]


def known_options(
    stored: Mapping[str, OptionValue], positive_class: str | None, averaging: str | None
) -> dict[str, OptionValue]:
    """Return the options of an evaluation that are known.

    `stored` is what the evaluation was asked for or chose. Older snapshots have only the positive class and the
    averaging.
    """
    chosen = {"positive_class": positive_class, "averaging": averaging}
    return {**stored, **{name: value for name, value in chosen.items() if value is not None}}


def describe_option(name: str, value: OptionValue) -> str:
    """Return a phrase that says how a metric was computed, such as `at the threshold 0.5`.

    `name` is `positive_class`, `averaging`, `threshold` or `k`.
    """
    without, phrase = _OPTION_PHRASES[name]
    return without if value is None else phrase.format(value)


def describe_options(options: Mapping[str, OptionValue], names: Iterable[str] = tuple(_OPTION_PHRASES)) -> str:
    """Return a phrase for the named options that are known, of those that `describe_option` takes."""
    return " ".join(describe_option(name, options[name]) for name in names if name in options)


def compare(
    task_type: TaskType, measured: MetricValues, baseline: MetricValues, paired: Mapping[str, Interval]
) -> dict[str, MetricComparison]:
    """Return the comparison of each summary metric of a task type, by name, in its order.

    Args:
        task_type: declares the metrics.
        measured: the values of the snapshot.
        baseline: the values that it is compared with.
        paired: the intervals of differences that are known from comparing example by example, by metric.
    """
    return {metric.name: compare_metric(metric, measured, baseline, paired) for metric in task_type.metrics}


def compare_metric(
    metric: Metric,
    measured: MetricValues,
    baseline: MetricValues,
    paired: Mapping[str, Interval] = MappingProxyType({}),
) -> MetricComparison:
    """Return the comparison of one metric, with the intervals from comparing example by example, by metric."""
    value, before = measured.values.get(metric.name), baseline.values.get(metric.name)
    if value is None or before is None:
        detail = _missing_detail(metric.name, measured, baseline)
        return MetricComparison(value, before, None, None, Change.INCONCLUSIVE, detail=detail)
    same = paired.get(metric.name) == IDENTICAL
    difference = 0.0 if same else _finite(value - before)  # the sums of equal values may be rounded differently
    relative = _finite(difference / abs(before)) if difference is not None and before else None
    if measured.differing_options(baseline, metric.depends_on):
        ours, theirs = (describe_options(each.options, metric.depends_on) for each in (measured, baseline))
        detail = f"{metric.name} is computed {ours}, and that of the baseline {theirs}: they are not comparable."
        return MetricComparison(value, before, difference, relative, Change.INCONCLUSIVE, detail=detail)
    interval = paired.get(metric.name) or independent_interval(
        value, measured.intervals.get(metric.name), before, baseline.intervals.get(metric.name)
    )
    change = _change(metric, value, before, interval)
    notes = _interval_notes(metric.name, measured, baseline, interval, paired)
    if change is Change.UNCHANGED and interval and interval != IDENTICAL:
        notes.append(f"The values of {metric.name} are equal, but the difference may lie anywhere in its interval.")
    return MetricComparison(value, before, difference, relative, change, interval, " ".join(notes) or None)


def _missing_detail(name: str, measured: MetricValues, baseline: MetricValues) -> str:
    """Say which of two snapshots lacks a metric, and why if that is known."""
    both = (("The version", measured), ("The baseline", baseline))
    missing = ((who, each.unavailable.get(name)) for who, each in both if name not in each.values)
    return " ".join(f"{who} has no {name}.{f' {reason}' if reason else ''}" for who, reason in missing)


def _interval_notes(
    name: str,
    measured: MetricValues,
    baseline: MetricValues,
    interval: Interval | None,
    paired: Mapping[str, Interval],
) -> list[str]:
    """Say why a difference has no interval, or none from comparing example by example."""
    if interval is None:
        sides = (("version", measured), ("baseline", baseline))
        without = {who: each.unavailable.get(name) for who, each in sides if name not in each.intervals}
        whose = " and of the ".join(without) or "difference"
        reasons = dict.fromkeys(reason for reason in without.values() if reason)
        return [f"The {name} of the {whose} has no interval, so only the two values are compared.", *reasons]
    if paired and name not in paired:
        return [f"The examples give no paired interval of {name}, so both samples are treated as independent."]
    return []


def _change(metric: Metric, value: float, before: float, interval: Interval | None) -> Change:
    goodness, baseline_goodness = metric.goodness(value), metric.goodness(before)
    if goodness == baseline_goodness or interval == IDENTICAL:
        return Change.UNCHANGED
    # If a metric is best at 0, the difference does not say how much better or worse it has become.
    if interval and metric.direction is not Direction.ZERO and interval.lower <= 0 <= interval.upper:
        return Change.INCONCLUSIVE
    return Change.IMPROVED if goodness > baseline_goodness else Change.REGRESSED


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
