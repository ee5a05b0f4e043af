"""The performance app."""

from django.apps import AppConfig


class PerformanceConfig(AppConfig):
    """How well models do: metric snapshots of versions, and what is read from them."""

    name = "performance"
