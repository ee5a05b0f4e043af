"""The page of the admin that ranks the versions which were evaluated on one dataset."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, cast

from django.db.models import Model, QuerySet
from django.http import Http404

from models_registry import task_types
from models_registry.task_types.base import Metric, TaskType
from performance.comparison_pages import leaderboard
from performance.comparison_pages.forms import MAX_KEY, LeaderboardForm
from performance.comparison_pages.views import AdminPage
from performance.snapshots.charts import Gauge, gauges
from performance.snapshots.downloads import Download, NamedTable, estimate_cells, estimate_headers
from performance.snapshots.models import Dataset, DatasetSplit, MetricSnapshot
from performance.snapshots.page_links import LinkedPage
from performance.snapshots.querysets import MetricSnapshotQuerySet

PLACES_ON_A_PAGE = 50
OF_VALUES = ("Rank", "Version", "Organization", "Value", "Interval")
OF_EVALUATIONS = ("Examples", "Evaluated at", "Against the best")
DOWNLOADED_HEADERS = (
    *("Rank", "Tied", "Model id", "Model", "Version", "Organization"),
    *estimate_headers("Value"),
    *("Computed", "Examples", "Evaluated at"),
)
MORE_NOTE = (
    f"These are the best {leaderboard.MAX_VERSIONS} versions of those that are ranked, and of those that are not. "
    "There are more."
)


class LeaderboardPage(AdminPage):
    """The base of both leaderboards. They rank the snapshots of a dataset that the caller may view."""

    template_name = "performance/comparison/leaderboard.html"
    models: ClassVar[tuple[type[Model], ...]] = (MetricSnapshot,)

    def get_keys(self, dataset_split: str) -> QuerySet[Model, object]:
        """Return the keys of the dataset's snapshots, of at least this split. Raises `Http404`."""
        raise NotImplementedError

    def get_downloads(self, context: dict[str, Any]) -> Iterator[NamedTable]:
        """Yield the leaderboard, with the places of all pages."""
        if "places" in context:
            yield leaderboard_table(context["places"])

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        """Return the context with a page of the places, or with what is wrong."""
        query = self.request.GET.dict()
        split = query.get("dataset_split", DatasetSplit.TEST)
        if split not in DatasetSplit.values:
            split = DatasetSplit.TEST
        keys = self.get_keys(split)
        snapshots = self.readable(MetricSnapshot).filter(pk__in=keys, dataset_split=split)
        on_split = cast(MetricSnapshotQuerySet, snapshots)
        names = {*on_split.order_by().values_list("version__model__task_type", flat=True).distinct()}
        known = [each for each in task_types.all_task_types() if each.name in names]
        context = super().get_context_data(title="Leaderboard", **kwargs)
        if not known:
            return {
                **context,
                "problem": f"No version was evaluated on the {split} split of this dataset.",
                "splits": DatasetSplit.values,
            }
        task_type = next((each for each in known if each.name == query.get("task_type")), known[0])
        form = LeaderboardForm(
            {"dataset_split": split, "task_type": task_type.name, "metric": task_type.metrics[0].name, **query}
        )
        form.offer(known, task_type)
        metric = next((each for each in task_type.metrics if each.name == query.get("metric")), task_type.metrics[0])
        form.is_valid()  # says what is wrong with the query; the page then shows the default
        return {**context, "form": form, **self._places(on_split, task_type, metric)}

    def _places(self, snapshots: MetricSnapshotQuerySet, task_type: TaskType, metric: Metric) -> dict[str, object]:
        of_type = snapshots.filter(version__model__task_type=task_type.name, version__state="completed")
        board = leaderboard.read_leaderboard(of_type, metric, self.request.GET.get("options", ""))
        if board is None:
            return {"problem": "No version has this metric."}
        page = LinkedPage(self.request, board.places, parameter="page", per_page=PLACES_ON_A_PAGE)
        examples = [each.snapshot.details.examples for each in board.places]
        shows_options = len({each.computed for each in board.places}) > 1
        return {
            "metric": metric,
            "page": page,
            "places": board.places,
            "rows": [(place, _gauge(task_type, metric, place)) for place in page.page],
            "headers": [*OF_VALUES, *(["Computed"] if shows_options else []), *OF_EVALUATIONS],
            "shows_options": shows_options,
            "group": board.group,
            "other_groups": [each for each in board.groups if each != board.group],
            "best": board.places[0].snapshot,
            "more_note": MORE_NOTE if board.has_more else "",
            "rule": leaderboard.RULE,
            "source": leaderboard.SOURCE,
            "same_examples": all(each.are_same(examples[0]) for each in examples[1:]),
        }


def leaderboard_table(places: Sequence[leaderboard.Place]) -> Download:
    """Return the places with numbers instead of bars."""
    return Download("Leaderboard", DOWNLOADED_HEADERS, [_cells(place) for place in places])


def _cells(place: leaderboard.Place) -> Sequence[object]:
    snapshot = place.snapshot
    version = snapshot.version
    about = (version.model_id, version.model.name, version.version_id, str(version.model.organization))
    measured = (*estimate_cells(place.value, place.interval), place.computed, snapshot.sample_count)
    return (place.rank, place.is_tied, *about, *measured, snapshot.evaluated_at)


def _gauge(task_type: TaskType, metric: Metric, place: leaderboard.Place) -> Gauge | None:
    """Return the bar of a place's value and interval; `None` if the metric has no axis."""
    intervals = {metric.name: place.interval} if place.interval else {}
    return next(iter(gauges(task_type, {metric.name: place.value}, intervals)), None)


class DatasetLeaderboardView(LeaderboardPage):
    """The versions that were evaluated on a dataset, by its name in its organization."""

    models = (Dataset, *LeaderboardPage.models)

    def get_keys(self, dataset_split: str) -> QuerySet[Model, object]:
        """Return the keys of the snapshots that name the dataset."""
        key = self.kwargs["dataset_id"]
        datasets = self.readable(Dataset).select_related("organization")
        dataset = datasets.filter(pk=key).first() if key <= MAX_KEY else None
        if dataset is None:
            raise Http404
        self.extra_context = {"original": dataset, "opts": Dataset._meta, "dataset": dataset.name}
        return leaderboard.snapshots_on_dataset(dataset, dataset_split)


class ExamplesLeaderboardView(LeaderboardPage):
    """The versions that were evaluated on the same examples, by the digest of these."""

    def get_keys(self, dataset_split: str) -> QuerySet[Model, object]:
        """Return the keys of the snapshots of the examples."""
        digest = self.kwargs["digest"]
        self.extra_context = {"opts": MetricSnapshot._meta, "digest": digest}
        return leaderboard.snapshots_on_examples(digest)
