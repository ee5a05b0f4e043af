"""Why predictions cannot be scored: the first row that is at fault, and its column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from performance.metrics.engines.base import Engine
from performance.metrics.inputs import sql
from performance.metrics.inputs.column_mapping import is_finite
from performance.metrics.inputs.options import MAX_ID
from performance.metrics.inputs.sql import number
from performance.metrics.result import DAMAGED, UnprocessablePredictionsError

LARGEST = 1e45  # the squared losses of a billion such numbers, times squared weights, still have a sum


@dataclass(frozen=True, slots=True)
class Cause:
    """The condition, in SQL, under which a row cannot be scored for what a column holds, and what is needed of it."""

    condition: str
    column: str
    needed: str


def not_finite(sql: str, column: str) -> Cause:
    """Return the cause of what is no finite number."""
    return Cause(f"NOT {is_finite(sql)}", column, "a finite number")


def negative(sql: str, column: str) -> Cause:
    """Return the cause of what is no finite number of 0 or more."""
    return Cause(f"(NOT {is_finite(sql)} OR {sql} < 0)", column, "a finite number of 0 or more")


def long_ids(names: Sequence[str | None], types: Mapping[str, str]) -> list[Cause]:
    """Return the causes of ids that are too long to store, of those columns that are there."""
    return [
        Cause(
            f"coalesce(length({sql.column(name)}) > {MAX_ID}, FALSE)",
            name,
            f"a text of at most {MAX_ID} characters",
        )
        for name in names
        if name is not None and types.get(name) == "VARCHAR"
    ]


def too_large(sql: str, column: str) -> Cause:
    """Return the cause of what is so large that sums of squared losses were no doubles."""
    needed = f"a number of at most {LARGEST:g} in size, beyond which sums are past what a double can hold,"
    return Cause(f"coalesce(abs({sql}) > {number(LARGEST)}, FALSE)", column, needed)


def any_of(causes: Sequence[Cause]) -> str:
    """Return the condition under which a row cannot be scored for any of these causes."""
    return " OR ".join(cause.condition for cause in causes) or "FALSE"


def first(engine: Engine, causes: Sequence[Cause]) -> UnprocessablePredictionsError:
    """Return the error of the first row that cannot be scored, of which there must be one."""
    found = [(row, cause) for cause in causes if (row := engine.first_row(cause.condition)) is not None]
    if not found:
        return UnprocessablePredictionsError(DAMAGED)
    row, cause = min(found, key=lambda each: each[0])
    return UnprocessablePredictionsError(
        f"Row {row:,} has no {cause.needed.removeprefix('a ')} in the column {cause.column!r}.",
        column=cause.column,
        row=row,
    )


def without_prediction(engine: Engine, condition: str, column: str, missing: int) -> UnprocessablePredictionsError:
    """Return the error of rows that have no prediction, and were not said to be allowed."""
    row = engine.first_row(condition)
    found, first_of_them = ("1 row has", "") if missing == 1 else (f"{missing:,} rows have", "the first of them ")
    return UnprocessablePredictionsError(
        f"{found} no prediction in the column {column!r}, {first_of_them}row {row or 0:,}. "
        "Leave what has none out, or allow for missing predictions.",
        column=column,
        row=row,
    )
