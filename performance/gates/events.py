"""The events that gates and promotions publish."""

from django.urls import reverse

from models_registry.api.fields import TIMESTAMP
from models_registry.registry.models import Promotion
from performance.gates.models import GateVerdict
from performance.webhooks.services import publish


def announce_promotion(promotion: Promotion) -> None:
    """Tell of a promotion, or of a rollback."""
    version, previous = promotion.version, promotion.previous_version
    told = {
        "version_id": version.version_id,
        "previous_version_id": previous and previous.version_id,
        "promotion_id": str(promotion.pk),
        "kind": promotion.kind,
        "overridden": promotion.overridden,
        "promoted_at": promotion.promoted_at.strftime(TIMESTAMP),
        "url": reverse("version", args=[promotion.model_id, version.version_id]),
    }
    publish("version.promoted", promotion.model, told)


def announce_failed_gate(verdict: GateVerdict) -> None:
    """Tell of a gate that stopped a version."""
    rules = verdict.document["rules"]
    told = {
        "version_id": verdict.version.version_id,
        "verdict_id": str(verdict.pk),
        "occasion": verdict.occasion,
        "failed": [{name: rule[name] for name in ("metric", "detail")} for rule in rules if rule["status"] != "passed"],
        "judged_at": verdict.judged_at.strftime(TIMESTAMP),
    }
    publish("gate.failed", verdict.model, told)
