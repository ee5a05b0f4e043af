"""Reads of the newest snapshot, of its curves and slices, and of a metric's history."""

import random
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.db.models import CharField, Exists, FilteredRelation, IntegerField, Q, QuerySet, Subquery

from models_registry import task_types
from models_registry.accounts.scopes import Scope
from models_registry.api.errors import InvalidParameterError, NotFoundError
from models_registry.db.prepared import Nested, Parameter, PreparedQuery, as_document, first_row
from models_registry.registry import ids
from models_registry.registry.errors import (
    ModelNotFoundError,
    NoPromotedVersionError,
    NoTrainedVersionError,
    VersionNotFoundError,
    VersionNotTrainedError,
)
from models_registry.registry.models import RegisteredModel, Version
from models_registry.task_types import base
from models_registry.tokens.jwt import Caller
from models_registry.tokens.selectors import USER, account_rows, check_login
from performance.snapshots.dataset_names import list_datasets
from performance.snapshots.errors import NotAvailableForTaskTypeError, SnapshotNotFoundError
from performance.snapshots.models import MetricSnapshot, SnapshotSlice, Source
from performance.snapshots.querysets import MetricSnapshotQuerySet, SnapshotSliceQuerySet

_MODEL = Parameter("model", CharField())
_NUMBER = Parameter("number", IntegerField())
_SPLIT = Parameter("split", CharField())
_DATASET = Parameter("dataset", CharField())


class SnapshotLookup(NamedTuple):
    """The result of one SQL statement: a caller's access, a model, a version of it and its newest snapshot.

    The snapshot is that of a split and a dataset, given by its name; an empty name is the primary dataset.

    `permitted` says whether the caller may read the model. `asked_for` is the version id in the request; `None` means
    the promoted version. `number` and `version_state` are `None` if there is no such version, and `newest` if the
    version has no such snapshot: its metrics, and when it was evaluated.
    """

    model_id: str
    task_type: str
    permitted: bool
    dataset_split: str
    asked_for: str | None
    newest_completed: int | None
    number: int | None
    version_state: str | None
    newest: dict[str, Any] | None
    database: str
    dataset: str = ""

    def refuse_untrained(self) -> None:
        """Raise `NoTrainedVersionError` if the model has no completed version."""
        if self.newest_completed is None:
            raise NoTrainedVersionError(
                f"{self.model_id} has no completed version yet. Ask again once its training has completed."
            )

    def completed_version(self) -> str:
        """Return the version's id.

        Raises, in this order: `NoTrainedVersionError`, `VersionNotFoundError` or `NoPromotedVersionError`, and
        `VersionNotTrainedError`.
        """
        self.refuse_untrained()
        if self.number is None:
            raise self._version_missing()
        version_id = ids.version_id(self.number)
        if self.version_state != Version.State.COMPLETED:
            raise VersionNotTrainedError(
                f"{version_id} is {self.version_state}. Ask for a completed version: "
                f"the newest is {ids.version_id(self.newest_completed or 0)}."
            )
        return version_id

    def snapshot(self) -> "FoundSnapshot":
        """Return the snapshot. Raises what `completed_version` raises, then `SnapshotNotFoundError`."""
        version_id = self.completed_version()
        if self.newest is None:
            raise self._snapshot_missing(version_id)
        return FoundSnapshot(
            self.model_id,
            version_id,
            self.task_type,
            self.dataset_split,
            metrics=self.newest["metrics"],
            evaluated_at=_read_time(self.newest["evaluated_at"]),
        )

    def _snapshot_missing(self, version_id: str) -> SnapshotNotFoundError:
        """Return the error. It names the datasets that the version has metrics of for the split."""
        snapshots = MetricSnapshot.objects.using(self.database)
        names = snapshots.for_model(self.model_id, self.dataset_split, self.number, dataset=None).dataset_names()
        of_dataset = f" and the dataset {self.dataset!r}" if self.dataset else ""
        advice = "Ask for another split, or evaluate it on this one first."
        if listed := list_datasets(names):
            advice = f"It has some for {listed}. Name one as `dataset`; without it, the primary dataset is read."
        return SnapshotNotFoundError(
            f"{version_id} has no metrics for the split {self.dataset_split}{of_dataset}. {advice}"
        )

    def _version_missing(self) -> VersionNotFoundError | NoPromotedVersionError:
        newest = ids.version_id(self.newest_completed or 0)
        if self.asked_for is not None:
            return VersionNotFoundError(
                f"{self.model_id} has no version {self.asked_for[:40]}. Its newest completed version is {newest}."
            )
        return NoPromotedVersionError(
            f"{self.model_id} has no promoted version. Promote one, or ask for one by `version_id`: "
            f"the newest completed version is {newest}."
        )


