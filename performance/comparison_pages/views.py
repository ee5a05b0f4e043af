"""Pages of the admin that compare two snapshots. What can be shared is in their query strings."""

from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from models_registry.api.errors import APIError
from models_registry.api.writes import Record
from models_registry.registry.models import RegisteredModel
from performance.comparison_pages import charts, tables
from performance.comparison_pages.downloads import difference_download
from performance.comparison_pages.forms import SnapshotsForm, VersionsForm
from performance.comparison_pages.selectors import (
    MAX_OFFERED,
    OTHER,
    SAME,
    UNKNOWN,
    Pair,
    look_up_snapshot,
    newest_versions,
    read_pair,
)
from performance.evaluations.models import MisclassifiedExample
from performance.evaluations.tables import example_table
from performance.metrics.comparison import PairingStatus
from performance.snapshots.downloads import DownloadMixin, NamedTable
from performance.snapshots.models import MetricSnapshot
from performance.snapshots.page_links import LinkedPage
from performance.snapshots.selectors import found_snapshots, newest_snapshot
from performance.snapshots.tables import matrix_table

EXAMPLES_ON_A_PAGE = 20

PAIRING_TEXTS = {
    PairingStatus.COMPLETE: "Paired: both were compared example by example.",
    PairingStatus.PENDING: (
        "Not paired yet: a worker is still comparing the examples. Until then, the intervals treat both samples as "
        "independent. Load the page again later."
    ),
    PairingStatus.UNAVAILABLE: "Not paired, so the intervals treat both samples as independent. {}",
}
EXAMPLES = {
    SAME: "Both were evaluated on the same examples.",
    OTHER: (
        "The test sets differ: the two were evaluated on different examples, weights or groups. A difference may come "
        "from the data instead of the versions."
    ),
    UNKNOWN: (
        "It is unknown whether the test sets are the same: the examples of at least one of the two are not known, or "
        "both have rows without a prediction. A difference may come from the data instead of the versions."
    ),
}


class AdminPage(DownloadMixin):
    """A page of the admin that belongs to no list, for those who may view the records of `models`."""

    models: ClassVar[tuple[type[Model], ...]]

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        """Answer the request. Raises `PermissionDenied` unless the caller may view the records."""
        if not all(admin.site.get_model_admin(each).has_view_permission(request) for each in self.models):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def readable(self, model: type[Record]) -> QuerySet[Record]:
        """Return the records that the caller may view: those of the model's own page."""
        return admin.site.get_model_admin(model).get_queryset(self.request)

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        """Return the context that all pages of the admin share, and that of this page."""
        return super().get_context_data(**admin.site.each_context(self.request), **kwargs)


class ComparisonPage(AdminPage):
    """The base of the pages that compare two snapshots."""

    template_name = "performance/comparison/compare.html"
    models = (RegisteredModel, MetricSnapshot)

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        """Return the context with the comparison of the two that the query names, or with what is wrong."""
        form = self.get_form()
        context = super().get_context_data(form=form, title="Compare", **kwargs)
        if not form.is_valid():
            return context
        try:
            pair = self.find_pair(form)
        except APIError as error:
            return {**context, "problem": error.detail}
        if pair is None:
            return {**context, "problem": "There is no such snapshot, or you may not see it."}
        types = [each.version.model.task_type for each in (pair.snapshot, pair.baseline)]
        if types[0] != types[1]:
            problem = f"The task types differ, so the metrics do too: {types[0]} and {types[1]}."
            return {**context, "problem": problem}
        return {**context, **_comparison(pair, form), **self._examples(pair)}

    def get_downloads(self, context: dict[str, Any]) -> Iterator[NamedTable | None]:
        """Yield the tables of the comparison."""
        if "pair" in context:
            yield difference_download(context["pair"])
        yield from (each.table for each in context.get("overlaid", ()))
        titles = (*context.get("matrix_titles", ()), "Difference of the confusion matrices")
        yield from map(matrix_table, titles, context.get("matrices") or ())
        yield from context.get("slice_tables", ())
        yield from (each.get("table") for each in context.get("examples", ()))

    def get_form(self) -> Form:
        """Return the form with the query."""
        raise NotImplementedError

    def find_pair(self, form: Form) -> Pair | None:
        """Return the two snapshots. Raises an `APIError` that says what is missing."""
        raise NotImplementedError

    def read_pair(self, snapshot: int, baseline: int) -> Pair | None:
        """Return the comparison of two snapshots that the caller may view, otherwise `None`."""
        return read_pair(self.readable(MetricSnapshot), snapshot, baseline)

    def _examples(self, pair: Pair) -> dict[str, object]:
        """Return the examples that one version alone predicted right, for each of them."""
        newer, older = pair.names
        both = (
            (
                "fixed",
                f"Right in {newer}, wrong in {older}",
                pair.wrong_in_one(wrong=pair.baseline, right=pair.snapshot),
            ),
            (
                "broken",
                f"Wrong in {newer}, right in {older}",
                pair.wrong_in_one(wrong=pair.snapshot, right=pair.baseline),
            ),
        )
        return {"examples": [self._example_list(*each) for each in both if pair.task_type.has_classes]}

    def _example_list(
        self, name: str, title: str, examples: QuerySet[MisclassifiedExample] | None
    ) -> dict[str, object]:
        if examples is None:
            return {"title": title, "page": None}
        page = LinkedPage(self.request, examples, parameter=f"{name}-page", per_page=EXAMPLES_ON_A_PAGE)
        return {"title": title, "page": page, "table": example_table(title, page.page)}


