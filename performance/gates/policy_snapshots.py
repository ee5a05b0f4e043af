"""The snapshots of the versions that a policy compares."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from models_registry.db.prepared import Row
from models_registry.registry import ids
from models_registry.task_types.base import TaskType
from performance.comparisons.models import ComparisonJob, PairedComparison
from performance.comparisons.services import PENDING, UNAVAILABLE, Compare, PairedIntervals
from performance.gates.gate_input import PROMOTED_ROLE, Baseline
from performance.gates.gate_metrics import GateMetric, find_gate_metric
from performance.gates.measurement import Estimate, Measurement
from performance.gates.policy import Policy
from performance.gates.regression import BEST, PROMOTED, ROUNDING, Regression
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
    """A version's primary key, its number within the model, and its role as a baseline.

    `snapshot` is the primary key of the snapshot that is meant, `None` for the newest.
    """

    pk: int
    number: int
    role: str = PROMOTED_ROLE
    snapshot: int | None = None

    @property
    def version_id(self) -> str:
        """The public id."""
        return ids.version_id(self.number)


class PolicySnapshots:
    """The snapshots of the versions that a policy uses, on its split and dataset.

    They are the newest ones, and the earlier ones of versions that may be the best so far. `rows` are those of the
    judged version and of the promoted one. Those of other versions, and slices, are read when it is made.
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
        self.rows = {row["pk"]: row for row in rows}
        self.newest = {row["version_id"]: pk for pk, row in self.rows.items()}  # snapshots, by version
        self.paired: dict[int, Mapping[str, IntervalDocument] | None] = {}  # the stored comparisons, by snapshot
        if promoted and version.pk in self.newest and promoted.pk in self.newest:
            self.paired[self.newest[promoted.pk]] = stored_pair(self._row(version))
        self.others = self._read_others(model_id, details)
        slices = _slices([*self.rows], policy)
        numbers = {each.pk: each.number for each in (version, promoted, *self.others) if each}
        self.measurements = {
            pk: measurement(row, numbers[row["version_id"]], policy, slices.get(pk, ()))
            for pk, row in self.rows.items()
        }

    def measured(self, version: VersionRef | None) -> Measurement | None:
        """Return what was measured of a version, `None` without a snapshot."""
        pk = (version.snapshot or self.newest.get(version.pk)) if version else None
        return None if pk is None else self.measurements[pk]

    def datasets(self) -> dict[str, list[str]]:
        """Return the datasets that a version without a snapshot has metrics of, by its id.

        It is the judged version or the promoted one. There is no SQL statement if both have a snapshot.
        """
        without = [each for each in (self.version, self.promoted) if each and each.pk not in self.newest]
        if not without:  # a queryset takes time to make, even if it is never evaluated
            return {}
        snapshots = MetricSnapshot.objects.filter(dataset_split=self.policy.dataset_split)
        return {each.version_id: snapshots.filter(version=each.pk).dataset_names() for each in without}

    def baselines(self, promoted: Baseline, compare: Compare | None) -> dict[object, Baseline]:
        """Return the versions that limits compare with, for those that do not compare with the promoted one."""
        if not self.policy.compared_with:
            return {}
        chosen: dict[tuple[str, VersionRef | None], list[Regression]] = {}
        for rule, against in self.policy.limits.items():
            if against != PROMOTED:
                version = self._best(rule) if against == BEST else self._named(against)
                chosen.setdefault((against, version), []).append(rule)
        found: dict[object, Baseline] = {}
        for (against, version), rules in chosen.items():
            if against != BEST:
                baseline = Baseline(against, role="")
            elif version:
                role = "the best promoted" if version.snapshot is None else "an earlier snapshot of the best promoted"
                baseline = Baseline(version.version_id, role=role)
            else:  # No promoted version has such a value: the rules compare with the promoted one, which lacks it too.
                baseline, version = promoted, self.promoted
            names = {rule.metric for rule in rules if rule.confidence is not None}
            found |= dict.fromkeys(rules, self.compared(baseline, version, names, compare))
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
        digest = self._row(self.version)["detail__examples_digest"] if self.version.pk in self.newest else None
        others = [*other_snapshots(model_id, self.policy, numbers, details, digest, best=BEST in against)]
        self.rows = {**{row["pk"]: row for row in others}, **self.rows}
        self.newest |= {row["version_id"]: row["pk"] for row in others if row["is_newest"]}
        self.was_promoted = {row["version_id"] for row in others if row["was_promoted"]}
        if self.version.pk in self.newest and self.policy.difference_metrics:
            pairs = PairedComparison.objects.current().filter(
                snapshot=self.newest[self.version.pk], baseline__in=[row["pk"] for row in others]
            )
            stored = dict(pairs.values_list("baseline_id", "intervals"))
            self.paired = {**stored, **{pk: each for pk, each in self.paired.items() if each is not None}}
        return [
            VersionRef(row["version_id"], row["version__number"], snapshot=None if row["is_newest"] else row["pk"])
            for row in others
        ]

    def _named(self, version_id: str) -> VersionRef | None:
        """Return a version that limits name, `None` if it has no snapshot."""
        return next((each for each in self.others if each.version_id == version_id and each.snapshot is None), None)

    def _best(self, rule: Regression) -> VersionRef | None:
        """Return the version that is best by a rule's metric among those promoted so far, with the snapshot that shows.

        Of equals it is the newest. The judged version does not count. Returns `None` if no other one has the metric.
        """
        gate_metric = find_gate_metric(rule.metric, self.task_type)
        if gate_metric is None or gate_metric.metric is None:
            return None
        metric = gate_metric.metric
        best: tuple[float, VersionRef] | None = None
        for each in sorted(self.others, key=lambda each: (each.number, each.snapshot is None), reverse=True):
            if each.pk not in self.was_promoted or each.pk == self.version.pk:
                continue
            measured = self.measured(each)
            value = measured.estimate(rule.metric, metric, rule.min_sample_count).value if measured else None
            if value is None or (each.snapshot and not self._is_comparable(each, gate_metric)):
                continue
            goodness = metric.goodness(value)
            if best is None or (goodness > best[0] and not math.isclose(goodness, best[0], rel_tol=ROUNDING)):
                best = goodness, each
        return best and best[1]

    def _is_comparable(self, version: VersionRef, gate_metric: GateMetric) -> bool:
        """Return whether a limit could be judged by an earlier snapshot of another version."""
        now, before = self.measured(self.version), self.measured(version)
        if now is None or before is None:
            return False
        requirements = self.policy.applied_to(self.task_type).requirements
        if requirements.problem(before, "") or now.metrics.differing_options(before.metrics, gate_metric.depends_on):
            return False
        is_same = self._has_same_predictions(version) or now.has_same_examples(before)
        return is_same is True or requirements.dataset_problem(now, before, "") is None

    def _independent(self, name: str, now: Measurement, before: Measurement) -> Interval | None:
        """Return the interval of a difference as if the samples were independent."""
        ours, theirs = (each.estimate(name, None, None) for each in (now, before))
        return _difference(ours, theirs)

    def _shares_examples(self, version: VersionRef) -> bool:
        """Return whether the judged version is known to be measured on another one's examples by its predictions.

        A stored comparison without intervals is of different examples.
        """
        return self._has_same_predictions(version) or bool(self.paired.get(self._row(version)["pk"]))

    def _row(self, version: VersionRef) -> Row:
        return self.rows[version.snapshot or self.newest[version.pk]]

    def _has_same_predictions(self, version: VersionRef) -> bool:
        row, before = self._row(self.version), self._row(version)
        return bool(row["pk"] == before["pk"]) or have_same_predictions(row, before)

    def _pair(self, version: VersionRef, compare: Compare | None, names: Collection[str]) -> PairedIntervals:
        """Return the paired comparison of the judged version with another one.

        With the same predictions, no value differs, those of the named slices included.
        """
        row, before = self._row(self.version), self._row(version)
        if self._has_same_predictions(version):
            return PairedIntervals(PairingStatus.COMPLETE, dict.fromkeys(names, IDENTICAL))
        known = self.paired.get(before["pk"])
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
