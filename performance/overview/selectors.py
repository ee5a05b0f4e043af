"""Read models with how well their promoted versions do: many models by one statement."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Aggregate, F, JSONField, OuterRef, Subquery, TextField
from django.db.models.functions import Cast, JSONObject
from django.db.models.sql.compiler import SQLCompiler

from models_registry import task_types
from models_registry.api.model_admin import task_type_label
from models_registry.registry import ids
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.querysets import RegisteredModelQuerySet
from models_registry.task_types.base import Metric, TaskType
from performance.comparisons.models import PairedComparison
from performance.gates.models import GateVerdict
from performance.gates.selectors import replacing_promotions
from performance.metrics import comparison
from performance.metrics.comparison import MetricComparison, MetricValues, known_options
from performance.metrics.statistics.intervals import IntervalDocument, stored_intervals
from performance.overview.charts import Sparkline, sparkline
from performance.snapshots.models import MetricSnapshot
from performance.snapshots.querysets import MetricSnapshotQuerySet
from performance.snapshots.tables import estimate_text

POINTS = 20  # versions of a sparkline, the newest

# The orders of the start page, by the name of the column.
ORDERS: Mapping[str, str] = {
    "name": "name",
    "organization": "organization__name",
    "task_type": "task_type",
    "evaluated": "evaluated_at",
}


class JSONArrayAgg(Aggregate):
    """Collect values in a JSON array, in any order."""

    function = "JSONB_AGG"
    output_field = JSONField()

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra_context: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        """Return the SQL for SQLite."""
        return self.as_sql(compiler, connection, function="JSON_GROUP_ARRAY", **extra_context)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model, its promoted version's newest snapshot, and the one of the version that was promoted before.

    `model` has its `state`. `task_type` is `None` if no module declares it. `comparisons` compares both snapshots by
    the name of each summary metric; it is empty unless there are both.
    """

    model: RegisteredModel
    task_type: TaskType | None
    metrics: Mapping[str, float]
    intervals: Mapping[str, IntervalDocument]
    evaluated_at: datetime | None
    baseline_version_id: str | None
    comparisons: Mapping[str, MetricComparison]
    points: list[tuple[str, Mapping[str, float]]]
    verdict: Mapping[str, object] | None

    @property
    def headline(self) -> Metric | None:
        """The first summary metric of the task type."""
        return self.task_type.metrics[0] if self.task_type else None

    @property
    def task_label(self) -> str:
        """The task type's label, or why there is none."""
        return task_type_label(self.model.task_type)

    @property
    def estimate(self) -> str:
        """The first summary metric with its interval; empty without a snapshot."""
        return self.summary[0][1] if self.metrics and self.task_type else ""

    @property
    def summary(self) -> list[tuple[Metric, str, MetricComparison | None]]:
        """Each summary metric with its interval, and how it changed."""
        metrics = self.task_type.metrics if self.task_type else ()
        return [(each, self._estimate(each.name), self.comparisons.get(each.name)) for each in metrics]

    def _estimate(self, metric: str) -> str:
        return estimate_text(self.metrics.get(metric), self.intervals.get(metric))

    @property
    def comparison(self) -> MetricComparison | None:
        """How the first summary metric changed; `None` without a version to compare with."""
        return self.comparisons.get(self.headline.name) if self.headline else None

    @property
    def sparkline(self) -> Sparkline | None:
        """The first summary metric over the newest versions; `None` if fewer than two have it."""
        metric = self.headline
        if metric is None:
            return None
        return sparkline(metric, [(each, values[metric.name]) for each, values in self.points if metric.name in values])


def sort_models(models: RegisteredModelQuerySet, order: str, dataset_split: str) -> RegisteredModelQuerySet:
    """Sort models by one of `ORDERS`; a minus before its name reverses it. Models without a value come last."""
    field = F(ORDERS[order.removeprefix("-")])
    by = field.desc(nulls_last=True) if order.startswith("-") else field.asc(nulls_last=True)
    evaluated_at = _newest(dataset_split, "", version=OuterRef("promoted_version")).values("evaluated_at")
    evaluated: RegisteredModelQuerySet = models.annotate(evaluated_at=Subquery(evaluated_at[:1]))
    return evaluated.order_by(by, "name", "pk")


def page_of_models(
    models: RegisteredModelQuerySet, *, order: str, dataset_split: str, offset: int, limit: int
) -> list[ModelRow]:
    """Return some of the models with how well they do on a split of the primary dataset, by one statement."""
    page = sort_models(models, order, dataset_split).values("pk")[offset : offset + limit]
    rows = RegisteredModel.objects.filter(pk__in=page)
    return [*model_rows(sort_models(rows, order, dataset_split), dataset_split=dataset_split)]


