"""The newest snapshots of the versions that a policy compares."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from django.db.models import BigIntegerField, CharField, Exists, OuterRef, Q, QuerySet, Subquery

from models_registry.db.prepared import Parameter, PreparedQuery, Row
from models_registry.registry import ids
from models_registry.registry.models import Promotion
from models_registry.task_types.base import TaskType
from performance.comparisons.models import ComparisonJob, PairedComparison
from performance.comparisons.services import PENDING, UNAVAILABLE, Compare, PairedIntervals
from performance.gates.gate_input import Baseline
from performance.gates.gate_metrics import QUANTITIES, find_gate_metric, named_values
from performance.gates.measurement import COMPUTED, Estimate, Measurement, parse_slice_name
from performance.gates.policy import Policy
from performance.gates.regression import BEST, PROMOTED, Regression
from performance.metrics.comparison import MetricValues, PairingStatus, known_options
from performance.metrics.result import EvaluationWarning, Slice
from performance.metrics.statistics.differences import independent_interval
from performance.metrics.statistics.intervals import Interval, stored_intervals
from performance.snapshots.models import MetricSnapshot, SnapshotSlice

_VERSION = Parameter("version", BigIntegerField())
_BASELINE = Parameter("baseline", BigIntegerField())
_SPLIT = Parameter("split", CharField())
_DATASET = Parameter("dataset", CharField())
_DETAILS = ("further_metrics", "custom_metrics", "per_class", "confidence_intervals")  # read if a rule needs them
_CHOICES = ("positive_class", "averaging")
_FACTS = (  # that every verdict needs
    "pk",
    "version_id",
    "metrics",
    "sample_count",
    "source",
    "evaluated_at",
    "dataset",
    *(
        f"detail__{name}"
        for name in (
            "effective_sample_size",
            "missing_fraction",
            "train_overlap",
            *_CHOICES,
            "evaluation_options",
            "warnings",
            "examples_digest",
            "dataset_version",
            "metrics_unavailable",
            "intervals_unavailable",
            "dataset_digest",
            "predictions_digest",
        )
    ),
)


@dataclass(frozen=True, slots=True)
class VersionRef:
    """A version's primary key, and its number within the model."""

    pk: int
    number: int

    @property
    def version_id(self) -> str:
        """The public id."""
        return ids.version_id(self.number)


