"""Where the parts of each example are, as SQL expressions over the columns that there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.labels import TRUTHS, WHOLE, in_one_form
from performance.metrics.inputs.options import EXAMPLE_ID, Columns
from performance.metrics.inputs.sql import column, number, text
from performance.metrics.result import UnprocessablePredictionsError

SCORE_OF = "score_"
LARGEST = 1e18  # up to which a whole number fits a BIGINT
_FLOATING = ("FLOAT", "DOUBLE", "DECIMAL")


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """The SQL of each part: `score` is that of the positive class, `scores` are by label.

    `names` has the column that each was made of. `example_id` is the column of the examples' ids.
    """

    actual: str
    predicted: str
    weight: str | None = None
    score: str | None = None
    scores: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    example_id: str | None = None

    @property
    def w(self) -> str:
        """The weight, or 1."""
        return self.weight or "1"


def find(engine: Engine, columns: Columns, *, with_prediction: bool = True) -> ColumnMapping:
    """Return where the parts are; without a prediction, what is actual stands in its place.

    Raises `UnprocessablePredictionsError`, naming a column that is not there.
    """
    predicted = columns.predicted if with_prediction else columns.actual
    types = engine.columns()
    weight = named(columns.weight, "weight", types)
    score = named(columns.score, "score", types)
    usual = {name.removeprefix(SCORE_OF): name for name in types if name.startswith(SCORE_OF)}
    scores = columns.scores or usual
    require(types, [columns.actual, predicted, *scores.values()])
    actual_label = label_of(columns.actual, types, beside=predicted)
    predicted_label = label_of(predicted, types, beside=columns.actual)
    names = {actual_label: columns.actual, predicted_label: predicted}
    names |= {number_of(name, types): name for name in (weight, score, *scores.values()) if name is not None}
    return ColumnMapping(
        actual=actual_label,
        predicted=predicted_label,
        weight=weight and number_of(weight, types),
        score=score and number_of(score, types),
        scores={in_one_form(label): number_of(name, types) for label, name in scores.items()},
        names=names,
        example_id=named(columns.example_id, EXAMPLE_ID, types),
    )


def named(name: str | None, usual: str, types: Mapping[str, str]) -> str | None:
    """Return the column that was named, or else the one of the usual name, if there is one.

    Raises `UnprocessablePredictionsError` if one was named that is not there.
    """
    if name is None:
        return usual if usual in types else None
    require(types, [name])
    return name


def require(types: Mapping[str, str], names: Sequence[str | None]) -> None:
    """Check that there are these columns. Raises `UnprocessablePredictionsError`."""
    for name in names:
        if name is not None and name not in types:
            raise UnprocessablePredictionsError(f"There is no column {name!r}; there are {_named(types)}.", column=name)


def label_of(name: str, types: Mapping[str, str], *, beside: str) -> str:
    """Return a column's labels as texts, in one form: see `labels.in_one_form`. NaN is no label.

    Truth values beside a column of numbers are numbers too.
    """
    sql = column(name)
    if types[name] == "VARCHAR":
        return _in_one_form(sql)
    if types[name] == "BOOLEAN" and types[beside] not in {"BOOLEAN", "VARCHAR"}:
        return f"CASE WHEN {sql} THEN '1' WHEN NOT {sql} THEN '0' END"
    if types[name].startswith(_FLOATING):
        whole = f"CAST(TRY_CAST({sql} AS BIGINT) AS VARCHAR)"  # tried, as DuckDB may think a NaN whole
        is_whole = f"abs({sql}) < {number(LARGEST)} AND {sql} = floor({sql})"
        return f"CASE WHEN {is_whole} THEN {whole} WHEN {is_finite(sql)} THEN CAST({sql} AS VARCHAR) END"
    return f"CAST({sql} AS VARCHAR)"


def _in_one_form(sql: str) -> str:
    """Return texts as `labels.in_one_form` has them. What is cheap to see comes first, as most labels are plain."""
    whole = f"CAST(TRY_CAST(split_part({sql}, '.', 1) AS BIGINT) AS VARCHAR)"
    return f"""CASE
        WHEN {sql} IN ({", ".join(map(text, TRUTHS))}) THEN lower({sql})
        WHEN {sql} LIKE '%.0%' AND {sql} LIKE '%0' THEN
            CASE WHEN regexp_matches({sql}, '{WHOLE}') THEN {whole} ELSE {sql} END
        ELSE {sql} END"""


def number_of(name: str, types: Mapping[str, str]) -> str:
    """Return a column's numbers as doubles: null for what is none."""
    return column(name) if types[name] == "DOUBLE" else f"TRY_CAST({column(name)} AS DOUBLE)"


def is_finite(sql: str) -> str:
    """Return the condition that a number is there and finite: any other's difference from itself is not 0."""
    return f"coalesce({sql} - {sql} = 0, FALSE)"


def _named(types: Mapping[str, str]) -> str:
    names = list(types)
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
