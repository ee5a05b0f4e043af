"""Count the examples of each actual and predicted label, and refuse rows that cannot be scored."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from performance.metrics.engines.base import Engine
from performance.metrics.inputs import row_checks
from performance.metrics.inputs.column_mapping import ColumnMapping
from performance.metrics.inputs.labels import sort_labels
from performance.metrics.inputs.options import MAX_LABEL_LENGTH, MAX_LABELS
from performance.metrics.inputs.row_checks import RowCheck
from performance.metrics.inputs.sql import number_literal, sum_terms
from performance.metrics.result import UnprocessablePredictionsError
from performance.metrics.statistics.confusion import ConfusionMatrix

MAX_LISTED = 20  # labels in an error message
MAX_LISTED_LENGTH = 40  # characters of each
ROUNDING = 1e-6  # how far below 0 or above 1 a rounded probability may be
SUM_TOLERANCE = 0.001  # how far the sum of rounded probabilities may be from 1
LEAST_SHARE = 1e-100  # of a class in the sum of all weights, unless it is 0: its inverse's square still fits a double


@dataclass(frozen=True, slots=True)
class Cell:
    """The examples of one class that were predicted as one class. `examples` counts those with a weight above 0."""

    actual: str
    predicted: str
    examples: int
    weight: float
    squared_weight: float


@dataclass(frozen=True)
class LabelCounts:
    """The non-empty cells of the confusion matrix.

    `rows` also counts the rows without a prediction, and `missing` those of them with a weight above 0.
    """

    rows: int
    missing: int
    labels: Sequence[str]
    cells: Sequence[Cell]

    @property
    def examples(self) -> int:
        """The number of scored examples with a weight above 0."""
        return sum(cell.examples for cell in self.cells)

    @property
    def missing_fraction(self) -> float:
        """The share of the rows with a weight above 0 that have no prediction."""
        return self.missing / (self.missing + self.examples)

    @property
    def misclassified(self) -> int:
        """The number of examples that were predicted as another class."""
        return sum(cell.examples for cell in self.cells if cell.actual != cell.predicted)

    @property
    def examples_by_cell(self) -> list[list[int]]:
        """The number of examples, `examples_by_cell[actual][predicted]`, in the order of the labels."""
        counts = [[0] * len(self.labels) for _ in self.labels]
        for cell in self.cells:
            counts[self._index[cell.actual]][self._index[cell.predicted]] = cell.examples
        return counts

    @cached_property
    def weight(self) -> float:
        """The sum of the weights."""
        return sum(cell.weight for cell in self.cells)

    @property
    def squared_weight(self) -> float:
        """The sum of the squared weights."""
        return sum(cell.squared_weight for cell in self.cells)

    @property
    def heaviest(self) -> float:
        """The weight of an effective example of the class whose effective examples weigh most."""
        squares: dict[str, float] = defaultdict(float)
        for cell in self.cells:
            squares[cell.actual] += cell.squared_weight
        return max(squares[label] / weight for label, weight in self._weights.items() if weight > 0)

    def weight_of(self, label: str) -> float:
        """Return the sum of the weights of the examples of a class."""
        return self._weights.get(label, 0.0)

    def matrix(self) -> ConfusionMatrix:
        """Return the weighted confusion matrix."""
        weights, squares = ([[0.0] * len(self.labels) for _ in self.labels] for _ in range(2))
        for cell in self.cells:
            row, column = self._index[cell.actual], self._index[cell.predicted]
            weights[row][column], squares[row][column] = cell.weight, cell.squared_weight
        return ConfusionMatrix(self.labels, weights, squares)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {label: index for index, label in enumerate(self.labels)}

    @cached_property
    def _weights(self) -> dict[str, float]:
        weights: dict[str, float] = defaultdict(float)
        for cell in self.cells:
            weights[cell.actual] += cell.weight
        return weights


def count_labels(
    engine: Engine, mapping: ColumnMapping, *, allow_missing: bool, group: str | None = None
) -> LabelCounts:
    """Count the examples. Raises `UnprocessablePredictionsError` with the first row that cannot be scored.

    `group` is the column of the groups of correlated examples, if each scored example must have one.
    """
    types = engine.columns()
    checks = [*_row_checks(mapping), *row_checks.long_ids([mapping.example_id], types)]
    if group is not None:
        checks.append(_of_scored(mapping, row_checks.missing_id(group, types, "a group")))
    rows = engine.rows(f"""
        SELECT actual, predicted, sum(CASE WHEN w > 0 THEN 1 ELSE 0 END), sum(CAST(w AS DOUBLE)),
            sum(CAST(w AS DOUBLE) * w), count(*), sum(CASE WHEN invalid THEN 1 ELSE 0 END)
        FROM (
            SELECT {mapping.actual} AS actual, {mapping.predicted} AS predicted, {mapping.weight_or_one} AS w,
                {row_checks.any_of(checks)} AS invalid
            FROM predictions
        )
        GROUP BY actual, predicted
        LIMIT {MAX_LABELS**2 + 1}
    """)
    if not rows:
        raise UnprocessablePredictionsError("There is no row.")
    if any(invalid for *_, invalid in rows):
        raise row_checks.first_error(engine, checks)
    absent = [row for row in rows if row[1] is None]
    if absent and not allow_missing:
        count, name = sum(row[5] for row in absent), mapping.names.get(mapping.predicted, "")
        raise row_checks.missing_prediction_error(engine, f"{mapping.predicted} IS NULL", name, count)
    cells = [Cell(*row[:5]) for row in rows if row[1] is not None]
    labels = sort_labels(label for cell in cells for label in (cell.actual, cell.predicted))
    if not cells or sum(cell.weight for cell in cells) <= 0:
        raise UnprocessablePredictionsError("No row has a prediction and a weight above 0.")
    if any("\0" in label for label in labels):
        raise UnprocessablePredictionsError("A label contains a NUL character, which cannot be stored.")
    if len(labels) > MAX_LABELS:
        raise UnprocessablePredictionsError(
            f"There are more than {MAX_LABELS} labels. Are the columns of labels the right ones?"
        )
    return LabelCounts(sum(row[5] for row in rows), sum(row[2] for row in absent), labels, cells)


def check_shared_labels(cells: Sequence[Cell]) -> None:
    """Refuse labels that were never predicted and predictions that are no labels, such as `1` against `yes`.

    Raises `UnprocessablePredictionsError`.
    """
    actual, predicted = {cell.actual for cell in cells}, {cell.predicted for cell in cells}
    if not actual & predicted:
        raise UnprocessablePredictionsError(
            f"The actual and the predicted labels have nothing in common: {listed(actual)} against "
            f"{listed(predicted)}. Write them alike."
        )


def check_class_weights(matrix: ConfusionMatrix) -> None:
    """Refuse classes whose weights are too small beside those of others for derivatives of metrics.

    Raises `UnprocessablePredictionsError`.
    """
    for which, weights in (("of", matrix.rows), ("predicted as", matrix.columns)):
        for label, weight in zip(matrix.labels, weights, strict=True):
            if weight > 0 and weight / matrix.total < LEAST_SHARE:
                raise UnprocessablePredictionsError(
                    f"The weights of the examples {which} the class {label[:MAX_LISTED_LENGTH]!r} are less than "
                    f"{LEAST_SHARE:g} of all weights. Give these examples larger weights, or the weight 0."
                )


def listed(labels: Iterable[str]) -> str:
    """Return labels in quotes for a message, which names so many of them."""
    shown = [repr(label[:MAX_LISTED_LENGTH]) for label in sort_labels(labels)]
    return ", ".join(shown[:MAX_LISTED]) + (f" and {len(shown) - MAX_LISTED:,} more" if len(shown) > MAX_LISTED else "")


def improbable_reason(engine: Engine, mapping: ColumnMapping, single: str | None) -> str | None:
    """Return why the scores of the scored examples are no probabilities of the classes; `None` if they are.

    They are from 0 to 1, and those of several classes sum to 1, except for rounding. Raises
    `UnprocessablePredictionsError` with the first row that has no score.

    Args:
        engine: holds the predictions.
        mapping: the scores that count.
        single: the column `score`, which must have values in every row even if it does not count.
    """
    scores = list(mapping.scores.values()) if mapping.score is None else [mapping.score]
    checked = scores if single is None or single in scores else [*scores, single]
    if not checked:
        return "There is no column of scores."
    is_scored = f"{mapping.predicted} IS NOT NULL"
    checks = [_of_scored(mapping, row_checks.not_finite(score, mapping.names[score])) for score in checked]
    lowest, highest = number_literal(-ROUNDING), number_literal(1 + ROUNDING)
    out_of_range = " OR ".join(f"{score} < {lowest} OR {score} > {highest}" for score in scores) or "FALSE"
    differs = _sum_differs_from_one(mapping) if len(mapping.scores) > 1 else "FALSE"
    [[unscored, outside, unlike_one]] = engine.rows(f"""
        SELECT sum(CASE WHEN {row_checks.any_of(checks)} THEN 1 ELSE 0 END),
            sum(CASE WHEN {out_of_range} THEN 1 ELSE 0 END), sum(CASE WHEN {differs} THEN 1 ELSE 0 END)
        FROM predictions WHERE {is_scored}
    """)
    if unscored:
        raise row_checks.first_error(engine, checks)
    if not scores:
        return "There is no score of the classes."
    if outside:
        return f"Scores are no probabilities: {_rows_that(outside)} one below 0 or above 1."
    if unlike_one:
        return f"Scores are no probabilities: {_rows_that(unlike_one)} scores of the classes that do not sum to 1."
    return None


def _rows_that(rows: int) -> str:
    return "1 row has" if rows == 1 else f"{rows:,} rows have"


def as_probabilities(mapping: ColumnMapping) -> ColumnMapping:
    """Return the mapping with its scores clipped to [0, 1], as rounding may exceed it, and their sum as `total`."""
    clipped = {label: f"greatest(least({score}, 1), 0)" for label, score in mapping.scores.items()}
    return replace(
        mapping,
        score=mapping.score and f"greatest(least({mapping.score}, 1), 0)",
        scores=clipped,
        total=f"({sum_terms(list(clipped.values()))})" if len(clipped) > 1 and mapping.score is None else None,
    )


def scores_sum_to_one(engine: Engine, mapping: ColumnMapping) -> bool:
    """Return whether the scores of each example sum to 1, as those of all classes do."""
    return not engine.rows(
        f"SELECT 1 FROM predictions WHERE {mapping.predicted} IS NOT NULL AND {_sum_differs_from_one(mapping)} LIMIT 1"
    )


def _sum_differs_from_one(mapping: ColumnMapping) -> str:
    return f"coalesce(abs({sum_terms(list(mapping.scores.values()))} - 1) > {number_literal(SUM_TOLERANCE)}, TRUE)"


def _of_scored(mapping: ColumnMapping, check: RowCheck) -> RowCheck:
    """Return a check that only rows with a prediction must pass."""
    return replace(check, condition=f"({mapping.predicted} IS NOT NULL AND {check.condition})")


def _row_checks(mapping: ColumnMapping) -> list[RowCheck]:
    """Return the checks that each row must pass."""
    checks = [RowCheck(f"{mapping.actual} IS NULL", mapping.names[mapping.actual], "a label")]
    checks += [
        RowCheck(
            f"coalesce(length({label}) > {MAX_LABEL_LENGTH}, FALSE)",
            mapping.names[label],
            f"a label of at most {MAX_LABEL_LENGTH:,} characters",
        )
        for label in (mapping.actual, mapping.predicted)
        if label in mapping.names
    ]
    if mapping.weight:
        name = mapping.names[mapping.weight]
        checks += [row_checks.negative(mapping.weight, name), row_checks.too_large(mapping.weight, name)]
    return checks
