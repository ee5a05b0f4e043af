"""The context of the start page, and the page of a model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.generic import TemplateView
from django.views.generic.base import ContextMixin, View

from models_registry.accounts.models import Organization
from models_registry.accounts.scopes import Scope
from models_registry.api.model_admin import MAX_LISTED
from models_registry.registry import ids
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.promotions import rollback_target
from models_registry.registry.querysets import RegisteredModelQuerySet
from performance.gates.selectors import current_policy
from performance.gates.tables import rule_table
from performance.overview import attention, selectors, version_selectors
from performance.overview.forms import OverviewForm
from performance.overview.permissions import has_scope, viewable_models

PAGE_SIZE = 50
BUTTON = "cursor-pointer font-medium px-3 py-2 rounded-default whitespace-nowrap"  # the theme's classes
PRODUCTION_HEADERS = ("Metric", "Value and interval", "Change")
PROMOTION_HEADERS = ("Promoted at", "Version", "Instead of", "By", "Reason", "Verdict")
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


def overview_url(model_id: str) -> str:
    """Return the address of a model's page."""
    return reverse("admin:models_registry_registeredmodel_overview", args=[model_id])


def start_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
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
        **_pages_beside(number, rows),
    }
    # Everybody has the page of their own tokens.
    return context | {"overview": overview, "nothing_is_shared": pages <= {"PersonalToken"}}


def _pages_beside(number: int, rows: Sequence[object]) -> dict[str, int | None]:
    """Return the numbers of the pages before and after a page; 0 and `None` if there is none.

    `rows` are those of the page, and one more if there is a page after it.
    """
    has_next = len(rows) > PAGE_SIZE and number < MAX_LISTED // PAGE_SIZE
    return {"previous": number - 1, "next": number + 1 if has_next else None}


def _filter(models: RegisteredModelQuerySet, query: Mapping[str, Any]) -> RegisteredModelQuerySet:
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
        "Evaluations wait, and no worker takes them: start one with manage.py worker",
        [*map(_job_link, jobs)],
        f"{evaluations}?state__exact=queued",
    )


def _notice(text: str, links: list[tuple[str, str]], more: str) -> Iterator[Notice]:
    if links:
        yield Notice(text, links[:MAX_NAMED], more if len(links) > MAX_NAMED else "")


def _job_link(job: Any) -> tuple[str, str]:
    text = f"{job.version.model.name} {job.version.version_id} on {job.dataset_split}"
    return text, reverse("admin:performance_evaluationjob_change", args=[job.pk])


class ModelViewMixin(ContextMixin, View):
    """A page about one model that the user may read. Other models do not exist for them."""

    model_admin: Any = None
    title = ""

    @cached_property
    def model(self) -> Any:
        """The model that the address names. Raises `Http404`."""
        models = viewable_models(self.request).with_state()
        return get_object_or_404(models.select_related("organization"), pk=self.kwargs["object_id"])

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the context that the pages of the admin share."""
        context = self.model_admin.admin_site.each_context(self.request)
        shared = {"original": self.model, "model": self.model, "title": self.title, "button": BUTTON}
        return super().get_context_data(**context, **shared, **kwargs)


class ModelOverviewView(ModelViewMixin, TemplateView):
    """A model: what is in production, its metrics over versions, its versions, promotions and policy."""

    template_name = "performance/overview/model.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the context. The number of statements is the same for any number of versions."""
        self.title = f"Model {self.model.name}"
        pairs = version_selectors.evaluated_on(self.model)
        selected = self._selected(pairs)
        policy, stored = current_policy(self.model)
        return super().get_context_data(
            pairs=pairs,
            selected=selected,
            promotions=version_selectors.promotions_of(self.model),
            policy=policy,
            policy_owner=stored,
            policy_table=rule_table(policy.as_document()["rules"]) if policy else None,  # type: ignore[arg-type]
            may=self._actions(),
            production_headers=PRODUCTION_HEADERS,
            promotion_headers=PROMOTION_HEADERS,
            **self._metrics(*selected),
            **kwargs,
        )

    def _selected(self, pairs: list[tuple[str, str]]) -> tuple[str, str]:
        """Return the split and dataset that the address names as `split:dataset`, or else the most telling one."""
        split, _, dataset = self.request.GET.get("on", "").partition(":")
        default = pairs[0] if pairs else (str(version_selectors.SPLITS[0]), "")
        return (split, dataset) if (split, dataset) in pairs else default

    def _metrics(self, split: str, dataset: str) -> dict[str, Any]:
        """Return the promoted version's metrics, those of a page of versions, and the charts."""
        on = {"dataset_split": split, "dataset": dataset}
        [row] = selectors.model_rows(RegisteredModel.objects.filter(pk=self.model.pk), **on)
        versions = version_selectors.versions_of(self.model, **on)
        number, order = self._page_number(), self._order(row)
        first = (number - 1) * PAGE_SIZE
        ordered = version_selectors.sort_versions(versions, order, **on)
        listed = [*ordered[first : first + PAGE_SIZE + 1]]
        charted = [*versions.filter(state=Version.State.COMPLETED)[: version_selectors.MAX_CHARTED]]
        snapshots = version_selectors.snapshots_of([*listed, *charted])
        metrics = version_selectors.recorded_metrics(row.task_type, snapshots.values()) if row.task_type else []
        return {
            "row": row,
            "order": order,
            **_pages_beside(number, listed),
            "metrics": metrics,
            "versions": version_selectors.version_rows(listed[:PAGE_SIZE], snapshots, metrics),
            "trends": version_selectors.trends(self.model, charted, snapshots, metrics),
            "newest": charted[0] if charted else None,
        }

    def _page_number(self) -> int:
        number = int(self.request.GET.get("page", "1"))  # `check_input` lets only numbers through
        return min(max(number, 1), MAX_LISTED // PAGE_SIZE)

    def _order(self, row: selectors.ModelRow) -> str:
        """Return the order that the address names, or else the newest versions first."""
        known = {*version_selectors.ORDERS, *(each.name for each in (row.task_type.metrics if row.task_type else ()))}
        order = self.request.GET.get("o", "")
        return order if order.removeprefix("-") in known else "-version"

    def _actions(self) -> dict[str, bool]:
        """Return what the user may do with the model."""
        if self.model.archived_at:
            return {}
        may_promote = has_scope(self.request.user, Scope.MODEL_PROMOTE, self.model)
        return {
            "promote": may_promote,
            "roll_back": may_promote and rollback_target(self.model) is not None,
            "archive": has_scope(self.request.user, Scope.ORGANIZATION_ADMIN, self.model),
        }
