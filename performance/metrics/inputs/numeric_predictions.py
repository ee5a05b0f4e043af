"""Numbers that were predicted: where they are, and their means, in one scan that refuses what cannot be scored."""

from dataclasses import dataclass

from performance.metrics.engines.base import Engine
from performance.metrics.inputs import row_checks
from performance.metrics.inputs.column_mapping import ColumnMapping, is_finite, named, number_of, require
from performance.metrics.inputs.options import EXAMPLE_ID, SERIES_ID, Columns, Options
from performance.metrics.inputs.row_checks import Cause
from performance.metrics.inputs.sql import column
from performance.metrics.result import UnprocessablePredictionsError


@dataclass(frozen=True, slots=True)
class Numbers:
    """The SQL of the parts of each example, and what is known of all. `bias` is the mean of predicted - actual."""

    actual: str
    predicted: str
    weight: str
    scored: str
    is_weighted: bool
    rows: int
    examples: int
    total: float
    squares: float
    mean: float
    bias: float


def find(engine: Engine, columns: Columns, options: Options) -> Numbers:
    """Return where the numbers are. Raises `UnprocessablePredictionsError`, naming the first row that has none."""
    found = laid_out(engine, columns)
    actual, predicted, weight = found.actual, found.predicted, found.w
    weight_name = found.names[found.weight] if found.weight else None
    missing = f"{column(columns.predicted)} IS NULL"
    causes = [
        row_checks.not_finite(actual, columns.actual),
        Cause(f"(NOT {is_finite(predicted)} AND NOT ({missing}))", columns.predicted, "a finite number"),
        *([row_checks.negative(weight, weight_name)] if weight_name else []),
        row_checks.too_large(actual, columns.actual),
        row_checks.too_large(predicted, columns.predicted),
        *([row_checks.too_large(weight, weight_name)] if weight_name else []),
        *row_checks.long_ids([columns.example_id or EXAMPLE_ID, columns.series or SERIES_ID], engine.columns()),
    ]
    scored = f"NOT ({missing})"
    [row] = engine.rows(f"""
        SELECT count(*),
            sum(CASE WHEN {row_checks.any_of(causes)} THEN 1 ELSE 0 END), sum(CASE WHEN {missing} THEN 1 ELSE 0 END),
            sum({weight}) FILTER (WHERE {scored}), sum({weight} * {weight}) FILTER (WHERE {scored}),
            sum({weight} * {actual}) FILTER (WHERE {scored}),
            sum({weight} * ({predicted} - {actual})) FILTER (WHERE {scored})
        FROM predictions
    """)
    rows, at_fault, absent, total, squares, actual_sum, error_sum = row
    if not rows:
        raise UnprocessablePredictionsError("There is no row.")
    if at_fault:
        raise row_checks.first(engine, causes)
    if absent and not options.allow_missing:
        raise row_checks.without_prediction(engine, missing, columns.predicted, absent)
    if not total:
        raise UnprocessablePredictionsError("No row has a prediction and a weight above 0.")
    return Numbers(
        actual=actual,
        predicted=predicted,
        weight=weight,
        scored=scored,
        is_weighted=found.weight is not None,
        rows=rows,
        examples=rows - absent,
        total=float(total),
        squares=float(squares),
        mean=actual_sum / total,
        bias=error_sum / total,
    )


def laid_out(engine: Engine, columns: Columns) -> ColumnMapping:
    """Return where the parts of each example are. Raises `UnprocessablePredictionsError`."""
    types = engine.columns()
    weight = named(columns.weight, "weight", types)
    require(types, [columns.actual, columns.predicted])
    return ColumnMapping(
        actual=number_of(columns.actual, types),
        predicted=number_of(columns.predicted, types),
        weight=weight and number_of(weight, types),
        names={number_of(weight, types): weight} if weight else {},
    )
