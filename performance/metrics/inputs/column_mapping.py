"""Map the columns of the predictions to the SQL expressions of each example's values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.labels import BLANKS, NOT_A_NUMBER, TRUTH_AS_NUMBERS, canonical_label, is_missing_label
from performance.metrics.inputs.options import EXAMPLE_ID, MAX_LABEL_LENGTH, MAX_LABELS, Columns
from performance.metrics.inputs.sql import identifier, number_literal, string_literal
from performance.metrics.result import UnprocessablePredictionsError

SCORE_PREFIXES = ("score_", "proba_")  # of the columns that hold the scores of classes
MAX_WHOLE_NUMBER = 1e18  # below this, a whole number fits a BIGINT
_TEXTS = ("VARCHAR", "BLOB")
_BLANKS = ", ".join(map(string_literal, BLANKS))
_FLOATING = ("FLOAT", "DOUBLE", "DECIMAL")


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """The SQL expression of each value of an example.

    `score` is the score of the positive class, `scores` are the scores by label. `total` is what scores of several
    classes are divided by to be probabilities. `names` holds the column of each expression. `example_id` is the column
    of the examples' ids.
    """

    actual: str
    predicted: str
    weight: str | None = None
    score: str | None = None
    scores: Mapping[str, str] = field(default_factory=dict)
    total: str | None = None
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
    scores = columns.scores or usual_scores(engine.names)
    require_columns(types, [columns.actual, predicted, *scores.values()])
    actual_label, predicted_label = label_expressions(engine, columns.actual, predicted)
    names = {actual_label: columns.actual, predicted_label: predicted}
    names |= {number_sql(name, types): name for name in (weight, score, *scores.values()) if name is not None}
    return ColumnMapping(
        actual=actual_label,
        predicted=predicted_label,
        weight=weight and number_sql(weight, types),
        score=score and number_sql(score, types),
        scores={label: number_sql(name, types) for label, name in _by_label(scores).items()},
        names=names,
        example_id=find_column(columns.example_id, EXAMPLE_ID, types),
    )


def usual_scores(names: Mapping[str, str]) -> dict[str, str]:
    """Return the columns that usually hold the scores of classes, such as `score_cat`, by class.

    `names` are those of `Engine`. Raises `UnprocessablePredictionsError` if the names follow two conventions.
    """
    found = {
        prefix: {name[len(prefix) :]: column for name, column in names.items() if name.lower().startswith(prefix)}
        for prefix in SCORE_PREFIXES
    }
    used = [list(columns.values())[0] for columns in found.values() if columns]
    if len(used) > 1:
        raise UnprocessablePredictionsError(
            f"Both {used[0]!r} and {used[1]!r} may hold the score of a class. Name the columns as `scores`.",
            column=used[1],
        )
    return {label: column for columns in found.values() for label, column in columns.items()}


def _by_label(scores: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of the scores by canonical label. Raises `UnprocessablePredictionsError` for two of one."""
    found: dict[str, str] = {}
    for label, column in scores.items():
        other = found.setdefault(canonical_label(label), column)
        if other != column:
            raise UnprocessablePredictionsError(
                f"The columns {other!r} and {column!r} hold scores of the same class. Leave one out.", column=column
            )
    return found


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


def label_expressions(engine: Engine, actual: str, predicted: str) -> tuple[str, str]:
    """Return the expressions of two columns' labels as canonical texts: see `labels.canonical_label`.

    NaN is no label. Truth values in one column become numbers if the labels in the other are 0 and 1.
    """
    types = engine.columns()
    spellings = _spellings(engine, [name for name in dict.fromkeys((actual, predicted)) if types[name] == "VARCHAR"])
    as_numbers = [
        _are_truth_values(name, types, spellings) and _are_numbers(other, types, spellings)
        for name, other in ((actual, predicted), (predicted, actual))
    ]
    first, second = (
        _label_sql(name, types, spellings.get(name, {}), as_number)
        for name, as_number in zip((actual, predicted), as_numbers, strict=True)
    )
    return first, second


def _spellings(engine: Engine, names: Sequence[str]) -> dict[str, dict[str, str | None]]:
    """Return the label of each text in the columns of texts, `None` for NaN.

    Texts that are too long for a label are left out. If there are too many labels, so are some.
    """
    if not names:
        return {}
    texts = ", ".join(
        f"CASE WHEN length({identifier(name)}) <= {MAX_LABEL_LENGTH} THEN {identifier(name)} END AS text_{at}"
        for at, name in enumerate(names)
    )
    groups = ", ".join(f"text_{at}" for at in range(len(names)))
    rows = engine.rows(
        f"SELECT {groups} FROM (SELECT {texts} FROM predictions) GROUP BY {groups} LIMIT {MAX_LABELS**2 + 1}"
    )
    return {
        name: {text: None if is_missing_label(text) else canonical_label(text) for text in column if text is not None}
        for name, column in zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True)
    }


def _are_truth_values(name: str, types: Mapping[str, str], spellings: Mapping[str, Mapping[str, str | None]]) -> bool:
    labels = set(spellings.get(name, {}).values()) - {None}
    return types[name] == "BOOLEAN" or (bool(labels) and labels <= TRUTH_AS_NUMBERS.keys())


def _are_numbers(name: str, types: Mapping[str, str], spellings: Mapping[str, Mapping[str, str | None]]) -> bool:
    """Return whether the labels are numbers, which are 0 and 1 if they are texts."""
    if types[name] != "VARCHAR":
        return types[name] != "BOOLEAN"
    labels = set(spellings[name].values()) - {None}
    return bool(labels) and labels <= set(TRUTH_AS_NUMBERS.values())


