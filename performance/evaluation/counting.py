"""Counting examples by what they are and what they were predicted as, and refusing what cannot be scored."""

from collections.abc import Sequence
from dataclasses import dataclass

from performance.evaluation.confusion import ConfusionMatrix
from performance.evaluation.engine import Engine
from performance.evaluation.labels import in_order
from performance.evaluation.layout import Layout, is_finite
from performance.evaluation.result import UnprocessablePredictionsError

MAX_LABELS = 1000


@dataclass(frozen=True, slots=True)
class Cell:
    """The examples of one class that were predicted as one class."""

    actual: str
    predicted: str
    examples: int
    weight: float
    squared_weight: float


@dataclass(frozen=True, slots=True)
class Counted:
    """All cells of the confusion matrix that are not empty. `rows` counts those without a prediction as well.

    `are_probabilities` says whether all scores are from 0 to 1.
    """

    rows: int
    labels: Sequence[str]
    cells: Sequence[Cell]
    are_probabilities: bool

    @property
    def examples(self) -> int:
        """How many were scored."""
        return sum(cell.examples for cell in self.cells)

    @property
    def wrong(self) -> int:
        """How many were predicted as another class."""
        return sum(cell.examples for cell in self.cells if cell.actual != cell.predicted)

    @property
    def counts(self) -> list[list[int]]:
        """The number of examples, `counts[actual][predicted]`."""
        counts = [[0] * len(self.labels) for _ in self.labels]
        for cell in self.cells:
            counts[self.labels.index(cell.actual)][self.labels.index(cell.predicted)] = cell.examples
        return counts

    @property
    def weight(self) -> float:
        """The weight of all."""
        return sum(cell.weight for cell in self.cells)

    @property
    def squared_weight(self) -> float:
        """The sum of the squared weights."""
        return sum(cell.squared_weight for cell in self.cells)

    def weight_of(self, label: str) -> float:
        """Return the weight of what is of a class."""
        return sum(cell.weight for cell in self.cells if cell.actual == label)

    def matrix(self) -> ConfusionMatrix:
        """Return the confusion matrix, by weight."""
        weights = [[0.0] * len(self.labels) for _ in self.labels]
        for cell in self.cells:
            weights[self.labels.index(cell.actual)][self.labels.index(cell.predicted)] = cell.weight
        return ConfusionMatrix(self.labels, weights, self.squared_weight)


def count(engine: Engine, layout: Layout, *, allow_missing: bool) -> Counted:
    """Count the examples. Raises `UnprocessablePredictionsError`, naming the first row that cannot be scored."""
    scores = [score for score in [layout.score, *layout.scores.values()] if score is not None]
    improbable = " OR ".join(f"{score} < 0 OR {score} > 1" for score in scores) or "FALSE"
    found = engine.rows(f"""
        SELECT actual, predicted, count(*), sum(CAST(w AS DOUBLE)), sum(CAST(w AS DOUBLE) * w),
            sum(CASE WHEN faulty THEN 1 ELSE 0 END), sum(CASE WHEN improbable THEN 1 ELSE 0 END)
        FROM (
            SELECT {layout.actual} AS actual, {layout.predicted} AS predicted, {layout.w} AS w,
                {_faulty(layout, scores)} AS faulty, {improbable} AS improbable
            FROM predictions
        )
        GROUP BY actual, predicted
        LIMIT {MAX_LABELS**2 + 1}
    """)
    if not found:
        raise UnprocessablePredictionsError("There is no row.")
    if any(faulty for *_, faulty, _ in found) or any(actual is None for actual, *_ in found):
        raise _fault(engine, layout, scores)
    missing = sum(examples for _, predicted, examples, *_ in found if predicted is None)
    if missing and not allow_missing:
        raise _no_prediction(engine, layout, missing)
    cells = [Cell(*row[:5]) for row in found if row[1] is not None]
    labels = in_order(label for cell in cells for label in (cell.actual, cell.predicted))
    if not cells or sum(cell.weight for cell in cells) <= 0:
        raise UnprocessablePredictionsError("No row has a prediction and a weight above 0.")
    if any("\0" in label for label in labels):
        raise UnprocessablePredictionsError("A label holds NUL, which no text here may.")
    if len(labels) > MAX_LABELS:
        raise UnprocessablePredictionsError(
            f"There are more than {MAX_LABELS} labels. Are the columns of labels the right ones?"
        )
    return Counted(sum(row[2] for row in found), labels, cells, not any(row[6] for row in found))


def _faulty(layout: Layout, scores: Sequence[str]) -> str:
    conditions = [f"NOT {is_finite(score)}" for score in scores]
    if layout.weight:
        conditions.append(f"NOT {is_finite(layout.weight)} OR {layout.weight} < 0")
    return " OR ".join(conditions) or "FALSE"


def _fault(engine: Engine, layout: Layout, scores: Sequence[str]) -> UnprocessablePredictionsError:
    """Return the error of the first row that cannot be scored."""
    causes = [(f"{layout.actual} IS NULL", "There is no label in the column of what is actual.")]
    causes += [(f"NOT {is_finite(score)}", f"The score {score} is no finite number.") for score in scores]
    if layout.weight:
        wrong = f"NOT {is_finite(layout.weight)} OR {layout.weight} < 0"
        causes.append((wrong, f"The weight {layout.weight} is no finite number of 0 or more."))
    rows = [(row, reason) for condition, reason in causes if (row := engine.first_row(condition)) is not None]
    row, reason = min(rows)
    return UnprocessablePredictionsError(f"{reason} It is row {row}.", row=row)


def _no_prediction(engine: Engine, layout: Layout, missing: int) -> UnprocessablePredictionsError:
    row = engine.first_row(f"{layout.predicted} IS NULL")
    return UnprocessablePredictionsError(
        f"{missing} rows have no prediction, the first of them row {row}. Leave them out, or allow for missing ones.",
        row=row,
    )
