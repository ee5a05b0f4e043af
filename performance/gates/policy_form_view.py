"""The page on which a gate policy is written by form, tried on the newest version, and stored."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.forms import BaseFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.generic import TemplateView
from unfold.views import UnfoldModelAdminViewMixin

from models_registry import task_types
from models_registry.accounts.model_admin import ScopedAdmin
from models_registry.accounts.models import Organization
from models_registry.api.autocomplete import validate_pk
from models_registry.api.errors import ConflictError, InvalidBodyError
from models_registry.registry.models import RegisteredModel
from models_registry.task_types.base import TaskType
from performance.gates import tables
from performance.gates.gate_metrics import QUANTITIES
from performance.gates.models import GatePolicy
from performance.gates.policy import InvalidPolicyError, Policy, parse_policy
from performance.gates.policy_forms import (
    EXTRA_ROWS,
    PolicyForm,
    RuleForm,
    RuleFormSet,
    add_policy_errors,
    initial_rules,
    initial_values,
)
from performance.gates.querysets import GatePolicyQuerySet
from performance.gates.selectors import judge_version
from performance.gates.services import (
    refuse_invalid,
    set_model_policy,
    set_organization_policy,
)

if TYPE_CHECKING:
    _FormView = TemplateView
    Rules = BaseFormSet[RuleForm]
else:

    class _FormView(UnfoldModelAdminViewMixin, TemplateView):
        """A page of the admin."""


PREFIX = "rules"
RULE_HEADERS = ("Metric", "Must be", "Limit", "Confidence", "Against", "Least examples of a slice", "Delete")
_OWNERS: dict[str, type[RegisteredModel | Organization]] = {"model": RegisteredModel, "organization": Organization}
_LABELS = {"model": "Model", "organization": "Organization", "copy": "Copy from"}
MAX_PREVIEWED = 5  # models of an organization


class PolicyForms(TypedDict):
    """The form of a policy, its rows, and the verdicts by it if they were asked for."""

    form: PolicyForm
    rules: "Rules"
    previews: NotRequired[list[dict[str, object]]]


class PolicyFormView(_FormView):
    """Writes the next revision of a policy. `?model=` or `?organization=` names its owner, `?copy=` another model."""

    title = "Gate policy"
    template_name = "performance/policy_form.html"
    model_admin: ScopedAdmin

    def has_permission(self) -> bool:
        """Return whether the caller may store policies at all."""
        return self.model_admin.has_add_permission(self.request)

    def get_choice(self, name: str, key: str) -> "RegisteredModel | Organization":
        """Return the model or the organization with a key. Raises `Http404` for one that is not the caller's."""
        validate_pk(_OWNERS[name], key)
        relation: Any = GatePolicy._meta.get_field(name)
        permitted = self.model_admin.get_field_queryset(None, relation, self.request)
        choices = _OWNERS[name].objects.all() if permitted is None else permitted
        return cast("RegisteredModel | Organization", get_object_or_404(choices, pk=key))

    def search_form(self, **relations: str) -> forms.Form:
        """Return a form with a search box for each of these relations of a policy, by the name of the field."""
        form = forms.Form()
        for name, relation in relations.items():
            field: Any = GatePolicy._meta.get_field(relation)
            box: Any = self.model_admin.formfield_for_foreignkey(field, self.request, label=_LABELS[name])
            form.fields[name] = box
        return form

    def get_context_data(self, **context: object) -> dict[str, object]:
        """Return the forms: to choose an owner, or to write its policy."""
        context = super().get_context_data(opts=GatePolicy._meta, **context)
        if self.owner is None:
            return context | {"owner_form": self.search_form(model="model", organization="organization")}
        if "form" not in context:
            context |= self.forms(initial=self.initial)
        names = [*(each.name for task_type in self.task_types for each in task_type.all_metrics), *QUANTITIES]
        return context | {
            "owner": self.owner,
            "copy_form": self.search_form(copy="model"),
            "current": self.policies.current(),
            "metric_names": [*dict.fromkeys(names)],
            "rule_headers": RULE_HEADERS,
        }

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Add rows, withdraw the policy, judge by it, or store it."""
        if self.owner is None:
            raise BadRequest("Choose a model, or an organization.")
        if "_withdraw" in request.POST:
            return self.withdraw()
        if "_more" in request.POST:
            return self.render_to_response(self.get_context_data(**self.forms(data=self.with_more_rows())))
        context = self.forms(data=request.POST)
        form, rules = context["form"], context["rules"]
        if form.is_valid() & rules.is_valid():
            with _adding_errors(form, rules):
                policy = parse_policy(form.as_document(_filled_in(rules)))
                if "_preview" not in request.POST:
                    self.set_policy(policy)
                    return self.stored("The policy is in force.")
                context["previews"] = [*self.previews(policy)]
        return self.render_to_response(self.get_context_data(**context))

    @cached_property
    def owner(self) -> "RegisteredModel | Organization | None":
        """The model or the organization that the query names; `None` without one."""
        for name in _OWNERS:
            if given := self.request.GET.get(name):
                return self.get_choice(name, given)
        return None

    @property
    def policies(self) -> GatePolicyQuerySet:
        """The revisions of the owner's policy."""
        name = "model" if isinstance(self.owner, RegisteredModel) else "organization"
        revisions: GatePolicyQuerySet = GatePolicy.objects.filter(**{name: self.owner})
        return revisions

    @property
    def task_types(self) -> list[TaskType]:
        """The task types that the policy is for."""
        if isinstance(self.owner, RegisteredModel):
            return [task_types.get(self.owner.task_type)]
        return [*task_types.all_task_types()]

    @property
    def initial(self) -> dict[str, object]:
        """The document to begin with: another model's, or the one in force; an empty one without either."""
        source = self.policies.current()
        if copied := self.request.GET.get("copy"):
            source = GatePolicy.objects.filter(model=str(self.get_choice("model", copied).pk)).current()
        return source.document if source else {"rules": []}  # type: ignore[return-value]  # a policy in force has one

    def forms(self, *, data: QueryDict | None = None, initial: dict[str, object] | None = None) -> PolicyForms:
        """Return the form and its rows, filled in by a request or by a document."""
        if initial is None:
            return {"form": PolicyForm(data), "rules": RuleFormSet(data, prefix=PREFIX)}
        rules = RuleFormSet(initial=initial_rules(initial), prefix=PREFIX)
        return {"form": PolicyForm(initial=initial_values(initial)), "rules": rules}

    def with_more_rows(self) -> QueryDict:
        """Return the request's form with more empty rows."""
        data = self.request.POST.copy()
        count = data.get(f"{PREFIX}-TOTAL_FORMS", "")
        data[f"{PREFIX}-TOTAL_FORMS"] = str((int(count) if count.isdecimal() else 0) + EXTRA_ROWS)
        return data

    def previews(self, policy: Policy) -> Iterable[dict[str, object]]:
        """Yield the verdict on the newest completed version of each model that the policy is for.

        Raises `InvalidBodyError` if the policy could not be stored.
        """
        model_id = self.owner.pk if isinstance(self.owner, RegisteredModel) else None
        refuse_invalid(policy, self.task_types, model_id=model_id)
        for model in self.previewed_models():
            version = model.versions.select_related("model").completed().newest_first().first()
            verdict = judge_version(version, policy=policy, compare=None) if version else None
            yield {
                "model": model,
                "verdict": verdict,
                "table": verdict and tables.verdict_table(verdict.as_document()["rules"]),
            }

    def previewed_models(self) -> Iterable[RegisteredModel]:
        """Return the model itself, or the newest models of the organization without a policy of their own."""
        if isinstance(self.owner, RegisteredModel):
            return [self.owner]
        models = RegisteredModel.objects.filter(organization=self.owner, archived_at=None, gate_policies=None)
        return models.order_by("-created_at", "-pk")[:MAX_PREVIEWED]

    def set_policy(self, policy: Policy | None) -> GatePolicy:
        """Store the owner's next revision. Raises `InvalidBodyError` or `ConflictError`."""
        created_by = self.request.user.get_username()
        if isinstance(self.owner, RegisteredModel):
            return set_model_policy(model=self.owner, policy=policy, created_by=created_by)
        assert self.owner is not None  # noqa: S101  # for the type checker: `post` refused it
        return set_organization_policy(organization=self.owner, policy=policy, created_by=created_by)

    def withdraw(self) -> HttpResponse:
        """Withdraw the policy in force."""
        try:
            self.set_policy(None)
        except ConflictError as error:
            raise BadRequest(str(error.detail)) from None
        return self.stored("The policy is withdrawn.")

    def stored(self, message: str) -> HttpResponse:
        """Return to the list of policies, which says what happened."""
        messages.success(self.request, message)
        return HttpResponseRedirect(reverse("admin:performance_gatepolicy_changelist"))


@contextmanager
def _adding_errors(form: PolicyForm, rules: "Rules") -> Iterator[None]:
    """Add what is refused inside the block to the forms."""
    try:
        yield
    except (InvalidPolicyError, InvalidBodyError) as error:
        add_policy_errors(form, _filled_in(rules), error.errors)
    except ConflictError as error:
        form.add_error(None, str(error.detail))


def _filled_in(rules: "Rules") -> list[RuleForm]:
    """Return the rows that are neither empty nor deleted."""
    return [row for row in rules.forms if row.has_changed() and row not in rules.deleted_forms]
