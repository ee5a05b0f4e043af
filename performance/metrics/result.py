"""What an evaluation comes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from performance.metrics.statistics.intervals import Interval

MAX_CLASSES = 50  # past which single classes have no intervals: there would be thousands


@dataclass(frozen=True, slots=True)
class Misclassified:
    """An example of one class that was predicted as another.

    `confidence` is the probability that was given to the predicted class, from 0 to 1; `None` without probabilities.
    """

    example_id: str | None
    actual: str
    predicted: str
    confidence: float | None
    attributes: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Residual:
    """An example, and how far it was predicted off: `residual` is predicted - actual, in the target's unit."""

    example_id: str | None
    actual: float
    predicted: float
    residual: float
    attributes: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of predictions, each with its interval where one is known.

    The intervals of a class's metrics are among them under the names that gates have for these, such as
    `per_class.LABEL.recall`, where there are at most `MAX_CLASSES` classes.
    `sample_count` is the number of examples that were scored, of the `rows` that there are. A metric that is not
    defined for these examples is `None`. `confusion_matrix` counts examples, whatever they weigh:
    `counts[actual][predicted]`. `misclassified` has the most confidently wrong of the `misclassified_count` that are
    wrong, and `residuals` the examples of the largest errors. `curves` has points to draw, by the kind of curve.
    """

    rows: int
    sample_count: int
    metrics: Mapping[str, float | None]
    confidence_intervals: Mapping[str, Interval]
    per_class: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    confusion_matrix: Mapping[str, Any] | None = None
    positive_class: str | None = None
    averaging: str | None = None
    misclassified_count: int | None = None
    misclassified: Sequence[Misclassified] = ()
    residuals: Sequence[Residual] = ()
    curves: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the parts by name, as they are: `dataclasses.asdict` copies each of a million counts."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


DAMAGED = "The file says something else each time it is read, as a damaged one does. Write it anew."
EXHAUSTED = "The evaluation takes more memory, disk or time than it may. Evaluate smaller values, or fewer at a time."


MAX_REASON = 1000  # characters, as it may quote what a file holds
MAX_COLUMN = 200


class UnprocessablePredictionsError(ValueError):
    """Predictions that cannot be scored. `column` and `row`, counted from 1, say where, if that is known."""

    def __init__(self, reason: str, *, column: str | None = None, row: int | None = None) -> None:
        super().__init__(_shown(reason, MAX_REASON))
        self.column = column and _shown(column, MAX_COLUMN)
        self.row = row


def _shown(text: str, most: int) -> str:
    """Return a text that can be stored and sent everywhere: not too long, and without NUL or what is half a letter."""
    return text.replace("\0", "\\0").encode(errors="replace").decode()[:most]
