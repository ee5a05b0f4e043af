"""The result of an evaluation, and the error if there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from performance.metrics.statistics.intervals import Interval

MAX_DATASET_NAME = 100  # characters
MISSING_FRACTION_TO_WARN = 0.01  # of the rows
MAX_CLASSES = 50  # above this number, classes have no intervals: there would be thousands


@dataclass(frozen=True, slots=True)
class Misclassified:
    """An example of one class that was predicted as another.

    `confidence` is the probability of the predicted class, from 0 to 1, or `None` without probabilities.
    """

    example_id: str | None
    actual: str
    predicted: str
    confidence: float | None
    attributes: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Residual:
    """An example and its error. `residual` is predicted - actual, in the target's unit."""

    example_id: str | None
    actual: float
    predicted: float
    residual: float
    attributes: Mapping[str, str | None]


class ConfusionMatrixDocument(TypedDict):
    """A confusion matrix as JSON: `counts[actual][predicted]` in the order of the labels."""

    labels: list[str]
    counts: list[list[int]]


class CurvesDocument(TypedDict, total=False):
    """The points of each kind of curve as JSON. ROC and precision-recall curves are by label."""

    roc: Mapping[str, Sequence[Mapping[str, float | None]]]
    precision_recall: Mapping[str, Sequence[Mapping[str, float | None]]]
    calibration: Sequence[Mapping[str, float]]
    residual_histogram: Sequence[Mapping[str, float]]
    predicted_versus_actual: Sequence[Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class EvaluationWarning:
    """Something about the predictions that a reader of the metrics should know. `code` is stable."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Slice:
    """The summary metrics of the examples with one value of an attribute.

    `value` is `None` for all values past the most frequent ones, which count together. A value whose rows were all left
    out has a `sample_count` of 0. A metric is `None` if it is
    undefined for these examples; `intervals_unavailable` says why it is, and why others have no interval.
    """

    attribute: str
    value: str | None
    sample_count: int
    metrics: Mapping[str, float | None]
    confidence_intervals: Mapping[str, Interval]
    intervals_unavailable: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of predictions, with their known confidence intervals.

    `sample_count` is the number of scored examples with a weight above 0 among the `rows`, and `effective_sample_size`
    the number of unweighted, independent examples that tell as much. `missing_fraction` is the share of the rows
    with a weight above 0 that have no prediction, from 0 to 1.

    A metric that is undefined for these examples is `None`; `metrics_unavailable` says why, and `intervals_unavailable`
    why another metric has no interval. The intervals of per-class metrics have the names that gates use, such as
    `per_class.LABEL.recall`; there are none for more than `MAX_CLASSES` classes.

    `evaluation_options` holds what was asked for or chosen, such as `positive_class` or `k`. `examples_digest`
    identifies the examples, whatever is predicted: it is a SHA-256 as hexadecimal digits. `confusion_matrix` counts
    examples without weights: `counts[actual][predicted]`. `misclassified` holds those of the `misclassified_count`
    wrong predictions that are most confident, and `residuals` the examples with the largest errors. `curves` holds
    points to draw, by kind of curve.
    """

    rows: int
    sample_count: int
    metrics: Mapping[str, float | None]
    confidence_intervals: Mapping[str, Interval]
    metrics_unavailable: Mapping[str, str] = field(default_factory=dict)
    intervals_unavailable: Mapping[str, str] = field(default_factory=dict)
    effective_sample_size: float | None = None
    missing_fraction: float = 0.0
    evaluation_options: Mapping[str, object] = field(default_factory=dict)
    examples_digest: str | None = None
    warnings: Sequence[EvaluationWarning] = ()
    slices: Sequence[Slice] = ()
    per_class: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    confusion_matrix: ConfusionMatrixDocument | None = None
    positive_class: str | None = None
    averaging: str | None = None
    misclassified_count: int | None = None
    misclassified: Sequence[Misclassified] = ()
    residuals: Sequence[Residual] = ()
    curves: CurvesDocument = field(default_factory=CurvesDocument)


DAMAGED = "The file gives different values each time it is read, so it is damaged. Write it again."
EXHAUSTED = (
    "The evaluation takes more memory, disk space or time than allowed. Evaluate smaller values, or fewer at a time."
)


MAX_REASON_LENGTH = 1000  # characters: a reason may quote the file
MAX_COLUMN_LENGTH = 200


class UnprocessablePredictionsError(ValueError):
    """Predictions cannot be scored. `column` and `row` (from 1) say where, if that is known."""

    def __init__(self, reason: str, *, column: str | None = None, row: int | None = None) -> None:
        super().__init__(_storable(reason, MAX_REASON_LENGTH))
        self.column = column and _storable(column, MAX_COLUMN_LENGTH)
        self.row = row


def _storable(text: str, most: int) -> str:
    """Return at most `most` characters of the text, without NUL and lone surrogates, which cannot be stored."""
    return text.replace("\0", "\\0").encode(errors="replace").decode()[:most]
