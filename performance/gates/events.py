"""The events that gates and promotions publish."""

from django.urls import reverse

from models_registry.api.fields import TIMESTAMP
from models_registry.registry.models import Promotion
from performance.gates.models import GateVerdict
from performance.webhooks.services import publish


def announce_promotion(promotion: Promotion) -> None:
    """Publish `version.promoted`, for a promotion or a rollback."""
    version, previous = promotion.version, promotion.previous_version
    data = {
        "version_id": version.version_id,
        "previous_version_id": previous and previous.version_id,
        "promotion_id": str(promotion.pk),
        "kind": promotion.kind,
        "overridden": promotion.overridden,
        "promoted_at": promotion.promoted_at.strftime(TIMESTAMP),
        "url": reverse("version", args=[promotion.model_id, version.version_id]),
    }
    publish("version.promoted", promotion.model, data)


def announce_failed_gate(verdict: GateVerdict) -> None:
    """Publish `gate.failed`."""
    rules = verdict.document["rules"]
    data = {
        "version_id": verdict.version.version_id,
        "verdict_id": str(verdict.pk),
        "occasion": verdict.occasion,
        "failed": [{name: rule[name] for name in ("metric", "detail")} for rule in rules if rule["status"] != "passed"],
        "judged_at": verdict.judged_at.strftime(TIMESTAMP),
    }
    publish("gate.failed", verdict.model, data)
