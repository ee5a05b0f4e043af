"""Versions with a history of promotions, and the verdict on the newest by given rules."""

from typing import Any

from django.utils import timezone

from models_registry.registry.models import Version
from performance.metrics.statistics.intervals import wilson
from performance.snapshots.models import MetricSnapshot, SnapshotSlice
from tests.api import Caller
from tests.performance.gates.gate_example import GATE
from tests.performance.gates.rules import ACCURACY_LIMIT

BEST = ACCURACY_LIMIT | {"against": "best"}


def store_snapshot(version: Version, accuracy: float, **fields: Any) -> MetricSnapshot:
    """Store a snapshot of the test split, the newest of its version."""
    return MetricSnapshot.objects.create(
        version=version,
        dataset_split="test",
        metrics={"accuracy": accuracy},
        evaluated_at=timezone.now(),
        source="computed",
        **fields,
    )


def store_slices(stored: MetricSnapshot, attribute: str, shares: dict[str | None, tuple[int, int]]) -> None:
    """Store the recall of slices: how many of how many."""
    for position, (value, (right, count)) in enumerate(shares.items(), 1):
        interval = wilson(right / count, count)
        assert interval is not None
        ends = {"lower": interval.lower, "upper": interval.upper, "method": "wilson", "level": 0.95}
        SnapshotSlice.objects.create(
            snapshot=stored,
            attribute=attribute,
            position=position,
            value=value,
            sample_count=count,
            metrics={"recall": right / count},
            confidence_intervals={"recall": ends},
        )


def get_verdict(caller: Caller, *rules: dict[str, Any], **policy: Any) -> Any:
    """Return the verdict on the newest version by these rules."""
    answer = caller.post(GATE, {**policy, "rules": [*rules]})
    assert answer.status_code == 200, answer.content
    return answer.json()