def _label_sql(name: str, types: Mapping[str, str], spellings: Mapping[str, str | None], as_number: bool) -> str:
    sql = identifier(name)
    if types[name] == "VARCHAR":
        labels = {text: TRUTH_AS_NUMBERS[label] if as_number and label else label for text, label in spellings.items()}
        changes = [
            f"WHEN {string_literal(text)} THEN {'NULL' if label is None else string_literal(label)}"
            for text, label in sorted(labels.items())
            if text != label
        ]
        return f"CASE {sql} {' '.join(changes)} ELSE {sql} END" if changes else sql
    if types[name] == "BOOLEAN" and as_number:
        return f"CASE WHEN {sql} THEN '1' WHEN NOT {sql} THEN '0' END"
    if types[name].startswith(_FLOATING):
        whole = f"CAST(TRY_CAST({sql} AS BIGINT) AS VARCHAR)"  # TRY_CAST, as DuckDB may evaluate it for NaN
        is_whole = f"abs({sql}) < {number_literal(MAX_WHOLE_NUMBER)} AND {sql} = floor({sql})"
        return f"CASE WHEN {is_whole} THEN {whole} WHEN {is_finite(sql)} THEN CAST({sql} AS VARCHAR) END"
    return f"CAST({sql} AS VARCHAR)"


def value_sql(name: str, types: Mapping[str, str]) -> str:
    """Return the expression of an attribute's value as a text that does not depend on the type of its column.

    A whole number is `1`, a truth value `true`. NaN is null, as is a blank text. There may be any number of values, so
    that other numbers in columns of texts stay as they are written.
    """
    if types[name] not in _TEXTS:
        return _label_sql(name, types, {}, as_number=False)
    text = _trimmed(name)
    missing = ", ".join(map(string_literal, ("", *NOT_A_NUMBER)))
    return f"""CASE
        WHEN {text} IN ({missing}) THEN NULL
        WHEN lower({text}) IN ('true', 'false') THEN lower({text})
        WHEN regexp_matches({text}, '^-?[0-9]{{1,18}}[.]0*$')
            THEN CAST(TRY_CAST(split_part({text}, '.', 1) AS BIGINT) AS VARCHAR)
        ELSE {text} END"""


def id_sql(name: str, types: Mapping[str, str]) -> str:
    """Return the expression of the id of an example, group, series or query as a text, null if it is blank.

    Blanks around it are trimmed. A whole number is `1`, also if written `1.0`: pandas writes whole numbers so if the
    column lacks one of them.
    """
    if types[name] not in _TEXTS:
        return _label_sql(name, types, {}, as_number=False)
    text, trimmed = f"CAST({identifier(name)} AS VARCHAR)", _trimmed(name)
    has_blanks = f"{text} < '!' OR {text} >= '\u00a0' AND {text} < '\u00a1' OR right({text}, 1) IN ({_BLANKS})"
    return f"""CASE
        WHEN {has_blanks} THEN CASE WHEN {_is_whole(trimmed)} THEN split_part({trimmed}, '.', 1)
            ELSE nullif({trimmed}, '') END
        WHEN {_is_whole(text)} THEN split_part({text}, '.', 1)
        ELSE {text} END"""  # to trim every id would take five times as long


def key_sql(name: str, types: Mapping[str, str]) -> str:
    """Return the expression of an id that tells it from others in the file: a number stays one, which is faster."""
    return id_sql(name, types) if types[name] in _TEXTS else identifier(name)


def _is_whole(text: str) -> str:
    return f"({text} LIKE '%.0' AND regexp_matches({text}, '^-?[0-9]{{1,18}}[.]0$'))"


def _trimmed(name: str) -> str:
    """Return the expression of a text without blanks around it."""
    return f"trim(CAST({identifier(name)} AS VARCHAR), {string_literal(BLANKS)})"


def is_missing(name: str, types: Mapping[str, str]) -> str:
    """Return the condition that a prediction of a number is missing: null, or NaN as a number or as a text.

    DuckDB trusts a file's statistics, which leave NaN out, and would optimize `isnan` away.
    """
    sql = identifier(name)
    if types[name] == "VARCHAR":
        return f"({sql} IS NULL OR trim({sql}) IN ({', '.join(map(string_literal, NOT_A_NUMBER))}))"
    if types[name] not in {"FLOAT", "DOUBLE"}:
        return f"({sql} IS NULL)"
    return f"(CASE WHEN {is_finite(sql)} THEN FALSE ELSE {sql} IS NULL OR lower(CAST({sql} AS VARCHAR)) = 'nan' END)"


def number_sql(name: str, types: Mapping[str, str]) -> str:
    """Return the expression of a column as doubles, null for anything that is not a number.

    DuckDB would read `1_000` as 1000 and `+-1` as -1.
    """
    sql = identifier(name)
    if types[name] == "VARCHAR":
        is_plain = f"strpos({sql}, '_') = 0 AND strpos({sql}, '+-') = 0"
        return f"CASE WHEN {is_plain} THEN TRY_CAST({sql} AS DOUBLE) END"
    return sql if types[name] == "DOUBLE" else f"TRY_CAST({sql} AS DOUBLE)"


def is_finite(sql: str) -> str:
    """Return the condition that a number is finite and not null.

    Only for these, the difference from itself is 0.
    """
    return f"coalesce({sql} - {sql} = 0, FALSE)"


def _listed(types: Mapping[str, str]) -> str:
    names = list(types)
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
