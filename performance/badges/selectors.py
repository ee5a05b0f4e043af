"""What badges show."""

from django.core import signing

from models_registry import task_types
from models_registry.api.errors import NotFoundError
from models_registry.task_types.base import TaskType
from performance.badges.image import GATE_LABEL, BadgeContent, metric_content, verdict_content
from performance.badges.models import Badge
from performance.gates.selectors import VersionRef, baseline_of, current_policy, judge_version
from performance.metrics.statistics.intervals import Interval
from performance.snapshots.models import DatasetSplit, MetricSnapshot

_signer = signing.Signer(salt="performance.badge")


def signature_of(badge: Badge) -> str:
    """Return what opens a badge to whoever has it. It says which badge that is; the badge's row says all the rest."""
    return _signer.sign(str(badge.pk))


def signed_badge(*, model_id: str, signature: str) -> Badge:
    """Return the badge of a model that a signature opens.

    Raises `NotFoundError` when it is forged, of another model or of no badge, and when that has expired or was revoked.
    """
    badge: Badge | None = None
    try:
        badges = Badge.objects.shown().select_related("model__promoted_version")
        badge = badges.filter(pk=_signer.unsign(signature)).first()
    except signing.BadSignature:
        pass
    if badge is None or badge.model_id != model_id:
        raise NotFoundError("There is no such badge, or not any more. An admin of the organization can make a new one.")
    return badge


def badge_content(badge: Badge) -> BadgeContent:
    """Return what a badge says of the version that is promoted now; that there is nothing to say, where that is so."""
    promoted, task_type = badge.model.promoted_version, task_types.get(badge.model.task_type)
    label = label_of(task_type, badge.metric, badge.dataset_split) if badge.metric else GATE_LABEL
    if promoted is None:
        return BadgeContent(label, "none promoted")
    if badge.metric:
        snapshots = MetricSnapshot.objects.select_related("detail").slim()
        newest = snapshots.of(badge.model_id, badge.dataset_split, promoted.number).newest_first().first()
        return measured(label, newest, badge.metric)
    numbered = VersionRef(promoted.pk, promoted.number)
    policy, stored = current_policy(badge.model)
    verdict = judge_version(
        model_id=badge.model_id,
        task_type=task_type,
        version=numbered,
        baseline=baseline_of(badge.model, promoted),
        policy=policy,
        stored=stored,
        compare=None,
    )
    return verdict_content(verdict.status)


def measured(label: str, snapshot: MetricSnapshot | None, metric: str) -> BadgeContent:
    """Return what a badge says of a metric of a snapshot, which may not be there or not have it."""
    value = snapshot.value_of(metric) if snapshot else None
    if snapshot is None or value is None:
        return BadgeContent(label, "not measured")
    interval = snapshot.details.confidence_intervals.get(metric)
    return metric_content(label, value, interval and Interval(**interval))


def label_of(task_type: TaskType, metric: str, dataset_split: str) -> str:
    """Return the name of a metric for people, with the split where that is not the one to be expected."""
    label = next((each.label for each in task_type.all_metrics if each.name == metric), metric)
    return label if dataset_split == DatasetSplit.TEST else f"{label} ({dataset_split})"
