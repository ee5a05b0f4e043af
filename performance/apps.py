"""The performance app."""

from django.apps import AppConfig


class PerformanceConfig(AppConfig):
    """How well models do: metric snapshots of versions, and what is read from them."""

    name = "performance"

    def ready(self) -> None:
        """Have what is written here leave rows in the audit trail, and webhooks told of promotions.

        Messages to webhooks leave none: they follow from what does.
        """
        from models_registry.audit import watch
        from models_registry.services import register_listener
        from performance.models import EvaluationJob, MetricSnapshot, Webhook
        from performance.webhooks import announce_promotion

        watch(MetricSnapshot)
        watch(EvaluationJob, unwatched=("progress", "due_at", "attempts"))
        watch(Webhook, masked=("secret",))
        register_listener(announce_promotion)
