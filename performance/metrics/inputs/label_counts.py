"""Counting examples by what they are and what they were predicted as, and refusing what cannot be scored."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from performance.metrics.engines.base import Engine
from performance.metrics.inputs import row_checks
from performance.metrics.inputs.column_mapping import ColumnMapping
from performance.metrics.inputs.labels import in_order
from performance.metrics.inputs.options import MAX_LABEL, MAX_LABELS
from performance.metrics.inputs.row_checks import Cause
from performance.metrics.inputs.sql import number, total
from performance.metrics.result import UnprocessablePredictionsError
from performance.metrics.statistics.confusion import ConfusionMatrix

ROUNDED = 0.001  # that the probabilities of an example may be off from 1, as those of few digits are


@dataclass(frozen=True, slots=True)
class Cell:
    """The examples of one class that were predicted as one class."""

    actual: str
    predicted: str
    examples: int
    weight: float
    squared_weight: float


@dataclass(frozen=True)
class Counted:
    """All cells of the confusion matrix that are not empty. `rows` counts those without a prediction as well."""

    rows: int
    labels: Sequence[str]
    cells: Sequence[Cell]

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
            counts[self._index[cell.actual]][self._index[cell.predicted]] = cell.examples
        return counts

    @cached_property
    def weight(self) -> float:
        """The weight of all."""
        return sum(cell.weight for cell in self.cells)

    @property
    def squared_weight(self) -> float:
        """The sum of the squared weights."""
        return sum(cell.squared_weight for cell in self.cells)

    def weight_of(self, label: str) -> float:
        """Return the weight of what is of a class."""
        return self._weights.get(label, 0.0)

    def matrix(self) -> ConfusionMatrix:
        """Return the confusion matrix, by weight."""
        weights = [[0.0] * len(self.labels) for _ in self.labels]
        for cell in self.cells:
            weights[self._index[cell.actual]][self._index[cell.predicted]] = cell.weight
        return ConfusionMatrix(self.labels, weights, self.squared_weight)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {label: index for index, label in enumerate(self.labels)}

    @cached_property
    def _weights(self) -> dict[str, float]:
        weights: dict[str, float] = defaultdict(float)
        for cell in self.cells:
            weights[cell.actual] += cell.weight
        return weights


def count(engine: Engine, layout: ColumnMapping, *, allow_missing: bool) -> Counted:
    """Count the examples. Raises `UnprocessablePredictionsError`, naming the first row that cannot be scored."""
    causes = [*_causes(layout), *row_checks.long_ids([layout.example_id], engine.columns())]
    found = engine.rows(f"""
        SELECT actual, predicted, count(*), sum(CAST(w AS DOUBLE)), sum(CAST(w AS DOUBLE) * w),
            sum(CASE WHEN faulty THEN 1 ELSE 0 END)
        FROM (
            SELECT {layout.actual} AS actual, {layout.predicted} AS predicted, {layout.w} AS w,
                {row_checks.any_of(causes)} AS faulty
            FROM predictions
        )
        GROUP BY actual, predicted
        LIMIT {MAX_LABELS**2 + 1}
    """)
    if not found:
        raise UnprocessablePredictionsError("There is no row.")
    if any(faulty for *_, faulty in found):
        raise row_checks.first(engine, causes)
    missing = sum(examples for _, predicted, examples, *_ in found if predicted is None)
    if missing and not allow_missing:
        absent = f"{layout.predicted} IS NULL"
        raise row_checks.without_prediction(engine, absent, layout.names.get(layout.predicted, ""), missing)
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
    return Counted(sum(row[2] for row in found), labels, cells)


def are_probabilities(engine: Engine, layout: ColumnMapping, single: str | None) -> bool:
    """Say whether what the scored examples were given is from 0 to 1, and of both of two classes comes to 1.

    `single` is the one score, which must be there even if it does not count. Raises `UnprocessablePredictionsError`,
    naming the first row that has no score.
    """
    scores = list(layout.scores.values()) if layout.score is None else [layout.score]
    checked = scores if single is None or single in scores else [*scores, single]
    if not checked:
        return False
    is_scored = f"{layout.predicted} IS NOT NULL"
    causes = [
        replace(cause, condition=f"({is_scored} AND {cause.condition})")
        for cause in (row_checks.not_finite(score, layout.names[score]) for score in checked)
    ]
    improbable = [f"{score} < 0 OR {score} > 1" for score in scores]
    if layout.score is not None and len(layout.scores) == 2:
        improbable.append(_off_one(layout))
    [[at_fault, others]] = engine.rows(f"""
        SELECT sum(CASE WHEN {row_checks.any_of(causes)} THEN 1 ELSE 0 END),
            sum(CASE WHEN {" OR ".join(improbable) or "FALSE"} THEN 1 ELSE 0 END)
        FROM predictions WHERE {is_scored}
    """)
    if at_fault:
        raise row_checks.first(engine, causes)
    return bool(scores) and not others


def come_to_one(engine: Engine, layout: ColumnMapping) -> bool:
    """Say whether the scores of each example do, as those of all classes that there are."""
    return not engine.rows(
        f"SELECT 1 FROM predictions WHERE {layout.predicted} IS NOT NULL AND {_off_one(layout)} LIMIT 1"
    )


def _off_one(layout: ColumnMapping) -> str:
    return f"coalesce(abs({total(list(layout.scores.values()))} - 1) > {number(ROUNDED)}, TRUE)"


def _causes(layout: ColumnMapping) -> list[Cause]:
    """Return why an example may not be scored."""
    causes = [Cause(f"{layout.actual} IS NULL", layout.names[layout.actual], "a label")]
    causes += [
        Cause(
            f"coalesce(length({label}) > {MAX_LABEL}, FALSE)",
            layout.names[label],
            f"a label of at most {MAX_LABEL:,} characters",
        )
        for label in (layout.actual, layout.predicted)
        if label in layout.names
    ]
    return causes + ([row_checks.negative(layout.weight, layout.names[layout.weight])] if layout.weight else [])
