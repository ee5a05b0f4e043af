"""The worst examples on the page of a snapshot."""

from contextlib import suppress
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase

from models_registry import task_types
from models_registry.api.writes import Record
from performance.evaluations import selectors
from performance.evaluations.forms import ExampleFilterForm
from performance.evaluations.tables import example_table, residual_table
from performance.snapshots.admin import MetricSnapshotAdmin
from performance.snapshots.models import MetricSnapshot, Source
from performance.snapshots.page_links import LinkedPage

EXAMPLES_ON_A_PAGE = 20
PAGE_PARAMETER = "examples-page"


@admin.register(MetricSnapshot)
class SnapshotWithExamplesAdmin(MetricSnapshotAdmin):
    """Adds the worst examples, and the links to compare the snapshot."""

    change_form_outer_after_template = "performance/examples.html"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: object, **kwargs: object
    ) -> HttpResponseBase:
        """Add a page of the examples that meet the filter."""
        with suppress(task_types.UnknownTaskTypeError):  # the page says so
            context |= examples_context(request, context["original"])
        return super().render_change_form(request, context, *args, **kwargs)


def examples_context(request: HttpRequest, snapshot: MetricSnapshot) -> dict[str, object]:
    """Return the worst examples of a snapshot for its template. Raises `UnknownTaskTypeError`."""
    task_type = task_types.get(snapshot.version.model.task_type)
    if snapshot.source != Source.COMPUTED:
        return {}
    if task_type.has_residuals:
        largest = _page(request, selectors.largest_errors(snapshot).order_by("rank"))
        return {"examples": largest, "example_table": residual_table("Largest errors", largest.page)}
    if not task_type.has_classes:
        return {}
    form = ExampleFilterForm(request.GET)
    chosen = form.cleaned_data if form.is_valid() else {}
    conditions = {
        lookup: chosen[name] for name, lookup in selectors.CONDITIONS.items() if chosen.get(name) not in {None, ""}
    }
    page = _page(request, selectors.wrong_predictions(snapshot, **conditions).order_by("rank"))
    return {"examples": page, "example_form": form, "example_table": example_table("Worst examples", page.page)}


def _page(request: HttpRequest, examples: QuerySet[Record]) -> LinkedPage[Record]:
    return LinkedPage(request, examples, parameter=PAGE_PARAMETER, per_page=EXAMPLES_ON_A_PAGE)
