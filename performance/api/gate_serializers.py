"""How policies of gates are sent and shown."""

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from models_registry.serializers import UTCSecondsField
from performance.gates.case import Operator
from performance.gates.policy import MAX_NAME, MAX_RULES, InvalidPolicyError, policy_of
from performance.models import DatasetSplit


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
            return {"policy": policy_of(data)}
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
    created_at = UTCSecondsField()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the policy, with its rules as the gates write them: each has fields of its own."""
        return {**super().to_representation(instance), **policy_of(instance.document).as_document()}
