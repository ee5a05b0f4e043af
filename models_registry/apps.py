"""The registry app."""

from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    """What exists: organizations, members, grants, models, versions, promotions."""

    name = "models_registry"
    verbose_name = "Registry"

    def ready(self) -> None:
        """Have what is written leave rows in the audit trail."""
        from models_registry.audit import watch_registry

        watch_registry()
