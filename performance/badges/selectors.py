"""What badges show."""

from urllib.parse import urlencode

from django.core import signing
from django.urls import reverse

from models_registry import task_types
from models_registry.api.errors import NotFoundError
from models_registry.task_types.base import TaskType
from performance.badges.image import GATE_LABEL, BadgeContent, metric_content, verdict_content
from performance.badges.models import Badge
from performance.gates.selectors import judge_version
from performance.metrics.statistics.intervals import Interval
from performance.snapshots.models import DatasetSplit, MetricSnapshot

_signer = signing.Signer(salt="performance.badge")


def badge_signature(badge: Badge) -> str:
    """Return the signature that gives access to a badge. It holds only the badge's id."""
    return _signer.sign(str(badge.pk))


def badge_path(badge: Badge) -> str:
    """Return the path and the query of a badge's signed URL."""
    query = urlencode({"signature": badge_signature(badge)})
    return f"{reverse('performance-badge', args=[badge.model_id])}?{query}"


def signed_badge(*, model_id: str, signature: str) -> Badge:
    """Return the badge of a model for a signature.

    Raises `NotFoundError` if the signature is forged or for another model, and if the badge has expired or was revoked.
    """
    badge: Badge | None = None
    try:
        badges = Badge.objects.active().select_related("model__promoted_version")
        badge = badges.filter(pk=_signer.unsign(signature)).first()
    except signing.BadSignature:
        pass
    if badge is None or badge.model_id != model_id:
        raise NotFoundError(
            "This badge does not exist, has expired or was revoked. An admin of the organization can create a new one."
        )
    return badge


def badge_content(badge: Badge) -> BadgeContent:
    """Return the content of a badge for the version that is promoted now, if any."""
    promoted, task_type = badge.model.promoted_version, task_types.get(badge.model.task_type)
    label = metric_label(task_type, badge.metric, badge.dataset_split) if badge.metric else GATE_LABEL
    if promoted is None:
        return BadgeContent(label, "none promoted")
    if badge.metric:
        snapshots = MetricSnapshot.objects.select_related("detail").defer_large()
        newest = snapshots.for_model(badge.model_id, badge.dataset_split, promoted.number).newest_first().first()
        return snapshot_content(label, newest, badge.metric)
    promoted.model = badge.model
    return verdict_content(judge_version(promoted, compare=None))


def snapshot_content(label: str, snapshot: MetricSnapshot | None, metric: str) -> BadgeContent:
    """Return the content of a badge for a metric: its value in the snapshot, or that it was not measured."""
    value = snapshot.value_of(metric) if snapshot else None
    if snapshot is None or value is None:
        return BadgeContent(label, "not measured")
    interval = snapshot.details.confidence_intervals.get(metric)
    return metric_content(label, value, interval and Interval(**interval))


def metric_label(task_type: TaskType, metric: str, dataset_split: str) -> str:
    """Return the label of a metric, followed by the split unless that is the test split."""
    label = next((each.label for each in task_type.all_metrics if each.name == metric), metric)
    return label if dataset_split == DatasetSplit.TEST else f"{label} ({dataset_split})"
