"""The performance app."""

from django.apps import AppConfig


class PerformanceConfig(AppConfig):
    """How well models do: metric snapshots of versions, and what is read from them."""

    name = "performance"

    def ready(self) -> None:
        """Have promotions judged, webhooks told of them, and what is written here leave rows in the audit trail.

        Not so verdicts, which are a trail themselves, and messages to webhooks, which follow from what leaves one.
        """
        from models_registry.audit.recorder import audit_model, mask_after_origin
        from models_registry.registry.promotions import register_listener, register_promotion_check
        from performance.badges.models import Badge
        from performance.evaluations.models import EvaluationJob
        from performance.gates.events import announce_promotion
        from performance.gates.models import GatePolicy
        from performance.gates.services import judge_promotion, prepare_promotion
        from performance.snapshots.models import MetricSnapshot
        from performance.webhooks.models import Webhook

        register_promotion_check(judge_promotion, prepare=prepare_promotion)
        for model in (MetricSnapshot, GatePolicy, Badge):
            audit_model(model)
        audit_model(EvaluationJob, exclude_fields=["progress", "due_at", "attempts"])
        audit_model(
            Webhook,
            exclude_fields=["consecutive_failures", "paused_until", "sending_until"],
            mask_fields=["secret", "url"],
            mask=mask_after_origin,
        )
        register_listener(announce_promotion)
