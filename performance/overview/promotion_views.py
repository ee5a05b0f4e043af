"""Pages that ask for confirmation before a model is promoted, rolled back or archived, by the services of the API."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypedDict

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.views.generic import FormView

from models_registry.accounts.model_admin import logged_in_user
from models_registry.accounts.scopes import Scope
from models_registry.api.errors import ConflictError
from models_registry.api.writes import lock_row
from models_registry.registry import promotions, services
from models_registry.registry.models import Promotion, RegisteredModel, Version
from models_registry.registry.promotions import CheckResult
from performance.comparisons.services import paired_intervals
from performance.gates.selectors import judge_version
from performance.overview.forms import PromotionForm
from performance.overview.gate_views import completed_version, refuse_unknown_task_type, verdict_context
from performance.overview.pages import overview_url
from performance.overview.permissions import has_scope
from performance.overview.views import ModelViewMixin


class Reason(TypedDict):
    """Why a version is promoted, and whether against its gate."""

    reason: str
    override: bool


class ConfirmationView(ModelViewMixin, FormView):  # type: ignore[type-arg]  # generic for the type checker only
    """The base of pages that ask for confirmation. A subclass names the scope that it takes."""

    template_name = "performance/overview/confirm.html"
    form_class: type[Form] = Form
    scope: Scope
    submit = ""
    explanation = ""
    verdict: Mapping[str, Any] | None = None

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        """Respond, if the user has the scope on the model. Raises `PermissionDenied`."""
        self._check_scope(self.scope)
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: Form) -> HttpResponse:
        """Do what is asked for, in one transaction, and return to the model. A refusal is shown on this page."""
        try:
            outcome = self.act(form.cleaned_data)
        except ConflictError as error:
            form.add_error(None, str(error.detail))
            return self._render(form, 409)
        if isinstance(outcome, CheckResult):
            self.verdict = outcome.verdict
            form.add_error(None, "The gate refuses the version. The table says which rules it does not pass, and why.")
            return self._render(form, 409)
        messages.success(self.request, outcome)
        return HttpResponseRedirect(overview_url(self.model.pk))

    def act(self, content: Mapping[str, object]) -> str | CheckResult:
        """Do what is asked for. Return a message, or the check that refuses it. Raises `ConflictError`."""
        raise NotImplementedError

    def lock(self, scope: Scope | None = None) -> RegisteredModel:
        """Lock the model's row, check the user's right again, and return the model. Raises `PermissionDenied`."""
        lock_row(self.model)
        self.model.refresh_from_db()
        self._check_scope(scope or self.scope)
        return self.model

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        """Return the context with the verdict."""
        kwargs |= {
            "submit": self.submit,
            "explanation": self.explanation,
            "back": overview_url(self.model.pk),
        }
        return super().get_context_data(**kwargs, **(verdict_context(self.verdict) if self.verdict else {}))

    def _check_scope(self, scope: Scope) -> None:
        if not has_scope(self.request.user, scope, self.model):
            raise PermissionDenied(f"You need the scope {scope} here: ask an admin of the organization.")

    def _render(self, form: Form, status: int) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=status)


class GatedView(ConfirmationView):
    """The base of pages that put a version into production, which the gate may refuse."""

    form_class = PromotionForm
    scope = Scope.MODEL_PROMOTE

    @cached_property
    def version(self) -> Version:
        """The version that goes into production. Raises `Http404`."""
        raise NotImplementedError

    @property
    def is_judged(self) -> bool:
        """Whether the gate decides."""
        return True

    def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Show the gate's verdict and the form."""
        if self.is_judged:
            self.verdict = judge_version(self.version, compare=paired_intervals).as_document()
        response: HttpResponse = super().get(request, *args, **kwargs)
        return response

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        """Respond. Raises `Http404` if no module declares the model's task type, by which a gate would judge."""
        refuse_unknown_task_type(self.model)
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, object]:
        """Return the arguments of the form, which lets only admins override the gate."""
        may_override = has_scope(self.request.user, Scope.ORGANIZATION_ADMIN, self.model)
        return super().get_form_kwargs() | {"may_override": may_override}

    def lock_for(self, content: Mapping[str, object]) -> RegisteredModel:
        """Lock the model. To override the gate takes another scope. Raises `PermissionDenied`."""
        return self.lock(Scope.ORGANIZATION_ADMIN if content["override"] else None)

    def report(self, outcome: Promotion | CheckResult) -> str | CheckResult:
        """Return what has become of the version."""
        if isinstance(outcome, CheckResult):
            return outcome
        overridden = ", against its gate" if outcome.overridden else ""
        return f"{outcome.version.version_id} is promoted{overridden}."


class PromoteView(GatedView):
    """Promote a completed version."""

    submit = "Promote"

    @cached_property
    def version(self) -> Version:
        """The version that the address names. Raises `Http404` unless it is completed."""
        return completed_version(self.model, self.kwargs["version_id"])

    @property
    def title(self) -> str:  # type: ignore[override]
        """The title of the page."""
        return f"Promote {self.version.version_id} of {self.model.name}"

    def act(self, content: Mapping[str, object]) -> str | CheckResult:
        """Promote the version."""
        promotions.prepare_promotion(self.version)
        with transaction.atomic():
            self.version.model = self.lock_for(content)
            user = logged_in_user(self.request)
            return self.report(promotions.promote(version=self.version, promoted_by=user, **_reason(content)))


class RollBackView(GatedView):
    """Promote the previously promoted version again."""

    submit = "Roll back"

    @cached_property
    def version(self) -> Version:
        """The version that was promoted before. Raises `Http404` without one."""
        earlier = promotions.rollback_target(self.model)
        if earlier is None:
            raise Http404(f"{self.model.pk} has no earlier promotion to roll back to.")
        earlier.version.model = self.model
        return earlier.version

    @property
    def title(self) -> str:  # type: ignore[override]
        """The title of the page."""
        return f"Roll {self.model.name} back to {self.version.version_id}"

    @property
    def is_judged(self) -> bool:
        """Whether the gate decides: nothing delays going back to what passed it."""
        return promotions.is_checked_again(self.version)

    def act(self, content: Mapping[str, object]) -> str | CheckResult:
        """Roll the model back."""
        with transaction.atomic():
            model, user = self.lock_for(content), logged_in_user(self.request)
            return self.report(promotions.roll_back(model=model, promoted_by=user, **_reason(content)))


class ArchiveView(ConfirmationView):
    """Archive a model, which cannot be undone."""

    scope = Scope.ORGANIZATION_ADMIN
    submit = "Archive"
    explanation = "An archived model can be read as before, and takes no writes any more. This cannot be undone."

    @property
    def title(self) -> str:  # type: ignore[override]
        """The title of the page."""
        return f"Archive {self.model.name}"

    def act(self, content: Mapping[str, object]) -> str:
        """Archive the model."""
        with transaction.atomic():
            services.archive_model(model=self.lock())
        return f"{self.model.name} is archived."


def _reason(content: Mapping[str, object]) -> Reason:
    """Return the part of a valid form that promotions take."""
    return {"reason": str(content["reason"]), "override": bool(content["override"])}
