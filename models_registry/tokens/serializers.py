"""Request and response bodies of the token routes."""

from rest_framework import serializers

from models_registry.accounts import scopes
from models_registry.api.fields import StrictCharField, StrictSerializer

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
