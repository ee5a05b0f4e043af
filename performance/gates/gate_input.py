"""The input of a gate's rules, and their verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from performance.gates.measurement import Measurement, usable_interval
from performance.gates.requirements import Requirements
from performance.metrics.comparison import PairingStatus
from performance.metrics.statistics.intervals import Interval
from performance.snapshots.dataset_names import list_datasets

PROMOTED_ROLE, REPLACED_ROLE = "the promoted", "the previously promoted"  # of the version that limits compare with


class Operator(StrEnum):
    """How a value must compare with a threshold."""

    AT_LEAST = ">="
    MORE = ">"
    AT_MOST = "<="
    LESS = "<"

    @property
    def is_lower_bound(self) -> bool:
        """Whether the threshold is a lower bound."""
        return self in (Operator.AT_LEAST, Operator.MORE)


class RuleStatus(StrEnum):
    """The result of a rule. `missing` is a failure too: a value that the rule needs was not recorded."""

    PASSED = "passed"
    FAILED = "failed"
    MISSING = "missing"


class RuleVerdict(NamedTuple):
    """The result of a rule, with the `value` and the `threshold` that it was compared with.

    For a limit on regression, the threshold follows from the baseline's value; it is `None` without a baseline.
    `interval` is set if the rule requires confidence: it is that of the value, or of its difference from the baseline's
    value. `same_dataset` says whether both were measured on the same examples, `None` if that is unknown.
    `needed_sample_count` is how many examples a rule with confidence needs that failed for lack of examples, if the
    value stays the same.
    """

    metric: str
    operator: Operator | None
    threshold: float | None
    value: float | None
    status: RuleStatus
    detail: str
    interval: Interval | None = None
    baseline_value: float | None = None
    baseline_version_id: str | None = None
    same_dataset: bool | None = None
    needed_sample_count: int | None = None


@dataclass(eq=False)
class Baseline:
    """The version that a limit on regression compares with. `version_id` is `None` if there is none.

    `measured` is `None` without a snapshot. `role` is what the version is to the limit, such as `the promoted`.
    `differences` holds the intervals of the judged version's value minus the baseline's value. `pairing` says whether
    these come from comparing example by example; it is `None` if no rule needs that. `shares_examples` says whether the
    predictions prove that both were measured on the same examples.
    """

    version_id: str | None
    measured: Measurement | None = None
    role: str = PROMOTED_ROLE
    differences: Mapping[str, Interval] = field(default_factory=dict)
    pairing: PairingStatus | None = None
    shares_examples: bool = False

    @cached_property
    def title(self) -> str:
        """The version and its role, such as `the promoted ver-00001`."""
        return f"{self.role} {self.version_id}".strip()

    def difference(self, metric: str, level: float) -> Interval | None:
        """Return the interval of the difference, `None` unless it is finite and of this level."""
        return usable_interval(self.differences.get(metric), level)


class Comparability(NamedTuple):
    """Whether two snapshots are of the same examples, `None` if that is unknown, and why not to use the baseline's.

    The age of a baseline does not matter. `differing_options` are the options of the evaluation that differ, and
    `unknown_options` those that are known of one snapshot alone.
    """

    same_dataset: bool | None
    problem: str | None = None
    differing_options: frozenset[str] = frozenset()
    unknown_options: frozenset[str] = frozenset()


@dataclass(eq=False)
class GateInput:
    """What is known of the judged version and of its baselines, all on the policy's split and dataset.

    `measured` is `None` without a snapshot. `promoted` is the promoted version; `baselines` holds the versions that
    other limits compare with, by rule. `dataset` is the name of the dataset, empty for the primary one. `datasets`
    names those that a version without a snapshot has metrics of, by its id.
    """

    model_id: str
    version_id: str
    dataset_split: str
    measured: Measurement | None
    promoted: Baseline
    baselines: Mapping[object, Baseline] = field(default_factory=dict)
    dataset: str = ""
    datasets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    requirements: Requirements = field(default_factory=Requirements)
    judged_at: datetime | None = None

    def baseline_of(self, rule: object) -> Baseline:
        """Return the version that a limit compares with."""
        return self.baselines.get(rule, self.promoted) if self.baselines else self.promoted

    @cached_property
    def problem(self) -> str | None:
        """Why the version's snapshot must not be used, if so."""
        if self.measured is None:
            return None
        problem = self.requirements.problem(self.measured, self.version_id)
        if problem is None and self.judged_at is not None:
            return self.requirements.age_problem(self.measured, self.judged_at)
        return problem

    def comparability(self, baseline: Baseline) -> Comparability:
        """Return whether the version's snapshot can be compared with a baseline's: it is the same for many rules."""
        known = self._comparabilities.get(baseline)
        return known or self._comparabilities.setdefault(baseline, self._find_comparability(baseline))

    @cached_property
    def _comparabilities(self) -> dict[Baseline, Comparability]:
        return {}

    def _find_comparability(self, baseline: Baseline) -> Comparability:
        measured, before = self.measured, baseline.measured
        if measured is None or before is None:
            return Comparability(None)
        same = baseline.shares_examples or measured.has_same_examples(before)
        problem = self.requirements.problem(before, baseline.title)
        if problem is None and not same:
            problem = self.requirements.dataset_problem(measured, before, baseline.title)
        ours, theirs = measured.metrics, before.metrics
        differing = ours.differing_options(theirs, ours.options) if ours.options else ()
        return Comparability(
            same, problem, frozenset(differing), frozenset(ours.options.keys() ^ theirs.options.keys())
        )

    def missing_message(self, metric: str, reason: str | None = None) -> str:
        """Say that the version has no such value, and why if that is known."""
        return self._missing(self.version_id, self.measured, metric, reason or self._elsewhere(self.version_id))

    def missing_baseline_message(self, baseline: Baseline, metric: str, reason: str | None = None) -> str:
        """Say that a baseline has no such value, and why if that is known."""
        title = f"{baseline.title[0].upper()}{baseline.title[1:]}" if baseline.role else baseline.title
        return self._missing(title, baseline.measured, metric, reason or self._elsewhere(baseline.version_id))

    def _elsewhere(self, version_id: str | None) -> str | None:
        """Say which datasets a version without a snapshot has metrics of, if any."""
        listed = list_datasets(self.datasets.get(version_id or "", ()))
        return f"It has some for {listed}." if listed else None

    def _missing(self, title: str, measured: Measurement | None, metric: str, reason: str | None) -> str:
        what = "no metrics" if measured is None else f"no {metric}"
        where = f"the dataset {self.dataset!r} of " if self.dataset else ""
        return f"{title} has {what} for {where}the split {self.dataset_split}.{f' {reason}' if reason else ''}"
