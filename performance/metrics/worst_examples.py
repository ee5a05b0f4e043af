"""The examples that were predicted worst: the most confidently wrong, or the furthest off."""

from collections.abc import Sequence
from itertools import accumulate

from performance.metrics.engines.base import Engine, Row
from performance.metrics.inputs.column_mapping import ColumnMapping, named, require
from performance.metrics.inputs.numeric_predictions import Numbers
from performance.metrics.inputs.options import Columns
from performance.metrics.inputs.sql import column
from performance.metrics.result import Misclassified, Residual
from performance.metrics.statistics.losses import given

MAX_WORST_EXAMPLES = 1000  # at most, of one evaluation
MAX_TEXT = 1000  # characters of an attribute that are kept
MAX_TEXTS = 2**22  # characters of all examples of an evaluation, of which as many are kept as fit


def misclassified(
    engine: Engine, columns: Columns, layout: ColumnMapping, *, are_probabilities: bool, positive: str | None
) -> list[Misclassified]:
    """Return the wrongly predicted examples, those of the highest confidence first, and then by their ids."""
    confident = are_probabilities and (layout.score is not None if positive is not None else bool(layout.scores))
    confidence = given(layout, layout.predicted, positive) if confident else "CAST(NULL AS DOUBLE)"
    rows = _rows(
        engine,
        columns,
        [layout.actual, layout.predicted, confidence],
        where=f"{layout.predicted} IS NOT NULL AND {layout.actual} <> {layout.predicted}",
        order="third DESC NULLS LAST, id, first, second",
    )
    return [
        Misclassified(_clean(example_id), actual, predicted, confidence, _attributes(columns, attributes))
        for example_id, actual, predicted, confidence, *attributes in _fitting(rows)
    ]


def residuals(engine: Engine, columns: Columns, numbers: Numbers) -> list[Residual]:
    """Return the examples of the largest absolute error, the largest first, and then by their ids."""
    rows = _rows(
        engine,
        columns,
        [numbers.actual, numbers.predicted, f"{numbers.predicted} - {numbers.actual}"],
        where=numbers.scored,
        order="abs(third) DESC, id, first, second",
    )
    return [
        Residual(_clean(example_id), actual, predicted, residual, _attributes(columns, attributes))
        for example_id, actual, predicted, residual, *attributes in _fitting(rows)
    ]


def _rows(engine: Engine, columns: Columns, parts: Sequence[str], *, where: str, order: str) -> list[Row]:
    types = engine.columns()
    require(types, columns.attributes)
    id_name = named(columns.example_id, "example_id", types)
    example_id = _text(id_name) if id_name else "CAST(NULL AS VARCHAR)"
    attributes = "".join(f", {_text(name)} AS attribute_{at}" for at, name in enumerate(columns.attributes))
    first, second, third = parts
    # Put in order outside, where the file's own columns, which may have any names, are out of reach.
    return engine.rows(f"""
        SELECT * FROM (
            SELECT {example_id} AS id, {first} AS first, {second} AS second, {third} AS third {attributes}
            FROM predictions WHERE {where}
        )
        ORDER BY {order} LIMIT {MAX_WORST_EXAMPLES}
    """)


def _fitting(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the first rows, the worst, as far as their texts together are not too long to store."""
    ends = accumulate(sum(len(value) for value in row if isinstance(value, str)) for row in rows)
    return rows[: sum(end <= MAX_TEXTS for end in ends)]


def _text(name: str) -> str:
    return f"substr(CAST({column(name)} AS VARCHAR), 1, {MAX_TEXT})"


def _clean(text: str | None) -> str | None:
    """Return a text without NUL, which no text here may hold."""
    return text and text.replace("\0", "")


def _attributes(columns: Columns, values: Sequence[str | None]) -> dict[str, str | None]:
    return {name: _clean(value) for name, value in zip(columns.attributes, values, strict=True)}
