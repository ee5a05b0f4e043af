"""The newest snapshots of the versions that a policy compares."""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from models_registry.db.prepared import Row
from models_registry.registry import ids
from models_registry.task_types.base import TaskType
from performance.comparisons.models import ComparisonJob, PairedComparison
from performance.comparisons.services import PENDING, UNAVAILABLE, Compare, PairedIntervals
from performance.gates.gate_input import PROMOTED_ROLE, Baseline
from performance.gates.gate_metrics import find_gate_metric
from performance.gates.measurement import Estimate, Measurement
from performance.gates.policy import Policy
from performance.gates.regression import BEST, PROMOTED, Regression
from performance.gates.snapshot_rows import (
    have_same_predictions,
    measurement,
    other_snapshots,
    stored_pair,
)
from performance.metrics.comparison import PairingStatus
from performance.metrics.result import Slice
from performance.metrics.statistics.differences import IDENTICAL, independent_interval
from performance.metrics.statistics.intervals import Interval, IntervalDocument, stored_intervals
from performance.metrics.statistics.margins import CLASS_METRICS
from performance.snapshots.models import MetricSnapshot, SnapshotSlice


class VersionRef(NamedTuple):
    """A version's primary key, its number within the model, and its role as a baseline."""

    pk: int
    number: int
    role: str = PROMOTED_ROLE

    @property
    def version_id(self) -> str:
        """The public id."""
        return ids.version_id(self.number)