def model_rows(models: RegisteredModelQuerySet, *, dataset_split: str, dataset: str = "") -> Iterator[ModelRow]:
    """Yield the models with how well they do on a split and dataset, by one statement."""
    of_promoted = _newest(dataset_split, dataset, version=OuterRef("promoted_version"))
    of_baseline = _newest(dataset_split, dataset, version=OuterRef("baseline"))
    pair = PairedComparison.objects.current().filter(snapshot=OuterRef("snapshot_pk"), baseline=OuterRef("baseline_pk"))
    verdicts = GateVerdict.objects.filter(model=OuterRef("pk")).order_by("-pk")
    verdict = JSONObject(pk="pk", status="status", number="version__number")
    found = models.with_state().annotate(
        evaluated_at=Subquery(of_promoted.values("evaluated_at")[:1]),
        snapshot_pk=Subquery(of_promoted.values("pk")[:1]),
        snapshot=_as_json(of_promoted),
        baseline=Subquery(replacing_promotions(OuterRef("pk")).values("previous_version")[:1]),
        baseline_number=Subquery(replacing_promotions(OuterRef("pk")).values("previous_version__number")[:1]),
        baseline_pk=Subquery(of_baseline.values("pk")[:1]),
        baseline_snapshot=_as_json(of_baseline),
        paired=Subquery(pair.values("intervals")),
        verdict=Subquery(verdicts.annotate(verdict=verdict).values("verdict")[:1]),
        points=_points(dataset_split, dataset),
    )
    return map(_row, found.select_related("organization", "promoted_version"))


def _newest(dataset_split: str, dataset: str, *, version: OuterRef) -> MetricSnapshotQuerySet:
    snapshots = MetricSnapshot.objects.filter(version=version, dataset_split=dataset_split, dataset=dataset)
    return snapshots.newest_first()


def _as_json(snapshots: MetricSnapshotQuerySet) -> Subquery:
    """Return what a comparison needs of the first snapshot, as one column: each further one would look for it again.

    JSON is text within, as SQLite does not nest it.
    """
    document = JSONObject(
        metrics=Cast("metrics", TextField()),
        intervals=Cast("detail__confidence_intervals", TextField()),
        options=Cast("detail__evaluation_options", TextField()),
        positive_class="detail__positive_class",
        averaging="detail__averaging",
    )
    return Subquery(snapshots.annotate(document=document).values("document")[:1])


def _points(dataset_split: str, dataset: str) -> Subquery:
    """Return the number and the metrics of each of a model's newest completed versions."""
    newest = Version.objects.filter(model=OuterRef(OuterRef("pk"))).newest_first().values("number")[:1]
    metrics = _newest(dataset_split, dataset, version=OuterRef("pk")).annotate(text=Cast("metrics", TextField()))
    point = JSONObject(number="number", metrics=Subquery(metrics.values("text")[:1]))
    versions = Version.objects.completed().filter(model=OuterRef("pk"), number__gt=Subquery(newest) - POINTS)
    return Subquery(versions.order_by().values("model").annotate(points=JSONArrayAgg(point)).values("points"))


def _row(model: Any) -> ModelRow:
    try:
        task_type = task_types.get(model.task_type)
    except task_types.UnknownTaskTypeError:
        task_type = None
    snapshot, baseline = _read(model.snapshot), _read(model.baseline_snapshot)
    comparisons: Mapping[str, MetricComparison] = {}
    if task_type and snapshot and baseline:
        paired = stored_intervals(model.paired or {})
        comparisons = comparison.compare(task_type, _values(snapshot), _values(baseline), paired)
    points = sorted(model.points or [], key=lambda point: point["number"])
    return ModelRow(
        model=model,
        task_type=task_type,
        metrics=snapshot.get("metrics", {}),
        intervals=snapshot.get("intervals", {}),
        evaluated_at=model.evaluated_at,
        baseline_version_id=ids.version_id(model.baseline_number) if model.baseline_number else None,
        comparisons=comparisons,
        points=[(ids.version_id(each["number"]), json.loads(each["metrics"] or "{}")) for each in points],
        verdict=model.verdict and {**model.verdict, "version_id": ids.version_id(model.verdict["number"])},
    )


def _read(document: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a snapshot from its document, in which JSON is text."""
    if document is None:
        return {}
    parsed = {name: json.loads(document[name] or "{}") for name in ("metrics", "intervals", "options")}
    return {**document, **parsed}


def _values(snapshot: Mapping[str, Any]) -> MetricValues:
    options = known_options(snapshot["options"], snapshot["positive_class"], snapshot["averaging"])
    return MetricValues(snapshot["metrics"], stored_intervals(snapshot["intervals"]), options)
