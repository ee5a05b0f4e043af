"""Logins, trusted issuers of identity tokens, and the rules for their tokens."""

import uuid

from django.db import models
from django.utils import timezone

from models_registry.accounts.models import User
from models_registry.tokens.oidc.claims import MAX_TEXT
from models_registry.tokens.oidc.validators import validate_patterns, validate_provider_url, validate_scopes


class TokenFamily(models.Model):
    """All refresh tokens of one login. Only the newest can be used, and only once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_families")
    current_jti = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "token families"
        indexes = [
            # Serves the purge of logins that have expired.
            models.Index(fields=["expires_at"], name="token_family_by_expiry"),
        ]

    def __str__(self) -> str:
        return f"login of {self.user} at {self.created_at:%Y-%m-%d %H:%M}"


class NamedToken(TokenFamily):
    """An access token that works for days without a login, until it expires or is revoked.

    The token itself is not stored: it holds the id of this row and a signature.
    """

    name = models.CharField(max_length=100, help_text="Where the token is used.")
    scopes = models.JSONField(validators=[validate_scopes])
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    last_used_at = models.DateTimeField(
        null=True, blank=True, help_text="When the token was last used, to within an hour."
    )

    class Meta:
        verbose_name = "token"

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"


class PersonalToken(NamedToken):
    """A token that a person has made for themselves."""

    class Meta:
        proxy = True
        verbose_name = "personal token"


class TrustedIssuer(models.Model):
    """An issuer, such as a CI system, whose identity tokens can be exchanged for access tokens."""

    issuer = models.CharField(
        max_length=MAX_TEXT,
        unique=True,
        validators=[validate_provider_url],
        help_text="The <code>iss</code> claim of its tokens, such as https://token.actions.githubusercontent.com",
    )
    jwks_url = models.CharField(
        "JWKS URL",
        max_length=MAX_TEXT,
        validators=[validate_provider_url],
        help_text="The URL of its keys: <code>jwks_uri</code> in its /.well-known/openid-configuration",
    )
    audience = models.CharField(
        max_length=MAX_TEXT,
        help_text="The required <code>aud</code> claim of its tokens, such as the URL of this service.",
    )
    is_active = models.BooleanField("active", default=True)

    class Meta:
        verbose_name = "trusted issuer"

    def __str__(self) -> str:
        return self.issuer


class TrustRule(models.Model):
    """Selects tokens of an issuer by their claims, and maps them to a service account and its maximum scopes."""

    issuer = models.ForeignKey(TrustedIssuer, on_delete=models.CASCADE, related_name="rules", db_index=False)
    name = models.CharField(max_length=200)
    service_account = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="trust_rules", limit_choices_to={"is_service_account": True}
    )
    claims = models.JSONField(
        validators=[validate_patterns],
        help_text=(
            'The claims that a token must have, such as {"repository": "acme/churn", "ref": "refs/heads/*"}: '
            "<code>*</code> matches any characters."
        ),
    )
    scopes = models.JSONField(validators=[validate_scopes])
    is_active = models.BooleanField("active", default=True)

    class Meta:
        verbose_name = "trust rule"
        # Serves the lookup of an issuer's rules, in the order in which they are tried.
        indexes = [models.Index(fields=["issuer", "id"], name="trust_rules_of_issuer")]

    def __str__(self) -> str:
        return self.name
