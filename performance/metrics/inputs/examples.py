"""Identify the examples that predictions are of, and refuse examples that repeat."""

import hashlib
from collections.abc import Mapping, Sequence

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.column_mapping import MAX_WHOLE_NUMBER, id_sql, is_finite, label_expressions, number_sql
from performance.metrics.inputs.labels import TRUTH_AS_NUMBERS
from performance.metrics.inputs.options import MAX_ID_LENGTH, Columns
from performance.metrics.inputs.sql import identifier, number_literal, string_literal
from performance.metrics.result import UnprocessablePredictionsError

_SMALLEST = 1e-300  # smaller numbers count as 0
_MANTISSA = 2.0**52


def examples_digest(engine: Engine, task_type: str, columns: Columns) -> str | None:
    """Return a SHA-256 of the examples, whatever is predicted for them; `None` if nothing identifies each of them.

    It depends on the multiset of (id, actual value, weight, group), of a forecast also series, horizon and scale, and
    of a ranking on (query, relevance, group). It depends neither on the order of the rows, nor on the engine, nor on
    the files' format. It is the SHA-256 of the number of rows and two sums over all rows: of the first and of the next
    60 bits of the MD5 of each row's values. Different examples have equal sums by chance once in 2¹²⁰. Whoever chooses
    rows to that end can find such examples, as neither MD5 nor sums withstand it: a digest shows mistakes, no forgery.

    `columns` are those of `column_lookup.find_columns`. The same scan raises `UnprocessablePredictionsError` for an
    `example_id` that two rows have, or two groups if a column `group` says what repeats.
    """
    identity = columns.query if task_type == "ranking" else columns.example_id or columns.series
    if identity is None:
        return None
    types = engine.columns()
    row = " || ".join(f"coalesce(length({part}) || ':' || {part}, '-')" for part in _parts(engine, task_type, columns))
    first, second = engine.hash_parts("row_text")
    id_text = _text(identity, types)
    repeats = "min(cluster) < max(cluster)" if columns.group else "count(*) > 1"
    [(rows, named, first_sum, second_sum, repeated)] = engine.rows(f"""
        SELECT sum(n), sum(named), sum(first_sum), sum(second_sum), min(CASE WHEN repeats THEN id END)
        FROM (
            SELECT id, count(*) AS n, sum(named) AS named, sum({first}) AS first_sum, sum({second}) AS second_sum,
                {repeats} AS repeats
            FROM (
                SELECT {id_text if columns.example_id else "1"} AS id,
                    CASE WHEN {id_text} IS NULL THEN 0 ELSE 1 END AS named, {row} AS row_text,
                    {_text(columns.group, types) if columns.group else "1"} AS cluster
                FROM predictions
            )
            GROUP BY id
        )
    """)
    if columns.example_id is not None and repeated is not None:
        raise _repeated_error(engine, identity, repeated, columns.group)
    if named < rows:
        return None
    return hashlib.sha256(f"{rows} {first_sum} {second_sum}".encode()).hexdigest()


def _parts(engine: Engine, task_type: str, columns: Columns) -> Sequence[str]:
    """Return the expressions of an example's values as texts that do not depend on engine or file format."""
    types = engine.columns()
    texts = [columns.query if task_type == "ranking" else columns.example_id, columns.group, columns.series]
    numbers = [columns.weight, columns.horizon, columns.scale]
    numbers.append({"classification": None, "ranking": columns.relevance}.get(task_type, columns.actual))
    return [
        *(_text(name, types) if name else "CAST(NULL AS VARCHAR)" for name in texts),
        *(_number_text(number_sql(name, types)) if name else "CAST(NULL AS VARCHAR)" for name in numbers),
        *([_label_text(engine, columns.actual)] if task_type == "classification" else []),
    ]


def _text(name: str, types: Mapping[str, str]) -> str:
    """Return the expression of an id, which is the same text whether it was read as a text or as a number."""
    return _number_text(identifier(name)) if types[name] in {"FLOAT", "DOUBLE"} else id_sql(name, types)


def _label_text(engine: Engine, name: str) -> str:
    """Return the expression of a label. Truth values are numbers, as they may be read as such beside other labels."""
    label, _ = label_expressions(engine, name, name)
    cases = " ".join(
        f"WHEN {string_literal(word)} THEN {string_literal(number)}" for word, number in TRUTH_AS_NUMBERS.items()
    )
    return f"CASE {label} {cases} ELSE {label} END"


def _number_text(sql: str) -> str:
    """Return the expression of a double as a text: an integer, or its exact mantissa and exponent.

    Each engine writes decimals in its own way. The logarithm may be off by one near powers of two.
    """
    size = f"abs({sql})"
    rough = f"floor(log2({size}))"
    scaled = f"({size} / power(2, {rough}))"
    exponent = f"({rough} + CASE WHEN {scaled} >= 2 THEN 1 WHEN {scaled} < 1 THEN -1 ELSE 0 END)"
    mantissa = f"({sql} / power(2, {exponent}) * {number_literal(_MANTISSA)})"
    return f"""CASE
        WHEN NOT {is_finite(sql)} THEN NULL
        WHEN {size} < {number_literal(_SMALLEST)} THEN '0'
        WHEN {size} < {number_literal(MAX_WHOLE_NUMBER)} AND {sql} = floor({sql}) THEN
            CAST(TRY_CAST({sql} AS BIGINT) AS VARCHAR)
        ELSE CAST(TRY_CAST({mantissa} AS BIGINT) AS VARCHAR) || 'p' || CAST(TRY_CAST({exponent} AS BIGINT) AS VARCHAR)
        END"""


def _repeated_error(engine: Engine, name: str, example_id: str, group: str | None) -> UnprocessablePredictionsError:
    row = engine.first_row(f"{_text(name, engine.columns())} = {string_literal(example_id)}")
    has_id = f"Row {row or 0:,} has the {name} {example_id[:MAX_ID_LENGTH]!r}"
    return UnprocessablePredictionsError(
        f"{has_id}, which a row with another {group!r} has too. Give all rows of an example the same group."
        if group
        else f"{has_id}, which another row has too. Leave out one of them, or name the column that says what repeats, "
        "such as the patient, as `group`.",
        column=name,
        row=row,
    )
