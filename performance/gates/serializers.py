"""Serializers of gate requests, policies and verdicts."""

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from models_registry.api.fields import UTCDateTimeField
from models_registry.registry.fields import ModelIdField, VersionIdField
from performance.gates.gate_input import Operator, RuleStatus
from performance.gates.models import GateVerdict
from performance.gates.policy import MAX_NAME_LENGTH, MAX_RULES, InvalidPolicyError, Policy, parse_policy, stored_policy
from performance.gates.verdict import Status
from performance.snapshots.models import DatasetSplit
from performance.snapshots.serializers import IntervalSerializer, MappingSerializer

FORMATS = ("json", "junit", "markdown", "html")


class RuleSerializer(serializers.Serializer[None]):
    """A threshold (`operator`, `threshold`), or a limit on how much worse than the promoted version a metric may be."""

    metric = serializers.CharField(
        max_length=MAX_NAME_LENGTH,
        help_text="A metric of the task type, `sample_count`, `custom.NAME` or `per_class.LABEL.METRIC`.",
    )
    operator = serializers.ChoiceField([*Operator], required=False)
    threshold = serializers.FloatField(required=False)
    max_regression = serializers.FloatField(
        required=False,
        min_value=0,
        help_text="By how much the metric may be worse than the promoted version's, by the metric's direction.",
    )
    relative = serializers.BooleanField(
        required=False, help_text="Whether `max_regression` is a fraction of the promoted version's value."
    )
    confidence = serializers.FloatField(
        required=False,
        help_text="With 0.95, the rule must hold at the unfavourable end of the interval, not only for the value.",
    )


class PolicyInput(serializers.Serializer[None]):
    """The rules that a version must pass, all of them."""

    dataset_split = serializers.ChoiceField(
        DatasetSplit.choices, default=DatasetSplit.TEST.value, help_text="The split whose newest metrics are judged."
    )
    rules = serializers.ListField(child=RuleSerializer(), min_length=1, max_length=MAX_RULES)

    def to_internal_value(self, data: object) -> dict[str, Policy]:
        """Return the parsed `policy`. Raises `ValidationError` with all errors."""
        try:
            return {"policy": parse_policy(data)}
        except InvalidPolicyError as error:
            raise serializers.ValidationError(
                {field or "non_field_errors": [ErrorDetail(detail, code)] for field, code, detail in error.errors}
            ) from None


class PolicySerializer(serializers.Serializer[Any]):
    """A stored policy: its rules and revision, and who stored it when."""

    dataset_split = serializers.ChoiceField(DatasetSplit.choices, source="document.dataset_split")
    rules = serializers.ListField(child=RuleSerializer(), source="document.rules")
    version = serializers.IntegerField(
        help_text="The revision of the policy: each edit adds one. A verdict names the revision that was applied."
    )
    created_by = serializers.CharField(allow_blank=True)
    created_at = UTCDateTimeField()

    def to_representation(self, instance: Any) -> dict[str, object]:
        """Return the policy. Each rule has only its own fields."""
        return {**super().to_representation(instance), **stored_policy(instance.document).as_document()}


class GateQuerySerializer(serializers.Serializer[None]):
    """The query parameters of a gate."""

    version_id = VersionIdField(
        required=False,
        trim_whitespace=False,
        help_text="The version to judge; by default the newest completed one.",
    )
    enforce = serializers.ChoiceField(
        ["true", "false"],
        default="false",
        help_text="With `true`, a failed gate returns 409, which stops `curl --fail`, and the verdict is stored.",
        error_messages={"invalid_choice": "Must be true or false."},
    )
    format = serializers.ChoiceField(
        FORMATS,
        required=False,
        help_text="The format of the response; by default the one in `Accept`, otherwise JSON.",
        error_messages={"invalid_choice": f"Must be one of {', '.join(FORMATS)}."},
    )


class DocumentSerializer(MappingSerializer):
    """Part of a stored document. Its values are returned unchanged."""

    def to_representation(self, instance: dict[str, Any]) -> dict[str, object]:
        return {name: instance[name] for name in self.names}


class RuleVerdictSerializer(DocumentSerializer):
    """The result of one rule."""

    metric = serializers.CharField()
    operator = serializers.ChoiceField([*Operator], allow_null=True)
    threshold = serializers.FloatField(
        allow_null=True,
        help_text="The limit for the value. If the rule limits a regression, it is computed from the baseline's value.",
    )
    value = serializers.FloatField(allow_null=True)
    interval = IntervalSerializer(
        allow_null=True,
        help_text="The interval of the value or of the difference; null unless the rule has `confidence`.",
    )
    baseline_value = serializers.FloatField(allow_null=True)
    status = serializers.ChoiceField([*RuleStatus])
    detail = serializers.CharField()


class StoredPolicySerializer(serializers.Serializer[dict[str, object]]):
    """The owner and revision of the policy that was applied."""

    owner = serializers.ChoiceField(["model", "organization"])
    version = serializers.IntegerField()


class VerdictSerializer(DocumentSerializer):
    """The verdict on a version, rule by rule."""

    model_id = ModelIdField()
    version_id = VersionIdField()
    baseline_version_id = VersionIdField(allow_null=True)
    status = serializers.ChoiceField([*Status])
    rules = RuleVerdictSerializer(many=True)
    judged_at = serializers.RegexField(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")
    warnings = serializers.ListField(
        child=serializers.CharField(), help_text="Rules that are accepted but probably not what was meant."
    )
    policy = StoredPolicySerializer(allow_null=True, help_text="Null if the policy is not stored, or if there is none.")

    def to_representation(self, instance: dict[str, Any]) -> dict[str, object]:
        rule = self.fields["rules"].child  # type: ignore[attr-defined]  # a list serializer has it
        return {**super().to_representation(instance), "rules": [*map(rule.to_representation, instance["rules"])]}


class KeptVerdictSerializer(serializers.Serializer[Any]):
    """A stored verdict: on a promotion, or on a request with `enforce`."""

    id = serializers.CharField()
    occasion = serializers.ChoiceField(GateVerdict.Occasion.choices)
    requested_by = serializers.CharField(allow_blank=True)
    verdict = VerdictSerializer(source="document")
