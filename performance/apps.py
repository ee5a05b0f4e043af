"""The performance app."""

from django.apps import AppConfig


class PerformanceConfig(AppConfig):
    """How well models do: metric snapshots of versions, and what is read from them."""

    name = "performance"

    def ready(self) -> None:
        """Have promotions judged, and what is written here leave rows in the audit trail.

        Not so verdicts, which are a trail themselves.
        """
        from models_registry.audit import watch
        from models_registry.services import register_judge
        from performance.gate_services import judge_promotion
        from performance.models import Badge, EvaluationJob, GatePolicy, MetricSnapshot

        register_judge(judge_promotion)
        for model in (MetricSnapshot, GatePolicy, Badge):
            watch(model)
        watch(EvaluationJob, unwatched=("progress", "due_at", "attempts"))
