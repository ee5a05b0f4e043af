"""The columns that a file of predictions may have, by task type, for the documentation."""

from dataclasses import dataclass

_EXAMPLES = ("classification", "regression", "forecasting")


@dataclass(frozen=True, slots=True)
class ColumnDescription:
    """One column. `column` is its usual name, if it has one; `key` is its name in `Columns`."""

    column: str
    key: str
    description: str
    task_types: tuple[str, ...]
    required_by: tuple[str, ...] = ()


COLUMNS = (
    ColumnDescription("actual", "actual", "The true label or number.", _EXAMPLES, required_by=_EXAMPLES),
    ColumnDescription(
        "predicted",
        "predicted",
        "The predicted label or number. With the option `threshold` it is not needed.",
        _EXAMPLES,
        required_by=_EXAMPLES,
    ),
    ColumnDescription("score", "score", "The probability of the positive class of two.", ("classification",)),
    ColumnDescription("score_<label>", "scores", "The probability of one class, a column each.", ("classification",)),
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
    ColumnDescription("query_id", "query", "The query that the item was ranked for.", ("ranking",), ("ranking",)),
    ColumnDescription("relevance", "relevance", "How relevant the item is.", ("ranking",), ("ranking",)),
    ColumnDescription("score", "score", "The score that the item was ranked by.", ("ranking",), ("ranking",)),
)
