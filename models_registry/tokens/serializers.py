"""Request and response bodies of the token routes."""

from django.core.validators import RegexValidator
from rest_framework import serializers

from models_registry.accounts import scopes
from models_registry.accounts.models import Membership, ServiceAccount
from models_registry.api.fields import (
    NAME_VALIDATORS,
    BoundedListField,
    RelatedUsernameField,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
    UTCDateTimeField,
)
from models_registry.tokens.models import NamedToken

MAX_LIFETIME = 365  # days of a named token
ACCOUNT_NAME = RegexValidator(
    r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*\Z", "Must be letters, digits, dots, hyphens and underscores.", "invalid"
)

ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  # a name, not a secret


class ScopeField(StrictCharField):
    """A space-separated list of scopes."""

    def to_internal_value(self, data: object) -> frozenset[scopes.Scope]:  # type: ignore[override]
        """Return the scopes. Raises `ValidationError`."""
        try:
            return scopes.parse(super().to_internal_value(data))
        except scopes.UnknownScopeError as error:
            raise serializers.ValidationError(str(error), code="unknown_scope") from None


class CredentialsSerializer(StrictSerializer):
    """A user's name and password, and optionally the scopes that limit the token."""

    username = StrictCharField(max_length=150, trim_whitespace=False)
    password = StrictCharField(
        max_length=1024, trim_whitespace=False, style={"input_type": "password"}, write_only=True
    )
    scope = ScopeField(
        required=False, help_text="A space-separated list of scopes: the token never does more than those."
    )


class RefreshTokenSerializer(StrictSerializer):
    """A refresh token."""

    refresh = StrictCharField()


class TokenExchangeSerializer(StrictSerializer):
    """An identity token of a trusted issuer, and optionally the scopes that limit the new token (RFC 8693)."""

    grant_type = serializers.ChoiceField(["urn:ietf:params:oauth:grant-type:token-exchange"])
    subject_token = StrictCharField(write_only=True, help_text="The identity token that the pipeline's platform made.")
    subject_token_type = serializers.ChoiceField(
        ["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"]
    )
    requested_token_type = serializers.ChoiceField([ACCESS_TOKEN_TYPE], required=False)
    scope = ScopeField(
        required=False, help_text="A space-separated list of scopes, by default all that the issuer's rule gives."
    )


class ExchangedTokenSerializer(serializers.Serializer[dict[str, object]]):
    """An access token (RFC 8693)."""

    access_token = serializers.CharField(read_only=True)
    issued_token_type = serializers.ChoiceField([ACCESS_TOKEN_TYPE], read_only=True)
    token_type = serializers.ChoiceField(["Bearer"], read_only=True)
    expires_in = serializers.IntegerField(read_only=True, help_text="Seconds.")
    scope = serializers.CharField(read_only=True, help_text="What the token may do, separated by spaces.")


class TokenPairSerializer(serializers.Serializer[dict[str, object]]):
    """An access token, and the refresh token for the next pair."""

    access = serializers.CharField(read_only=True, help_text="Lives 5 minutes.")
    refresh = serializers.CharField(read_only=True, help_text="Lives 1 day, and may be used once.")


class ServiceAccountInput(StrictSerializer):
    """A new service account."""

    name = StrictCharField(
        max_length=63,
        trim_whitespace=False,
        validators=[ACCOUNT_NAME],
        help_text="The user name is this name after the organization's slug and a dot, such as `acme.ci`.",
    )
    role = serializers.ChoiceField(
        Membership.ROLES, required=False, help_text="The role in the organization; by default none, only grants."
    )


class ServiceAccountChanges(StrictSerializer):
    """The changes of a service account. Deactivation revokes its tokens."""

    role = serializers.ChoiceField(Membership.ROLES, required=False)
    is_active = StrictBooleanField(required=False)


class ServiceAccountSerializer(serializers.Serializer[ServiceAccount]):
    """A user for a pipeline, which works with tokens and cannot log in."""

    username = serializers.CharField()
    role = serializers.ChoiceField(
        Membership.ROLES, allow_null=True, help_text="The role in the organization; null without one."
    )
    is_active = serializers.BooleanField()
    created_at = UTCDateTimeField(source="date_joined")


class ScopesField(BoundedListField):
    """A list of one or more scopes."""

    def __init__(self) -> None:
        super().__init__(
            child=serializers.ChoiceField(list(scopes.Scope)),
            min_length=1,
            max_length=len(scopes.Scope),
            help_text="The most that the token may do. It never adds a right that its user lacks.",
        )


class NamedTokenInput(StrictSerializer):
    """A new token."""

    name = StrictCharField(max_length=100, validators=NAME_VALIDATORS, help_text="Where the token is used.")
    scopes = ScopesField()
    lifetime_days = StrictIntegerField(
        min_value=1, max_value=MAX_LIFETIME, help_text="The number of days until the token expires."
    )


class NamedTokenSerializer(serializers.Serializer[NamedToken]):
    """A token that works until it expires or is revoked. Only the response that creates it shows the token itself."""

    id = serializers.CharField()
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(list(scopes.Scope)))
    created_by = RelatedUsernameField("created_by")
    created_at = UTCDateTimeField()
    expires_at = UTCDateTimeField()
    last_used_at = UTCDateTimeField(allow_null=True, help_text="To within an hour; null if the token was never used.")
    revoked_at = UTCDateTimeField(allow_null=True)


class NewNamedTokenSerializer(NamedTokenSerializer):
    """A new token. Store it: it is not shown again."""

    token = serializers.CharField(allow_null=True, help_text="The access token. Null if this response is repeated.")
