"""Rank the versions that were evaluated on the same dataset and split."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import QuerySet

from models_registry.task_types.base import Metric
from performance.comparisons.selectors import metric_values
from performance.formatting import format_short, format_six_digits
from performance.metrics.comparison import (
    Change,
    MetricValues,
    OptionValue,
    compare_metric,
    describe_options,
    known_options,
)
from performance.metrics.statistics.intervals import IntervalDocument
from performance.snapshots.models import Dataset, MetricSnapshot, SnapshotDetail
from performance.snapshots.querysets import MetricSnapshotQuerySet

MAX_SNAPSHOTS = 10_000  # of a dataset that are considered, the newest ones
MAX_VERSIONS = 200  # that are ranked: each is compared with all better ones; and that are listed without a rank
MAX_GROUPS = 20  # of versions whose metric was computed with the same options, the largest ones
RULE = (
    "A version's rank is 1 + the number of ranked versions that are better by more than chance explains: the 95% "
    "interval of the difference, for independent samples, excludes 0. Versions of one rank are tied. Without intervals,"
    " the values alone decide. On the same examples these intervals are conservative, so compare two versions to see "
    "their paired difference. Values are comparable only if they were computed with the same options, such as the "
    "threshold. So only one group of versions is ranked: by default the largest one, and of equally large ones the one "
    "with the oldest snapshot. The others are listed without a rank. Options that are not known count as the same."
)
SOURCE = (
    "Chiang et al. (2024), Chatbot Arena: an open platform for evaluating LLMs by human preference, arXiv:2403.04132"
)

Options = frozenset[tuple[str, OptionValue]]


class Group(NamedTuple):
    """The options that a metric was computed with, the number of versions with these, and the options in words.

    Versions whose options are not all known count too, if those that are known are the same.
    """

    options: Options
    size: int
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """A version's newest snapshot on the dataset, and its rank, which others may share.

    `computed` says with which options, if the metric depends on any. There is no rank if they are others than those of
    the ranked versions.
    """

    snapshot: MetricSnapshot
    value: float
    interval: IntervalDocument | None
    computed: str
    rank: int | None
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
        return "not ranked" if self.rank is None else f"{self.rank}=" if self.is_tied else str(self.rank)


class Leaderboard(NamedTuple):
    """The places of versions: those of one of the groups by rank, then the others, the best of both first.

    `has_more` says whether there are other versions.
    """

    places: list[Place]
    group: Group
    groups: list[Group]
    has_more: bool


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


def read_leaderboard(snapshots: MetricSnapshotQuerySet, metric: Metric, chosen: str) -> Leaderboard | None:
    """Return the places of versions by the newest of their snapshots, see `RULE`; `None` if none has the metric.

    Args:
        snapshots: of any versions of one task type.
        metric: the metric to rank by.
        chosen: the options of the group to rank, in words; other words choose the default.
    """
    newest = MetricSnapshot.objects.filter(pk__in=snapshots.order_by().newest_of_each_version().values("pk"))
    columns = ("pk", "detail__evaluation_options", "detail__positive_class", "detail__averaging")
    options = {pk: _options(metric, *known) for pk, *known in newest.best_first(metric).values_list(*columns)}
    groups = _groups(metric, options)
    if not groups:
        return None
    group = next((each for each in groups if each.text == chosen), groups[0])
    members = [pk for pk, known in options.items() if known <= group.options]
    others = [pk for pk, known in options.items() if not known <= group.options]
    shown = [members[:MAX_VERSIONS], others[:MAX_VERSIONS]]
    rows = MetricSnapshot.objects.select_related("version__model__organization", "detail").defer(
        "detail__confusion_matrix", "detail__curves", "detail__per_class"
    )
    found = rows.in_bulk([pk for keys in shown for pk in keys])
    ranked, unranked = ([found[pk] for pk in keys] for keys in shown)
    ranks = [*_ranks(metric, ranked), *[None] * len(unranked)]
    places = [
        Place(
            snapshot,
            snapshot.metrics[metric.name],
            snapshot.details.confidence_intervals.get(metric.name),
            _describe(metric, options[snapshot.pk]),
            rank,
            rank is not None and ranks.count(rank) > 1,
        )
        for snapshot, rank in zip([*ranked, *unranked], ranks, strict=True)
    ]
    return Leaderboard(places, group, groups, len(places) < len(options))


def _options(
    metric: Metric, stored: Mapping[str, OptionValue] | None, positive_class: str | None, averaging: str | None
) -> Options:
    """Return the options of an evaluation that a metric depends on and that are known."""
    known = known_options(stored or {}, positive_class, averaging)
    return frozenset((name, known[name]) for name in metric.depends_on if name in known)


def _groups(metric: Metric, options: Mapping[int, Options]) -> list[Group]:
    """Return the groups of the snapshots with these options, by key: the largest first, of equals the oldest.

    If some options of a snapshot are not known, it belongs to each group that has the others.
    """
    counts = Counter(options[pk] for pk in sorted(options))  # keeps the order of the first one of each
    common = [known for known, _ in counts.most_common(MAX_GROUPS)]
    widest = [known for known in counts if known in common and not any(known < other for other in common)]
    groups = [
        Group(each, sum(count for known, count in counts.items() if known <= each), _describe(metric, each))
        for each in widest
    ]
    return sorted(groups, key=lambda group: -group.size)


def _describe(metric: Metric, options: Options) -> str:
    """Return options in words; none for a metric that depends on no option."""
    return describe_options(dict(options)) or ("with unknown options" if metric.depends_on else "")


def _ranks(metric: Metric, snapshots: Sequence[MetricSnapshot]) -> list[int]:
    """Return the ranks of comparable snapshots that are ordered by a metric, the best first. See `RULE`."""
    measured = [metric_values(each) for each in snapshots]
    return [1 + sum(_is_worse(metric, each, better) for better in measured[:at]) for at, each in enumerate(measured)]


def _is_worse(metric: Metric, values: MetricValues, better: MetricValues) -> bool:
    return compare_metric(metric, values, better).direction is Change.REGRESSED