class CompareVersionsView(ComparisonPage):
    """Two versions of a model on one split and dataset."""

    def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Show the page, or redirect to the address that names what is compared by default."""
        self.model: RegisteredModel | None = self.readable(RegisteredModel).filter(pk=kwargs["model_id"]).first()
        if self.model is None:
            raise Http404
        self.versions = newest_versions(self.model)
        defaults = self._defaults(self.model)
        if not defaults.keys() <= request.GET.keys():
            return redirect(f"{request.path}?{urlencode({**defaults, **request.GET.dict()})}")
        return super().get(request, *args, **kwargs)

    def _defaults(self, model: RegisteredModel) -> dict[str, str]:
        """Return the newest version, compared with the promoted one or, if it is that, with the one before."""
        ids = [each.version_id for each in self.versions]
        promoted = model.promoted_version.version_id if model.promoted_version else None
        newest = ids[0] if ids else promoted or ""
        others = [each for each in (promoted, *ids) if each and each != newest]
        baseline = others[0] if others else newest
        return {"version_id": newest, "baseline_version_id": baseline, "dataset_split": "test"}

    def get_form(self) -> Form:
        """Return the form with the query."""
        return VersionsForm(self.request.GET)

    def find_pair(self, form: Form) -> Pair | None:
        """Return the newest snapshots of both versions. Raises what the comparison over HTTP raises."""
        assert self.model is not None  # noqa: S101  # a page without a model is a 404
        version_id, baseline_id, *place = (
            form.cleaned_data[name] for name in ("version_id", "baseline_version_id", "dataset_split", "dataset")
        )
        lookups = [
            look_up_snapshot(self.model, version_id=each, dataset_split=place[0], dataset=place[1])
            for each in (version_id, baseline_id)
        ]
        for each in lookups:
            each.completed_version()
        snapshot, baseline = (newest_snapshot(each, found_snapshots(each).for_list()) for each in lookups)
        return self.read_pair(snapshot.pk, baseline.pk)

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        """Add the model, and the versions that the form suggests."""
        original = {"original": self.model, "opts": RegisteredModel._meta, "versions": self.versions}
        return super().get_context_data(**original, **kwargs)


class CompareSnapshotsView(ComparisonPage):
    """Any two snapshots of one task type."""

    def get_form(self) -> Form:
        """Return the form with the query, or an empty one without a query."""
        return SnapshotsForm(self.request.GET or None)

    def find_pair(self, form: Form) -> Pair | None:
        """Return both snapshots, if the caller may view them."""
        return self.read_pair(form.cleaned_data["snapshot"], form.cleaned_data["baseline"])

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        """Add the list that the page is below, and the snapshots that the form suggests."""
        newest = self.readable(MetricSnapshot).order_by("-evaluated_at", "-pk")[:MAX_OFFERED]
        return super().get_context_data(opts=MetricSnapshot._meta, newest_snapshots=newest, **kwargs)


def _comparison(pair: Pair, form: Form) -> dict[str, object]:
    """Return the tables and charts of a comparison."""
    newer, older = pair.snapshot.details, pair.baseline.details
    labels = charts.labels_of(newer.curves, older.curves)
    label, metric = form.cleaned_data["label"], form.cleaned_data["metric"]
    metrics = {each.name: each for each in pair.task_type.metrics}
    if label and label not in labels:
        form.add_error("label", "Both have no curves of this class.")
    if metric and metric not in metrics:
        form.add_error("metric", f"Use one of {', '.join(metrics)}.")
    drawn = label if label in labels else newer.positive_class if newer.positive_class in labels else None
    chosen = metrics.get(metric) or pair.task_type.metrics[0]
    same = pair.examples == SAME
    return {
        "pair": pair,
        "pairing_text": PAIRING_TEXTS[pair.differences.pairing].format(pair.differences.pairing_detail),
        "is_paired": pair.differences.pairing is PairingStatus.COMPLETE,
        "test_sets": EXAMPLES[pair.examples],
        "same_examples": same,
        "difference_table": tables.difference_table(pair.task_type, pair.differences.metrics, pair.names),
        "forest": charts.forest_rows(pair.task_type.metrics, pair.differences.metrics),
        "overlaid": charts.overlaid_charts(newer.curves, older.curves, drawn or next(iter(labels), None), pair.names),
        "labels": labels,
        "metrics": metrics,
        "matrix_titles": [f"Confusion matrix of {name}" for name in pair.names],
        "difference_caption": (
            f"{' minus '.join(pair.names)}, in {'examples' if same else 'percentage points of the actual class'}, "
            "by actual class (down) and predicted class (across). Changes for the better are bold."
        ),
        "matrices": tables.matrices(*pair.matrices, same_examples=same) if pair.matrices else None,
        "slice_tables": tables.slice_tables(chosen, *pair.slices(), pair.options, pair.names),
    }
