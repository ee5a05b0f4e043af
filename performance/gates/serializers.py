"""Serializers of gate requests, policies and verdicts."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from models_registry.api.fields import NamedChoicesSerializer, UTCDateTimeField
from models_registry.registry.fields import ModelIdField, VersionIdField
from performance.gates.gate_input import Operator, RuleStatus
from performance.gates.measurement import COMPUTED
from performance.gates.models import GateVerdict
from performance.gates.policy import InvalidPolicyError, Policy, parse_policy, stored_policy
from performance.gates.policy_document import AGAINST, MAX_AGE, MAX_NAME_LENGTH, MAX_RULES
from performance.gates.verdict import Status, order_document
from performance.metrics.inputs.options import AVERAGINGS, MAX_K, MAX_LABEL_LENGTH
from performance.metrics.result import MAX_DATASET_NAME
from performance.snapshots.models import DatasetSplit, Source
from performance.snapshots.serializers import IntervalSerializer

FORMATS = ("json", "junit", "markdown", "html")


class RuleSerializer(serializers.Serializer[None]):
    """A threshold (`operator`, `threshold`), or a limit on how much worse than another version a metric may be."""

    metric = serializers.CharField(
        max_length=MAX_NAME_LENGTH,
        help_text=(
            "A metric of the task type, `sample_count`, `effective_sample_size`, `missing_fraction`, `train_overlap`, "
            "`custom.NAME`, `per_class.LABEL.METRIC`, `slice.ATTRIBUTE.VALUE.METRIC` or "
            "`worst_slice.ATTRIBUTE.METRIC`. What is last is the metric, which has no dots; labels, attributes and "
            "values may have dots."
        ),
    )
    operator = serializers.ChoiceField([*Operator], required=False)
    threshold = serializers.FloatField(required=False)
    max_regression = serializers.FloatField(
        required=False,
        min_value=0,
        help_text="By how much the metric may be worse than the other version's, by the metric's direction.",
    )
    relative = serializers.BooleanField(
        required=False, help_text="Whether `max_regression` is a fraction of the other version's value."
    )
    confidence = serializers.FloatField(
        required=False,
        help_text="With 0.95, the rule must hold at the unfavourable end of the interval, not only for the value.",
    )
    against = serializers.CharField(
        required=False,
        help_text=f"What `max_regression` compares with, by default the policy's `against`: {AGAINST}.",
    )
    min_sample_count = serializers.IntegerField(
        required=False,
        min_value=1,
        help_text="The examples that a slice needs to count for `worst_slice.ATTRIBUTE.METRIC`; by default, "
        "one without examples counts too.",
    )


class EvaluationPinsSerializer(serializers.Serializer[None]):
    """The options that the evaluation must have had. A snapshot of another one makes every rule `missing`."""

    positive_class = serializers.CharField(required=False, allow_blank=True, max_length=MAX_LABEL_LENGTH)
    averaging = serializers.ChoiceField(AVERAGINGS, required=False)
    threshold = serializers.FloatField(required=False)
    k = serializers.IntegerField(required=False, min_value=1, max_value=MAX_K)


class RequirementsSerializer(serializers.Serializer[object]):
    """What a policy requires of snapshots, and what its limits on regression compare with."""

    dataset = serializers.CharField(
        required=False,
        max_length=MAX_DATASET_NAME,
        help_text="The dataset whose newest metrics are judged; by default the primary one.",
    )
    source = serializers.ChoiceField(  # type: ignore[assignment]  # a field of that name
        [COMPUTED], required=False, help_text="With `computed`, reported and imported metrics are `missing`."
    )
    same_dataset = serializers.BooleanField(
        required=False,
        help_text="With true, limits on regression are `missing` unless both versions have the same examples.",
    )
    max_age_days = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_AGE,
        help_text="How long ago the judged version may have been evaluated. The age of a baseline does not matter.",
    )
    evaluation = EvaluationPinsSerializer(required=False)
    against = serializers.CharField(
        required=False,
        help_text=(
            f"What limits on regression compare with, by default `promoted`: {AGAINST}. `best` is the version that is "
            "best by the rule's metric among those promoted so far."
        ),
    )


class PolicyInput(RequirementsSerializer):
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


class PolicySerializer(RequirementsSerializer):
    """A stored policy: its rules and revision, and who stored it when."""

    dataset_split = serializers.ChoiceField(DatasetSplit.choices, source="document.dataset_split")
    rules = serializers.ListField(child=RuleSerializer(), source="document.rules")
    version = serializers.IntegerField(
        help_text="The revision of the policy: each edit adds one. A verdict names the revision that was applied."
    )
    created_by = serializers.CharField(allow_blank=True)
    created_at = UTCDateTimeField()

    def to_representation(self, instance: Any) -> dict[str, object]:
        """Return the policy. It and each rule have only the fields that were given."""
        given = stored_policy(instance.document).as_document()
        stored = {name: self.fields[name] for name in ("version", "created_by", "created_at")}
        return given | {name: each.to_representation(each.get_attribute(instance)) for name, each in stored.items()}


class GateQuerySerializer(NamedChoicesSerializer):
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
    )


class RuleVerdictSerializer(serializers.Serializer[Any]):
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
    baseline_version_id = VersionIdField(
        allow_null=True, help_text="The version that a limit on regression compared with."
    )
    same_dataset = serializers.BooleanField(
        allow_null=True,
        help_text="Whether both versions were measured on the same examples; null if that is unknown.",
    )
    needed_sample_count = serializers.IntegerField(
        allow_null=True,
        help_text=(
            "How many examples would let a rule with `confidence` pass that failed although the value itself is good "
            "enough, if the value stays the same; about half of all test sets of this size would do. Null if that is "
            "unknown, and for a rule that is `missing`."
        ),
    )


class MeasuredDatasetSerializer(serializers.Serializer[Any]):
    """The dataset of a snapshot."""

    name = serializers.CharField(allow_null=True, help_text="Null for the primary dataset.")
    version = serializers.CharField(allow_null=True)
    digest = serializers.CharField(allow_null=True, help_text="Identifies the examples, whatever was predicted.")


class MeasuredWarningSerializer(serializers.Serializer[Any]):
    """Something that a reader of the metrics should know."""

    code = serializers.CharField()
    detail = serializers.CharField()


class MeasurementSerializer(serializers.Serializer[Any]):
    """The snapshot that a verdict used: what was measured, how and when."""

    version_id = VersionIdField()
    source = serializers.ChoiceField(Source.choices)  # type: ignore[assignment]  # a field of that name
    sample_count = serializers.IntegerField(allow_null=True)
    evaluated_at = UTCDateTimeField()
    dataset = MeasuredDatasetSerializer()
    evaluation_options = serializers.DictField(help_text="What the evaluation was asked for or chose.")
    warnings = MeasuredWarningSerializer(many=True)


class StoredPolicySerializer(serializers.Serializer[Any]):
    """The owner and revision of the policy that was applied."""

    owner = serializers.ChoiceField(["model", "organization"])
    version = serializers.IntegerField()


class VerdictSerializer(serializers.Serializer[Any]):
    """The verdict on a version, rule by rule."""

    model_id = ModelIdField()
    version_id = VersionIdField()
    baseline_version_id = VersionIdField(allow_null=True)
    status = serializers.ChoiceField([*Status])
    rules = RuleVerdictSerializer(many=True)
    judged_at = serializers.RegexField(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")
    warnings = serializers.ListField(
        child=serializers.CharField(),
        help_text="Rules that are accepted but probably not what was meant, and what to know of the snapshots.",
    )
    policy = StoredPolicySerializer(allow_null=True, help_text="Null if the policy is not stored, or if there is none.")
    candidate = MeasurementSerializer(allow_null=True, help_text="The snapshot that was judged; null without one.")
    baselines = MeasurementSerializer(many=True, help_text="The snapshots that limits on regression compared with.")

    def to_representation(self, instance: Mapping[str, Any]) -> dict[str, Any]:
        """Return a stored verdict. Its values are unchanged, as they were valid when they were stored."""
        return order_document(instance)


class StoredVerdictSerializer(serializers.Serializer[GateVerdict]):
    """A stored verdict: on a promotion, or on a request with `enforce`."""

    id = serializers.CharField()
    occasion = serializers.ChoiceField(GateVerdict.Occasion.choices)
    requested_by = serializers.CharField(allow_blank=True)
    verdict = VerdictSerializer(source="document")
