"""Reads of the comparison pages: two snapshots with all that the page shows of them."""

from dataclasses import dataclass

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Exists, OuterRef, QuerySet

from models_registry import task_types
from models_registry.registry import ids
from models_registry.registry.models import RegisteredModel, Version
from models_registry.task_types.base import TaskType
from performance.comparison_pages.tables import StoredMatrix
from performance.comparisons.selectors import Differences, compare_snapshots
from performance.evaluations.models import MisclassifiedExample
from performance.metrics.comparison import OptionValue, PairingStatus
from performance.snapshots.models import MetricSnapshot, SnapshotSlice
from performance.snapshots.querysets import MetricSnapshotQuerySet
from performance.snapshots.selectors import SnapshotLookup
from performance.snapshots.tables import MAX_MATRIX_CELLS

MAX_OFFERED = 50  # versions that a form suggests

SAME, OTHER, UNKNOWN = "same", "other", "unknown"  # whether two snapshots are of the same examples


@dataclass(frozen=True, slots=True)
class Pair:
    """Two snapshots of one task type, and how their metrics differ."""

    snapshot: MetricSnapshot  # as `with_matrix_rows` reads it
    baseline: MetricSnapshot
    differences: Differences

    @property
    def task_type(self) -> TaskType:
        """The task type of both."""
        return task_types.get(self.snapshot.version.model.task_type)

    @property
    def names(self) -> tuple[str, str]:
        """Different names for the two snapshots: the versions, with their models if the models differ."""
        versions = self.snapshot.version, self.baseline.version
        if versions[0] == versions[1]:
            return f"{self.snapshot.name} (#{self.snapshot.pk})", f"{self.baseline.name} (#{self.baseline.pk})"
        if versions[0].model_id == versions[1].model_id:
            return versions[0].version_id, versions[1].version_id
        names = str(versions[0]), str(versions[1])
        if names[0] != names[1]:
            return names
        return f"{names[0]} of {versions[0].model_id}", f"{names[1]} of {versions[1].model_id}"

    @property
    def examples(self) -> str:
        """Whether both were measured on the same examples: `same`, `other` or `unknown`."""
        if self.differences.pairing is PairingStatus.COMPLETE:
            return SAME
        newer, older = self.snapshot.details.examples, self.baseline.details.examples
        return {True: SAME, False: OTHER, None: UNKNOWN}[newer.are_same(older)]

    @property
    def matrices(self) -> tuple[StoredMatrix, StoredMatrix] | None:
        """The confusion matrices, if both have one."""
        both = [
            StoredMatrix(each.matrix_labels, each.matrix_counts)
            for each in (self.snapshot, self.baseline)
            if each.matrix_labels
        ]
        return (both[0], both[1]) if len(both) == 2 else None

    @property
    def options(self) -> tuple[dict[str, OptionValue], dict[str, OptionValue]]:
        """What the metrics of each were computed with."""
        newer, older = (each.known_options for each in (self.snapshot.details, self.baseline.details))
        return newer, older

    def slices(self) -> tuple[list[SnapshotSlice], list[SnapshotSlice]]:
        """Return the slices of each."""
        both = SnapshotSlice.objects.filter(snapshot__in=[self.snapshot.pk, self.baseline.pk])
        rows = [*both.order_by("attribute", "position")]
        newer, older = ([row for row in rows if row.snapshot_id == each.pk] for each in (self.snapshot, self.baseline))
        return newer, older

    def wrong_in_one(self, *, wrong: MetricSnapshot, right: MetricSnapshot) -> "QuerySet[MisclassifiedExample] | None":
        """Return the stored examples that one of the two predicted wrong and the other one right.

        Returns `None` if this isn't known: unless both predicted the same examples, and all that the other one
        predicted wrong are stored.
        """
        if self.differences.pairing is not PairingStatus.COMPLETE or not self.task_type.has_classes:
            return None
        errors: QuerySet[MisclassifiedExample] = right.misclassified.all()
        if right.details.misclassified_count is None or errors.count() < right.details.misclassified_count:
            return None
        too = errors.filter(example_id=OuterRef("example_id"))
        return wrong.misclassified.filter(~Exists(too), example_id__isnull=False).order_by("rank")


def read_pair(snapshots: "QuerySet[MetricSnapshot]", snapshot: int, baseline: int) -> Pair | None:
    """Return two of the snapshots by their keys, compared, or `None` if one isn't among them.

    It computes the paired comparison within the limits for requests, as the comparison over HTTP does.
    """
    rows: MetricSnapshotQuerySet = MetricSnapshot.objects.select_related("version__model__organization", "detail")
    permitted = snapshots.filter(pk__in=[snapshot, baseline]).order_by().values("pk")
    found = rows.with_matrix_rows(0, MAX_MATRIX_CELLS).filter(pk__in=permitted).in_bulk()
    if not {snapshot, baseline} <= found.keys():
        return None
    newer, older = found[snapshot], found[baseline]
    if newer.version.model.task_type != older.version.model.task_type:
        return Pair(newer, older, Differences({}, PairingStatus.UNAVAILABLE))
    return Pair(newer, older, compare_snapshots(newer, older))


def look_up_snapshot(model: RegisteredModel, *, version_id: str, dataset_split: str, dataset: str) -> SnapshotLookup:
    """Look up a version of a model that the caller may read, and its newest snapshot of a split and dataset."""
    versions = Version.objects.filter(model=model)
    number = ids.version_number(version_id)
    version = versions.filter(number=number).values("number", "state").first()
    snapshots = MetricSnapshot.objects.for_model(model.pk, dataset_split, number, dataset=dataset).newest_first()
    newest = snapshots.values("metrics", "evaluated_at").first()
    return SnapshotLookup(
        model_id=model.pk,
        task_type=model.task_type,
        permitted=True,
        dataset_split=dataset_split,
        asked_for=version_id,
        newest_completed=versions.completed().newest_first().values_list("number", flat=True).first(),
        number=version["number"] if version else None,
        version_state=version["state"] if version else None,
        newest=newest and {"metrics": newest["metrics"], "evaluated_at": newest["evaluated_at"].isoformat()},
        database=DEFAULT_DB_ALIAS,
        dataset=dataset,
    )


def newest_versions(model: RegisteredModel) -> list[Version]:
    """Return the newest completed versions of a model, as many as a form suggests."""
    return [*Version.objects.filter(model=model).completed().newest_first()[:MAX_OFFERED]]
