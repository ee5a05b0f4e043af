"""How gates are asked, and how their policies and verdicts are sent and shown."""

from functools import cached_property
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from models_registry.api.fields import UTCDateTimeField
from models_registry.registry import ids
from performance.gates.gate_input import Operator, RuleStatus
from performance.gates.models import GateVerdict
from performance.gates.policy import MAX_NAME, MAX_RULES, InvalidPolicyError, parse_policy, stored_policy
from performance.gates.verdict import Status
from performance.snapshots.models import DatasetSplit
from performance.snapshots.serializers import IntervalSerializer

FORMS = ("json", "junit", "markdown", "html")


class RuleSerializer(serializers.Serializer[Any]):
    """A threshold (`operator`, `threshold`), or a limit on how much worse than the promoted version it may be."""

    metric = serializers.CharField(
        max_length=MAX_NAME,
        help_text="A metric of the task type, `sample_count`, `custom.NAME` or `per_class.LABEL.METRIC`.",
    )
    operator = serializers.ChoiceField([*Operator], required=False)
    threshold = serializers.FloatField(required=False)
    max_regression = serializers.FloatField(
        required=False, min_value=0, help_text="By how much the metric may be worse; which way that is follows from it."
    )
    relative = serializers.BooleanField(
        required=False, help_text="Whether `max_regression` is a fraction of the promoted version's value."
    )
    confidence = serializers.FloatField(
        required=False, help_text="0.95: the unfavourable end of the interval must hold, not the point."
    )


class PolicyInput(serializers.Serializer[Any]):
    """What a version must be like to ship: all the rules must hold."""

    dataset_split = serializers.ChoiceField(
        DatasetSplit.choices, default=DatasetSplit.TEST.value, help_text="The split that is looked at."
    )
    rules = serializers.ListField(child=RuleSerializer(), min_length=1, max_length=MAX_RULES)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the `policy`, which the gates themselves read. Raises `ValidationError`, naming each fault."""
        try:
            return {"policy": parse_policy(data)}
        except InvalidPolicyError as error:
            raise serializers.ValidationError(
                {field or "non_field_errors": [ErrorDetail(detail, code)] for field, code, detail in error.faults}
            ) from None


class PolicySerializer(serializers.Serializer[Any]):
    """A stored policy: its rules, which version of it that is, by whom and of when."""

    dataset_split = serializers.ChoiceField(DatasetSplit.choices, source="document.dataset_split")
    rules = serializers.ListField(child=RuleSerializer(), source="document.rules")
    version = serializers.IntegerField(help_text="Each edit is a new one; a verdict names the one it judged by.")
    created_by = serializers.CharField(allow_blank=True)
    created_at = UTCDateTimeField()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the policy, with its rules as the gates write them: each has fields of its own."""
        return {**super().to_representation(instance), **stored_policy(instance.document).as_document()}


class GateQuerySerializer(serializers.Serializer[Any]):
    """The query parameters of a gate."""

    version_id = serializers.RegexField(
        rf"^{ids.VERSION_ID_PATTERN}\Z",
        required=False,
        trim_whitespace=False,
        help_text="The version to judge; by default the newest completed one.",
        error_messages={"invalid": "Must be a version id such as ver-00001."},
    )
    enforce = serializers.ChoiceField(
        ["true", "false"],
        default="false",
        help_text="With `true` a failed gate is 409, which stops `curl --fail`, and the verdict is kept.",
        error_messages={"invalid_choice": "Must be true or false."},
    )
    format = serializers.ChoiceField(
        FORMS,
        required=False,
        help_text="The form of the answer; by default as `Accept` has it, else JSON.",
        error_messages={"invalid_choice": f"Must be one of {', '.join(FORMS)}."},
    )


class StoredSerializer(serializers.Serializer[Any]):
    """What was validated when it was stored: given out as it is, in the order of the fields."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {name: instance[name] for name in self._names}

    @cached_property
    def _names(self) -> list[str]:
        return [str(name) for name in self.fields]


class RuleVerdictSerializer(StoredSerializer):
    """What became of a rule."""

    metric = serializers.CharField()
    operator = serializers.ChoiceField([*Operator], allow_null=True)
    threshold = serializers.FloatField(
        allow_null=True,
        help_text="What the value was held against. For a limit on regression it follows from the baseline's value.",
    )
    value = serializers.FloatField(allow_null=True)
    interval = IntervalSerializer(
        allow_null=True, help_text="Where the rule asks for confidence: of the value, or of the difference."
    )
    baseline_value = serializers.FloatField(allow_null=True)
    status = serializers.ChoiceField([*RuleStatus])
    detail = serializers.CharField()


class StoredPolicySerializer(serializers.Serializer[Any]):
    """Which policy it is."""

    owner = serializers.ChoiceField(["model", "organization"])
    version = serializers.IntegerField()


class VerdictSerializer(StoredSerializer):
    """What became of a version, rule by rule."""

    model_id = serializers.RegexField(rf"^{ids.MODEL_ID_PATTERN}$")
    version_id = serializers.RegexField(rf"^{ids.VERSION_ID_PATTERN}$")
    baseline_version_id = serializers.RegexField(rf"^{ids.VERSION_ID_PATTERN}$", allow_null=True)
    status = serializers.ChoiceField([*Status])
    rules = RuleVerdictSerializer(many=True)
    judged_at = serializers.RegexField(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")
    warnings = serializers.ListField(
        child=serializers.CharField(), help_text="What is odd about rules, though allowed."
    )
    policy = StoredPolicySerializer(allow_null=True, help_text="Null for one that is stored nowhere.")

    def to_representation(self, instance: Any) -> dict[str, Any]:
        rule = self.fields["rules"].child  # type: ignore[attr-defined]  # of a list serializer
        return {**super().to_representation(instance), "rules": [*map(rule.to_representation, instance["rules"])]}


class KeptVerdictSerializer(serializers.Serializer[Any]):
    """A verdict that counted: on a promotion, or on whoever asked with `enforce`."""

    id = serializers.CharField()
    occasion = serializers.ChoiceField(GateVerdict.Occasion.choices)
    requested_by = serializers.CharField(allow_blank=True)
    verdict = VerdictSerializer(source="document")
