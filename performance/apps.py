"""The performance app."""

from django.apps import AppConfig


class PerformanceConfig(AppConfig):
    """How well models do: metric snapshots of versions, evaluations, comparisons and gates."""

    name = "performance"

    def ready(self) -> None:
        """Connect models and promotions with snapshots, gates and webhooks, and record writes in the audit trail.

        Verdicts are a trail themselves, and messages to webhooks follow from recorded writes: neither is recorded.
        """
        from models_registry.audit.recorder import audit_model, mask_after_origin
        from models_registry.registry.promotions import register_promotion_check, version_promoted
        from models_registry.registry.services import positive_class_changing
        from performance.badges.models import Badge
        from performance.evaluations.models import EvaluationJob
        from performance.gates.models import GatePolicy
        from performance.gates.services import GateCheck
        from performance.snapshots.models import MetricSnapshot
        from performance.snapshots.receivers import keep_positive_class
        from performance.webhooks.models import Webhook
        from performance.webhooks.receivers import publish_promotion

        register_promotion_check(GateCheck())
        version_promoted.connect(publish_promotion)
        positive_class_changing.connect(keep_positive_class)
        for model in (MetricSnapshot, GatePolicy, Badge):
            audit_model(model)
        audit_model(EvaluationJob, exclude_fields=["progress", "due_at", "attempts"])
        audit_model(
            Webhook,
            exclude_fields=["consecutive_failures", "paused_until", "sending_until"],
            mask_fields=["secret", "url"],
            mask=mask_after_origin,
        )
