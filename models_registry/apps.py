"""The registry app."""

from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    """What exists: organizations, members, grants, models, versions, promotions."""

    name = "models_registry"
    verbose_name = "Registry"

    def ready(self) -> None:
        """Have writes, logins and logouts leave rows in the audit trail."""
        from django.contrib.auth.signals import user_logged_in, user_logged_out

        from models_registry.audit import record_login, record_logout, watch_registry

        watch_registry()
        user_logged_in.connect(record_login)
        user_logged_out.connect(record_logout)
