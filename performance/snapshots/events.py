"""The event that a new snapshot publishes."""

from django.urls import reverse

from models_registry.api.fields import TIMESTAMP
from performance.snapshots.models import MetricSnapshot
from performance.webhooks.services import publish


def announce_snapshot(snapshot: MetricSnapshot) -> None:
    """Publish `snapshot.created`."""
    version = snapshot.version
    data = {
        "version_id": version.version_id,
        "dataset_split": snapshot.dataset_split,
        "snapshot_id": str(snapshot.pk),
        "source": snapshot.source,
        "metrics": snapshot.metrics,
        "sample_count": snapshot.sample_count,
        "evaluated_at": snapshot.evaluated_at.strftime(TIMESTAMP),
        "url": reverse("snapshot", args=[version.model_id, version.version_id, snapshot.pk]),
    }
    publish("snapshot.created", version.model, data)
