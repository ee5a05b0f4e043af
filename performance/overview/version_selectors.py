"""Read a model's versions with their metrics on one split and dataset."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from django.db.models import Exists, F, FloatField, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Cast

from models_registry.registry.models import Promotion, RegisteredModel, Version
from models_registry.task_types.base import Metric, TaskType
from performance.overview.charts import Measured, Trend, trend
from performance.snapshots.models import DatasetSplit, MetricSnapshot
from performance.snapshots.tables import estimate_text

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    ListedVersion: TypeAlias = WithAnnotations[Version, "VersionAnnotations"]

MAX_CHARTED = 30  # versions of a chart, the newest
MAX_PROMOTIONS = 20
SPLITS = (DatasetSplit.TEST, DatasetSplit.VALIDATION, DatasetSplit.TRAIN)  # the most telling first

# The orders of the table of versions besides its metrics, by the name of the column.
ORDERS: Mapping[str, str] = {"version": "number", "state": "state", "created": "created_at"}


class VersionAnnotations(TypedDict):
    """What `versions_of` adds to versions."""

    snapshot_pk: int | None
    was_promoted: bool


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version, its newest snapshot if it has one, and the metrics as texts, in the order of the columns."""

    version: Version
    snapshot: MetricSnapshot | None
    estimates: Sequence[str]


def evaluated_on(model: RegisteredModel) -> list[tuple[str, str]]:
    """Return the splits and datasets that a model's versions were evaluated on, the most telling first."""
    snapshots = MetricSnapshot.objects.filter(version__model=model).order_by()
    pairs = snapshots.values_list("dataset_split", "dataset").distinct()
    return sorted(pairs, key=lambda pair: (SPLITS.index(pair[0]), pair[1]))


def versions_of(model: RegisteredModel, *, dataset_split: str, dataset: str) -> "QuerySet[ListedVersion]":
    """Return a model's versions, the newest first.

    Adds `snapshot_pk`, the newest snapshot of the split and dataset, and `was_promoted`, whether the version ever was.
    """
    newest = _newest(dataset_split, dataset).values("pk")[:1]
    was_promoted = Exists(Promotion.objects.filter(version=OuterRef("pk")))
    versions = Version.objects.filter(model=model).newest_first()
    annotated: Any = versions.annotate(snapshot_pk=Subquery(newest), was_promoted=was_promoted)
    listed: QuerySet[ListedVersion] = annotated.defer("parameters")
    return listed


def sort_versions(
    versions: "QuerySet[ListedVersion]", order: str, *, dataset_split: str, dataset: str
) -> "QuerySet[ListedVersion]":
    """Sort versions by one of `ORDERS` or a summary metric; a minus before its name reverses it."""
    name = order.removeprefix("-")
    if name not in ORDERS:
        value = Cast(KeyTextTransform(name, "metrics"), FloatField())
        values = _newest(dataset_split, dataset).annotate(value=value).values("value")
        versions = versions.annotate(value=Subquery(values[:1]))
    field = F(ORDERS.get(name, "value"))
    by = field.desc(nulls_last=True) if order.startswith("-") else field.asc(nulls_last=True)
    return versions.order_by(by, "-number")


def snapshots_of(versions: "Iterable[ListedVersion]") -> dict[int, MetricSnapshot]:
    """Return the newest snapshots of versions by their primary keys."""
    pks = {each.snapshot_pk for each in versions if each.snapshot_pk}
    snapshots = MetricSnapshot.objects.select_related("detail").defer_large().defer("detail__per_class")
    return snapshots.in_bulk(pks)


def recorded_metrics(task_type: TaskType, snapshots: Iterable[MetricSnapshot]) -> list[Metric]:
    """Return the summary metrics, and the further ones that any of the snapshots has."""
    recorded = {name for each in snapshots for name in each.all_metrics}
    return [*task_type.metrics, *(metric for metric in task_type.further if metric.name in recorded)]


def version_rows(
    versions: "Iterable[ListedVersion]", snapshots: Mapping[int, MetricSnapshot], metrics: Sequence[Metric]
) -> list[VersionRow]:
    """Return the rows of the table of versions."""
    return [_row(each, snapshots.get(each.snapshot_pk) if each.snapshot_pk else None, metrics) for each in versions]


def trends(
    model: RegisteredModel,
    versions: "Sequence[ListedVersion]",
    snapshots: Mapping[int, MetricSnapshot],
    metrics: Sequence[Metric],
) -> list[Trend]:
    """Return the chart of each metric over versions, which come newest first."""
    measured = [(each, snapshots[each.snapshot_pk]) for each in reversed(versions) if each.snapshot_pk]
    charts = (trend(metric, _measured(model, measured, metric)) for metric in metrics)
    return [chart for chart in charts if chart]


def promotions_of(model: RegisteredModel) -> QuerySet[Promotion]:
    """Return a model's newest promotions, with the status of their verdicts as `verdict_status`."""
    promotions = Promotion.objects.filter(model=model).select_related("version", "previous_version", "promoted_by")
    status = KeyTransform("status", "verdict")
    return promotions.defer("verdict").annotate(verdict_status=status).order_by("-pk")[:MAX_PROMOTIONS]


def _newest(dataset_split: str, dataset: str) -> QuerySet[MetricSnapshot]:
    snapshots = MetricSnapshot.objects.filter(version=OuterRef("pk"), dataset_split=dataset_split, dataset=dataset)
    return snapshots.newest_first()


def _row(version: Version, snapshot: MetricSnapshot | None, metrics: Sequence[Metric]) -> VersionRow:
    if snapshot is None:
        return VersionRow(version, None, ["" for _ in metrics])
    values, intervals = snapshot.all_metrics, snapshot.details.confidence_intervals
    texts = [estimate_text(values.get(each.name), intervals.get(each.name)) for each in metrics]
    return VersionRow(version, snapshot, texts)


def _measured(
    model: RegisteredModel, versions: "Sequence[tuple[ListedVersion, MetricSnapshot]]", metric: Metric
) -> list[Measured]:
    measured = []
    for version, snapshot in versions:
        value = snapshot.all_metrics.get(metric.name)
        if value is not None:
            interval = snapshot.details.confidence_intervals.get(metric.name) or {}
            ends = interval.get("lower"), interval.get("upper")
            is_promoted = version.pk == model.promoted_version_id
            measured.append(Measured(version.version_id, value, *ends, version.was_promoted, is_promoted))
    return measured
