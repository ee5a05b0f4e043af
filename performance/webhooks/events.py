"""The events that webhooks can subscribe to, and the data of their messages."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `data` names the members of the message's `data`, besides `organization` and `model_id`."""

    name: str
    when: str
    data: tuple[str, ...]


TEST = Event("webhook.test", when="`POST …/test` was called.", data=("webhook_id",))
SUBSCRIBABLE = (
    Event(
        "snapshot.created",
        when="Metrics were reported, computed or imported.",
        data=(
            "version_id",
            "dataset_split",
            "dataset",
            "snapshot_id",
            "source",
            "metrics",
            "sample_count",
            "evaluated_at",
            "url",
        ),
    ),
    Event(
        "version.promoted",
        when="A version was promoted, or restored by a rollback.",
        data=(
            "version_id",
            "previous_version_id",
            "promotion_id",
            "kind",
            "overridden",
            "promoted_at",
            "url",
        ),
    ),
    Event(
        "gate.failed",
        when="A stored gate policy stopped a version.",
        data=("version_id", "verdict_id", "occasion", "failed", "judged_at"),
    ),
)
EVENTS = (*SUBSCRIBABLE, TEST)
