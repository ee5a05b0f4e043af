"""The performance app."""

from django.apps import AppConfig


class PerformanceConfig(AppConfig):
    """How well models do: metric snapshots of versions, and what is read from them."""

    name = "performance"

    def ready(self) -> None:
        """Have what is written here leave rows in the audit trail, but for verdicts, which are a trail themselves."""
        from models_registry.audit import watch
        from performance.models import GatePolicy, MetricSnapshot

        for model in (MetricSnapshot, GatePolicy):
            watch(model)
