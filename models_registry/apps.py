"""The registry app."""

from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    """What exists: organizations, members, grants, models, versions, promotions."""

    name = "models_registry"
    verbose_name = "Registry"

    def ready(self) -> None:
        """Have writes, logins and logouts leave rows in the audit trail."""
        from django.contrib.auth.models import Group
        from django.contrib.auth.signals import user_logged_in, user_logged_out

        from models_registry.accounts.models import Membership, ModelGrant, Organization, ServiceAccount, User
        from models_registry.audit.recorder import record_login, record_logout, watch
        from models_registry.registry.models import Promotion, RegisteredModel, Version
        from models_registry.tokens.models import TokenFamily, TrustedIssuer, TrustRule

        for model in (Organization, Membership, ModelGrant, Version, Promotion, TrustedIssuer, TrustRule):
            watch(model)
        watch(RegisteredModel, unwatched=("promoted_version",))
        watch(Group)
        for kind in (User, ServiceAccount):
            watch(kind, unwatched=("last_login",), masked=("password",))
        watch(TokenFamily, unwatched=("current_jti", "expires_at"))
        user_logged_in.connect(record_login)
        user_logged_out.connect(record_logout)
