"""Which columns of the predictions hold what, and how the metrics are to be taken of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

MAX_ATTRIBUTES = 20
MAX_COLUMN_NAME = 200  # characters
MAX_LABEL = 1000  # characters
MAX_LABELS = 1000
MAX_ID = 500  # characters of the id of an example, a query or a series
MAX_K = 1000
EXAMPLE_ID, SERIES_ID, QUERY_ID = "example_id", "series_id", "query_id"  # the columns' usual names
AVERAGINGS = ("binary", "macro", "weighted", "micro")


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns; those that are left out are looked for under their usual names.

    Where a name is `None`, the column need not be there under its usual one: `score`, `weight`, `example_id`,
    `series_id`, `horizon` or `scale`. One that was named must be.

    `scores` has a column for each class, where there are more than two. A forecast may name its `series`, its `horizon`
    (steps ahead) and the `scale` of its series: the mean |y(t) - y(t - m)| of the training series. Of a ranking,
    `query` says what was asked for, `relevance` how good an item is, and `score` where it was ranked. `attributes` are
    kept with the examples that were predicted worst.
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


@dataclass(frozen=True, slots=True)
class Options:
    """What the evaluation's author chooses.

    `positive_class` is by default the greater of two labels, and `averaging` `binary` for two and `weighted` for more.
    With a `threshold`, the class of two is predicted from the score: the positive one from the threshold upwards. With
    `allow_missing`, rows without a prediction are left out and counted. A ranking is cut after `k` items where a metric
    says so.
    """

    positive_class: str | None = None
    averaging: str | None = None
    threshold: float | None = None
    allow_missing: bool = False
    k: int = 10


_EXAMPLES = frozenset({"actual", "predicted", "weight", "example_id", "attributes"})
_MEANT: Mapping[str, frozenset[str]] = {
    "classification": _EXAMPLES | {"score", "scores"},
    "regression": _EXAMPLES,
    "forecasting": _EXAMPLES | {"series", "horizon", "scale"},
    "ranking": frozenset({"query", "relevance", "score"}),
}


def foreign_columns(task_type: str, columns: Columns) -> list[str]:
    """Return what columns were named for that means nothing for this task type, such as `series` of a classifier."""
    usual = Columns()
    named = [each.name for each in fields(columns) if getattr(columns, each.name)]
    chosen = [name for name in named if getattr(columns, name) != getattr(usual, name)]
    return [name for name in chosen if name not in _MEANT[task_type]]


class InvalidColumnsError(ValueError):
    """Columns that are not named as they must be. The message says which, and why."""


def columns_of(document: Any) -> Columns:
    """Return the columns that a document names, such as `{"actual": "label", "scores": {"cat": "p_cat"}}`.

    Raises `InvalidColumnsError`.
    """
    if not isinstance(document, Mapping):
        raise InvalidColumnsError("Must be an object, from what a column holds to its name.")
    known = [each.name for each in fields(Columns)]
    for name, value in document.items():
        if name not in known:
            raise InvalidColumnsError(f"There is no {name[:40]!r} among what a column may hold: {', '.join(known)}.")
        fits, needed = _FORMS.get(name, (_is_name, f"a name of at most {MAX_COLUMN_NAME} characters"))
        if not fits(value):
            raise InvalidColumnsError(f"{name!r} must be {needed}.")
    return Columns(**document)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= MAX_ATTRIBUTES and all(map(_is_name, value))


def _is_by_class(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) <= MAX_LABELS
        and all(len(label) <= MAX_LABEL for label in value)
        and all(map(_is_name, value.values()))
    )


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= MAX_COLUMN_NAME


_FORMS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "scores": (
        _is_by_class,
        f"an object of names, by class: at most {MAX_LABELS:,}, each of at most {MAX_LABEL:,} characters",
    ),
    "attributes": (_is_list, f"a list of at most {MAX_ATTRIBUTES} names of at most {MAX_COLUMN_NAME} characters"),
}
