"""The performance app."""

from django.apps import AppConfig


class PerformanceConfig(AppConfig):
    """How well models do: metric snapshots of versions, and what is read from them."""

    name = "performance"

    def ready(self) -> None:
        """Have promotions judged, webhooks told of them, and what is written here leave rows in the audit trail.

        Not so verdicts, which are a trail themselves, and messages to webhooks, which follow from what leaves one.
        """
        from models_registry.audit import watch
        from models_registry.services import register_judge, register_listener
        from performance.gate_services import judge_promotion, prepare_promotion
        from performance.models import Badge, EvaluationJob, GatePolicy, MetricSnapshot, Webhook
        from performance.webhooks import announce_promotion

        register_judge(judge_promotion, prepare=prepare_promotion)
        for model in (MetricSnapshot, GatePolicy, Badge):
            watch(model)
        watch(EvaluationJob, unwatched=("progress", "due_at", "attempts"))
        of_sending = ("consecutive_failures", "paused_until", "sending_until")
        watch(Webhook, masked=("secret", "url"), mask="masked_but_origin", unwatched=of_sending)
        register_listener(announce_promotion)