class PolicySnapshots:
    """The newest snapshots of the versions that a policy uses, on its split and dataset, read when it is made."""

    def __init__(
        self, policy: Policy, task_type: TaskType, model_id: str, version: VersionRef, promoted: VersionRef | None
    ) -> None:
        self.policy, self.task_type, self.version, self.promoted = policy, task_type, version, promoted
        details = _details(policy, task_type)
        place = {"split": policy.dataset_split, "dataset": policy.dataset}
        rows = _snapshots(details).all(version=version.pk, baseline=promoted.pk if promoted else 0, **place)
        self.rows = {row["version_id"]: row for row in rows}
        self.paired = {promoted.pk: self.rows[version.pk].get("paired")} if promoted and version.pk in self.rows else {}
        self.others = self._read_others(model_id, details)
        slices = _slices([row["pk"] for row in self.rows.values()], policy)
        self.measurements = {pk: _measured(row, self._number(pk), policy, slices) for pk, row in self.rows.items()}

    def measured(self, version: VersionRef | None) -> Measurement | None:
        """Return what was measured of a version, `None` without a snapshot."""
        return self.measurements.get(version.pk) if version else None

    def datasets(self) -> dict[str, list[str]]:
        """Return the datasets that a version without a snapshot has metrics of, by its id.

        It is the judged version or the promoted one. There is no SQL statement if both have a snapshot.
        """
        without = [each for each in (self.version, self.promoted) if each and each.pk not in self.measurements]
        snapshots = MetricSnapshot.objects.filter(dataset_split=self.policy.dataset_split)
        return {each.version_id: snapshots.filter(version=each.pk).dataset_names() for each in without}

    def limits_against(self, against: str) -> list[Regression]:
        """Return the limits against `promoted`, `best` or the id of a version."""
        return [rule for rule, each in self.policy.limits.items() if each == against]

    def baselines(self, promoted: Baseline, compare: Compare | None) -> dict[object, Baseline]:
        """Return the versions that limits compare with, for those that do not compare with the promoted one."""
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
            compared = self.compared(baseline, version if version_id else self.promoted, rules, compare)
            found |= dict.fromkeys(rules, compared)
        return found

    def compared(
        self, baseline: Baseline, version: VersionRef | None, rules: Iterable[Regression], compare: Compare | None
    ) -> Baseline:
        """Return a baseline with its snapshot and the intervals of the differences that some rules need."""
        before, now = self.measured(version), self.measured(self.version)
        if now is None or before is None or version is None:
            return Baseline(baseline.version_id, before, baseline.role)
        names = {rule.metric for rule in rules if rule.confidence is not None}
        known = {name: self._independent(name, now, before) for name in names}
        differences = {name: interval for name, interval in known.items() if interval}
        pairing = None
        if differences:
            paired = self._pair(version, compare)
            differences |= {name: each for name, each in paired.intervals.items() if name in differences}
            pairing = paired.status
        return Baseline(baseline.version_id, before, baseline.role, differences, pairing)

    def _read_others(self, model_id: str, details: tuple[str, ...]) -> list[VersionRef]:
        """Read the snapshots of the versions that limits compare with beside the promoted one, and return these."""
        against = {*self.policy.limits.values()} - {PROMOTED}
        if not against:
            return []
        numbers = [ids.version_number(each) for each in against - {BEST}]
        others = [*_other_snapshots(model_id, self.policy, numbers, details, best=BEST in against)]
        self.rows |= {row["version_id"]: row for row in others if row["version_id"] not in self.rows}
        self.was_promoted = {row["version_id"] for row in others if row["was_promoted"]}
        if self.version.pk in self.rows and self.policy.difference_metrics:
            pairs = PairedComparison.objects.filter(
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

    def _pair(self, version: VersionRef, compare: Compare | None) -> PairedIntervals:
        """Return the paired comparison of the judged version with another one."""
        row, before = self.rows[self.version.pk], self.rows[version.pk]
        if row["pk"] == before["pk"] or _have_same_predictions(row, before):
            intervals = dict.fromkeys(self.measurements[version.pk].metrics.intervals, Interval(0.0, 0.0, "identical"))
            return PairedIntervals(PairingStatus.COMPLETE, intervals)
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

    def _number(self, pk: int) -> int:
        """Return the number of a version."""
        known = [self.version, *([self.promoted] if self.promoted else []), *self.others]
        return next(each.number for each in known if each.pk == pk)


def _have_same_predictions(row: Row, before: Row) -> bool:
    """Return whether both rows were computed from one file with the same options, so that they cannot differ."""
    digest = row["detail__dataset_digest"]
    names = ("source", *(f"detail__{name}" for name in ("dataset_digest", "evaluation_options", *_CHOICES)))
    return digest is not None and row["source"] == COMPUTED and all(row[name] == before[name] for name in names)


def _difference(ours: Estimate, theirs: Estimate) -> Interval | None:
    if ours.value is None or theirs.value is None:
        return None
    return independent_interval(ours.value, ours.interval, theirs.value, theirs.interval)


def _other_snapshots(
    model_id: str, policy: Policy, numbers: list[int], details: tuple[str, ...], *, best: bool
) -> QuerySet[MetricSnapshot, Row]:
    """Return the newest snapshots of a model's numbered versions, and with `best` of each one promoted so far."""
    promotions = Exists(Promotion.objects.filter(version=OuterRef("version")))
    wanted = Q(version__number__in=numbers) | Q(was_promoted=True) if best else Q(version__number__in=numbers)
    place = {"dataset_split": policy.dataset_split, "dataset": policy.dataset}
    newest = MetricSnapshot.objects.filter(version=OuterRef("version"), **place).newest_first().values("pk")[:1]
    snapshots = MetricSnapshot.objects.filter(version__model=model_id, version__state="completed", **place)
    found: QuerySet[MetricSnapshot, Row] = (
        snapshots.annotate(was_promoted=promotions)
        .filter(wanted, pk=Subquery(newest))
        .values(*_FACTS, "version__number", "was_promoted", *(f"detail__{name}" for name in details))
    )
    return found


def _slices(snapshots: list[int], policy: Policy) -> dict[int, list[Slice]]:
    """Return the slices that rules may mean, by snapshot. There is no SQL statement without such a rule."""
    parts = [found for rule in policy.rules if (found := parse_slice_name(rule.metric))]
    slices: dict[int, list[Slice]] = {}
    if not parts:
        return slices
    attributes = {attribute for each in parts for attribute in each.attributes}
    for row in SnapshotSlice.objects.filter(snapshot__in=snapshots, attribute__in=attributes):
        intervals = stored_intervals(row.confidence_intervals)
        slices.setdefault(row.snapshot_id, []).append(
            Slice(row.attribute, row.value, row.sample_count, row.metrics, intervals, row.intervals_unavailable)
        )
    return slices


def _details(policy: Policy, task_type: TaskType) -> tuple[str, ...]:
    """Return the details of snapshots that the rules use. The others would take time to read."""
    names = {rule.metric for rule in policy.rules}
    looked_at = {
        "further_metrics": not names.isdisjoint(metric.name for metric in task_type.further),
        "custom_metrics": any(name.startswith("custom.") for name in names),
        "per_class": any(name.startswith("per_class.") for name in names),
        "confidence_intervals": bool(policy.confidence_metrics),
    }
    return tuple(name for name, needed in looked_at.items() if needed)


def _measured(row: Row, number: int, policy: Policy, slices: Mapping[int, list[Slice]]) -> Measurement:
    """Return what was measured, from a row, with the intervals that rules ask for."""
    further, custom, per_class, intervals = (row.get(f"detail__{name}") or {} for name in _DETAILS)
    quantities = {name: row.get(f"detail__{name}", row.get(name)) for name in QUANTITIES}
    values = named_values({**further, **row["metrics"]}, quantities=quantities, custom=custom, per_class=per_class)
    found = stored_intervals({name: intervals[name] for name in policy.confidence_metrics & intervals.keys()})
    options = known_options(
        row["detail__evaluation_options"] or {}, row["detail__positive_class"], row["detail__averaging"]
    )
    unavailable = {**(row["detail__intervals_unavailable"] or {}), **(row["detail__metrics_unavailable"] or {})}
    return Measurement(
        ids.version_id(number),
        MetricValues(values, found, options, unavailable),
        row["source"],
        row["sample_count"],
        row["evaluated_at"],
        row["dataset"],
        row["detail__dataset_version"],
        row["detail__examples_digest"],
        [EvaluationWarning(**each) for each in row["detail__warnings"] or ()],
        slices.get(row["pk"], ()),
    )


@cache
def _snapshots(details: tuple[str, ...]) -> PreparedQuery:
    """Return the statement for the newest snapshots of two versions on one split, with their paired comparison."""

    def newest(version: Parameter) -> Subquery:
        snapshots = MetricSnapshot.objects.filter(version=version, dataset_split=_SPLIT, dataset=_DATASET)
        return Subquery(snapshots.newest_first().values("pk")[:1])

    rows = MetricSnapshot.objects.filter(Q(pk=newest(_VERSION)) | Q(pk=newest(_BASELINE)))
    comparisons = PairedComparison.objects.filter(snapshot=newest(_VERSION), baseline=newest(_BASELINE))
    columns = [*_FACTS, *(f"detail__{name}" for name in details)]
    if "confidence_intervals" not in details:
        return PreparedQuery(rows.values(*columns))
    return PreparedQuery(rows.values(*columns, paired=Subquery(comparisons.values("intervals"))))
