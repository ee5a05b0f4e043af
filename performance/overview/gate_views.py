"""The gate's verdict on a version as a page, to which CI systems link."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.generic import TemplateView

from models_registry import task_types
from models_registry.accounts.scopes import Scope
from models_registry.registry import ids
from models_registry.registry.models import RegisteredModel, Version
from performance.comparisons.services import paired_intervals
from performance.gates.renderers import measured_texts
from performance.gates.selectors import judge_version
from performance.gates.tables import verdict_table
from performance.gates.verdict import VerdictDocument
from performance.overview.pages import overview_url
from performance.overview.permissions import has_scope
from performance.overview.views import ModelViewMixin


class GateView(ModelViewMixin, TemplateView):
    """The verdict of the policy in force on a version, which is not stored."""

    template_name = "performance/overview/gate.html"

    @cached_property
    def version(self) -> Version:
        """The version that the address names. Raises `Http404` unless it is completed."""
        return completed_version(self.model, self.kwargs["version_id"])

    @property
    def title(self) -> str:  # type: ignore[override]
        """The title of the page."""
        return f"Gate of {self.version.version_id} of {self.model.name}"

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        """Respond. Raises `Http404` if the gate cannot judge the model."""
        refuse_unknown_task_type(self.model)
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        """Return the context with the verdict, and where the version can be promoted."""
        verdict = judge_version(self.version, compare=paired_intervals).as_document()
        may_promote = not self.model.archived_at and has_scope(self.request.user, Scope.MODEL_PROMOTE, self.model)
        promote = "admin:models_registry_registeredmodel_promote"
        return super().get_context_data(
            back=overview_url(self.model.pk),
            promote=reverse(promote, args=[self.model.pk, self.version.version_id]) if may_promote else "",
            **verdict_context(verdict),
            **kwargs,
        )


def completed_version(model: RegisteredModel, version_id: str) -> Version:
    """Return a completed version of a model. Raises `Http404`."""
    number = ids.version_number(version_id) if ids.is_version_id(version_id) else 0
    version: Version = get_object_or_404(model.versions.completed(), number=number)
    version.model = model
    return version


def refuse_unknown_task_type(model: RegisteredModel) -> None:
    """Raise `Http404` if no module declares the model's task type, by which a gate would judge."""
    try:
        task_types.get(model.task_type)
    except task_types.UnknownTaskTypeError as error:
        raise Http404(str(error)) from error


def verdict_context(verdict: VerdictDocument | Mapping[str, Any]) -> dict[str, object]:
    """Return the context of the template that shows a verdict."""
    return {
        "verdict": verdict,
        "verdict_table": verdict_table(verdict.get("rules", [])),
        "notes": [*measured_texts(verdict), *verdict.get("warnings", [])],
    }
