"""Metric snapshots as queryset methods."""

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, F, Func, Value, Window
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Abs, Cast, Coalesce, RowNumber
from django.db.models.sql.compiler import SQLCompiler

from models_registry.task_types.base import Direction, Metric
from performance.snapshots.dataset_names import MAX_LISTED_DATASETS

if TYPE_CHECKING:
    from performance.snapshots.models import MetricSnapshot, SnapshotSlice  # noqa: F401  # name the base classes

UNKNOWN_GOODNESS = 1e308
SQL = tuple[str, tuple[str | int, ...]]


class MatrixRows(Func):
    """The rows of a confusion matrix from an offset on, as JSON.

    They have at most `max_cells` cells together, but there is at least one row.
    """

    output_field = models.JSONField()

    def __init__(self, matrix: str, offset: int, max_cells: int) -> None:
        super().__init__(F(matrix), Value(offset, models.IntegerField()), Value(max_cells, models.IntegerField()))

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra_context: object) -> SQL:
        """Return the SQL that reads the rows from JSONB."""
        (matrix, _), (offset, [first]), (most, [cells]) = map(compiler.compile, self.source_expressions)
        rows = f"GREATEST({most} / NULLIF(jsonb_array_length({matrix} -> 'labels'), 0), 1)"
        names = f"jsonb_build_object('first', {offset}, 'last', {offset} + {rows} - 1)"
        sql = f"jsonb_path_query_array({matrix}, '$.counts[$first to $last]', {names})"
        return sql, (first, first, cells)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra_context: object) -> SQL:
        """Return the SQL that reads the rows from JSON text. It counts the labels once, not for each row."""
        (matrix, _), (offset, [first]), (most, [cells]) = map(compiler.compile, self.source_expressions)
        page = f"(SELECT MAX({most} / json_array_length({matrix}, '$.labels'), 1) AS length LIMIT 1)"
        counts = f"{page}, json_each({matrix}, '$.counts') WHERE key >= {offset} AND key < {offset} + length"
        return f"(SELECT json_group_array(json(value)) FROM {counts})", (cells, first, first)  # noqa: S608


class SnapshotSliceQuerySet(models.QuerySet["SnapshotSlice"]):
    """Slices of snapshots."""

    def with_goodness(self, metric: Metric) -> Self:
        """Add `goodness`: a number that is higher for better values of a metric. It is the highest without a value."""
        value: Combinable = Cast(KeyTextTransform(metric.name, "metrics"), models.FloatField())
        if metric.direction is not Direction.HIGHER:
            value = -(Abs(value) if metric.direction is Direction.ZERO else value)
        return self.annotate(goodness=Coalesce(value, UNKNOWN_GOODNESS, output_field=models.FloatField()))

    def worst_by_attribute(self, metric: Metric) -> Self:
        """Keep the worst slice of each attribute of one snapshot, the worst of all first.

        Adds `slice_count`: the number of the attribute's slices.
        """
        worst_first = ["goodness", "position"]
        ranked = self.with_goodness(metric).annotate(
            rank=Window(RowNumber(), partition_by="attribute", order_by=worst_first),
            slice_count=Window(Count("*"), partition_by="attribute"),
        )
        return ranked.filter(rank=1).order_by("goodness", "attribute")


class MetricSnapshotQuerySet(models.QuerySet["MetricSnapshot"]):
    """Metric snapshots."""

    def newest_first(self) -> Self:
        """Order the snapshots of a version, split and dataset, the newest first."""
        return self.order_by("-evaluated_at", "-id")

    def newest_of_each_dataset(self) -> Self:
        """Keep the newest snapshot of each version, split and dataset, ordered by split and dataset."""
        newest_first = [F("evaluated_at").desc(), F("id").desc()]
        rank = Window(RowNumber(), partition_by=["version", "dataset_split", "dataset"], order_by=newest_first)
        return self.alias(rank=rank).filter(rank=1).order_by("dataset_split", "dataset")

    def newest_of_each_version(self) -> Self:
        """Keep the newest of the snapshots of each version."""
        newest_first = [F("evaluated_at").desc(), F("id").desc()]
        return self.alias(newest=Window(RowNumber(), partition_by="version", order_by=newest_first)).filter(newest=1)

    def best_first(self, metric: Metric) -> Self:
        """Keep the snapshots that have a summary metric, and order them by it, the best first."""
        value: Func = Cast(KeyTextTransform(metric.name, "metrics"), models.FloatField())
        if metric.direction is Direction.ZERO:
            value = Abs(value)
        ordering = value.desc() if metric.direction is Direction.HIGHER else value.asc()
        return self.with_metric(metric.name, "metrics").order_by(ordering, "-evaluated_at", "-id")

    def for_model(
        self, model_id: str, dataset_split: str, number: int | None = None, *, dataset: str | None = ""
    ) -> Self:
        """Keep the snapshots of a split of a model's completed versions, or only of the version with a number.

        They are those of one dataset, by default the primary one; with `None`, those of all datasets.
        """
        snapshots = self.filter(version__model=model_id, version__state="completed", dataset_split=dataset_split)
        if dataset is not None:
            snapshots = snapshots.filter(dataset=dataset)
        return snapshots if number is None else snapshots.filter(version__number=number)

    def dataset_names(self) -> list[str]:
        """Return the names of the datasets, as many as a message lists and one more."""
        names = self.order_by("dataset").values_list("dataset", flat=True)
        return [*names.distinct()[: MAX_LISTED_DATASETS + 1]]

    def with_metric(self, metric: str, column: str) -> Self:
        """Keep the snapshots that have a metric in a column."""
        return self.filter(**{f"{column}__has_key": metric})

    def defer_large(self) -> Self:
        """Defer the columns that may be large and that few readers need."""
        return self.defer("detail__confusion_matrix", "detail__curves")

    def for_list(self) -> Self:
        """Defer the columns that lists do not show: everything by class, and the intervals."""
        return self.defer(
            "detail__confusion_matrix", "detail__curves", "detail__per_class", "detail__confidence_intervals"
        )

    def without_curves(self) -> Self:
        """Defer the columns that the page of one snapshot does not show."""
        return self.defer("detail__curves", "detail__per_class")

    def with_matrix_text(self) -> Self:
        """Add the confusion matrix as JSON text, `matrix_text`. It may be long."""
        matrix = Cast("detail__confusion_matrix", models.TextField())
        return self.defer("detail__confusion_matrix").annotate(matrix_text=matrix)

    def with_matrix_rows(self, offset: int, max_cells: int) -> Self:
        """Add `matrix_labels`, and `matrix_counts`: the rows of the confusion matrix from `offset` on.

        The rows have at most `max_cells` cells, but there is at least one row. The rest of the matrix is not read.
        """
        return self.defer("detail__confusion_matrix").annotate(
            matrix_labels=KeyTransform("labels", "detail__confusion_matrix"),
            matrix_counts=MatrixRows("detail__confusion_matrix", offset, max_cells),
        )

    def promoted(self) -> Self:
        """Keep the snapshots of promoted versions."""
        return self.filter(version__promoted_in__isnull=False)
