"""Find the examples with the worst predictions: the most confident errors, or the largest ones."""

from collections.abc import Sequence
from itertools import accumulate

from performance.metrics.engines.base import Engine, Row
from performance.metrics.inputs.column_mapping import ColumnMapping, find_column, id_sql, require_columns
from performance.metrics.inputs.numeric_predictions import NumericPredictions
from performance.metrics.inputs.options import Columns
from performance.metrics.inputs.sql import identifier
from performance.metrics.result import Misclassified, Residual
from performance.metrics.statistics.losses import predicted_probability

MAX_WORST_EXAMPLES = 1000  # of one evaluation
MAX_TEXT_LENGTH = 1000  # characters of an attribute
MAX_TOTAL_LENGTH = 2**22  # characters of all worst examples of an evaluation


def worst_misclassified(
    engine: Engine, columns: Columns, mapping: ColumnMapping, *, are_probabilities: bool, positive: str | None
) -> list[Misclassified]:
    """Return the misclassified examples, those with the highest confidence first, then by their ids."""
    confident = are_probabilities and (mapping.score is not None if positive is not None else bool(mapping.scores))
    confidence = predicted_probability(mapping, mapping.predicted, positive) if confident else "CAST(NULL AS DOUBLE)"
    rows = _rows(
        engine,
        columns,
        [mapping.actual, mapping.predicted, confidence],
        where=f"{mapping.actual} <> {mapping.predicted} AND {mapping.weight_or_one} > 0",
        order="third DESC NULLS LAST, id, first, second",
    )
    return [
        Misclassified(_without_nul(example_id), actual, predicted, confidence, _attributes(columns, attributes))
        for example_id, actual, predicted, confidence, *attributes in _within_total_length(rows)
    ]


def worst_residuals(engine: Engine, columns: Columns, predictions: NumericPredictions) -> list[Residual]:
    """Return the examples with the largest absolute errors, the largest first, then by their ids."""
    rows = _rows(
        engine,
        columns,
        [predictions.actual, predictions.predicted, f"{predictions.predicted} - {predictions.actual}"],
        where=predictions.scored,
        order="abs(third) DESC, id, first, second",
    )
    return [
        Residual(_without_nul(example_id), actual, predicted, residual, _attributes(columns, attributes))
        for example_id, actual, predicted, residual, *attributes in _within_total_length(rows)
    ]


def _rows(engine: Engine, columns: Columns, parts: Sequence[str], *, where: str, order: str) -> list[Row]:
    types = engine.columns()
    require_columns(types, columns.attributes)
    id_name = find_column(columns.example_id, "example_id", types)
    example_id = f"substr({id_sql(id_name, types)}, 1, {MAX_TEXT_LENGTH})" if id_name else "CAST(NULL AS VARCHAR)"
    attributes = "".join(f", {_text(name)} AS attribute_{at}" for at, name in enumerate(columns.attributes))
    first, second, third = parts
    # Sorting happens in the outer query, where the file's columns cannot shadow these names.
    return engine.rows(f"""
        SELECT * FROM (
            SELECT {example_id} AS id, {first} AS first, {second} AS second, {third} AS third {attributes}
            FROM predictions WHERE {where}
        )
        ORDER BY {order} LIMIT {MAX_WORST_EXAMPLES}
    """)


def _within_total_length(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the first rows whose texts together are short enough to store."""
    ends = accumulate(sum(len(value) for value in row if isinstance(value, str)) for row in rows)
    return rows[: sum(end <= MAX_TOTAL_LENGTH for end in ends)]


def _text(name: str) -> str:
    return f"substr(CAST({identifier(name)} AS VARCHAR), 1, {MAX_TEXT_LENGTH})"


def _without_nul(text: str | None) -> str | None:
    """Return the text without NUL, which PostgreSQL cannot store."""
    return text and text.replace("\0", "")


def _attributes(columns: Columns, values: Sequence[str | None]) -> dict[str, str | None]:
    return {name: _without_nul(value) for name, value in zip(columns.attributes, values, strict=True)}
