"""Read predictions of numbers in one scan, which also refuses rows that cannot be scored."""

from dataclasses import dataclass

from performance.metrics.engines.base import Engine
from performance.metrics.inputs import row_checks
from performance.metrics.inputs.column_mapping import (
    ColumnMapping,
    find_column,
    is_finite,
    is_missing,
    key_sql,
    number_sql,
    require_columns,
)
from performance.metrics.inputs.options import EXAMPLE_ID, GROUP, SERIES_ID, Columns, Options
from performance.metrics.inputs.row_checks import RowCheck
from performance.metrics.result import UnprocessablePredictionsError


@dataclass(frozen=True, slots=True)
class NumericPredictions:
    """The SQL expressions of each example's values, and aggregates of all scored examples.

    `scored` is the condition that selects them: those with a prediction and a weight above 0. `missing` is the number
    of rows without a prediction and with a weight above 0. `group` is that of correlated examples, and `group_name` its
    column, if there are groups. `mean` is the weighted mean of the actual values, `bias` that of predicted - actual,
    both in the target's unit.
    """

    actual: str
    predicted: str
    weight: str
    scored: str
    group: str | None
    group_name: str | None
    is_weighted: bool
    rows: int
    missing: int
    examples: int
    total_weight: float
    squared_weight: float
    mean: float
    bias: float

    @property
    def missing_fraction(self) -> float:
        """The share of the rows with a weight above 0 that have no prediction."""
        return self.missing / (self.missing + self.examples)


def read_predictions(
    engine: Engine, columns: Columns, options: Options, *, series: str | None = None
) -> NumericPredictions:
    """Return the predictions. Raises `UnprocessablePredictionsError` with the first row that cannot be scored.

    `series` is the column of the series that every row must belong to, if there is one.
    """
    types = engine.columns()
    mapping = map_columns(engine, columns)
    group_name = find_column(columns.group, GROUP, types)
    actual, predicted, weight = mapping.actual, mapping.predicted, mapping.weight_or_one
    weight_name = mapping.names[mapping.weight] if mapping.weight else None
    missing = is_missing(columns.predicted, types)
    checks = [
        row_checks.not_finite(actual, columns.actual),
        RowCheck(f"(NOT {is_finite(predicted)} AND NOT ({missing}))", columns.predicted, "a finite number"),
        *([row_checks.negative(weight, weight_name)] if weight_name else []),
        row_checks.too_large(actual, columns.actual),
        row_checks.too_large(predicted, columns.predicted),
        *([row_checks.too_large(weight, weight_name)] if weight_name else []),
        *([row_checks.missing_id(series, types, "a series")] if series else []),
        *([row_checks.missing_id(group_name, types, "a group")] if group_name else []),
        *row_checks.long_ids([columns.example_id or EXAMPLE_ID, columns.series or SERIES_ID, group_name], types),
    ]
    has_weight = f"{weight} > 0" if weight_name else "TRUE"
    scored = f"NOT ({missing}) AND {has_weight}"
    [row] = engine.rows(f"""
        SELECT count(*),
            sum(CASE WHEN {row_checks.any_of(checks)} THEN 1 ELSE 0 END), sum(CASE WHEN {missing} THEN 1 ELSE 0 END),
            sum(CASE WHEN {missing} AND {has_weight} THEN 1 ELSE 0 END), sum(CASE WHEN {scored} THEN 1 ELSE 0 END),
            sum({weight}) FILTER (WHERE {scored}), sum({weight} * {weight}) FILTER (WHERE {scored}),
            sum({weight} * {actual}) FILTER (WHERE {scored}),
            sum({weight} * ({predicted} - {actual})) FILTER (WHERE {scored})
        FROM predictions
    """)
    rows, invalid, absent, missing_examples, examples, total, squared, actual_sum, error_sum = row
    if not rows:
        raise UnprocessablePredictionsError("There is no row.")
    if invalid:
        raise row_checks.first_error(engine, checks)
    if absent and not options.allow_missing:
        raise row_checks.missing_prediction_error(engine, missing, columns.predicted, absent)
    if not total:
        raise UnprocessablePredictionsError("No row has a prediction and a weight above 0.")
    return NumericPredictions(
        actual=actual,
        predicted=predicted,
        weight=weight,
        scored=scored,
        group=key_sql(group_name, types) if group_name else None,
        group_name=group_name,
        is_weighted=mapping.weight is not None,
        rows=rows,
        missing=missing_examples,
        examples=examples,
        total_weight=float(total),
        squared_weight=float(squared),
        mean=actual_sum / total,
        bias=error_sum / total,
    )


def map_columns(engine: Engine, columns: Columns) -> ColumnMapping:
    """Return the expressions of each example's values. Raises `UnprocessablePredictionsError`."""
    types = engine.columns()
    weight = find_column(columns.weight, "weight", types)
    require_columns(types, [columns.actual, columns.predicted])
    return ColumnMapping(
        actual=number_sql(columns.actual, types),
        predicted=number_sql(columns.predicted, types),
        weight=weight and number_sql(weight, types),
        names={number_sql(weight, types): weight} if weight else {},
    )
