"""Check rows, and report the first one that cannot be scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from performance.metrics.engines.base import Engine
from performance.metrics.inputs import sql
from performance.metrics.inputs.column_mapping import is_finite, key_sql
from performance.metrics.inputs.options import MAX_ID_LENGTH
from performance.metrics.inputs.sql import number_literal
from performance.metrics.result import DAMAGED, UnprocessablePredictionsError

MAX_MAGNITUDE = 1e45  # the sum of a billion such squared losses times squared weights still fits a double


@dataclass(frozen=True, slots=True)
class RowCheck:
    """A SQL condition that rows which cannot be scored meet, their column, and what it needs instead."""

    condition: str
    column: str
    needed: str


def not_finite(sql: str, column: str) -> RowCheck:
    """Return the check for values that are not finite numbers."""
    return RowCheck(f"NOT {is_finite(sql)}", column, "a finite number")


def negative(sql: str, column: str) -> RowCheck:
    """Return the check for values that are not finite numbers of 0 or more."""
    return RowCheck(f"(NOT {is_finite(sql)} OR {sql} < 0)", column, "a finite number of 0 or more")


def missing_id(name: str, types: Mapping[str, str], needed: str) -> RowCheck:
    """Return the check for rows without an id in a column, which is null, NaN or blank."""
    column = key_sql(name, types)
    is_nan = f" OR NOT {is_finite(column)}" if types[name] in {"DOUBLE", "FLOAT"} else ""
    return RowCheck(f"({column} IS NULL{is_nan})", name, needed)


def long_ids(names: Sequence[str | None], types: Mapping[str, str]) -> list[RowCheck]:
    """Return the checks for ids that are too long to store, for those columns that exist."""
    return [
        RowCheck(
            f"coalesce(length({sql.identifier(name)}) > {MAX_ID_LENGTH}, FALSE)",
            name,
            f"a text of at most {MAX_ID_LENGTH} characters",
        )
        for name in names
        if name is not None and types.get(name) == "VARCHAR"
    ]


def too_large(sql: str, column: str) -> RowCheck:
    """Return the check for numbers whose sums of squared losses would exceed a double."""
    needed = f"a number of at most {MAX_MAGNITUDE:g} in size, above which sums exceed a double,"
    # NaN, which may be a missing prediction, is greater than any number on some engines.
    return RowCheck(f"({is_finite(sql)} AND abs({sql}) > {number_literal(MAX_MAGNITUDE)})", column, needed)


def any_of(checks: Sequence[RowCheck]) -> str:
    """Return the condition that at least one of the checks fails."""
    return " OR ".join(check.condition for check in checks) or "FALSE"


def first_error(engine: Engine, checks: Sequence[RowCheck]) -> UnprocessablePredictionsError:
    """Return the error for the first row that fails one of the checks. There must be one."""
    failed = [(row, check) for check in checks if (row := engine.first_row(check.condition)) is not None]
    if not failed:
        return UnprocessablePredictionsError(DAMAGED)
    row, check = min(failed, key=lambda each: each[0])
    if _has_decimal_comma(engine, check.column):
        return UnprocessablePredictionsError(
            f"The column {check.column!r} has numbers with a decimal comma, such as in row {row:,}. "
            "Write them with a decimal point: 1.5, not 1,5.",
            column=check.column,
            row=row,
        )
    return UnprocessablePredictionsError(
        f"Row {row:,} has no {check.needed.removeprefix('a ')} in the column {check.column!r}.",
        column=check.column,
        row=row,
    )


def check_nested(engine: Engine, name: str, group_name: str, noun: str) -> None:
    """Check that all rows of each query or series are in one group. Raises `UnprocessablePredictionsError`."""
    column, group = (key_sql(each, engine.columns()) for each in (name, group_name))
    divided = engine.rows(f"""
        SELECT CAST(min({column}) AS VARCHAR) AS id FROM predictions
        GROUP BY {column} HAVING min({group}) < max({group}) ORDER BY id LIMIT 1
    """)
    if divided:
        raise UnprocessablePredictionsError(
            f"The {noun} {divided[0][0]!r} has rows in more than one group of the column {group_name!r}. "
            f"Give all rows of a {noun} the same group.",
            column=group_name,
        )


def _has_decimal_comma(engine: Engine, column: str) -> bool:
    if engine.columns().get(column) != "VARCHAR":
        return False
    comma = f"regexp_matches({sql.identifier(column)}, '^[+-]?[0-9]*,[0-9]+$')"
    return bool(engine.rows(f"SELECT 1 FROM predictions WHERE {comma} LIMIT 1"))


def missing_prediction_error(
    engine: Engine, condition: str, column: str, missing: int
) -> UnprocessablePredictionsError:
    """Return the error for rows without a prediction, if these are not allowed."""
    row = engine.first_row(condition)
    subject, first_of_them = ("1 row has", "") if missing == 1 else (f"{missing:,} rows have", "the first of them ")
    return UnprocessablePredictionsError(
        f"{subject} no prediction in the column {column!r}, {first_of_them}row {row or 0:,}. "
        "Leave rows without a prediction out, or allow missing predictions.",
        column=column,
        row=row,
    )
