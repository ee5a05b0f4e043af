"""The form of a gate policy in the admin."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextareaWidget

from models_registry.api.field_errors import error_texts
from models_registry.api.form_fields import StrictJSONField
from performance.gates.models import GatePolicy
from performance.gates.policy import InvalidPolicyError, parse_policy

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
    """A policy in JSON, of a model or of an organization. The service checks whether it fits its owner."""

    document = StrictJSONField(
        label="Policy",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 14, "class": "font-mono", "spellcheck": "false"}),
        help_text=format_html_lazy(
            'Such as <pre class="overflow-auto">{}</pre> Leave it empty to withdraw the policy.', _EXAMPLE
        ),
    )

    class Meta:
        model = GatePolicy
        fields = ("model", "organization", "document")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Lead to the page with a form. Who only sees policies has no fields, and may not open that page."""
        super().__init__(*args, **kwargs)
        if "model" in self.fields:
            self.fields["model"].help_text = format_html(
                'This page takes a policy as JSON. You can also <a class="text-link" href="{}">fill in a form</a>, and '
                "see the verdict before you store the policy.",
                reverse("admin:performance_gatepolicy_form"),
            )

    def clean_document(self) -> object:
        """Return the document, and add its `policy` to the fields. Raises `ValidationError` for each malformed rule."""
        document: object = self.cleaned_data["document"]
        try:
            self.cleaned_data["policy"] = None if document is None else parse_policy(document)
        except InvalidPolicyError as error:
            raise ValidationError(error_texts(error.errors)) from None
        return document

    def clean(self) -> dict[str, object]:
        """Return the fields. Raises `ValidationError` unless there is one owner."""
        fields: dict[str, object] = super().clean() or {}
        if (fields.get("model") is None) == (fields.get("organization") is None):
            raise ValidationError("Choose a model, or an organization.")
        return fields
