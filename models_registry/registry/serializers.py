"""Request and response bodies of models, grants, versions and promotions."""

import json

from rest_framework import serializers

from models_registry import task_types
from models_registry.accounts.models import ModelGrant
from models_registry.api.fields import (
    DescriptionField,
    NameField,
    RelatedUsernameField,
    StrictBooleanField,
    StrictCharField,
    StrictSerializer,
    TagsField,
    UTCDateTimeField,
    validate_visible,
)
from models_registry.registry.fields import ModelIdField, VersionIdField
from models_registry.registry.models import Promotion, RegisteredModel, Version
from models_registry.registry.promotions import represent_verdict
from models_registry.registry.validators import validate_source_uri

MAX_REASON = 2000
MAX_PARAMETERS_BYTES = 65_536
MAX_POSITIVE_CLASS = 1000  # characters, as of a label of predictions


class ParametersField(serializers.DictField):
    """The parameters of a training: a JSON object of up to 64 KiB."""

    default_error_messages = {"too_large": f"Must be at most {MAX_PARAMETERS_BYTES} bytes of JSON."}

    def to_internal_value(self, data: dict[str, object]) -> dict[str, object]:
        """Return the object. Raises `ValidationError`."""
        parameters: dict[str, object] = super().to_internal_value(data)
        if len(json.dumps(parameters).encode()) > MAX_PARAMETERS_BYTES:
            self.fail("too_large")
        return parameters


class PositiveClassField(StrictCharField):
    """The label of the positive class, or null for none. Blanks around it are trimmed, as in predictions."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            allow_null=True,
            max_length=MAX_POSITIVE_CLASS,
            help_text="The class that every evaluation treats as the positive one of two; null lets each choose.",
        )


class NamedModelInput(StrictSerializer):
    """A new model whose name is in the URL."""

    task_type = serializers.ChoiceField(task_types.choices())
    description = DescriptionField(required=False)
    tags = TagsField(required=False)
    positive_class = PositiveClassField()


class ModelInput(NamedModelInput):
    """A new model."""

    organization = StrictCharField(max_length=63, help_text="The slug of the organization that will own it.")
    name = NameField()

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        """Replace the slug by the organization, in which the caller must be allowed to register a model."""
        return {**attrs, "organization": self.context["view"].get_owner(attrs["organization"])}


class ModelChanges(StrictSerializer):
    """The fields of a model that can change."""

    name = NameField(required=False)
    description = DescriptionField(required=False)
    tags = TagsField(required=False)
    positive_class = PositiveClassField()


class ModelSerializer(serializers.Serializer[RegisteredModel]):
    """A registered model. Its state follows from its versions."""

    model_id = ModelIdField()
    organization = serializers.SlugField(source="organization.slug")
    name = serializers.CharField()
    task_type = serializers.ChoiceField(task_types.choices())
    description = serializers.CharField(allow_blank=True)
    tags = serializers.ListField(child=serializers.CharField())
    positive_class = serializers.CharField(
        allow_null=True, help_text="The class that every evaluation treats as the positive one of two."
    )
    state = serializers.ChoiceField(RegisteredModel.State.values)
    promoted_version_id = VersionIdField(
        source="promoted_version.version_id", default=None, allow_null=True, read_only=True
    )
    created_by = RelatedUsernameField("created_by")
    created_at = UTCDateTimeField()
    archived_at = UTCDateTimeField(allow_null=True)


class GrantInput(StrictSerializer):
    """A new grant: a scope for a user."""

    username = StrictCharField(max_length=150, trim_whitespace=False)
    scope = serializers.ChoiceField(ModelGrant.SCOPES)


class GrantSerializer(serializers.Serializer[ModelGrant]):
    """A scope on one model, granted to a user."""

    id = serializers.CharField()
    model_id = ModelIdField()
    username = serializers.CharField(source="user.username")
    scope = serializers.ChoiceField(ModelGrant.SCOPES)


class VersionInput(StrictSerializer):
    """A new version."""

    description = DescriptionField(required=False)
    source_uri = StrictCharField(
        required=False,
        allow_blank=True,
        max_length=2000,
        validators=[validate_source_uri],
        help_text="Where the trained artefact or its code is.",
    )
    parameters = ParametersField(required=False, help_text="What it is trained with.")
    tags = TagsField(required=False)


class VersionChanges(StrictSerializer):
    """The fields of a version that can change."""

    state = serializers.ChoiceField(Version.State.choices, required=False)
    description = DescriptionField(required=False)
    tags = TagsField(required=False)


class VersionSerializer(serializers.Serializer[Version]):
    """One training of a model."""

    version_id = VersionIdField()
    model_id = ModelIdField()
    state = serializers.ChoiceField(Version.State.choices)
    promoted = serializers.BooleanField()
    description = serializers.CharField(allow_blank=True)
    source_uri = serializers.CharField(allow_blank=True)
    parameters = serializers.DictField()
    tags = serializers.ListField(child=serializers.CharField())
    created_by = RelatedUsernameField("created_by")
    created_at = UTCDateTimeField()
    completed_at = UTCDateTimeField(allow_null=True)


class PromotionInput(StrictSerializer):
    """The reason of a promotion or rollback, and whether it overrides the gate."""

    reason = StrictCharField(max_length=MAX_REASON, allow_blank=True, default="")
    override = StrictBooleanField(
        default=False, help_text="Promote against the gate's verdict: for an admin of the organization, with a reason."
    )

    def validate_reason(self, value: str) -> str:
        """Refuse an invisible reason. It may be empty."""
        if value:
            validate_visible(value)
        return value

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        """Refuse an override without a reason."""
        if attrs["override"] and not attrs["reason"]:
            raise serializers.ValidationError({"reason": "To override a gate, say why."})
        return attrs


class VerdictField(serializers.DictField):
    """The verdict of a promotion check."""

    def to_representation(self, value: dict[str, object]) -> dict[str, object]:
        return dict(represent_verdict(value))


class PromotionSerializer(serializers.Serializer[Promotion]):
    """One promotion or rollback."""

    id = serializers.CharField()
    model_id = ModelIdField()
    version_id = VersionIdField(source="version.version_id")
    previous_version_id = VersionIdField(
        source="previous_version.version_id", default=None, allow_null=True, read_only=True
    )
    kind = serializers.ChoiceField(Promotion.KINDS)
    reason = serializers.CharField(allow_blank=True)
    overridden = serializers.BooleanField()
    verdict = VerdictField(allow_null=True)
    promoted_by = RelatedUsernameField("promoted_by")
    promoted_at = UTCDateTimeField()
