"""A gate policy as a form: what it requires of snapshots, and a row for each rule."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from models_registry.api.field_errors import FieldError
from performance.gates.gate_input import Operator
from performance.gates.policy_document import MAX_NAME_LENGTH, MAX_RULES, PINS, SPLITS
from performance.metrics.inputs.options import AVERAGINGS

EXTRA_ROWS = 3
ABSOLUTE, RELATIVE = "max_regression", "relative"
REQUIREMENTS = [
    (Operator.AT_LEAST, "at least (>=)"),
    (Operator.MORE, "more than (>)"),
    (Operator.AT_MOST, "at most (<=)"),
    (Operator.LESS, "less than (<)"),
    (ABSOLUTE, "worse by at most"),
    (RELATIVE, "worse by at most, as a share of the baseline"),
]
# The form's field for each field of a rule.
_FIELDS = {"operator": "requirement", "relative": "requirement", "threshold": "limit", "max_regression": "limit"}


def _text(label: str, **attributes: str) -> UnfoldAdminTextInputWidget:
    return UnfoldAdminTextInputWidget(attrs={"aria-label": label, **attributes})


def _number(label: str) -> UnfoldAdminDecimalFieldWidget:
    return UnfoldAdminDecimalFieldWidget(attrs={"aria-label": label, "step": "any"})


class RuleForm(forms.Form):
    """One rule. `against` and `min_sample_count` may be empty for the default."""

    metric = forms.CharField(max_length=MAX_NAME_LENGTH, widget=_text("Metric", list="metrics", autocomplete="off"))
    requirement = forms.ChoiceField(
        choices=REQUIREMENTS,
        initial=Operator.AT_LEAST,
        widget=UnfoldAdminSelectWidget(attrs={"aria-label": "Requirement"}),
    )
    limit = forms.FloatField(widget=_number("Limit"))
    confidence = forms.FloatField(required=False, widget=_number("Confidence"))
    against = forms.CharField(max_length=MAX_NAME_LENGTH, required=False, widget=_text("Against"))
    min_sample_count = forms.IntegerField(
        label="Least examples of a slice", required=False, widget=_number("Least examples of a slice")
    )

    def as_rule(self) -> dict[str, object]:
        """Return the valid row as a rule of a policy document."""
        fields = self.cleaned_data
        kind, limit = fields["requirement"], fields["limit"]
        if kind in (ABSOLUTE, RELATIVE):
            required = {"max_regression": limit, **({"relative": True} if kind == RELATIVE else {})}
        else:
            required = {"operator": kind, "threshold": limit}
        return {"metric": fields["metric"], **required, **_given(fields, "confidence", "against", "min_sample_count")}

    def add_policy_error(self, field: str, detail: str) -> None:
        """Add an error in a field of the rule; an empty name means the whole rule."""
        name = _FIELDS.get(field, field)
        self.add_error(name if name in self.fields else None, detail)


RuleFormSet = forms.formset_factory(
    RuleForm, extra=EXTRA_ROWS, max_num=MAX_RULES, absolute_max=MAX_RULES, validate_max=True, can_delete=True
)


class PolicyForm(forms.Form):
    """What a policy requires of snapshots, and what it compares with."""

    dataset_split = forms.ChoiceField(choices=[(each, each) for each in SPLITS], initial="test")
    dataset = forms.CharField(required=False, help_text="The name of the test set; empty for the primary one.")
    source = forms.BooleanField(required=False, label="Computed metrics only", help_text="Reported metrics fail.")
    same_dataset = forms.BooleanField(
        required=False,
        label="Same dataset",
        help_text="A limit on regression fails unless both used the same examples.",
    )
    max_age_days = forms.IntegerField(required=False, label="Maximum age", help_text="In days, of the evaluation.")
    against = forms.CharField(
        required=False,
        help_text="What limits on regression compare with: promoted (the default), best, or a version id.",
    )
    positive_class = forms.CharField(required=False, help_text="Evaluations with another positive class fail.")
    averaging = forms.ChoiceField(required=False, choices=[("", "any"), *((each, each) for each in AVERAGINGS)])
    threshold = forms.FloatField(required=False, help_text="Evaluations with another decision threshold fail.")
    k = forms.IntegerField(required=False, label="Ranked items", help_text="How many items of a ranking count: k.")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for field in self.fields.values():
            field.widget = _WIDGETS[type(field)](**_choices(field))

    def as_document(self, rules: Iterable[RuleForm]) -> dict[str, object]:
        """Return the valid form as a policy document."""
        fields = self.cleaned_data
        pins = _given(fields, *PINS)
        return {
            **_given(fields, "dataset_split", "dataset", "max_age_days", "against"),
            **({"source": "computed"} if fields["source"] else {}),
            **({"same_dataset": True} if fields["same_dataset"] else {}),
            **({"evaluation": pins} if pins else {}),
            "rules": [rule.as_rule() for rule in rules],
        }


def initial_values(document: Mapping[str, Any]) -> dict[str, object]:
    """Return the values of `PolicyForm` for a policy document."""
    return {**document, **document.get("evaluation", {}), "source": "source" in document}


def initial_rules(document: Mapping[str, Any]) -> list[dict[str, object]]:
    """Return the values of each `RuleForm` for a policy document."""
    return [{**rule, **_requirement(rule)} for rule in document["rules"]]


def add_policy_errors(form: PolicyForm, rules: list[RuleForm], errors: Iterable[FieldError]) -> None:
    """Add each error of a policy document to the field or row that it is about."""
    for path, _, detail in errors:
        name, *rest = path.split(".")
        if name == "rules" and rest:
            rules[int(rest[0])].add_policy_error(rest[1] if rest[1:] else "", detail)
        else:
            field = rest[0] if name == "evaluation" and rest else name
            form.add_error(field if field in form.fields else None, detail)


_WIDGETS: dict[type[forms.Field], Callable[..., forms.Widget]] = {
    forms.CharField: UnfoldAdminTextInputWidget,
    forms.ChoiceField: UnfoldAdminSelectWidget,
    forms.BooleanField: UnfoldBooleanWidget,
    forms.IntegerField: UnfoldAdminIntegerFieldWidget,
    forms.FloatField: UnfoldAdminDecimalFieldWidget,
}


def _choices(field: forms.Field) -> dict[str, object]:
    return {"choices": field.choices} if isinstance(field, forms.ChoiceField) else {}


def _requirement(rule: Mapping[str, object]) -> dict[str, object]:
    if "max_regression" in rule:
        return {"requirement": RELATIVE if rule.get("relative") else ABSOLUTE, "limit": rule["max_regression"]}
    return {"requirement": rule["operator"], "limit": rule["threshold"]}


def _given(fields: Mapping[str, object], *names: str) -> dict[str, object]:
    return {name: fields[name] for name in names if fields[name] not in (None, "")}
