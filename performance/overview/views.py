"""The page of a model."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.shortcuts import get_object_or_404
from django.views.generic.base import ContextMixin, View

from models_registry.accounts.scopes import Scope
from models_registry.api.model_admin import MAX_LISTED
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.promotions import rollback_target
from performance.gates.selectors import current_policy
from performance.gates.tables import rule_table
from performance.overview import downloads, selectors, version_selectors
from performance.overview.pages import PAGE_SIZE, adjacent_pages
from performance.overview.permissions import has_scope, viewable_models
from performance.snapshots.downloads import DownloadMixin, NamedTable

BUTTON = "cursor-pointer font-medium px-3 py-2 rounded-default whitespace-nowrap"  # the theme's classes
PRODUCTION_HEADERS = ("Metric", "Value and interval", "Change")
PROMOTION_HEADERS = ("Promoted at", "Version", "Instead of", "By", "Reason", "Verdict")


class ModelViewMixin(ContextMixin, View):
    """A page about one model that the user may read. Other models do not exist for them."""

    model_admin: Any = None
    title = ""

    @cached_property
    def model(self) -> RegisteredModel:
        """The model that the address names. Raises `Http404`."""
        models = viewable_models(self.request).with_state()
        found: RegisteredModel = get_object_or_404(models.select_related("organization"), pk=self.kwargs["object_id"])
        return found

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        """Return the context that the pages of the admin share."""
        context = self.model_admin.admin_site.each_context(self.request)
        shared = {"original": self.model, "model": self.model, "title": self.title, "button": BUTTON}
        return super().get_context_data(**context, **shared, **kwargs)


class ModelOverviewView(ModelViewMixin, DownloadMixin):
    """A model: what is in production, its metrics over versions, its versions, promotions and policy."""

    template_name = "performance/overview/model.html"

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        """Return the context. The number of queries is the same for any number of versions."""
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

    def get_downloads(self, context: dict[str, Any]) -> Iterator[NamedTable | None]:
        """Return the tables of the page."""
        return downloads.model_tables(context)

    def _selected(self, pairs: list[tuple[str, str]]) -> tuple[str, str]:
        """Return the split and dataset that the address names as `split:dataset`, or else the most telling one."""
        split, _, dataset = self.request.GET.get("on", "").partition(":")
        default = pairs[0] if pairs else (str(version_selectors.SPLITS[0]), "")
        return (split, dataset) if (split, dataset) in pairs else default

    def _metrics(self, split: str, dataset: str) -> dict[str, object]:
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
            **adjacent_pages(number, listed),
            "metrics": metrics,
            "versions": version_selectors.version_rows(listed[:PAGE_SIZE], snapshots, metrics),
            "trends": version_selectors.trends(self.model, charted, snapshots, metrics),
            "newest": charted[0] if charted else None,
            "compared": next((each for each in charted if each.pk != self.model.promoted_version_id), None),
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
