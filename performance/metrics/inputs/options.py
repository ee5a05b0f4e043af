"""Name the columns of the predictions, and choose how metrics are computed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields

MAX_ATTRIBUTES = 20
MAX_COLUMN_NAME_LENGTH = 200  # characters
MAX_LABEL_LENGTH = 1000  # characters
MAX_LABELS = 1000
MAX_ID_LENGTH = 500  # characters of the id of an example, a query or a series
MAX_K = 1000
EXAMPLE_ID, SERIES_ID, QUERY_ID, GROUP = "example_id", "series_id", "query_id", "group"  # usual names of columns
BINARY = "binary"  # the averaging that takes the metrics of the positive class
AVERAGINGS = (BINARY, "macro", "weighted", "micro")


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns.

    Columns without a name are looked up by their usual names. `score`, `weight`, `example_id`, `group`, `series_id`,
    `horizon` and `scale` are optional under their usual names, but must exist if they are named here.

    `scores` maps each class to its column of scores if there are more than two classes. For a forecast, `series`
    identifies the series, `horizon` is the number of steps ahead, and `scale` is the mean |y(t) - y(t - m)| of the
    training series. For a ranking, `query` identifies the query, `relevance` is the graded relevance of an item, and
    `score` determines its rank. `attributes` are stored with the worst examples.
    The metrics of each value of the columns in `slices` are computed too. Examples with the same `group`, such as those
    of one patient, may be correlated.
    """

    actual: str = "actual"
    predicted: str = "predicted"
    score: str | None = None
    scores: Mapping[str, str] = field(default_factory=dict)
    weight: str | None = None
    example_id: str | None = None
    series: str | None = None
    horizon: str | None = None
    scale: str | None = None
    query: str | None = None
    relevance: str = "relevance"
    attributes: Sequence[str] = ()
    slices: Sequence[str] = ()
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """The settings that the author of an evaluation may choose.

    `positive_class` defaults to the greater of two labels, `averaging` to `binary` for two labels and `weighted` for
    more. With a `threshold`, the predicted class of two follows from the score: the positive one if the score is at
    least the threshold. With `allow_missing`, rows without a prediction are counted and left out. `k` is the number of
    top items that a ranking's metrics at k use.
    """

    positive_class: str | None = None
    averaging: str | None = None
    threshold: float | None = None
    allow_missing: bool = False
    k: int = 10


USUAL_NAMES: Mapping[str, str] = {
    "actual": "actual",
    "predicted": "predicted",
    "score": "score",
    "weight": "weight",
    "example_id": EXAMPLE_ID,
    "series": SERIES_ID,
    "horizon": "horizon",
    "scale": "scale",
    "query": QUERY_ID,
    "relevance": "relevance",
    "group": GROUP,
}
_EXAMPLES = frozenset({"actual", "predicted", "weight", "example_id", "attributes", "slices", "group"})
APPLICABLE_COLUMNS: Mapping[str, frozenset[str]] = {
    "classification": _EXAMPLES | {"score", "scores"},
    "regression": _EXAMPLES,
    "forecasting": _EXAMPLES | {"series", "horizon", "scale"},
    "ranking": frozenset({"query", "relevance", "score", "slices", "group"}),
}


def inapplicable_columns(task_type: str, columns: Columns) -> list[str]:
    """Return which of the named columns do not apply to this task type, such as `series` for a classifier."""
    usual = Columns()
    named = [each.name for each in fields(columns) if getattr(columns, each.name)]
    chosen = [name for name in named if getattr(columns, name) != getattr(usual, name)]
    return [name for name in chosen if name not in APPLICABLE_COLUMNS[task_type]]


class InvalidColumnsError(ValueError):
    """The mapping of columns is invalid. The message says which entry, and why."""


def parse_columns(document: object) -> Columns:
    """Return the columns that a document names, such as `{"actual": "label", "scores": {"cat": "p_cat"}}`.

    Raises `InvalidColumnsError`.
    """
    if not isinstance(document, Mapping):
        raise InvalidColumnsError("Must be an object, from what a column holds to its name.")
    known = [each.name for each in fields(Columns)]
    for name, value in document.items():
        if name not in known:
            raise InvalidColumnsError(f"There is no {name[:40]!r} among what a column may hold: {', '.join(known)}.")
        fits, needed = _VALIDATORS.get(name, (_is_name, f"a name of at most {MAX_COLUMN_NAME_LENGTH} characters"))
        if not fits(value):
            raise InvalidColumnsError(f"{name!r} must be {needed}.")
    return Columns(**document)


def _is_name_list(value: object) -> bool:
    return isinstance(value, list) and len(value) <= MAX_ATTRIBUTES and all(map(_is_name, value))


def _is_name_by_class(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) <= MAX_LABELS
        and all(len(label) <= MAX_LABEL_LENGTH for label in value)
        and all(map(_is_name, value.values()))
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= MAX_COLUMN_NAME_LENGTH


_NAME_LIST = f"a list of at most {MAX_ATTRIBUTES} names of at most {MAX_COLUMN_NAME_LENGTH} characters"
_VALIDATORS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "scores": (
        _is_name_by_class,
        f"an object of names, by class: at most {MAX_LABELS:,}, each of at most {MAX_LABEL_LENGTH:,} characters",
    ),
    "attributes": (_is_name_list, _NAME_LIST),
    "slices": (_is_name_list, _NAME_LIST),
}
