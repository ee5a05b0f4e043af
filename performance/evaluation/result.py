"""What an evaluation comes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from performance.evaluation.intervals import Interval


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of predictions, each with its interval where one is known.

    `sample_count` is the number of examples that were scored, of the `rows` that there are. A metric that is not
    defined for these examples is `None`. `confusion_matrix` counts examples, whatever they weigh:
    `counts[actual][predicted]`.
    """

    rows: int
    sample_count: int
    metrics: Mapping[str, float | None]
    confidence_intervals: Mapping[str, Interval]
    per_class: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    confusion_matrix: Mapping[str, Any] | None = None
    labels: Sequence[str] = ()
    positive_class: str | None = None
    averaging: str | None = None


DAMAGED = "The file says something else each time it is read, as a damaged one does. Write it anew."


class UnprocessablePredictionsError(ValueError):
    """Predictions that cannot be scored. `column` and `row`, counted from 1, say where, if that is known."""

    def __init__(self, reason: str, *, column: str | None = None, row: int | None = None) -> None:
        super().__init__(reason)
        self.column = column
        self.row = row