class FoundSnapshot(NamedTuple):
    """A snapshot's metrics, with the model, version and split that they belong to."""

    model_id: str
    version_id: str
    task_type: str
    dataset_split: str
    metrics: dict[str, float]
    evaluated_at: datetime


def read_performance(
    *, caller: Caller, model_id: str, dataset_split: str, version_id: str | None = None, dataset: str = ""
) -> SnapshotLookup:
    """Look up a model, a version and its newest snapshot of a split and dataset for a caller.

    The version is by default the promoted one, and the dataset the primary one, whose name is empty. Always takes one
    SQL statement. Raises `InvalidTokenError` if the caller may no longer log in, and
    `ModelNotFoundError`.
    """
    database = random.choice(settings.REPLICAS) if settings.REPLICAS else DEFAULT_DB_ALIAS  # noqa: S311  # spreads load
    found = summary_statement(promoted=version_id is None).first(
        using=database,
        user=caller.pk,
        family=caller.family,
        model=model_id if ids.is_model_id(model_id) else "",
        number=0 if version_id is None else ids.version_number(version_id),
        split=dataset_split,
        dataset=dataset,
    )
    row = check_login(found and found["row"], caller)
    model = row["model"]
    if model is None:
        raise ModelNotFoundError(f"There is no model {model_id[:40]!r}. Check the id.")
    return SnapshotLookup(
        model_id=model_id,
        task_type=model["task_type"],
        permitted=bool(row["is_superuser"] or row["permitted"]) and Scope.MODEL_READ in caller.scopes,
        dataset_split=dataset_split,
        asked_for=version_id,
        newest_completed=row["newest_completed"],
        number=model["number"],
        version_state=model["state"],
        newest=row["newest"],
        database=database,
        dataset=dataset,
    )


def _read_time(stored: str) -> datetime:
    """Return a time in a JSON column. SQLite's has no time zone: it is UTC."""
    time = datetime.fromisoformat(stored)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def report(lookup: SnapshotLookup) -> MetricSnapshot:
    """Return the newest snapshot with its detail, and the worst slice of each attribute as `worst_slices`.

    The worst slice is that by the first summary metric. Only computed snapshots have slices. Raises what
    `SnapshotLookup.snapshot` raises.
    """
    snapshot: Any = detailed_snapshot(lookup)
    metric = task_types.get(lookup.task_type).metrics[0]
    slices = snapshot.slices if snapshot.source == Source.COMPUTED else SnapshotSlice.objects.none()
    snapshot.worst_slices = [*slices.worst_by_attribute(metric)]
    found: MetricSnapshot = snapshot
    return found


def detailed_snapshot(lookup: SnapshotLookup) -> MetricSnapshot:
    """Return the newest snapshot with its detail. Raises what `SnapshotLookup.snapshot` raises."""
    return newest_snapshot(lookup, found_snapshots(lookup).defer_large())


def curves(lookup: SnapshotLookup) -> MetricSnapshot:
    """Return the newest snapshot with its curves.

    Raises `NotAvailableForTaskTypeError` for a task type without curves, what `SnapshotLookup.snapshot` raises, and
    `NotFoundError` if the snapshot was not computed here.
    """
    if not task_types.get(lookup.task_type).has_curves:
        raise NotAvailableForTaskTypeError(f"Models of {lookup.task_type} have no curves.")
    return computed_only(newest_snapshot(lookup, found_snapshots(lookup).defer("detail__confusion_matrix")))


def slices(lookup: SnapshotLookup, *, by: str, order_by: str | None = None) -> SnapshotSliceQuerySet:
    """Return the newest snapshot's slices by an attribute, with their `goodness` in a summary metric.

    Raises what `SnapshotLookup.snapshot` raises, `NotFoundError` if the snapshot has no slices, and
    `InvalidParameterError` if it has none by this attribute, or if the task type has no such summary metric.
    """
    found = newest_snapshot(lookup, found_snapshots(lookup).for_list()).slices.all()
    attributes = sorted(found.values_list("attribute", flat=True).distinct())
    if not attributes:
        raise NotFoundError(
            "The newest snapshot has no slices. Name columns in `columns.slices` when predictions are evaluated."
        )
    if by not in attributes:
        message = f"There are no slices by it; use {', '.join(attributes)}."
        raise InvalidParameterError(
            "There is no such attribute; `errors` lists the attributes.", [("by", "unknown", message)]
        )
    metrics = {metric.name: metric for metric in task_types.get(lookup.task_type).metrics}
    metric = order_by or next(iter(metrics))
    if metric not in metrics:
        message = f"Not a summary metric of {lookup.task_type}; use {', '.join(metrics)}."
        raise InvalidParameterError(
            "There is no such metric; `errors` lists the metrics.", [("order_by", "unknown", message)]
        )
    rows: SnapshotSliceQuerySet = found.filter(attribute=by).with_goodness(metrics[metric])
    return rows


