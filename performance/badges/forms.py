"""The admin's form of a new badge."""

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from performance.badges.models import Badge
from performance.badges.serializers import MAX_LIFETIME, SPLIT_OF_METRIC
from performance.snapshots.models import DatasetSplit


class BadgeForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """A new badge, validated as over HTTP."""

    lifetime_days = forms.IntegerField(
        min_value=1,
        max_value=MAX_LIFETIME,
        initial=365,
        label="Lifetime",
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="The number of days until the badge expires.",
    )

    class Meta:
        model = Badge
        fields = ("model", "metric", "dataset_split")

    def clean(self) -> dict[str, object]:
        """Return the values to store. A metric without a split is that of the test split. Raises `ValidationError`."""
        values: dict[str, object] = super().clean() or {}
        if values.get("dataset_split") and not values.get("metric"):
            raise ValidationError({"dataset_split": SPLIT_OF_METRIC})
        if values.get("metric"):
            values["dataset_split"] = values.get("dataset_split") or DatasetSplit.TEST
        return values
