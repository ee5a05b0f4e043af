"""The registry app."""

from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    """What exists: organizations, members, grants, models, versions, promotions."""

    name = "models_registry"
    verbose_name = "Registry"
