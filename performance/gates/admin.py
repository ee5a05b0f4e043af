"""Gate policies and verdicts in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action

from models_registry.accounts.model_admin import ScopedAdmin
from models_registry.accounts.scopes import Scope
from models_registry.api.autocomplete import validate_pk
from models_registry.api.model_admin import (
    ReadOnlyAdminMixin,
    TimeRangeFilter,
    badge,
    link_to,
    nowrap,
    pretty_json,
)
from models_registry.registry.model_admin import VersionRecordAdmin
from performance.gates import tables
from performance.gates.forms import GatePolicyForm
from performance.gates.models import GatePolicy, GateVerdict
from performance.gates.policy import stored_policy
from performance.gates.policy_form_view import PolicyFormView
from performance.gates.renderers import measured_texts
from performance.gates.services import set_model_policy, set_organization_policy

VERDICTS = {"passed": "success", "failed": "danger", "no_policy": "default"}


@admin.register(GatePolicy)
class GatePolicyAdmin(ScopedAdmin):
    """Gate policies. Each edit adds a row, and the newest row is in force; no row is changed."""

    scopes = {"view": Scope.MODEL_READ, "add": Scope.ORGANIZATION_ADMIN}
    owner_lookups = ("model", "organization")

    form = GatePolicyForm
    list_display = ("created_at", "owner_name", "version", "rules", "created_by")
    list_filter = (("model", AutocompleteSelectFilter), ("organization", AutocompleteSelectFilter))
    list_select_related = ("model", "organization")
    search_fields = ("model__name", "model__model_id", "organization__name", "created_by")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    autocomplete_fields = ("model", "organization")
    readonly_fields = ("version", "created_by", "created_at", "as_json")
    change_form_after_template = "performance/rules.html"
    actions_detail = ("edit",)

    def get_urls(self) -> list[URLPattern]:
        """Return the pages, with the one on which a policy is written by form."""
        view = self.admin_site.admin_view(PolicyFormView.as_view(model_admin=self))
        urls: list[URLPattern] = [path("form/", view, name="performance_gatepolicy_form"), *super().get_urls()]
        return urls

    def has_edit_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Return whether the user may store the next revision of a policy, or of any."""
        if object_id is None or self.has_django_permission(request, "add"):
            return self.has_add_permission(request)
        validate_pk(GatePolicy, object_id)
        return self.has_scope(request, "add", GatePolicy(pk=object_id))

    @action(description="Edit as the next revision", url_path="edit", permissions=["edit"])  # type: ignore[untyped-decorator]
    def edit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Open the form with the policy in force of the same owner."""
        policy = get_object_or_404(self.get_queryset(request), pk=object_id)
        owner = f"model={policy.model_id}" if policy.model_id else f"organization={policy.organization_id}"
        return redirect(f"{reverse('admin:performance_gatepolicy_form')}?{owner}")

    def get_fields(self, request: HttpRequest, obj: GatePolicy | None = None) -> tuple[str, ...]:
        """Return the owner and the policy for a new policy; add who stored it, and when, for a stored one."""
        owner = ("model", "organization")
        return (*owner, "version", "created_by", "created_at", "as_json") if obj else (*owner, "document")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: object, **kwargs: object
    ) -> HttpResponseBase:
        """Add the table of the rules of a stored policy."""
        stored = context.get("original")
        if stored and stored.document:
            context["rule_table"] = tables.rule_table(stored.document["rules"])
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="policy")
    def as_json(self, policy: GatePolicy) -> str:
        """Return the policy as JSON."""
        return "withdrawn" if policy.document is None else pretty_json(stored_policy(policy.document).as_document())

    def has_change_permission(self, request: HttpRequest, obj: GatePolicy | None = None) -> bool:
        """Return `False`: a policy is replaced by adding a new one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: GatePolicy | None = None) -> bool:
        """Return `False`: a policy is withdrawn by adding an empty one."""
        return False

    def save_model(self, request: HttpRequest, obj: GatePolicy, form: "ModelForm[GatePolicy]", change: bool) -> None:
        """Store the policy as the API does."""
        policy, created_by = form.cleaned_data["policy"], request.user.get_username()
        if obj.model:
            stored = set_model_policy(model=obj.model, policy=policy, created_by=created_by)
        else:
            organization = form.cleaned_data["organization"]
            stored = set_organization_policy(organization=organization, policy=policy, created_by=created_by)
        obj.__dict__.update(stored.__dict__)

    @admin.display(description="of")
    def owner_name(self, policy: GatePolicy) -> str:
        """Return the model or the organization that owns the policy."""
        return str(policy.model or policy.organization)

    @admin.display(description="rules", empty_value="withdrawn")
    def rules(self, policy: GatePolicy) -> int | None:
        """Return the number of rules."""
        return None if policy.document is None else len(policy.document["rules"])


@admin.register(GateVerdict)
class GateVerdictAdmin(ReadOnlyAdminMixin, VersionRecordAdmin):
    """Stored verdicts, newest first."""

    list_display = ("judged_at", "model", "version_name", "result", "occasion", "requested_by")
    list_filter = (
        ("model__organization", AutocompleteSelectFilter),
        ("occasion", ChoicesDropdownFilter),
        ("judged_at", TimeRangeFilter),
    )
    model_lookup = "model"
    ordering = ("-pk",)
    fields = (
        ("model_link", "version_link"),
        ("result", "occasion"),
        ("judged_at", "requested_by"),
        ("baseline", "policy"),
    )
    change_form_after_template = "performance/rules.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[GateVerdict]:
        """Return the verdicts with their models and versions."""
        verdicts: QuerySet[GateVerdict] = super().get_queryset(request)
        return verdicts.select_related("model", "version__model")

    @admin.display(description="verdict", ordering="status")
    def result(self, verdict: GateVerdict) -> str:
        """Return the verdict as a badge."""
        return badge(verdict.status.replace("_", " "), VERDICTS[verdict.status])

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: object, **kwargs: object
    ) -> HttpResponseBase:
        """Add the table of the rules' results, what was measured, and the warnings."""
        document = context["original"].document
        context["rule_table"] = tables.verdict_table(document.get("rules", []))
        context["notes"] = [*measured_texts(document), *document.get("warnings", [])]
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="model")
    def model_link(self, verdict: GateVerdict) -> str:
        """Return a link to the model."""
        return link_to(verdict.model)

    @admin.display(description="version")
    def version_link(self, verdict: GateVerdict) -> str:
        """Return a link to the version."""
        return link_to(verdict.version)

    @admin.display(description="version", ordering="version__number")
    def version_name(self, verdict: GateVerdict) -> str:
        """Return the version's public id."""
        return nowrap(verdict.version.version_id)

    @admin.display(description="baseline")
    def baseline(self, verdict: GateVerdict) -> str:
        """Return the version that was promoted then."""
        return verdict.document.get("baseline_version_id") or "none, as no version was promoted"

    @admin.display(description="policy")
    def policy(self, verdict: GateVerdict) -> str:
        """Return the owner and revision of the policy that was applied."""
        policy = verdict.document.get("policy")
        return f"the {policy['owner']}'s, version {policy['version']}" if policy else "not stored"
