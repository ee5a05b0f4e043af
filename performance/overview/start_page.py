"""The start page: all models with how well they do, and what needs attention."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from models_registry.accounts.models import Organization
from models_registry.api.model_admin import MAX_LISTED
from models_registry.registry import ids
from models_registry.registry.querysets import RegisteredModelQuerySet
from performance.evaluations.models import EvaluationJob
from performance.overview import attention, downloads, selectors, version_selectors
from performance.overview.forms import OverviewForm
from performance.overview.pages import PAGE_SIZE, adjacent_pages, overview_url
from performance.overview.permissions import viewable_models
from performance.snapshots.downloads import PARAMETER, requested_table

MAX_NAMED = 5  # records that a notice names
MAX_OFFERED = 50  # organizations that the filter offers


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that needs attention: what it is, and links to some of it.

    `more` is the address of all, empty if none is left out.
    """

    text: str
    links: list[tuple[str, str]]
    more: str


def start_page_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the start page with the models and what needs attention."""
    form = OverviewForm(request.GET)
    form.is_valid()
    query = {name: value for name, value in form.cleaned_data.items() if value}
    models = viewable_models(request)
    split = query.get("split", version_selectors.SPLITS[0])
    number = min(query.get("page", 1), MAX_LISTED // PAGE_SIZE)
    rows = selectors.page_of_models(
        _filter(models, query),
        order=query.get("o", "name"),
        dataset_split=split,
        offset=(number - 1) * PAGE_SIZE,
        limit=PAGE_SIZE + 1,
    )
    pages = {page["object_name"] for app in context.get("app_list", []) for page in app["models"]}
    overview = {
        "form": form,
        "rows": rows[:PAGE_SIZE],
        "split": split,
        "order": query.get("o", "name"),
        "is_empty": not rows and not query,
        "notices": [*_notices(models)],
        "organizations": Organization.objects.filter(Exists(models.filter(organization=OuterRef("pk")))).order_by(
            "name"
        )[:MAX_OFFERED],
        **adjacent_pages(number, rows),
    }
    # Everybody has the page of their own tokens.
    return context | {"has_downloads": True, "overview": overview, "nothing_is_shared": pages <= {"PersonalToken"}}


def models_as_csv(request: HttpRequest) -> HttpResponseBase | None:
    """Return the models of the start page as CSV if its address asks for them. Raises `Http404`."""
    if PARAMETER not in request.GET:
        return None
    context = start_page_context(request, {})
    return requested_table(request, context, [downloads.models_table(context["overview"]["rows"])])


def _filter(models: RegisteredModelQuerySet, query: Mapping[str, str]) -> RegisteredModelQuerySet:
    models = models.with_words(query.get("q", "").split())
    if "organization" in query:
        models = models.filter(organization__name__icontains=query["organization"])
    if "task_type" in query:
        models = models.filter(task_type=query["task_type"])
    if "state" in query:
        models = models.with_state().filter(state=query["state"])
    kinds = {"gate": attention.with_failed_gate, "promotion": attention.awaiting_promotion}
    return kinds[query["attention"]](models) if "attention" in query else models


def _notices(models: RegisteredModelQuerySet) -> Iterator[Notice]:
    """Yield what needs attention, each kind by one statement."""
    evaluations = reverse("admin:performance_evaluationjob_changelist")
    start = reverse("admin:index")
    failed = attention.failed_verdicts(models)[: MAX_NAMED + 1]
    links = [(f"{each.version}", overview_url(each.model_id)) for each in failed]
    yield from _notice("The gate failed at its last verdict", links, f"{start}?attention=gate")
    waiting = attention.awaiting_promotion(models).order_by("name")[: MAX_NAMED + 1]
    links = [(f"{each.name} {ids.version_id(each.waiting)}", overview_url(each.pk)) for each in waiting]
    yield from _notice("Newer than the promoted version, and not promoted yet", links, f"{start}?attention=promotion")
    jobs = attention.failed_evaluations(models)[: MAX_NAMED + 1]
    yield from _notice(
        "Evaluations failed in the last seven days", [*map(_job_link, jobs)], f"{evaluations}?state__exact=failed"
    )
    jobs = attention.evaluations_without_worker(models)[: MAX_NAMED + 1]
    yield from _notice(
        "Evaluations wait, and no worker is alive: start one with manage.py worker",
        [*map(_job_link, jobs)],
        f"{evaluations}?state__exact=queued",
    )


def _notice(text: str, links: list[tuple[str, str]], more: str) -> Iterator[Notice]:
    if links:
        yield Notice(text, links[:MAX_NAMED], more if len(links) > MAX_NAMED else "")


def _job_link(job: EvaluationJob) -> tuple[str, str]:
    text = f"{job.version.model.name} {job.version.version_id} on {job.dataset_split}"
    return text, reverse("admin:performance_evaluationjob_change", args=[job.pk])
