"""A model in memory, with what the service must answer about it."""

from dataclasses import dataclass, field
from datetime import timedelta

from django.utils import timezone

NOON = timezone.now().replace(microsecond=0) - timedelta(days=1)
STATES = (("training", "training"), ("completed", "ready"))


@dataclass
class Memory:
    """What a model is, as simply as it can be said."""

    states: list[str] = field(default_factory=list)
    # Of each version and split the snapshots, oldest first: when evaluated, and the metric.
    snapshots: dict[tuple[int, str], list[tuple[int, float]]] = field(default_factory=dict)
    in_effect: list[int] = field(default_factory=list)  # a promotion pushes, a rollback pops
    history: list[tuple[int | None, int, str]] = field(default_factory=list)
    granted: dict[str, str] = field(default_factory=dict)  # by scope, the id
    archived: bool = False

    @property
    def promoted(self) -> int | None:
        return self.in_effect[-1] if self.in_effect else None

    @property
    def state(self) -> str:
        if self.archived:
            return "archived"
        return next((name for state, name in STATES if state in self.states), "draft")

    @property
    def newest_completed(self) -> int | None:
        return max((number for number, state in enumerate(self.states, 1) if state == "completed"), default=None)

    def promote(self, number: int) -> None:
        self.history.append((self.promoted, number, "promotion"))
        if number != self.promoted:
            self.in_effect.append(number)

    def roll_back(self) -> None:
        undone = self.in_effect.pop()
        self.history.append((undone, self.in_effect[-1], "rollback"))


def moment(hour: int) -> str:
    """Return an hour of the model\'s day as the API writes it."""
    return f"{NOON + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}"


def newest_first(snapshots: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Order by the moment of evaluation; of those at the same moment the one stored last comes first."""
    return sorted(snapshots, key=lambda snapshot: snapshot[0])[::-1]