class PolicySnapshots:
    """The newest snapshots of the versions that a policy uses, on its split and dataset.

    `rows` are those of the judged version and of the promoted one. Those of other versions, and slices, are read when
    it is made.
    """

    def __init__(
        self,
        policy: Policy,
        task_type: TaskType,
        model_id: str,
        version: VersionRef,
        promoted: VersionRef | None,
        rows: Iterable[Row],
    ) -> None:
        self.policy, self.task_type, self.version, self.promoted = policy, task_type, version, promoted
        details = policy.applied_to(task_type).details
        self.rows = {row["version_id"]: row for row in rows}
        self.paired: dict[int, Mapping[str, IntervalDocument] | None] = {}  # the stored comparisons, by version
        if promoted and version.pk in self.rows:
            self.paired[promoted.pk] = stored_pair(self.rows[version.pk])
        self.others = self._read_others(model_id, details)
        slices = _slices([row["pk"] for row in self.rows.values()], policy)
        numbers = {each.pk: each.number for each in (version, promoted, *self.others) if each}
        self.measurements = {
            pk: measurement(row, numbers[pk], policy, slices.get(row["pk"], ())) for pk, row in self.rows.items()
        }

    def measured(self, version: VersionRef | None) -> Measurement | None:
        """Return what was measured of a version, `None` without a snapshot."""
        return self.measurements.get(version.pk) if version else None

    def datasets(self) -> dict[str, list[str]]:
        """Return the datasets that a version without a snapshot has metrics of, by its id.

        It is the judged version or the promoted one. There is no SQL statement if both have a snapshot.
        """
        without = [each for each in (self.version, self.promoted) if each and each.pk not in self.measurements]
        if not without:  # a queryset takes time to make, even if it is never evaluated
            return {}
        snapshots = MetricSnapshot.objects.filter(dataset_split=self.policy.dataset_split)
        return {each.version_id: snapshots.filter(version=each.pk).dataset_names() for each in without}

    def baselines(self, promoted: Baseline, compare: Compare | None) -> dict[object, Baseline]:
        """Return the versions that limits compare with, for those that do not compare with the promoted one."""
        if not self.policy.compared_with:
            return {}
        chosen: dict[tuple[str, str | None], list[Regression]] = {}
        for rule, against in self.policy.limits.items():
            if against != PROMOTED:
                chosen.setdefault((against, self._best(rule) if against == BEST else against), []).append(rule)
        found: dict[object, Baseline] = {}
        for (against, version_id), rules in chosen.items():
            role = "the best promoted" if against == BEST else ""
            version = next((each for each in self.others if each.version_id == version_id), None)
            # No promoted version has such a value: the rules compare with the promoted one, which lacks it too.
            baseline = promoted if version_id is None else Baseline(version_id, role=role)
            names = {rule.metric for rule in rules if rule.confidence is not None}
            compared = self.compared(baseline, version if version_id else self.promoted, names, compare)
            found |= dict.fromkeys(rules, compared)
        return found

    def compared(
        self, baseline: Baseline, version: VersionRef | None, names: Collection[str], compare: Compare | None
    ) -> Baseline:
        """Return a baseline with its snapshot and the intervals of the named differences."""
        before, now = self.measured(version), self.measured(self.version)
        if now is None or before is None or version is None:
            return Baseline(baseline.version_id, before, baseline.role)
        known = {name: self._independent(name, now, before) for name in names}
        differences = {name: interval for name, interval in known.items() if interval}
        pairing = None
        if differences:
            paired = self._pair(version, compare, names)
            differences |= {name: each for name, each in paired.intervals.items() if name in differences}
            if _are_identical(paired.intervals):
                differences |= {name: IDENTICAL for name in differences if _follows_from_labels(name)}
            pairing = paired.status
        shares = pairing is PairingStatus.COMPLETE or self._shares_examples(version)
        return Baseline(baseline.version_id, before, baseline.role, differences, pairing, shares)

    def _read_others(self, model_id: str, details: tuple[str, ...]) -> list[VersionRef]:
        """Read the snapshots of the versions that limits compare with beside the promoted one, and return these."""
        against = self.policy.compared_with
        if not against:
            return []
        numbers = [ids.version_number(each) for each in against - {BEST}]
        others = [*other_snapshots(model_id, self.policy, numbers, details, best=BEST in against)]
        self.rows |= {row["version_id"]: row for row in others if row["version_id"] not in self.rows}
        self.was_promoted = {row["version_id"] for row in others if row["was_promoted"]}
        if self.version.pk in self.rows and self.policy.difference_metrics:
            pairs = PairedComparison.objects.current().filter(
                snapshot=self.rows[self.version.pk]["pk"], baseline__in=[row["pk"] for row in others]
            )
            stored = dict(pairs.values_list("baseline__version_id", "intervals"))
            self.paired = {**stored, **{pk: each for pk, each in self.paired.items() if each is not None}}
        return [VersionRef(row["version_id"], row["version__number"]) for row in others]

    def _best(self, rule: Regression) -> str | None:
        """Return the id of the version that is best by a rule's metric among those promoted so far.

        Of equals it is the newest. The judged version does not count. Returns `None` if no other one has the metric.
        """
        gate_metric = find_gate_metric(rule.metric, self.task_type)
        if gate_metric is None or gate_metric.metric is None:
            return None
        metric = gate_metric.metric
        values = {
            each: self.measurements[each.pk].estimate(rule.metric, metric, rule.min_sample_count).value
            for each in self.others
            if each.pk in self.was_promoted and each.pk != self.version.pk
        }
        known = {each: metric.goodness(value) for each, value in values.items() if value is not None}
        return max(known, key=lambda each: (known[each], each.number)).version_id if known else None

    def _independent(self, name: str, now: Measurement, before: Measurement) -> Interval | None:
        """Return the interval of a difference as if the samples were independent."""
        ours, theirs = (each.estimate(name, None, None) for each in (now, before))
        return _difference(ours, theirs)

    def _shares_examples(self, version: VersionRef) -> bool:
        """Return whether the judged version is known to be measured on another one's examples by its predictions.

        A stored comparison without intervals is of different examples.
        """
        return self._has_same_predictions(version) or bool(self.paired.get(version.pk))

    def _has_same_predictions(self, version: VersionRef) -> bool:
        row, before = self.rows[self.version.pk], self.rows[version.pk]
        return bool(row["pk"] == before["pk"]) or have_same_predictions(row, before)

    def _pair(self, version: VersionRef, compare: Compare | None, names: Collection[str]) -> PairedIntervals:
        """Return the paired comparison of the judged version with another one.

        With the same predictions, no value differs, those of the named slices included.
        """
        row, before = self.rows[self.version.pk], self.rows[version.pk]
        if self._has_same_predictions(version):
            return PairedIntervals(PairingStatus.COMPLETE, dict.fromkeys(names, IDENTICAL))
        known = self.paired.get(version.pk)
        if known is not None:
            return PairedIntervals.computed(stored_intervals(known))
        if None in (row["detail__predictions_digest"], before["detail__predictions_digest"]):
            return UNAVAILABLE
        if compare is None:
            unfinished = ComparisonJob.objects.filter(snapshot=row["pk"], baseline=before["pk"], due_at__isnull=False)
            return PENDING if unfinished.exists() else UNAVAILABLE
        snapshots = MetricSnapshot.objects.select_related("version__model", "detail").defer_large()
        found = snapshots.in_bulk([row["pk"], before["pk"]])
        return compare(found[row["pk"]], found[before["pk"]])


def _are_identical(differences: Mapping[str, Interval]) -> bool:
    """Return whether paired intervals are those of identical predictions."""
    return bool(differences) and all(each == IDENTICAL for each in differences.values())


def _follows_from_labels(name: str) -> bool:
    """Return whether a quantity of one class follows from the labels: the paired comparison does not name it."""
    return name.startswith("per_class.") and name.rpartition(".")[2] in CLASS_METRICS


def _difference(ours: Estimate, theirs: Estimate) -> Interval | None:
    if ours.value is None or theirs.value is None:
        return None
    return independent_interval(ours.value, ours.interval, theirs.value, theirs.interval)


def _slices(snapshots: list[int], policy: Policy) -> dict[int, list[Slice]]:
    """Return the slices that rules may mean, by snapshot. There is no SQL statement without such a rule."""
    slices: dict[int, list[Slice]] = {}
    if not policy.slice_names:
        return slices
    attributes = {attribute for each in policy.slice_names for attribute in each.attributes}
    for row in SnapshotSlice.objects.filter(snapshot__in=snapshots, attribute__in=attributes):
        intervals = stored_intervals(row.confidence_intervals)
        slices.setdefault(row.snapshot_id, []).append(
            Slice(row.attribute, row.value, row.sample_count, row.metrics, intervals, row.intervals_unavailable)
        )
    return slices
