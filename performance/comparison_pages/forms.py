"""The forms on top of the comparison pages. They are sent as query strings, so that a page can be shared."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from models_registry.registry import ids
from models_registry.task_types.base import TaskType
from performance.metrics.inputs.options import MAX_LABEL_LENGTH
from performance.metrics.result import MAX_DATASET_NAME
from performance.snapshots.models import MAX_METRIC_NAME, DatasetSplit

MAX_KEY = 2**63 - 1

_version_id = RegexValidator(rf"^{ids.VERSION_ID_PATTERN}\Z", "Enter a version id such as ver-00001.")


class VersionIdFormField(forms.CharField):
    """The id of a version. The browser suggests the newest ones from the list `versions`."""

    def __init__(self, **options: Any) -> None:
        widget = UnfoldAdminTextInputWidget(attrs={"list": "versions"})
        super().__init__(max_length=40, validators=[_version_id], widget=widget, **options)


class SnapshotField(forms.IntegerField):
    """The key of a snapshot. The browser suggests the newest ones from the list `snapshots`."""

    def __init__(self) -> None:
        widget = UnfoldAdminTextInputWidget(attrs={"list": "snapshots", "inputmode": "numeric"})
        super().__init__(min_value=1, max_value=MAX_KEY, widget=widget)


class ShownForm(forms.Form):
    """What a page of two snapshots shows of them: the class of the curves, and the metric of the slices."""

    label = forms.CharField(
        label="Class of the curves",
        required=False,
        strip=False,
        max_length=MAX_LABEL_LENGTH,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "labels"}),
    )
    metric = forms.CharField(
        label="Metric of the slices",
        required=False,
        max_length=MAX_METRIC_NAME,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "metrics"}),
    )


class VersionsForm(ShownForm):
    """Two versions of a model, and the split and dataset that they are compared on."""

    version_id = VersionIdFormField(label="Version")
    baseline_version_id = VersionIdFormField(label="Baseline")
    dataset_split = forms.ChoiceField(choices=DatasetSplit.choices, widget=UnfoldAdminSelectWidget)
    dataset = forms.CharField(
        required=False,
        max_length=MAX_DATASET_NAME,
        help_text="Empty for the primary one.",
        widget=UnfoldAdminTextInputWidget,
    )
    field_order = ["version_id", "baseline_version_id", "dataset_split", "dataset"]


class SnapshotsForm(ShownForm):
    """Two snapshots of models of one task type."""

    snapshot = SnapshotField()
    baseline = SnapshotField()
    field_order = ["snapshot", "baseline"]


class LeaderboardForm(forms.Form):
    """What a leaderboard ranks by."""

    dataset_split = forms.ChoiceField(choices=DatasetSplit.choices, widget=UnfoldAdminSelectWidget)
    task_type = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    metric = forms.ChoiceField(widget=UnfoldAdminSelectWidget)

    def offer(self, known: list[TaskType], chosen: TaskType) -> None:
        """Set the choices: the task types of the dataset's models, and the metrics of the chosen one."""
        choices: Any = self.fields
        choices["task_type"].choices = [(each.name, each.label) for each in known]
        choices["metric"].choices = [(each.name, each.label) for each in chosen.metrics]
