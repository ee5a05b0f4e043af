"""Numbers that were predicted: where they are, and their means, in one scan that refuses what cannot be scored."""

from dataclasses import dataclass

from performance.evaluation import faults
from performance.evaluation.columns import EXAMPLE_ID, SERIES_ID, Columns, Options
from performance.evaluation.engine import Engine
from performance.evaluation.faults import Cause
from performance.evaluation.layout import Layout, is_finite, named, number_of, require
from performance.evaluation.result import UnprocessablePredictionsError
from performance.evaluation.statements import column


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
        faults.not_finite(actual, columns.actual),
        Cause(f"(NOT {is_finite(predicted)} AND NOT ({missing}))", columns.predicted, "a finite number"),
        *([faults.negative(weight, weight_name)] if weight_name else []),
        faults.too_large(actual, columns.actual),
        faults.too_large(predicted, columns.predicted),
        *([faults.too_large(weight, weight_name)] if weight_name else []),
        *faults.long_ids([columns.example_id or EXAMPLE_ID, columns.series or SERIES_ID], engine.columns()),
    ]
    scored = f"NOT ({missing})"
    [row] = engine.rows(f"""
        SELECT count(*),
            sum(CASE WHEN {faults.any_of(causes)} THEN 1 ELSE 0 END), sum(CASE WHEN {missing} THEN 1 ELSE 0 END),
            sum({weight}) FILTER (WHERE {scored}), sum({weight} * {weight}) FILTER (WHERE {scored}),
            sum({weight} * {actual}) FILTER (WHERE {scored}),
            sum({weight} * ({predicted} - {actual})) FILTER (WHERE {scored})
        FROM predictions
    """)
    rows, at_fault, absent, total, squares, actual_sum, error_sum = row
    if not rows:
        raise UnprocessablePredictionsError("There is no row.")
    if at_fault:
        raise faults.first(engine, causes)
    if absent and not options.allow_missing:
        raise faults.without_prediction(engine, missing, columns.predicted, absent)
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


def laid_out(engine: Engine, columns: Columns) -> Layout:
    """Return where the parts of each example are. Raises `UnprocessablePredictionsError`."""
    types = engine.columns()
    weight = named(columns.weight, "weight", types)
    require(types, [columns.actual, columns.predicted])
    return Layout(
        actual=number_of(columns.actual, types),
        predicted=number_of(columns.predicted, types),
        weight=weight and number_of(weight, types),
        names={number_of(weight, types): weight} if weight else {},
    )