def computed_only(snapshot: MetricSnapshot) -> MetricSnapshot:
    """Return the snapshot. Raises `NotFoundError` unless it was computed here, from predictions."""
    if snapshot.source != Source.COMPUTED:
        raise NotFoundError(
            f"The newest snapshot of {snapshot.version.version_id} on {snapshot.dataset_split} is {snapshot.source}: "
            "only snapshots of evaluated predictions have curves and examples. Have the predictions evaluated."
        )
    return snapshot


def found_snapshots(lookup: SnapshotLookup) -> MetricSnapshotQuerySet:
    """Return all snapshots with their detail and model, in the database that the lookup read from."""
    return MetricSnapshot.objects.using(lookup.database).select_related("version__model", "detail")


def newest_snapshot(lookup: SnapshotLookup, snapshots: MetricSnapshotQuerySet) -> MetricSnapshot:
    """Return the newest of the snapshots that belongs to the lookup. Raises what `SnapshotLookup.snapshot` raises."""
    lookup.snapshot()
    newest = snapshots.for_model(
        lookup.model_id, lookup.dataset_split, lookup.number, dataset=lookup.dataset
    ).newest_first()
    snapshot: MetricSnapshot = newest[0]  # it exists, as a snapshot is never deleted
    return snapshot


def history(lookup: SnapshotLookup, metric: str) -> QuerySet[MetricSnapshot]:
    """Return the snapshots of a split and dataset that have a metric: of one completed version, or by default of all.

    Raises `NoTrainedVersionError`, what `SnapshotLookup.completed_version` raises if a version was asked for, and
    `InvalidParameterError` if the metric is neither one of the task type nor recorded in any of these snapshots.
    """
    if lookup.asked_for is None:
        lookup.refuse_untrained()
    else:
        lookup.completed_version()
    snapshots = MetricSnapshot.objects.using(lookup.database).select_related("version", "detail")
    snapshots = snapshots.for_list().for_model(
        lookup.model_id,
        lookup.dataset_split,
        lookup.number if lookup.asked_for else None,
        dataset=lookup.dataset,
    )
    task_type = task_types.get(lookup.task_type)
    declared = [each.name for each in task_type.all_metrics]
    rows: QuerySet[MetricSnapshot] = snapshots.with_metric(metric, _column_of(task_type, metric))
    if metric not in declared and not rows.exists():
        message = (
            f"Neither a metric of {lookup.task_type} nor a custom one of these snapshots; use {', '.join(declared)}."
        )
        raise InvalidParameterError(
            "There is no such metric; `errors` lists the metrics.", [("metric", "unknown", message)]
        )
    return rows


def _column_of(task_type: base.TaskType, metric: str) -> str:
    """Return the column in which snapshots hold a metric."""
    if metric in {each.name for each in task_type.metrics}:
        return "metrics"
    is_further = metric in {each.name for each in task_type.further}
    return "detail__further_metrics" if is_further else "detail__custom_metrics"


@cache
def summary_statement(*, promoted: bool) -> PreparedQuery:
    """Return the query that reads a summary, of the promoted version or of a numbered one."""
    models = RegisteredModel.objects.filter(pk=_MODEL)
    version = "promoted_version"
    if not promoted:
        version = "requested_version"
        models = models.annotate(requested_version=FilteredRelation("versions", condition=Q(versions__number=_NUMBER)))
    completed = Version.objects.filter(model=_MODEL).completed().newest_first()
    snapshots = MetricSnapshot.objects.filter(
        version=Subquery(models.values(f"{version}__pk")[:1]), dataset_split=_SPLIT, dataset=_DATASET
    )
    rows = account_rows(
        permitted=Exists(models.permitting(Scope.MODEL_READ, USER)),
        newest_completed=Subquery(completed.values("number")[:1]),
        model=first_row(models, task_type="task_type", number=f"{version}__number", state=f"{version}__state"),
        newest=first_row(snapshots.newest_first(), metrics=Nested("metrics"), evaluated_at="evaluated_at"),
    )
    return PreparedQuery(as_document(rows, json_columns=("model", "newest")))
