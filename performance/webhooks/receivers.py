"""Receivers of signals that webhooks are notified of."""

from django.urls import reverse

from models_registry.api.times import utc_text
from models_registry.registry.models import Promotion
from performance.webhooks.services import publish


def publish_promotion(sender: type[Promotion], promotion: Promotion, **kwargs: object) -> None:
    """Publish a promotion or a rollback, in its transaction."""
    version, previous = promotion.version, promotion.previous_version
    data = {
        "version_id": version.version_id,
        "previous_version_id": previous and previous.version_id,
        "promotion_id": str(promotion.pk),
        "kind": promotion.kind,
        "overridden": promotion.overridden,
        "promoted_at": utc_text(promotion.promoted_at),
        "url": reverse("version", args=[promotion.model_id, version.version_id]),
    }
    publish("version.promoted", promotion.model, [data])
