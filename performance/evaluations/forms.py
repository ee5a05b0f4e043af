"""The form that filters the worst examples on the page of a snapshot."""

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from performance.metrics.inputs.options import MAX_LABEL_LENGTH


class ClassField(forms.CharField):
    """A class. The browser suggests those from the list `classes`."""

    def __init__(self, *, label: str) -> None:
        widget = UnfoldAdminTextInputWidget(attrs={"list": "classes-of-snapshot"})
        super().__init__(label=label, required=False, strip=False, max_length=MAX_LABEL_LENGTH, widget=widget)


class ExampleFilterForm(forms.Form):
    """Which wrong predictions are listed."""

    actual = ClassField(label="Actual class")
    predicted = ClassField(label="Predicted class")
    min_confidence = forms.FloatField(
        label="Least confidence", required=False, min_value=0, max_value=1, widget=UnfoldAdminTextInputWidget
    )
