"""The columns that a file of predictions may have, by task type, for the documentation."""

from dataclasses import dataclass

_LABELS = ("classification",)
_NUMBERS = ("regression", "forecasting")
_EXAMPLES = (*_LABELS, *_NUMBERS)
_ALL = (*_EXAMPLES, "ranking")


@dataclass(frozen=True, slots=True)
class ColumnDescription:
    """One column. `column` is its usual name, if it has one; `key` is its name in `Columns`."""

    column: str
    key: str
    description: str
    task_types: tuple[str, ...]
    required_by: tuple[str, ...] = ()


COLUMNS = (
    ColumnDescription("actual", "actual", "The true label.", _LABELS, required_by=_LABELS),
    ColumnDescription("actual", "actual", "The true number.", _NUMBERS, required_by=_NUMBERS),
    ColumnDescription(
        "predicted",
        "predicted",
        "The predicted label. It is not needed with the option `threshold`.",
        _LABELS,
        required_by=_LABELS,
    ),
    ColumnDescription("predicted", "predicted", "The predicted number.", _NUMBERS, required_by=_NUMBERS),
    ColumnDescription("score", "score", "The probability of the positive class of two.", _LABELS),
    ColumnDescription("score_<label>", "scores", "The probability of one class, a column each.", _LABELS),
    ColumnDescription("series_id", "series", "The time series that the row belongs to.", ("forecasting",)),
    ColumnDescription("horizon", "horizon", "The number of steps ahead.", ("forecasting",)),
    ColumnDescription(
        "scale",
        "scale",
        "The mean error of the naive forecast on the training series. MASE needs it.",
        ("forecasting",),
    ),
    ColumnDescription("example_id", "example_id", "The id of the example. Paired comparison needs it.", _EXAMPLES),
    ColumnDescription("weight", "weight", "The weight of the example.", _EXAMPLES),
    ColumnDescription(
        "", "attributes", "Further columns to store with the worst predictions: a list of names.", _EXAMPLES
    ),
    ColumnDescription(
        "",
        "slices",
        (
            "Columns whose values are evaluated by themselves: a list of at most 20 names. The 50 most frequent values "
            "of a column have slices of their own, and all others one together. Examples without a value, whose cell "
            "is null, NaN or blank, have the value `(missing)`. All items of a query need the same value."
        ),
        _ALL,
    ),
    ColumnDescription(
        "group", "group", "What correlated examples share, such as the patient. Intervals allow for it.", _ALL
    ),
    ColumnDescription("query_id", "query", "The query that the item was ranked for.", ("ranking",), ("ranking",)),
    ColumnDescription("relevance", "relevance", "How relevant the item is.", ("ranking",), ("ranking",)),
    ColumnDescription("score", "score", "The score that the item was ranked by.", ("ranking",), ("ranking",)),
)
