"""Small files of predictions that were read wrongly, or must stay right. Each name says what is unusual.

They follow public bug reports of other tools: the first two digits only number them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """A file, how it is evaluated, and what must come of it: metrics and other values, or a part of the refusal.

    `intervals` are the ends of metrics' intervals, and `None` for those of which nothing is known. `reasons` say, in
    part, why a value or an interval is missing, and `warnings` are the codes of the warnings.
    """

    name: str
    task_type: str = "classification"
    options: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float] | None] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    refusal: str | None = None
    row: int | None = None

    def write(self, folder: Path) -> Path:
        """Return the file; one in Parquet is written to `folder`."""
        if self.name not in TABLES:
            return FOLDER / self.name
        file = folder / self.name
        pq.write_table(TABLES[self.name], file)
        return file


def _labels(*labels: str) -> dict[str, Any]:
    return {"labels": [*labels]}


TABLES: Mapping[str, pa.Table] = {
    "21-label-nan-text.parquet": pa.table({"actual": ["1", "0", "1"], "predicted": ["1", "0", "NaN"]}),
    "50-labels-A-a.parquet": pa.table(
        {
            "actual": ["A", "a", "A", "a"],
            "predicted": ["A", "a", "a", "a"],
            "score_A": [0.9, 0.1, 0.4, 0.3],
            "score_a": [0.1, 0.9, 0.6, 0.7],
        }
    ),
    "51-duplicate-column.parquet": pa.Table.from_arrays(
        [pa.array([1, 0]), pa.array([1, 0]), pa.array([0, 0])], names=["actual", "predicted", "predicted"]
    ),
    "52-nan-prediction.parquet": pa.table({"actual": [1.0, 0.0, 0.0, 1.0], "predicted": [1.0, 0.0, float("nan"), 1.0]}),
    "53-list-labels.parquet": pa.table({"actual": [[1], [0], [0, 1]], "predicted": [[1], [1], [0, 1]]}),
    "54-nan-query.parquet": pa.table(
        {"query_id": [1.0, 1.0, float("nan")], "relevance": [1, 0, 1], "score": [1.0, 2.0, 3.0]}
    ),
    "54b-null-series.parquet": pa.table({"series_id": ["a", None], "actual": [1.0, 2.0], "predicted": [1.0, 2.0]}),
    "55-float16.parquet": pa.table(
        {"actual": [1, 0], "predicted": [1, 0], "score": pa.array([0.9, 0.1], pa.float32()).cast(pa.float16())}
    ),
    "56-bool-vs-text01.parquet": pa.table({"actual": [True, False, True], "predicted": ["1", "0", "0"]}),
    "57-bool-vs-words.parquet": pa.table({"actual": [True, False, True], "predicted": ["yes", "no", "no"]}),
}

SEVERAL_CLASSES = {"averaging": "weighted", "positive_class": None}

CASES = [
    Case("08-score-columns-unordered.csv", metrics={"log_loss": 0.0, "roc_auc": 1.0}),
    Case("09-third-class-absent.csv", metrics={"log_loss": 0.636483}, values=SEVERAL_CLASSES),
    Case("09b-fourth-class-absent.csv", metrics={"log_loss": 0.825904}, values=SEVERAL_CLASSES),
    Case(
        "12-r2-one-row.csv",
        "regression",
        metrics={"mae": 1.0, "r_squared": None, "explained_variance": None},
        intervals={"mae": None},
        reasons={"r_squared": "It needs at least two examples."},
    ),
    Case(
        "16-mase-zero-scale.csv",
        "forecasting",
        metrics={"mae": 1.0, "rmse": 1.2909944, "smape": 0.1212121, "wape": 0.15, "mase": None},
        reasons={"mase": "The scale of the series 'b' is 0"},
    ),
    Case("20-label-NA.csv", metrics={"accuracy": 2 / 3}, values=_labels("NA", "US")),
    Case("21-label-nan-text.csv", refusal="1 row has no prediction in the column 'predicted', row 3.", row=3),
    Case(
        "21-label-nan-text.csv",
        options={"allow_missing": True},
        values={**_labels("0", "1"), "sample_count": 2, "missing_fraction": 1 / 3},
        warnings=["missing_predictions"],
    ),
    Case("21-label-nan-text.parquet", refusal="1 row has no prediction in the column 'predicted', row 3.", row=3),
    Case(
        "21-label-nan-text.parquet",
        options={"allow_missing": True},
        values={**_labels("0", "1"), "sample_count": 2, "missing_fraction": 1 / 3},
        warnings=["missing_predictions"],
    ),
    Case("22-leading-zeros.csv", values=_labels("007", "7", "008")),
    Case("23-18-digit-labels.csv", values=_labels("123456789012345678", "123456789012345679")),
    Case("25-excel-semicolon.csv", "regression", refusal="Write them with a decimal point: 1.5, not 1,5.", row=1),
    Case("25b-semicolon.csv", "regression", metrics={"mae": 0.2}),
    Case("25c-tabs.csv", "regression", metrics={"mae": 0.2}),
    Case("28-pandas-index-column.csv", metrics={"accuracy": 1.0}),
    Case("29-whitespace-labels.csv", metrics={"accuracy": 1.0, "roc_auc": 1.0}, values=_labels("0", "1")),
    Case("30-labels-1-dot.csv", metrics={"accuracy": 1.0}, values=_labels("0", "1")),
    Case("30b-labels-signs-and-powers.csv", metrics={"accuracy": 1.0}, values=_labels("0", "1", "100")),
    Case("31-underscore-number.csv", "regression", refusal="Row 1 has no finite number in the column 'actual'.", row=1),
    Case(
        "40-two-perfect-rows.csv",
        metrics={"accuracy": 1.0},
        intervals={
            "matthews_correlation": (-0.588, 1.0),
            "cohen_kappa": (-0.430, 1.0),
            "log_loss": (0.0, 7.553),
            "brier_score": (0.0, 1.0),
        },
    ),
    Case(
        "41-two-perfect-queries.csv",
        "ranking",
        metrics={"mrr": 1.0},
        intervals=dict.fromkeys(("ndcg", "map", "mrr", "recall_at_k"), (0.0, 1.0)),
    ),
    Case(
        "42-f1-three-positives.csv",
        metrics={"f1_score": 1.0},
        intervals={"f1_score": (0.610, 1.0), "balanced_accuracy": (0.699, 1.0), "recall": (0.438, 1.0)},
    ),
    Case(
        "43-class-weights.csv",
        metrics={"recall": 1.0},
        intervals={"recall": (0.722, 1.0), "specificity": (0.996, 1.0)},
    ),
    Case("44-two-rows-explained-variance.csv", "regression", intervals={"explained_variance": None, "r_squared": None}),
    Case("45-two-rows-wape.csv", "forecasting", metrics={"wape": 2.0}, intervals={"wape": None}),
    Case(
        "46-one-class-balanced-accuracy.csv",
        metrics={"balanced_accuracy": 1.0},
        intervals={"balanced_accuracy": None, "specificity": (0.996, 1.0)},
        reasons={"balanced_accuracy": "All examples are of one class."},
        warnings=["one_class"],
    ),
    Case("47-zero-weights-sample-count.csv", metrics={"accuracy": 1.0}, values={"sample_count": 2, "rows": 1002}),
    Case("48-max-error-zero-weight.csv", "regression", metrics={"max_error": 0.5}),
    Case("49-prob-over-one.csv", metrics={"log_loss": 0.19327283, "brier_score": 0.04333333}),
    Case(
        "49b-prob-far-over-one.csv",
        metrics={"log_loss": None, "brier_score": None, "roc_auc": 1.0},
        reasons={"log_loss": "1 row has one below 0 or above 1."},
    ),
    Case("50-labels-A-a.parquet", metrics={"roc_auc": 1.0, "log_loss": 0.37092168}, values=_labels("A", "a")),
    Case("51-duplicate-column.parquet", refusal="There are two columns 'predicted'."),
    Case("52-nan-prediction.parquet", refusal="1 row has no prediction", row=3),
    *(
        Case(
            "52-nan-prediction.parquet",
            task_type,
            {"allow_missing": True},
            {metric: value},
            values={"sample_count": 3, "rows": 4},
            warnings=["missing_predictions"],
        )
        for task_type, metric, value in (("classification", "accuracy", 1.0), ("regression", "mae", 0.0))
    ),
    Case("52-nan-prediction.parquet", "regression", refusal="1 row has no prediction", row=3),
    Case("53-list-labels.parquet", refusal="The column 'actual' holds lists"),
    Case("54-nan-query.parquet", "ranking", refusal="Row 3 has no query in the column 'query_id'.", row=3),
    Case("54b-null-series.parquet", "forecasting", refusal="Row 2 has no series in the column 'series_id'.", row=2),
    Case("55-float16.parquet", metrics={"log_loss": 0.10540121}),
    Case("56-bool-vs-text01.parquet", metrics={"accuracy": 2 / 3}, values=_labels("0", "1")),
    Case("56b-truth-vs-01.csv", metrics={"accuracy": 2 / 3}, values=_labels("0", "1")),
    Case("57-bool-vs-words.parquet", refusal="nothing in common: 'false', 'true' against 'no', 'yes'."),
]
