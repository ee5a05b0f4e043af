"""Hold the value of a metric with its confidence interval, or with the reason why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass

from performance.metrics.statistics.intervals import Interval

UNDEFINED = "It is undefined for these examples."
TINY_WEIGHTS = "The weights are so small that their squares are 0. Multiply all weights by a large number."
NO_INTERVAL = "No interval is known to hold for this metric."


@dataclass(frozen=True, slots=True)
class Estimate:
    """The value of a metric and its confidence interval. Each is `None` if it is undefined.

    `reason` says why the value is `None`, or else why there is no interval.
    """

    value: float | None
    interval: Interval | None = None
    reason: str | None = None


def known_intervals(estimates: Mapping[str, Estimate]) -> dict[str, Interval]:
    """Return the intervals of the estimates that have one, by name."""
    return {name: each.interval for name, each in estimates.items() if each.interval is not None}


def unavailable_metrics(estimates: Mapping[str, Estimate]) -> dict[str, str]:
    """Return why metrics have no value, by name."""
    return {name: each.reason or UNDEFINED for name, each in estimates.items() if each.value is None}


def unavailable_intervals(estimates: Mapping[str, Estimate]) -> dict[str, str]:
    """Return why metrics with a value have no interval, by name."""
    return {
        name: each.reason or NO_INTERVAL
        for name, each in estimates.items()
        if each.value is not None and each.interval is None
    }
