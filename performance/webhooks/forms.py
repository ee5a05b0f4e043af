"""The form of a webhook in the admin."""

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from performance.webhooks.models import Webhook
from performance.webhooks.validators import SUBSCRIBABLE_NAMES


class WebhookForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """A webhook. Its events are check boxes."""

    events = forms.MultipleChoiceField(
        choices=[(event, event) for event in SUBSCRIBABLE_NAMES], widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    class Meta:
        model = Webhook
        fields = ("organization", "model", "url", "events", "is_active")

    def clean(self) -> dict[str, object]:
        """Refuse a model of another organization. Raises `ValidationError`."""
        values = super().clean() or {}
        model, organization = values.get("model"), values.get("organization")
        if model is not None and model.organization != organization:
            raise ValidationError({"model": "Choose a model of the organization."})
        return values
