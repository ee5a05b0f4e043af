"""Forms of the start page and of promotions."""

from typing import Any

from django import forms
from rest_framework.settings import api_settings
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from models_registry import task_types
from models_registry.registry.models import RegisteredModel
from models_registry.registry.serializers import MAX_REASON, PromotionInput
from performance.overview.selectors import ORDERS
from performance.overview.version_selectors import SPLITS

MAX_SEARCH = 200  # characters
ATTENTION = [("gate", "The gate failed"), ("promotion", "A version waits for promotion")]


class OverviewForm(forms.Form):
    """The search, the filters, the order and the page of the start page. All are optional."""

    q = forms.CharField(label="Search", required=False, max_length=MAX_SEARCH, widget=UnfoldAdminTextInputWidget)
    organization = forms.CharField(required=False, max_length=MAX_SEARCH, widget=UnfoldAdminTextInputWidget)
    task_type = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)
    state = forms.ChoiceField(
        choices=[("", "All"), *RegisteredModel.State.choices], required=False, widget=UnfoldAdminSelectWidget
    )
    attention = forms.ChoiceField(
        label="Needs attention", choices=[("", "All"), *ATTENTION], required=False, widget=UnfoldAdminSelectWidget
    )
    split = forms.ChoiceField(
        label="Evaluated on",
        choices=[(each, each.label) for each in SPLITS],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    o = forms.ChoiceField(choices=[(f"{sign}{name}", name) for name in ORDERS for sign in ("", "-")], required=False)
    page = forms.IntegerField(required=False, min_value=1)

    shown = ("q", "organization", "task_type", "state", "attention", "split")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        labels = [(each.name, each.label) for each in task_types.all_task_types()]
        self.fields["task_type"].choices = [("", "All"), *labels]  # type: ignore[attr-defined]
        self.fields["organization"].widget.attrs["list"] = "organizations"

    @property
    def filter_fields(self) -> list[forms.BoundField]:
        """The fields that people fill in."""
        return [self[name] for name in self.shown]


class PromotionForm(forms.Form):
    """The reason of a promotion or rollback, and whether it overrides the gate, for those who may override it."""

    reason = forms.CharField(
        required=False,
        max_length=MAX_REASON,
        widget=UnfoldAdminTextareaWidget,
        help_text="Why this version goes into production. It stays in the history of promotions.",
    )
    override = forms.BooleanField(
        label="Override the gate",
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="Promote even if the gate refuses the version. This needs a reason.",
    )

    def __init__(self, *args: Any, may_override: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not may_override:
            del self.fields["override"]

    def clean(self) -> dict[str, object]:
        """Validate the form as the API validates a promotion."""
        body = PromotionInput(data=self.cleaned_data)
        if not self.errors and not body.is_valid():
            for name, errors in body.errors.items():
                self.add_error(None if name == api_settings.NON_FIELD_ERRORS_KEY else name, errors)
        return {"override": False, **self.cleaned_data}
