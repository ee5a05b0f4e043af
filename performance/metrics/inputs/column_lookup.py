"""Find the columns of the predictions by their names: those that are named, the usual ones, or the field's habits."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.column_mapping import find_column, usual_scores
from performance.metrics.inputs.options import APPLICABLE_COLUMNS, USUAL_NAMES, Columns, Options
from performance.metrics.result import UnprocessablePredictionsError

_TRUTH = ("y_true", "label", "target")
_HABITS: Mapping[str, tuple[str, ...]] = {
    "actual": _TRUTH,
    "relevance": _TRUTH,
    "predicted": ("y_pred", "prediction"),
    "score": ("y_prob", "y_score"),
}
TRUTH, PREDICTION, WEIGHT, IDENTITY = "the truth", "a prediction", "the weight", "an id or group"
_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("actual", "relevance"), TRUTH),
    **dict.fromkeys(("predicted", "score"), PREDICTION),
    "weight": WEIGHT,
    **dict.fromkeys(("example_id", "group", "series", "query"), IDENTITY),
}
_NESTED = ("ARRAY<", "STRUCT", "MAP", "UNION")  # types of DuckDB and Spark


def find_columns(engine: Engine, task_type: str, columns: Columns) -> Columns:
    """Return the columns of `predictions` that hold the values of a task type's examples.

    Each is the column that is named, or else the one with the usual name, or with one that scikit-learn's users know,
    such as `y_true`. Optional columns that do not exist are `None`. Raises `UnprocessablePredictionsError` if two
    columns could be meant, if a named column does not exist, if a column holds lists, or if one column has two roles
    that exclude each other.
    """
    types, usual = engine.columns(), Columns()
    found: dict[str, Any] = {}
    for role in (each for each in USUAL_NAMES if each in APPLICABLE_COLUMNS[task_type]):
        named = getattr(columns, role)
        if named != getattr(usual, role):
            found[role] = find_column(engine.names.get(named, named), "", types)
        else:
            found[role] = _by_habit(engine.names, role) or named
    scores = {label: engine.names.get(name, name) for label, name in columns.scores.items()}
    attributes, slices = (
        [engine.names.get(name, name) for name in each] for each in (columns.attributes, columns.slices)
    )
    unnamed_scores = usual_scores(engine.names) if task_type == "classification" and not scores else {}
    _check_distinct_roles(found, scores.values(), unnamed_scores.values())
    _check_single_values(types, [*found.values(), *scores.values(), *attributes, *slices])
    return replace(columns, **found, scores=scores, attributes=attributes, slices=slices)


def _by_habit(names: Mapping[str, str], role: str) -> str | None:
    """Return the column that usually plays a role, or `None`. Raises `UnprocessablePredictionsError` for two."""
    if role not in _HABITS:
        return names.get(USUAL_NAMES[role])
    for usual in ((USUAL_NAMES[role],), _HABITS[role]):
        matching = [name for name in names if name.lower() in usual]
        if len(matching) > 1:
            raise UnprocessablePredictionsError(
                f"Both {matching[0]!r} and {matching[1]!r} may be the column {USUAL_NAMES[role]!r}. "
                f"Name one of them as {role!r} in `columns`.",
                column=matching[1],
            )
        if matching:
            return names[matching[0]]
    return None


def _check_distinct_roles(found: Mapping[str, str | None], scores: Iterable[str], usual: Iterable[str]) -> None:
    """Check that no column has two roles that exclude each other. `usual` are the scores that nobody named.

    If one column were both the truth and the prediction, every prediction would be right. If the weight were either, it
    would choose the examples that count.
    """
    kinds: dict[str, str] = {}
    for role in (each for each in _KINDS if each in found):
        _add_role(kinds, found[role], _KINDS[role])
    for column in scores:
        _add_role(kinds, column, PREDICTION)
    for column in usual:
        if kinds.get(column) != TRUTH:  # a label may be named so
            _add_role(kinds, column, PREDICTION)


def _add_role(kinds: dict[str, str], column: str | None, kind: str) -> None:
    """Note what kind of role a column has. Raises `UnprocessablePredictionsError` if it has one of another kind."""
    if column is not None and kinds.setdefault(column, kind) != kind:
        raise UnprocessablePredictionsError(
            f"The column {column!r} is both {kinds[column]} and {kind}. Name two columns in `columns`, or rename this "
            "one if only its name makes it one of them.",
            column=column,
        )


def _check_single_values(types: Mapping[str, str], names: list[str | None]) -> None:
    for name in names:
        kind = types.get(name or "", "")
        if kind.endswith("]") or kind.startswith(_NESTED):
            raise UnprocessablePredictionsError(
                f"The column {name!r} holds lists or records. Each cell must hold one value; several labels of an "
                "example are not evaluated.",
                column=name,
            )


def named_columns(engine: Engine, task_type: str, columns: Columns, options: Options) -> dict[str, object]:
    """Return the names in the file of the found columns that were used, by role."""
    in_file = {column: name for name, column in engine.names.items()}
    scores = usual_scores(engine.names) if task_type == "classification" and not columns.scores else columns.scores
    used = {each.name: getattr(columns, each.name) for each in fields(columns)} | {"scores": scores}
    if options.threshold is not None:
        del used["predicted"]
    return {
        role: _renamed(used[role], in_file)
        for role in sorted(APPLICABLE_COLUMNS[task_type] & used.keys())
        if used[role]
    }


def _renamed(value: str | list[str] | Mapping[str, str], in_file: Mapping[str, str]) -> object:
    """Return the names in the file of a column, a list of them, or columns by label."""
    if isinstance(value, Mapping):
        return {label: in_file.get(name, name) for label, name in value.items()}
    return in_file.get(value, value) if isinstance(value, str) else [in_file.get(name, name) for name in value]
