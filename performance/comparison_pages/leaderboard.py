"""Rank the versions that were evaluated on the same dataset and split."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from models_registry.task_types.base import Metric
from performance.comparisons.selectors import metric_values
from performance.formatting import format_short, format_six_digits
from performance.metrics.comparison import Change, MetricValues, compare_metric
from performance.metrics.statistics.intervals import IntervalDocument
from performance.snapshots.models import Dataset, MetricSnapshot, SnapshotDetail
from performance.snapshots.querysets import MetricSnapshotQuerySet

MAX_SNAPSHOTS = 10_000  # of a dataset that are considered, the newest ones
MAX_VERSIONS = 200  # that are ranked: each is compared with all better ones
RULE = (
    "A version's rank is 1 + the number of versions that are better by more than chance explains: the 95% interval of "
    "the difference, for independent samples, excludes 0. Versions of one rank are tied. Without intervals, the values "
    "alone decide. On the same examples these intervals are conservative, so compare two versions to see their paired "
    "difference."
)
SOURCE = (
    "Chiang et al. (2024), Chatbot Arena: an open platform for evaluating LLMs by human preference, arXiv:2403.04132"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A version's newest snapshot on the dataset, its rank, and whether others share the rank."""

    snapshot: MetricSnapshot
    value: float
    interval: IntervalDocument | None
    rank: int
    is_tied: bool

    @property
    def value_text(self) -> str:
        """The value."""
        return format_six_digits(self.value)

    @property
    def interval_text(self) -> str:
        """The ends of the value's interval."""
        ends = self.interval
        return f"{format_short(ends['lower'])} to {format_short(ends['upper'])}" if ends else "no interval"

    @property
    def text(self) -> str:
        """The rank; one that others share ends with an equals sign."""
        return f"{self.rank}=" if self.is_tied else str(self.rank)


def snapshots_on_dataset(dataset: Dataset, dataset_split: str) -> QuerySet[MetricSnapshot, object]:
    """Return the keys of the newest snapshots that name a dataset, of a split.

    The limit also keeps the database from reading the snapshots in another order than by the index of datasets.
    """
    named = MetricSnapshot.objects.filter(dataset=dataset.name, dataset_split=dataset_split)
    snapshots = named.filter(version__model__organization=dataset.organization_id)
    return snapshots.order_by("-pk").values("pk")[:MAX_SNAPSHOTS]


def snapshots_on_examples(digest: str) -> QuerySet[SnapshotDetail, object]:
    """Return the keys of the newest snapshots of the examples with a digest, of all splits."""
    return SnapshotDetail.objects.filter(examples_digest=digest).order_by("-pk").values("pk")[:MAX_SNAPSHOTS]


def best_snapshots(snapshots: MetricSnapshotQuerySet, metric: Metric) -> list[MetricSnapshot]:
    """Return the newest of the snapshots of each version, the best by a metric first.

    There are at most `MAX_VERSIONS` and one more, which says that there are others.
    """
    newest = MetricSnapshot.objects.filter(pk__in=snapshots.order_by().newest_of_each_version().values("pk"))
    rows = newest.select_related("version__model__organization", "detail").defer(
        "detail__confusion_matrix", "detail__curves", "detail__per_class"
    )
    return [*rows.best_first(metric)[: MAX_VERSIONS + 1]]


def ranked(metric: Metric, snapshots: Sequence[MetricSnapshot]) -> list[Place]:
    """Return the places of snapshots that are ordered by a metric, the best first. See `RULE`."""
    measured = [metric_values(each) for each in snapshots]
    ranks = [1 + sum(_is_worse(metric, each, better) for better in measured[:at]) for at, each in enumerate(measured)]
    return [
        Place(
            snapshot,
            snapshot.metrics[metric.name],
            snapshot.details.confidence_intervals.get(metric.name),
            rank,
            ranks.count(rank) > 1,
        )
        for snapshot, rank in zip(snapshots, ranks, strict=True)
    ]


def _is_worse(metric: Metric, values: MetricValues, better: MetricValues) -> bool:
    return compare_metric(metric, values, better).direction is Change.REGRESSED
