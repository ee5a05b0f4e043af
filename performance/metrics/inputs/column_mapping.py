"""Map the columns of the predictions to the SQL expressions of each example's values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.labels import BOOLEAN_LABELS, WHOLE_NUMBER, canonical_label
from performance.metrics.inputs.options import EXAMPLE_ID, Columns
from performance.metrics.inputs.sql import identifier, number_literal, string_literal
from performance.metrics.result import UnprocessablePredictionsError

SCORE_PREFIX = "score_"
MAX_WHOLE_NUMBER = 1e18  # below this, a whole number fits a BIGINT
_FLOATING = ("FLOAT", "DOUBLE", "DECIMAL")


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """The SQL expression of each value of an example.

    `score` is the score of the positive class, `scores` are the scores by label. `names` holds the column of each
    expression. `example_id` is the column of the examples' ids.
    """

    actual: str
    predicted: str
    weight: str | None = None
    score: str | None = None
    scores: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    example_id: str | None = None

    @property
    def weight_or_one(self) -> str:
        """The weight, or 1 without weights."""
        return self.weight or "1"


def map_columns(engine: Engine, columns: Columns, *, with_prediction: bool = True) -> ColumnMapping:
    """Return the expressions. Without a prediction, the actual label takes its place.

    Raises `UnprocessablePredictionsError` with the column that is missing.
    """
    predicted = columns.predicted if with_prediction else columns.actual
    types = engine.columns()
    weight = find_column(columns.weight, "weight", types)
    score = find_column(columns.score, "score", types)
    usual = {name.removeprefix(SCORE_PREFIX): name for name in types if name.startswith(SCORE_PREFIX)}
    scores = columns.scores or usual
    require_columns(types, [columns.actual, predicted, *scores.values()])
    actual_label = label_sql(columns.actual, types, beside=predicted)
    predicted_label = label_sql(predicted, types, beside=columns.actual)
    names = {actual_label: columns.actual, predicted_label: predicted}
    names |= {number_sql(name, types): name for name in (weight, score, *scores.values()) if name is not None}
    return ColumnMapping(
        actual=actual_label,
        predicted=predicted_label,
        weight=weight and number_sql(weight, types),
        score=score and number_sql(score, types),
        scores={canonical_label(label): number_sql(name, types) for label, name in scores.items()},
        names=names,
        example_id=find_column(columns.example_id, EXAMPLE_ID, types),
    )


def find_column(name: str | None, usual: str, types: Mapping[str, str]) -> str | None:
    """Return the named column, or else the column of the usual name, if there is one.

    Raises `UnprocessablePredictionsError` if the named column does not exist.
    """
    if name is None:
        return usual if usual in types else None
    require_columns(types, [name])
    return name


def require_columns(types: Mapping[str, str], names: Sequence[str | None]) -> None:
    """Check that the columns exist. Raises `UnprocessablePredictionsError`."""
    for name in names:
        if name is not None and name not in types:
            raise UnprocessablePredictionsError(
                f"There is no column {name!r}; there are {_listed(types)}.", column=name
            )


def label_sql(name: str, types: Mapping[str, str], *, beside: str) -> str:
    """Return the expression of a column's labels as canonical texts: see `labels.canonical_label`. NaN is no label.

    Booleans compared with a column of numbers become numbers too.
    """
    sql = identifier(name)
    if types[name] == "VARCHAR":
        return _canonical_sql(sql)
    if types[name] == "BOOLEAN" and types[beside] not in {"BOOLEAN", "VARCHAR"}:
        return f"CASE WHEN {sql} THEN '1' WHEN NOT {sql} THEN '0' END"
    if types[name].startswith(_FLOATING):
        whole = f"CAST(TRY_CAST({sql} AS BIGINT) AS VARCHAR)"  # TRY_CAST, as DuckDB may evaluate it for NaN
        is_whole = f"abs({sql}) < {number_literal(MAX_WHOLE_NUMBER)} AND {sql} = floor({sql})"
        return f"CASE WHEN {is_whole} THEN {whole} WHEN {is_finite(sql)} THEN CAST({sql} AS VARCHAR) END"
    return f"CAST({sql} AS VARCHAR)"


def _canonical_sql(sql: str) -> str:
    """Return the SQL of `labels.canonical_label`. Cheap conditions come first, as most labels are plain."""
    whole = f"CAST(TRY_CAST(split_part({sql}, '.', 1) AS BIGINT) AS VARCHAR)"
    return f"""CASE
        WHEN {sql} IN ({", ".join(map(string_literal, BOOLEAN_LABELS))}) THEN lower({sql})
        WHEN {sql} LIKE '%.0%' AND {sql} LIKE '%0' THEN
            CASE WHEN regexp_matches({sql}, '{WHOLE_NUMBER}') THEN {whole} ELSE {sql} END
        ELSE {sql} END"""


def number_sql(name: str, types: Mapping[str, str]) -> str:
    """Return the expression of a column as doubles, null for anything that is not a number."""
    return identifier(name) if types[name] == "DOUBLE" else f"TRY_CAST({identifier(name)} AS DOUBLE)"


def is_finite(sql: str) -> str:
    """Return the condition that a number is finite and not null.

    Only for these, the difference from itself is 0.
    """
    return f"coalesce({sql} - {sql} = 0, FALSE)"


def _listed(types: Mapping[str, str]) -> str:
    names = list(types)
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
