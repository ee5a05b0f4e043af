"""The registry app."""

from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    """Users, organizations and the registry of models, versions and promotions."""

    name = "models_registry"
    verbose_name = "Registry"

    def ready(self) -> None:
        """Record writes, logins and logouts in the audit trail."""
        from allauth.mfa.models import Authenticator
        from allauth.socialaccount.models import SocialAccount
        from django.contrib.auth.models import Group
        from django.contrib.auth.signals import user_logged_in, user_logged_out

        from models_registry.accounts.models import Membership, ModelGrant, Organization, ServiceAccount, User
        from models_registry.audit.recorder import audit_model, record_login, record_logout
        from models_registry.registry.models import Promotion, RegisteredModel, Version
        from models_registry.tokens.models import NamedToken, PersonalToken, TokenFamily, TrustedIssuer, TrustRule

        for model in (Organization, Membership, ModelGrant, Version, Promotion, TrustedIssuer, TrustRule):
            audit_model(model)
        audit_model(RegisteredModel, exclude_fields=["promoted_version"])
        audit_model(Group)
        for user_model in (User, ServiceAccount):
            audit_model(user_model, exclude_fields=["last_login"], mask_fields=["password"])
        audit_model(TokenFamily, exclude_fields=["current_jti", "expires_at"])
        for token_model in (NamedToken, PersonalToken):
            audit_model(token_model, exclude_fields=["current_jti", "last_used_at"])
        audit_model(SocialAccount, exclude_fields=["last_login", "extra_data"])
        audit_model(Authenticator, exclude_fields=["data", "last_used_at"])
        user_logged_in.connect(record_login)
        user_logged_out.connect(record_logout)
