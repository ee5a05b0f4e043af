"""The performance app."""

from django.apps import AppConfig


class PerformanceConfig(AppConfig):
    """How well models do: metric snapshots of versions, and what is read from them."""

    name = "performance"

    def ready(self) -> None:
        """Have new snapshots, and evaluations that are asked for, leave rows in the audit trail."""
        from models_registry.audit import watch
        from performance.models import EvaluationJob, MetricSnapshot

        watch(MetricSnapshot)
        watch(EvaluationJob, unwatched=("progress", "due_at", "attempts"))
