"""The form of a gate policy in the admin."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse_lazy
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextareaWidget

from models_registry import task_types
from models_registry.api.errors import ConflictError, InvalidBodyError
from models_registry.api.form_fields import StrictJSONField
from models_registry.registry.locks import lock_unarchived
from models_registry.registry.models import RegisteredModel, Version
from performance.gates.models import GatePolicy
from performance.gates.policy import InvalidPolicyError, parse_policy
from performance.gates.services import refuse_invalid, refuse_unknown_versions

format_html_lazy = lazy(format_html, SafeString)
_EXAMPLE = """{
  "dataset_split": "test",
  "rules": [
    {"metric": "accuracy", "operator": ">=", "threshold": 0.9, "confidence": 0.95},
    {"metric": "log_loss", "max_regression": 0.01},
    {"metric": "sample_count", "operator": ">=", "threshold": 1000}
  ]
}"""


class GatePolicyForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """A policy in JSON, of a model or of an organization, validated for the task types as the API does.

    Validate it in the transaction that stores it.
    """

    document = StrictJSONField(
        label="Policy",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 14, "class": "font-mono", "spellcheck": "false"}),
        help_text=format_html_lazy(
            'Such as <pre class="overflow-auto">{}</pre> Leave it empty to withdraw the policy. '
            'Or <a class="text-link" href="{}">fill in a form</a>.',
            _EXAMPLE,
            reverse_lazy("admin:performance_gatepolicy_form"),
        ),
    )

    class Meta:
        model = GatePolicy
        fields = ("model", "organization", "document")

    def clean(self) -> dict[str, Any]:
        """Return the fields. Raises `ValidationError` with an error for each invalid rule."""
        fields: dict[str, Any] = super().clean() or {}
        model, organization = fields.get("model"), fields.get("organization")
        if (model is None) == (organization is None):
            raise ValidationError("Choose a model, or an organization.")
        if model is not None:
            self._lock(model)
        if fields.get("document") is not None:
            self._check(fields["document"], model)
        elif (
            "document" in fields and GatePolicy.objects.filter(model=model, organization=organization).current() is None
        ):
            self.add_error("document", "There is no policy to withdraw.")
        return fields

    def _lock(self, model: RegisteredModel) -> None:
        """Lock the model, so that nobody archives it meanwhile. Raises `ValidationError` if it is archived."""
        try:
            lock_unarchived(model)
        except ConflictError as error:
            raise ValidationError(error.detail) from None

    def _check(self, document: object, model: RegisteredModel | None) -> None:
        try:
            policy = parse_policy(document)
            if model:
                refuse_invalid(policy, [task_types.get(model.task_type)])
            else:
                refuse_invalid(policy, task_types.all_task_types())
            refuse_unknown_versions(policy, Version.objects.filter(model=model))
        except (InvalidPolicyError, InvalidBodyError) as error:
            for field, _, detail in error.errors:
                self.add_error("document", f"{field}: {detail}" if field else detail)
